"""What is offered after TAB, as the shells ask for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from jobctl.cli import tree
from jobctl.cli.completing import answer, shells, sources
from jobctl.core import job as transitions
from jobctl.core.job import Options, Outcome
from jobctl.services.candidates import OFFERED, Candidate
from jobctl.services.known import write_handlers
from jobctl.stores.directory.store import DirectoryStore
from tests.cli.conftest import Cli
from tests.helpers import NOON, ROOT, after, claim, end, make_job, put, there

SCHEDULES = """
[schedules.nightly]
cron = "0 3 * * *"
job = "report"
[schedules.minutely]
every = "90s"
job = "work"
"""


class Tab:
    """Types a line and TAB."""

    def __init__(self, cli: Cli, patch: pytest.MonkeyPatch) -> None:
        self._cli = cli
        self._patch = patch

    def fish(self, line: str) -> str:
        """Return what fish is told, help texts included."""
        self._patch.setenv("_JOBCTL_COMPLETE", "complete_fish")
        self._patch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
        self._patch.setenv("_TYPER_COMPLETE_ARGS", line)
        result = self._cli()
        assert (result.code, result.err) == (0, "")
        return result.out

    def files(self, line: str) -> bool:
        """Return whether fish is told to offer files as well."""
        self._patch.setenv("_JOBCTL_COMPLETE", "complete_fish")
        self._patch.setenv("_TYPER_COMPLETE_FISH_ACTION", "is-args")
        self._patch.setenv("_TYPER_COMPLETE_ARGS", line)
        return self._cli().code == 1

    def __call__(self, line: str) -> list[str]:
        """Return the values alone."""
        return [row.partition("\t")[0] for row in self.fish(line).splitlines()]


@pytest.fixture
def tab(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Tab:
    return Tab(cli, monkeypatch)


@pytest.fixture
def jobs(store: DirectoryStore) -> None:
    """A job of each status, the oldest first."""
    put(store, *(make_job(f"j-{n}", name=f"n{n}") for n in range(3)))
    done, failed, _ = claim(store, 3)
    end(store, done)
    end(store, failed, Outcome.ERROR, options=Options(max_retries=0))
    put(store, make_job("later", run_at=after(60)), make_job("ended"))
    ended = there(store, "ended")
    with store.transaction() as tx:
        tx.save(transitions.cancel(ended, NOON))


def test_commands_and_options(tab: Tab) -> None:
    assert tab("jobctl ") == list(tree.COMMANDS)
    assert tab("jobctl ret") == ["retry"]
    assert tab("jobctl res") == ["resume", "restore"]
    assert "list\tList jobs, the newest first.\n" in tab.fish("jobctl l")
    assert tab("jobctl list --st") == ["--status", "--store"]
    assert tab("jobctl schedule tr") == ["trigger"]
    assert tab("jobctl config ") == ["check"]
    assert tab("jobctl --store x list --off") == ["--offset"]
    assert tab("jobctl nonsense --off") == []


@pytest.mark.usefixtures("jobs")
def test_ids_with_name_and_status(tab: Tab) -> None:
    assert tab.fish("jobctl show ") == (
        "ended\twork, cancelled\n"
        "later\twork, pending\n"
        "j-2\tn2, running\n"
        "j-1\tn1, failed\n"
        "j-0\tn0, completed\n"
    )
    assert tab("jobctl show j-") == ["j-0", "j-1", "j-2"]
    assert tab("jobctl show x") == []
    for command in ("logs", "explain"):
        assert len(tab(f"jobctl {command} ")) == 5


@pytest.mark.usefixtures("jobs")
def test_ids_that_the_command_can_act_on(tab: Tab) -> None:
    assert tab("jobctl retry ") == ["ended", "j-1"]
    assert tab("jobctl retry e") == ["ended"]
    assert tab("jobctl retry l") == []
    assert tab("jobctl retry j-1 ") == ["ended"]
    assert tab("jobctl cancel ") == ["later", "j-2"]
    assert tab("jobctl wait ") == ["later", "j-2"]
    assert tab("jobctl delete j-") == ["j-0", "j-1"]
    assert tab("jobctl add x --after j-1,j-") == ["j-1,j-0", "j-1,j-2"]


def test_names_of_handlers_and_of_jobs(tab: Tab, store: DirectoryStore) -> None:
    assert tab("jobctl add ") == []
    write_handlers({"report": {}, "resize": {}, "mail": {}}, store.files)
    put(store, make_job("a", name="resize"), make_job("b", name="reload"))
    assert tab.fish("jobctl add re") == (
        "reload\tno handler\nreport\ta handler\nresize\ta handler\n"
    )
    for line in ("list --name ", "pause ", "resume ", "pause x ", "schedule add x --job "):
        assert tab(f"jobctl {line}re") == ["reload", "report", "resize"]
    gone = there(store, "b")
    with store.transaction() as tx:
        tx.delete(gone)
    assert tab("jobctl add re") == ["report", "resize"]


def test_statuses_and_choices(tab: Tab) -> None:
    every = ["pending", "running", "completed", "failed", "cancelled"]
    assert tab("jobctl list --status ") == every
    assert tab("jobctl list --status c") == ["completed", "cancelled"]
    assert tab("jobctl list --status failed,c") == ["failed,completed", "failed,cancelled"]
    assert tab("jobctl list --status failed,f") == []
    assert tab("jobctl list --status=f") == ["--status=failed"]
    assert tab("jobctl add x --if-exists ") == ["keep", "error", "replace"]
    assert tab("jobctl schedule add x --catch-up a") == ["all"]


def test_schedules(tab: Tab, tmp_path: Path, store: DirectoryStore) -> None:
    (tmp_path / "jobs.toml").write_text(SCHEDULES)
    coded = {"name": "coded", "every": 5, "job": "mail"}
    write_handlers({}, store.files, [coded, {"no": "name"}])
    assert tab.fish("jobctl schedule show ") == (
        "coded\tevery 5s, mail\nminutely\tevery 1m30s, work\nnightly\t0 3 * * *, report\n"
    )
    for verb in ("next", "trigger", "enable", "disable", "history", "remove"):
        assert tab(f"jobctl schedule {verb} n") == ["nightly"]
    assert tab("jobctl schedule enable nightly ") == ["coded", "minutely"]


def test_files_where_there_may_be_some(tab: Tab) -> None:
    assert tab.files("jobctl add x --data-file ")
    assert tab.files("jobctl add --from ")
    assert tab.files("jobctl --config ")
    assert tab.files("jobctl run --handlers ")
    assert not tab.files("jobctl add x --delay ")
    assert not tab.files("jobctl list ")
    assert not tab.files("jobctl ")
    assert not tab.files("jobctl list --nonsense")


@pytest.mark.usefixtures("jobs")
def test_the_store_that_was_typed_is_looked_at(tab: Tab, tmp_path: Path) -> None:
    other = DirectoryStore(tmp_path / "other")
    put(other, make_job("of-the-other"))
    other.close()
    assert tab(f"jobctl --store {tmp_path}/other show ") == ["of-the-other"]
    assert tab(f"jobctl show --store {tmp_path}/other ") == ["of-the-other"]


def test_nothing_is_made_and_nothing_is_said(
    tab: Tab, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tab("jobctl show ") == []
    assert not (tmp_path / "store").exists()
    assert tab("jobctl --store postgresql://x show ") == []
    (tmp_path / "jobs.toml").write_text("nonsense =")
    assert tab("jobctl show ") == []
    assert tab("jobctl --version ") == list(tree.COMMANDS)
    assert tab("jobctl show 'unclosed") == []
    for value in ("", "complete_", "complete_tcsh", "source_bash", "1"):
        monkeypatch.setenv("_JOBCTL_COMPLETE", value)
        assert cli().out == ""
    monkeypatch.setenv("_JOBCTL_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "jobctl ")
    monkeypatch.setenv("COMP_CWORD", "x")
    assert cli() == (0, "", "")


@pytest.mark.usefixtures("jobs")
def test_it_gives_up_in_time(tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    def for_long(*given: object) -> list[Candidate]:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            pass
        return [Candidate("late")]

    monkeypatch.setattr(sources, "job_ids", for_long)
    monkeypatch.setattr(answer, "LONGEST", 0.05)
    monkeypatch.setenv("_JOBCTL_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "jobctl show ")
    assert tab._cli() == (0, "", "")


def test_no_word_of_what_happens(cli: Cli, tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    def loud(*given: object) -> object:
        print("out")
        print("err", file=sys.stderr)
        return lambda *more: [Candidate("alpha")]

    monkeypatch.setattr(sources, "source_of", loud)
    assert tab.fish("jobctl show a") == "alpha\n"


def test_no_more_than_some_names(tab: Tab, store: DirectoryStore) -> None:
    names = ["z", *(f"h{n:03}" for n in range(OFFERED + 20))]
    write_handlers({name: {} for name in names}, store.files)
    assert len(tab("jobctl add ")) == OFFERED
    assert tab("jobctl add z") == ["z"]


def test_no_more_than_some_ids(tab: Tab, store: DirectoryStore) -> None:
    put(store, *(make_job(f"id{n:03}") for n in range(OFFERED + 20)))
    assert len(tab("jobctl show ")) == OFFERED
    assert tab("jobctl show ")[0] == f"id{OFFERED + 19:03}"
    assert len(tab("jobctl show i")) == OFFERED


def test_what_a_shell_would_take_for_more_than_text_is_left_out() -> None:
    found = [
        Candidate("nightly@2026-11-24T03:00:00Z", 'it\'s\n$(rm) `x` "y" | z \x1b[31m; (ok)'),
        *(Candidate(bad) for bad in ("a b", "$(x)", "`x`", "a;b", "a'b", "a*", "~", "é", "")),
    ]
    [one] = shells.harmless(found)
    assert one.value == "nightly@2026-11-24T03:00:00Z"
    assert one.about == "it's (rm) x y z 31m; (ok)"


@pytest.mark.parametrize(
    ("words", "at", "question"),
    [
        ("jobctl\nshow\n", 2, (["show"], "", "")),
        ("jobctl\nshow\nab", 2, (["show"], "ab", "")),
        ("jobctl\nshow\nn@3\n:\n00", 4, (["show"], "n@3:00", "n@3:")),
        ("jobctl\nshow\nn@3\n:", 3, (["show"], "n@3:", "n@3:")),
        ("jobctl\nshow\nn@3:00", 2, (["show"], "n@3:00", "")),
        ("jobctl\nadd\nx\na\n=\nb\n--st", 6, (["add", "x", "a=b"], "--st", "")),
        ("jobctl\nlist\n--status\n=\nfa", 4, (["list"], "--status=fa", "--status=")),
        ("jobctl\nretry\na\nb\nc", 3, (["retry", "a"], "b", "")),
        ("jobctl\nadd\n'a b", 2, (["add"], "a b", "")),
    ],
)
def test_how_bash_splits_words(words: str, at: int, question: object) -> None:
    asked = shells.Bash().question({"COMP_WORDS": words, "COMP_CWORD": str(at)})
    assert asked == question


def test_bash_keeps_what_stands_before_a_colon() -> None:
    asked = shells.Question(["show"], "n@3:0", "n@3:")
    found = [Candidate("n@3:00"), Candidate("other")]
    assert shells.Bash().answer(asked, found, files=False) == ("00\nother", 0)


def test_zsh_is_given_a_list(tab: Tab) -> None:
    asked = shells.Question(["show"], "")
    found = [Candidate("n@3:00", "it's, failed"), Candidate("b")]
    text, code = shells.Zsh().answer(asked, found, files=True)
    assert code == 0
    assert text == (
        "local -a found; found=('n@3\\:00:it'\\''s, failed' 'b'); _describe -V jobctl found"
    )
    assert shells.Zsh().answer(asked, [], files=True) == ("_files", 0)
    assert shells.Zsh().answer(asked, [], files=False) == ("", 0)


def test_every_place_for_an_id_or_a_name_has_a_source() -> None:
    """A new command that calls its argument ID or NAME is completed without a word."""
    import typer.main
    from typer._click import Context

    group: Any = typer.main.get_command(tree.app)
    root = Context(group, info_name="jobctl")
    found = {}
    for name in tree.COMMANDS:
        command = group.get_command(root, name)
        verbs, parent = [""], root
        if hasattr(command, "list_commands"):
            parent = Context(command, parent=root)
            verbs = command.list_commands(parent)
        for verb in verbs:
            one = command.get_command(parent, verb) if verb else command
            ctx = Context(one, parent=parent)
            for param in one.get_params(ctx):
                source = sources.source_of(ctx, param)
                place = " ".join(filter(None, (name, verb, str(param.name))))
                found[place] = None if source is None else source.__name__.strip("_")
    ids = {place for place, source in found.items() if source == "ids"}
    assert {"show job_id", "explain job_id", "retry chosen", "cancel chosen", "wait ids"} <= ids
    assert "add after" in ids
    names = {place for place, source in found.items() if source == "names"}
    assert {"add name", "list name", "pause names", "resume names", "schedule add job"} <= names
    schedules = {place for place, source in found.items() if source == "schedules"}
    assert {"schedule show name", "schedule enable names", "schedule next name"} <= schedules
    assert found["list status"] == "statuses"
    assert found["add delay"] is None
    assert "systemd print name" not in names


def test_it_imports_neither_rich_nor_pydantic(tmp_path: Path, store: DirectoryStore) -> None:
    put(store, make_job("it"))
    program = (
        "import sys\nfrom jobctl.cli.app import main\ncode = main()\n"
        "print(sorted({'rich', 'pydantic', 'croniter'} & set(sys.modules)), code)"
    )
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "_JOBCTL_COMPLETE": "complete_zsh",
        "_TYPER_COMPLETE_ARGS": "jobctl show ",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True
    )
    assert "'it:work, pending'" in done.stdout
    assert done.stdout.splitlines()[-1] == "[] 0"
