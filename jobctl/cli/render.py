"""Everything that is shown. Data goes to stdout, words to stderr.

The only module that writes JSON or imports Rich, and Rich on a terminal only. All text
passes through `clean` here, whoever it comes from.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from jobctl.core.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

#: A JSON value that fits into a line of this length is written in one.
ONE_LINE = 100
#: What stands between two columns.
GAP = "  "
#: Which columns give way when a table is too wide, in this order: place, narrowest width.
Shrink = Sequence[tuple[int, int]]

_STYLES = {
    "running": "cyan",
    "completed": "green",
    "failed": "red",
    "error": "red",
    "crashed": "red",
    "timeout": "red",
    "cancelled": "yellow",
}


def prepare_streams() -> None:
    """Make the standard streams usable: all three open, and able to write any text."""
    # Without them the store's own files would get the numbers 0 to 2.
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdin = sys.stdin or open(0, closefd=False)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def finish_output(closed_pipe: int) -> int:
    """Write out what is buffered; return 0, or the exit code if that fails."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence(1)
        return closed_pipe
    except OSError as err:
        _silence(1)
        error(f"the output could not be written: {err.strerror}")
        return 1
    return 0


def _silence(fd: int) -> None:
    # The interpreter flushes once more at its end, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), fd)


def on_terminal(stream: TextIO) -> bool:
    """Return whether a person reads this stream."""
    return stream.isatty()


def on_terminal_both() -> bool:
    """Return whether data and words go to a terminal, where they meet."""
    return on_terminal(sys.stdout) and on_terminal(sys.stderr)


def words(text: str) -> None:
    """Print text for people on stderr; its lines stay lines."""
    # A stream that nobody reads any more must not hide the exit code.
    with suppress(OSError):
        sys.stdout.flush()  # so that both come in order where they meet
    try:
        sys.stderr.write(clean(text, lines=True) + "\n")
        sys.stderr.flush()
    except OSError:
        _silence(2)


def note(text: str) -> None:
    """Print one line beside the data that people should know."""
    words(f"note: {clean(text)}")


def error(err: object) -> None:
    """Print what went wrong."""
    words(f"jobctl: {err}")


def lines(texts: Iterable[str]) -> None:
    """Print one line of data each."""
    for text in texts:
        sys.stdout.write(clean(text) + "\n")


def block(text: str, indent: str = "") -> None:
    """Print text of several lines as it is, each indented."""
    for line in clean(text, lines=True).splitlines():
        sys.stdout.write(f"{indent}{line}".rstrip() + "\n")


def json(value: Any, *, one_line: bool = False) -> None:
    """Print a value as JSON: times as ISO 8601 UTC, and no character beyond ASCII."""
    sys.stdout.write(json_text(value, one_line=one_line) + "\n")


def json_text(value: Any, *, one_line: bool = False, ascii_only: bool = True) -> str:
    """Return a value as JSON text in one line, or in several if it is long."""
    from json import dumps

    import msgspec

    plain = msgspec.to_builtins(value)
    text = dumps(plain, ensure_ascii=ascii_only)
    if one_line or len(text) <= ONE_LINE:
        return text
    return dumps(plain, ensure_ascii=ascii_only, indent=2)


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, shrink: Shrink = ()
) -> None:
    """Print rows under headers: a table on a terminal, aligned columns elsewhere.

    On a terminal that is too narrow columns are shortened as `shrink` says.
    """
    cleaned = [[clean(cell) for cell in row] for row in rows]
    if on_terminal(sys.stdout):
        _rich_table(headers, cleaned, shrink)
    else:
        _plain_table([list(headers), *cleaned])


def _plain_table(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [(cell or "-").ljust(width) for cell, width in zip(row, widths, strict=True)]
        sys.stdout.write(GAP.join(cells).rstrip() + "\n")


def _rich_table(headers: Sequence[str], rows: list[list[str]], shrink: Shrink) -> None:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    console = _console(sys.stdout)
    columns = zip(headers, *rows, strict=True)
    widths = _fit([max(map(cell_len, column)) for column in columns], console.width, shrink)
    # What cannot be shortened is never cut: the terminal wraps the line.
    console.width = max(console.width, sum(widths) + len(GAP) * len(widths))
    grid = Table(box=None, pad_edge=False, padding=(0, len(GAP), 0, 0), header_style="bold")
    for header, width in zip(headers, widths, strict=True):
        grid.add_column(header, no_wrap=True, overflow="ellipsis", width=width)
    for row in rows:
        # As Text, so that nothing in a cell is taken for markup.
        grid.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    console.print(grid)


def grid(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int,
    *,
    shrink: Shrink = (),
    right: bool = False,
) -> list[str]:
    """Return rows under headers as lines, for a view of so many cells.

    With `right` all columns but the first of several rows end at the same place.
    """
    from rich.cells import cell_len, set_cell_size

    cleaned = [[clean(cell) for cell in row] for row in rows]
    columns = list(zip(headers, *cleaned, strict=True))
    widths = _fit([max(map(cell_len, column)) for column in columns], width, shrink)

    def cell(text: str, size: int) -> str:
        if cell_len(text) > size:
            return set_cell_size(text, size - 1) + "…"
        return " " * (size - cell_len(text)) + text if right else set_cell_size(text, size)

    return [
        GAP.join(cell(text, size) for text, size in zip(row, widths, strict=True)).rstrip()
        for row in (list(headers), *cleaned)
    ]


def _fit(widths: list[int], room: int, shrink: Shrink) -> list[int]:
    """Return the widths, shortened as far as that helps and `shrink` allows."""
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - room
    for place, narrowest in shrink:
        cut = max(0, min(excess, widths[place] - narrowest))
        widths[place] -= cut
        excess -= cut
    return widths


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, markup=False, emoji=False, highlight=False)


@contextmanager
def live(
    stream: TextIO, *, leave: bool, off: bool = False
) -> Iterator[Callable[[Sequence[str]], None] | None]:
    """Show lines on a terminal, each time in place of those before.

    Yields the function that does, or None if it is `off` or there is no terminal that can go
    back. The last ones stay if `leave`. Lines that are too long are cut.
    """
    dumb = os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    if off or dumb or not on_terminal(stream):
        yield None
        return
    from signal import SIGTERM, signal

    from rich.live import Live
    from rich.text import Text

    def leave_in_order(*_: object) -> None:
        raise SystemExit(128 + SIGTERM)  # otherwise the cursor would stay hidden

    before = signal(SIGTERM, leave_in_order)
    with Live(
        console=_console(stream),
        auto_refresh=False,
        transient=not leave,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as screen:

        def show(texts: Sequence[str]) -> None:
            text = Text("\n".join(map(clean, texts)), no_wrap=True, overflow="ellipsis")
            screen.update(text, refresh=True)

        try:
            yield show
        finally:
            signal(SIGTERM, before)


@contextmanager
def progress(
    what: str, total: int | None, *, patience: float = 0.0
) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr if that is a terminal; yields a function to advance it.

    It appears after `patience` seconds; a `total` of None is not known yet.
    """
    if not on_terminal(sys.stderr):
        yield lambda count: None
        return
    from threading import Timer

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(
        *columns, console=_console(sys.stderr), transient=True,
        redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
    task = bar.add_task(clean(what), total=total)
    later = Timer(patience, bar.start)
    later.daemon = True
    begin = later.start if patience else bar.start
    begin()
    try:
        yield lambda count: bar.advance(task, count)
    finally:
        if patience:
            later.cancel()
            later.join()
        if bar.live.is_started:
            bar.stop()


class JsonArray:
    """A JSON array that is printed while its values come, one a line."""

    def __init__(self) -> None:
        self._before = "[\n"

    def add(self, values: Iterable[Any]) -> None:
        """Print more values."""
        for value in values:
            sys.stdout.write(f"{self._before}  {json_text(value, one_line=True)}")
            self._before = ",\n"

    def end(self) -> None:
        """Print the end."""
        sys.stdout.write("[]\n" if self._before == "[\n" else "\n]\n")
