"""TAB in bash, zsh and fish themselves, with the scripts that jobctl installs."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobctl.core.job import Options, Outcome
from jobctl.services.known import write_handlers
from jobctl.stores.directory.store import DirectoryStore
from tests.helpers import ROOT, claim, end, make_job, put

TICK = "nightly@2026-11-24T03:00:00Z"


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"needs {shell}")


@pytest.fixture(autouse=True)
def there(tmp_path: Path, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store with some jobs, and `jobctl` as a command."""
    put(store, make_job("alpha", name="mail"), make_job("beta"), make_job(TICK, name="report"))
    end(store, claim(store)[0], Outcome.ERROR, options=Options(max_retries=0))
    write_handlers({"mail": {}, "resize": {}}, store.files)
    command = tmp_path / "bin" / "jobctl"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobctl "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "home").mkdir()


def script(shell: str) -> str:
    """Return the script that typer would install for a shell."""
    from typer._completion_shared import get_completion_script

    return get_completion_script(
        prog_name="jobctl", complete_var="_JOBCTL_COMPLETE", shell=shell
    )


def run(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


# -- bash ------------------------------------------------------------------------------


def bash(*words: str) -> list[str]:
    """Return what bash would offer for the last of these words, as it splits them."""
    typed = " ".join(f"'{word}'" for word in ("jobctl", *words))
    return run(
        "bash",
        "--norc",
        "-c",
        f"{script('bash')}\ncomplete -p jobctl >/dev/null || exit 1\n"
        f"COMP_WORDS=({typed}) COMP_CWORD={len(words)}\n_jobctl_completion jobctl\n"
        'printf "%s\\n" "${COMPREPLY[@]}"',
    )


@needs("bash")
def test_bash() -> None:
    assert bash("ret") == ["retry"]
    assert bash("show", "") == [TICK, "beta", "alpha"]
    assert bash("retry", "") == ["alpha"]
    assert bash("add", "m") == ["mail"]
    assert bash("list", "--status", "f") == ["failed"]
    assert bash("list", "--status", "=", "f") == ["failed"]
    assert bash("show", "nightly@2026-11-24T03", ":", "0") == ["00:00Z"]
    assert bash("show", "zzz") == [""]


# -- fish ------------------------------------------------------------------------------


def fish(line: str) -> list[str]:
    return run("fish", "--no-config", "-c", f"{script('fish')}\ncomplete -C '{line}'")


@needs("fish")
def test_fish() -> None:
    assert fish("jobctl ret") == ["retry\tMake failed or cancelled jobs pending again."]
    assert sorted(fish("jobctl show ")) == [
        "alpha\tmail, failed",
        "beta\twork, pending",
        f"{TICK}\treport, pending",
    ]
    assert fish("jobctl retry ") == ["alpha\tmail, failed"]
    assert sorted(fish("jobctl add ")) == [
        "mail\ta handler",
        "report\tno handler",
        "resize\ta handler",
        "work\tno handler",
    ]
    assert fish("jobctl list --status f") == ["failed"]
    assert fish("jobctl list --status=f") == ["--status=failed"]
    assert fish("jobctl add x --delay ") == []


@needs("fish")
def test_fish_offers_files_where_there_may_be_some(tmp_path: Path) -> None:
    (tmp_path / "data.json").touch()
    assert fish("jobctl add x --data-file dat") == ["data.json"]


# -- zsh -------------------------------------------------------------------------------


class Zsh:
    """An interactive zsh, in a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "_jobctl").write_text(script("zsh"))
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", PS1="", COLUMNS="200")
            os.execvp("zsh", ["zsh", "-f", "-i"])
        self.seen = ""
        self.type("PROMPT=; unsetopt zle_bracketed_paste 2>/dev/null\n")
        self.type(f"autoload -Uz compinit && compinit -u -D && source {folder}/_jobctl\n")
        self.type("zstyle ':completion:*' list-packed false; print -r re''ady\n")
        self.wait_for("ready")

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def wait_for(self, text: str) -> str:
        """Read what it writes until this is among it, and return all since the last time."""
        deadline = time.monotonic() + 30
        while text not in self.seen:
            assert time.monotonic() < deadline, f"no {text!r} in {self.seen!r}"
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
        seen, self.seen = self.seen, ""
        return seen

    def completed(self, line: str) -> str:
        """Type a line and TAB, and return what zsh then would run."""
        self.type(f"{line}\t")
        # Ctrl-A, and make of the line an argument: it is shown and not run.
        self.type("\x01print -r -- 'LINE<' '\x05' '>END'\n")
        seen = self.wait_for(">END\r\n")
        return seen.rpartition("LINE< ")[2].partition(" >END")[0].rstrip()

    def close(self) -> None:
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture
def zsh(tmp_path: Path) -> Iterator[Zsh]:
    shell = Zsh(tmp_path)
    yield shell
    shell.close()


@needs("zsh")
def test_zsh(zsh: Zsh) -> None:
    assert zsh.completed("jobctl ret") == "jobctl retry"
    assert zsh.completed("jobctl show al") == "jobctl show alpha"
    assert zsh.completed("jobctl retry ") == "jobctl retry alpha"
    assert zsh.completed("jobctl add res") == "jobctl add resize"
    assert zsh.completed("jobctl list --status f") == "jobctl list --status failed"
    assert zsh.completed("jobctl list --status=f") == "jobctl list --status=failed"
    assert zsh.completed("jobctl show night") == f"jobctl show {TICK}"
    assert zsh.completed("jobctl add x --delay ") == "jobctl add x --delay"


@needs("zsh")
def test_zsh_shows_name_and_status(zsh: Zsh) -> None:
    zsh.type("jobctl show \t")
    seen = zsh.wait_for("mail, failed")
    assert "report, pending" in seen
