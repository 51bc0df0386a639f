"""jobs.toml: where it is found, what it means, and that every fault is named at once."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobctl import config
from jobctl.config import Config, Fault, Run, schema, source
from jobctl.core.declaring import ScheduleOptions
from jobctl.core.retry import RetryPolicy
from jobctl.errors import ConfigError

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "jobs.toml.example"

Write = Callable[..., Path]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder to stand in, two levels below one that no jobs.toml is above."""
    folder = tmp_path / "work" / "sub"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, name: str = "jobs.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)
        return path

    return write


def load(home: Path, *args: Any, **environ: str) -> Config:
    """Load with an environment that shows nothing of the machine's own."""
    return config.load(*args, environ={"HOME": str(home / "me"), **environ}, cwd=home)


def check(path: Path) -> list[Fault]:
    return config.check(path, environ={}, cwd=path.parent)


def faults_of(write: Write, text: str) -> list[tuple[int | None, str, str]]:
    return [(f.line, f.key, f.message) for f in check(write(text))]


# --- where it is found -------------------------------------------------------------------


def put(folder: Path, text: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "jobs.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    return path


def test_file_is_found_in_the_documented_order(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc = put(tmp_path / "etc")
    monkeypatch.setattr("jobctl.config.find.SYSTEM_FILE", etc)
    xdg = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    assert load(home, **xdg).file == etc
    user = put(tmp_path / "xdg" / "jobctl")
    assert load(home, **xdg).file == user
    above = put(tmp_path)
    assert load(home, **xdg).file == above
    nearer = put(home.parent)
    assert load(home, **xdg).file == nearer
    here = put(home)
    assert load(home, **xdg).file == here
    named = put(tmp_path / "named")
    assert load(home, **xdg, JOBCTL_CONFIG="../../named/jobs.toml").file == named
    flag = put(tmp_path / "flag")
    assert load(home, str(flag), **xdg, JOBCTL_CONFIG=str(named)).file == flag


def test_user_folder_is_below_home_without_xdg(home: Path) -> None:
    user = put(home / "me" / ".config" / "jobctl")
    assert load(home).file == user
    # A relative XDG folder is ignored, as its specification asks.
    assert load(home, XDG_CONFIG_HOME="elsewhere").file == user


@pytest.mark.parametrize("environ", [{}, {"JOBCTL_CONFIG": ""}])
def test_without_a_file_all_is_default(
    home: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.config.find.SYSTEM_FILE", home / "none")
    found = load(home, **environ)
    assert found.file is None
    assert found.folder == home
    assert found.store == str(home / "me/.local/share/jobctl")
    assert found.run == Run()
    assert found.retention == config.RETENTION
    assert load(home, XDG_DATA_HOME="/data").store == "/data/jobctl"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere.toml", "no such file"),
        ("sub", "not a regular file"),
        ("fifo", "not a regular file"),
        ("loop", "cannot be read: Too many levels of symbolic links"),
        ("a\0b", "cannot be read: embedded null byte"),
    ],
)
def test_named_file_must_be_one(home: Path, name: str, message: str) -> None:
    (home / "sub").mkdir()
    os.mkfifo(home / "fifo")
    (home / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=message):
        load(home, name)


def test_broken_link_is_not_passed_over(home: Path) -> None:
    put(home.parent)
    (home / "jobs.toml").symlink_to("gone")
    with pytest.raises(ConfigError, match="no such file"):
        load(home)


def test_empty_flag_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match="--config is empty"):
        load(home, "")


def test_lost_folder_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: os.stat("/nowhere/at/all"))
    with pytest.raises(ConfigError, match="the current folder is gone"):
        config.load()


# --- the store ---------------------------------------------------------------------------


def test_store_stands_beside_the_file(home: Path) -> None:
    put(home.parent)
    assert load(home).store == str(home.parent / ".jobctl")


@pytest.mark.parametrize(
    ("table", "store"),
    [
        ('path = "../data"', "{up}/data"),
        ('path = "/srv/jobs"', "/srv/jobs"),
        ('path = "~/jobs"', "{home}/me/jobs"),
        ('url = "postgresql://u@h/db"', "postgresql://u@h/db"),
    ],
)
def test_store_in_the_file(home: Path, table: str, store: str) -> None:
    put(home.parent, f"[store]\n{table}\n")
    assert load(home).store == store.format(up=home.parent.parent, home=home)


def test_flag_beats_environment_beats_file(home: Path) -> None:
    put(home.parent, '[store]\npath = "in-file"\n')
    assert load(home, None, None, JOBCTL_STORE="env").store == str(home / "env")
    assert load(home, None, "../flag", JOBCTL_STORE="env").store == str(home.parent / "flag")
    assert load(home, None, "postgresql:///db").store == "postgresql:///db"


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ("", "--store: '' is no path"),
        ("a\x1bb", r"a\\\\x1bb' is no path"),
        ("postgres://u:secret@h", "postgres:// is no store that jobctl knows: did you mean"),
        ("redis://u:secret@h", "redis:// is no store that jobctl knows: use a directory"),
    ],
)
def test_store_that_is_none(home: Path, store: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(home, None, store)
    assert "secret" not in str(caught.value)


# --- what it means -----------------------------------------------------------------------


def test_example_loads(home: Path) -> None:
    example = put(home, EXAMPLE.read_text(encoding="utf-8"))
    found = load(home)
    assert found.file == example
    assert found.run == Run(handlers=("handlers",))
    assert found.retention == config.RETENTION
    assert found.limits["send-email"] == {
        "concurrency": 2, "rate": (100, 60.0), "timeout": 30.0, "max_retries": 5,
    }  # fmt: skip
    assert found.limits["build-report"] == {"backoff": RetryPolicy(delays=(60.0, 600.0))}
    assert found.redact == ("password", "token")
    assert found.schedules["cleanup-old-files"]["catch_up_window"] == 86400.0
    assert found.alerts["on_dead"] == {"job": "notify-ops"}
    assert found.dashboard["port"] == 8642


def test_example_shows_every_key() -> None:
    """Each key stands in the example, the commented ones too, with words beside or above."""
    text = EXAMPLE.read_text(encoding="utf-8")
    shown = tomllib.loads(text.replace("# max_", "max_").replace('path = ".jobctl"', ""))
    assert set(shown["run"]) == set(Run.__struct_fields__)
    assert set(shown["retention"]) == set(config.RETENTION)
    written = {key for table in shown["schedules"].values() for key in table}
    assert written == {"cron", "every", "job", *ScheduleOptions.__annotations__}
    assert set(shown["alerts"]) == {"on_dead", "on_overdue", "on_waiting", "max_wait", "every"}
    for line in text.splitlines():
        key, equals, _ = line.partition(" = ")
        assert not equals or "#" in line or key in PLAIN, f"no comment: {line}"


#: Keys that say all by their name, or whose comment stands in the line above.
PLAIN = ("completed", "failed", "cancelled", "enabled", "host", "port", '"build-report"',
         '"send-email"')  # fmt: skip


def test_schema_and_defaults_name_the_same_keys(write: Write) -> None:
    text = "".join(f"{name} = -1.5\n" for name in Run.__struct_fields__)
    messages = [message for _, _, message in faults_of(write, f"[run]\n{text}")]
    assert len(messages) == len(Run.__struct_fields__)
    assert not [m for m in messages if m.startswith("unknown")]


def test_run_table(home: Path) -> None:
    put(
        home,
        """
        [run]
        handlers = ["app.jobs", "more/handlers.py"]
        timeout = "none"
        backoff = ["1s", 5, "1m"]
        kill_after = 0
        max_worker_rss = "1GiB"
        max_data = 2048
        [retention]
        failed = "forever"
        """,
    )
    found = load(home)
    assert found.run == Run(
        handlers=("app.jobs", "more/handlers.py"),
        timeout=None,
        backoff=RetryPolicy(delays=(1.0, 5.0, 60.0)),
        kill_after=0.0,
        max_worker_rss=1024**3,
        max_data=2048,
    )
    assert found.retention == {**config.RETENTION, "failed": None}


def test_byte_order_mark_is_passed_over(home: Path) -> None:
    put(home, "\ufeff[run]\nconcurrency = 2\n")
    assert load(home).run.concurrency == 2


# --- what is wrong -----------------------------------------------------------------------

HINT = "write 90s, 5m, 2h30m or 7d (100 years at most)"

WRONG = [
    ("[run]\nconcurency = 3", 2, "run.concurency", "unknown key: did you mean concurrency?"),
    ("[stor]\npath = 'x'", 1, "stor", "unknown section: did you mean store?"),
    ("zzz = 1", 1, "zzz", "unknown key: there are store, run, retention, limits, redact, "
     "schedules, alerts, dashboard"),
    ("run = 3", 1, "run", "3 is refused: write a table, [run]"),
    ("limits = 3", 1, "limits", "3 is refused: write [limits.NAME]"),
    ("[run]\n\nconcurrency = true", 3, "run.concurrency",
     "True is refused: use a whole number, 1 to 100000"),
    ("[run]\nconcurrency = 0", 2, "run.concurrency",
     "0 is refused: use a whole number, 1 to 100000"),
    ("[run]\nmax_retries = -1", 2, "run.max_retries",
     "-1 is refused: use a whole number from 0 to 1000000"),
    ("[run]\nkill_after = '5 s'", 2, "run.kill_after", f"'5 s' is not a duration: {HINT}"),
    ("[run]\nkill_after = -5", 2, "run.kill_after", f"-5 is not a duration: {HINT}"),
    ("[run]\nkill_after = nan", 2, "run.kill_after", f"nan is not a duration: {HINT}"),
    (f"[run]\nkill_after = 1{'0' * 400}", 2, "run.kill_after", "is not a duration"),
    (f"[run]\nkill_after = 0x{'f' * 9000}", 2, "run.kill_after", "a int is not a duration"),
    ("[run]\ntimeout = '0s'", 2, "run.timeout",
     "'0s' is refused: it must be more than nothing"),
    ("[run]\nmax_data = '1 mile'", 2, "run.max_data", "'1 mile' is not a size"),
    (f"[run]\nmax_data = '{'9' * 400}'", 2, "run.max_data", "is not a size"),
    ("[run]\nmax_log = 0", 2, "run.max_log", "0 is not a size"),
    ("[run]\nhandlers = 'app'", 2, "run.handlers",
     "'app' is refused: write a list, such as ['app']"),
    ("[run]\nhandlers = ['my app']", 2, "run.handlers", "'my app' is no module"),
    ("[run]\nhandlers = ['']", 2, "run.handlers", "'' is refused: write text in quotes"),
    ("[run]\nbackoff = {base = 'x'}", 2, "run.backoff", "backoff.base 'x' is refused"),
    ("[store]\npath = 'a'\nurl = 'postgresql://h/d'", 1, "store",
     "path and url name two stores: give one of them"),
    ("[store]\nurl = 'mysql://root:secret@h'", 2, "store.url",
     'is refused: write "postgresql://..."'),
    ('[store]\npath = "a\\u001bb"', 2, "store.path", "'a\\x1bb' is refused: write text"),
    ("[store]\npath = 5", 2, "store.path", "5 is refused: write text in quotes"),
    ("[retention]\nfailed = 'never'", 2, "retention.failed",
     f"'never' is not a duration: {HINT}, or \"forever\""),
    ("[limits]\nmail = { rate = '100', concurrency = 1 }", 2, "limits.mail.rate",
     "'100' is not a rate: write 5/s, 100/m or 1000/h"),
    ("[limits]\nmail = { rate = '0/m' }", 2, "limits.mail.rate", "'0/m' is not a rate"),
    ("[limits]\nmail = { rate = '5/fortnight' }", 2, "limits.mail.rate", "is not a rate"),
    ("[limits.'two words']\nrate = '5/s'", 1, 'limits."two words"', "name 'two words' is"),
    ("[redact]\nkeys = [1]", 2, "redact.keys", "1 is refused: write text in quotes"),
    ("[schedules.a]\njob = 'x'", 1, "schedules.a",
     "give one of cron, every, not none and not two"),
    ("[schedules.a]\njob = 'x'\ncron = '@daily'\nevery = '1h'", 1, "schedules.a",
     "give one of cron, every, not none and not two"),
    ("[schedules.a]\nevery = '1h'", 1, "schedules.a", "job is missing"),
    (f"[schedules.{'a' * 101}]\njob = 'x'\nevery = 5", 1, f"schedules.{'a' * 101}",
     "the name has 101 characters: use 100 at most"),
    ("[alerts]\non_dead = {}", 2, "alerts.on_dead", "give one of job, command, webhook"),
    ("[alerts]\non_dead = { command = [] }", 2, "alerts.on_dead.command", "the list is empty"),
    ("[alerts]\non_dead = { webhook = 'ftp://x' }", 2, "alerts.on_dead.webhook",
     'is refused: write "https://..."'),
    ("[dashboard]\nport = 65536", 2, "dashboard.port", "65536 is refused: use a whole number"),
    ("[dashboard]\nallow_shell = 'no'", 2, "dashboard.allow_shell",
     "'no' is refused: write true or false"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "message"), WRONG)
def test_one_fault(write: Write, text: str, line: int, key: str, message: str) -> None:
    [fault] = faults_of(write, text)
    assert fault[:2] == (line, key)
    assert message in fault[2]
    assert not fault[2].startswith(f"{key.rpartition('.')[2]} "), "the key stands there twice"
    assert "secret" not in fault[2]


SCHEDULE = "[schedules.a]\njob = 'x'\nevery = 5\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("timezone = 'Europe/Berln'", "is not a time zone: did you mean Europe/Berlin?"),
        ("timezone = 'EUROPE/BERLIN'", "is not a time zone: did you mean Europe/Berlin?"),
        ("timezone = '../../etc/passwd'", "is not a time zone"),
        ("timezone = '../zoneinfo/UTC'", "is not a time zone"),
        ("timezone = 'zone.tab'", "is not a time zone"),
        ("timezone = 'Europe'", "is not a time zone"),
        ("timezone = 3", "3 is refused: write text"),
        ("overlap = 'skp'", "'skp' is refused: did you mean skip?"),
        ("overlap = 3", "3 is refused: use allow or skip or replace"),
        ("start = 'tomorrow'", "'tomorrow' is not a time"),
        ("start = 2026-01-01", "is not a time: write 2026-12-31T23:59:59Z"),
        ("data = { x = nan }", "data.x is nan, which JSON does not have"),
        ("priority = 99999999999", "99999999999 is refused: use a whole number"),
        ("enabled = 1", "1 is refused: write true or false"),
    ],
)
def test_faults_of_a_schedule(write: Write, text: str, message: str) -> None:
    [(line, key, found)] = faults_of(write, SCHEDULE + text)
    assert (line, key) == (4, f"schedules.a.{text.partition(' ')[0]}")
    assert message in found


def test_zone_is_known_without_the_systems_files(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobctl.config.kinds._on_disk", lambda name: False)
    put(home, SCHEDULE + "timezone = 'Asia/Kolkata'")
    assert load(home).schedules["a"]["timezone"] == "Asia/Kolkata"


def test_every_fault_at_once_in_the_order_of_the_file(home: Path) -> None:
    # That a schedule lacks something is found last, and belongs to its first line.
    path = put(home, "[run]\ntimeout = 'x'\n[schedules.a]\nfoo = 1\n[bar]\n")
    with pytest.raises(ConfigError) as caught:
        load(home)
    places = [line.partition(": ")[0] for line in str(caught.value).splitlines()]
    assert places == [f"{path}:{line}" for line in (2, 3, 4, 5)]


def test_a_fault_cannot_steer_a_terminal(write: Write) -> None:
    [fault] = check(write('[run]\n"a\\u001b[31m\\n" = 1\n'))
    assert "\x1b" not in str(fault)
    assert "\n" not in str(fault)


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"[run]\nconcurrency = = 3\n", 2, "not TOML: Invalid value (column 15)"),
        (b"[run]\n[run]\n", 2, "not TOML: Cannot declare ('run',) twice (column 5)"),
        (b"[run]\nhandlers = [\n\n", 2, "not TOML: "),
        (b"[run]\n# caf\xe9\n", 2, "not UTF-8: save it as UTF-8"),
        (b"x = " + b"[" * 100_000, None, "nested too deeply"),
        (b"x = " + b"9" * 5000, None, "not usable: Exceeds the limit"),
        (b"#" * (source.MAX_SIZE + 1), None, "too large: over 4,194,304 bytes"),
    ],
)
def test_file_that_is_not_toml(
    write: Write, content: bytes, line: int | None, message: str
) -> None:
    path = write("")
    path.write_bytes(content)
    [fault] = check(path)
    assert (fault.file, fault.line, fault.key) == (str(path), line, "")
    assert message in fault.message


# --- lines -------------------------------------------------------------------------------

PUZZLE = '''\
# [run]
"retention".completed = "x" # first
zig.zag = '[ {'

[ run ] # here
handlers = [ # a list
  "bad name", # concurrency = 5
  """
  max_retries = 3
  """,
]
 'max_log' = "x"
backoff = { base = "x", cap = {} }
[schedules."a.b"]
data = { text = "[limits]", deep = [{ a = 1 }, { timezone = "x" }], none = {} }
timezone = "x"
[limits]
a.rate = "x"
\t"\\u0062" = { rate = "x" }
'''


def test_lines_are_found_whatever_surrounds_them(write: Write) -> None:
    found = {key: line for line, key, _ in faults_of(write, PUZZLE)}
    assert found == {
        "retention.completed": 2,
        "zig": 3,
        "run.handlers": 6,
        "run.max_log": 12,
        "run.backoff": 13,
        'schedules."a.b"': 14,
        'schedules."a.b".timezone': 16,
        "limits.a.rate": 18,
        "limits.b.rate": 19,
    }


def test_lines_with_windows_ends(write: Write) -> None:
    path = write("")
    path.write_bytes(b"[run]\r\n\r\nfoo = 1\r\n")
    [fault] = check(path)
    assert fault.line == 3


# --- jobs.d ------------------------------------------------------------------------------


def test_drop_ins_add_schedules(write: Write, home: Path) -> None:
    main = write(SCHEDULE)
    write(SCHEDULE.replace(".a]", ".b]"), "jobs.d/b.toml")
    write("not TOML", "jobs.d/README")
    write("not TOML", "jobs.d/.b.toml.swp.toml")
    found = load(home, main)
    assert set(found.schedules) == {"a", "b"}
    assert found.drop_ins == main.parent / "jobs.d"


def test_drop_ins_without_a_file(home: Path, tmp_path: Path) -> None:
    folder = home / "me/.config/jobctl/jobs.d"
    folder.mkdir(parents=True)
    (folder / "a.toml").write_text(SCHEDULE, encoding="utf-8")
    found = load(home)
    assert found.file is None
    assert (set(found.schedules), found.drop_ins) == ({"a"}, folder)


def test_drop_ins_that_are_no_folder(write: Write) -> None:
    main = write("")
    write("", "jobs.d")
    [fault] = check(main)
    assert fault.message == "cannot be read: Not a directory"


def test_home_that_cannot_be_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobctl.config.find.SYSTEM_FILE", home / "none")
    assert load(home, HOME="/dev/null", JOBCTL_STORE="x").store == str(home / "x")


def test_faults_of_drop_ins(write: Write) -> None:
    main = write(SCHEDULE + "foo = 1\n")
    again = write("\n" + SCHEDULE, "jobs.d/1.toml")
    other = write("[run]\nconcurrency = 1\n", "jobs.d/2.toml")
    third = write(SCHEDULE, "jobs.d/3.toml")
    known = "unknown section: there are schedules"
    assert check(main) == [
        Fault(str(main), 4, "schedules.a.foo", check(main)[0].message),
        Fault(str(again), 2, "schedules.a", f"stands in {main} too: rename one"),
        Fault(str(other), 1, "run", known),
        Fault(str(third), 1, "schedules.a", f"stands in {again} too: rename one"),
    ]


# --- who may write it --------------------------------------------------------------------


def test_file_that_others_may_write(write: Write) -> None:
    path = write("")
    path.chmod(0o646)
    [fault] = check(path)
    assert fault.message.startswith("others may write it, and so run programs as you: chmod")
    path.chmod(0o644)
    assert check(path) == []


def test_drop_in_that_others_may_write(write: Write) -> None:
    main = write("")
    write(SCHEDULE, "jobs.d/a.toml").chmod(0o666)
    [fault] = check(main)
    assert fault.file.endswith("jobs.d/a.toml")


def test_folder_that_others_may_write(write: Write) -> None:
    path = write("", "open/jobs.toml")
    path.parent.chmod(0o777)
    [fault] = check(path)
    assert fault.message == (
        f"others may write in its folder and replace it: chmod go-w {path.parent}"
    )
    path.parent.chmod(0o1777)  # as /tmp is: nobody can replace another's file
    assert check(path) == []


def test_link_in_a_folder_that_others_may_write(write: Write) -> None:
    link = write("").parent / "open" / "jobs.toml"
    link.parent.mkdir()
    link.symlink_to("../jobs.toml")
    link.parent.chmod(0o777)
    [fault] = check(link)
    assert "others may write in its folder" in fault.message


def test_link_into_a_folder_that_others_may_write(write: Write) -> None:
    real = write("", "open/jobs.toml")
    real.parent.chmod(0o777)
    link = real.parent.parent / "link.toml"
    link.symlink_to(real)
    [fault] = check(link)
    assert "others may write in its folder" in fault.message


class Stat:
    """As much of a stat_result as the checks look at."""

    def __init__(self, mode: int, uid: int = 1000, gid: int = 1000) -> None:
        self.st_mode, self.st_uid, self.st_gid = mode, uid, gid


@pytest.mark.parametrize(
    ("members", "uid", "refused"),
    [
        ([], 1000, False),  # the owner's private group: where the umask is 002
        (["ann"], 1000, False),
        (["ann", "bob"], 1000, True),
        ([], 0, True),  # the group of root is often given to others
        (None, 1000, True),  # an unknown group
    ],
)
def test_group_that_may_write(
    members: list[str] | None, uid: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Entry:
        pw_name = gr_name = "ann"
        gr_mem = members

    def group(gid: int) -> type[Entry]:
        if members is None:
            raise KeyError(gid)
        return Entry

    monkeypatch.setattr("pwd.getpwuid", lambda uid: Entry)
    monkeypatch.setattr("grp.getgrgid", group)
    found: Any = Stat(0o100664, uid)
    assert source._open_to_others(found) is refused


@pytest.mark.parametrize(
    ("me", "file", "folder", "refused"),
    [
        (1000, 1000, 1000, False),
        (1000, 0, 1000, False),  # root's own, as in /etc
        (1000, 1001, 1000, True),
        (1000, 1001, 1001, True),  # a stranger's folder, such as one below /tmp
        (0, 1000, 1000, False),  # root acts for the owner of the folder
        (0, 1000, 0, True),  # but not for whoever left a file in /tmp
    ],
)
def test_whose_file_it_is(
    me: int, file: int, folder: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: me)
    monkeypatch.setattr(os, "stat", lambda path: Stat(0o40755, folder))
    found: Any = Stat(0o100644, file)
    if refused:
        with pytest.raises(Exception, match="belongs to another user"):
            source._check_folder(Path("x"), found)
    else:
        source._check_folder(Path("x"), found)


@pytest.mark.root
def test_strangers_file_really(write: Write) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a file of another user")
    path = write("")
    os.chown(path, 65534, 65534)
    [fault] = check(path)
    assert fault.message.startswith("belongs to another user (65534)")


def loaded_by(home: Path, **options: Any) -> set[str]:
    """Return the modules of a process that has read the configuration."""
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from jobctl import config;"
        f"config.load(environ={{'HOME': {str(home)!r}}}, cwd=Path({str(home)!r}), **{options});"
        "print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert "jobctl.config" in loaded
    return loaded


def test_kinds_are_only_imported_for_a_file(home: Path) -> None:
    """An add without a configuration must not pay for reading one."""
    loaded = loaded_by(home)
    slow = {"tomllib", "zoneinfo", "json", "logging", "asyncio", "dataclasses"}
    assert not loaded & (slow | {"jobctl.config.schema", "jobctl.config.source"})


@pytest.mark.parametrize(
    ("text", "zones"), [("", False), ("[schedules.a]\nevery = 5\njob = 'x'\n", True)]
)
def test_who_has_no_schedules_pays_for_no_zones(home: Path, text: str, zones: bool) -> None:
    (home / "jobs.toml").write_text(f"[run]\nconcurrency = 2\n{text}")
    assert ("zoneinfo" in loaded_by(home, deep=True)) is zones


def test_the_places_of_schedules_are_found_without_parsing_the_files_again(
    write: Write, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("[schedules.a]\nevery = 5\njob = 'x'\n")
    drop_in = write("\n[schedules.b]\nevery = 5\njob = 'x'\n", "jobs.d/b.toml")
    found = load(home, path)
    monkeypatch.setattr(source, "_parse", lambda text: pytest.fail("parsed again"))
    assert config.places(found) == {"a": f"{path}:1", "b": f"{drop_in}:2"}
    assert config.place(found, "schedules", "b", "job") == (str(drop_in), 4)


def test_drop_ins_schema_is_a_part_of_the_files() -> None:
    reports: list[Any] = []
    tables = {"schedules": {"a": {"job": "x", "every": 5}}}
    for kind in (schema.FILE, schema.DROP_IN):
        found = kind(tables, (), lambda key, message: reports.append(message))
        assert found == {"schedules": {"a": {"job": "x", "every": 5.0}}}
    assert reports == []
