"""The language that all scripts speak: a measurement and its size in, a line of JSON each out.

    python -m benchmarks.peers.huey drain --setting "sqlite full" --folder DIR --size 2000 \
        --concurrency 2

Exit code 0, and for what a tool does not have no line.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from benchmarks.kit import Figure, say
from benchmarks.peers import adding, resting, working
from benchmarks.peers.peer import NotThereError, Peer

Tool = TypeVar("Tool", bound=Peer)
Call = Callable[[Tool, argparse.Namespace], Iterator[Figure]]


def speak(
    tool: type[Tool], settings: list[str], own: dict[str, Call[Tool]] | None = None
) -> None:
    """Be the script of a tool, which may have measurements of its own."""
    calls: dict[str, Call[Tool]] = {**MEASUREMENTS, **(own or {})}
    parser = argparse.ArgumentParser(description=tool.__doc__)
    parser.add_argument("measurement", choices=calls)
    parser.add_argument("--setting", choices=settings, default=settings[0])
    parser.add_argument("--folder", type=Path, required=True, help="an empty one")
    parser.add_argument("--size", type=int, default=100, help="how many jobs")
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="of adding, of a job, or of idling"
    )
    args = parser.parse_args()
    folder = args.folder.resolve()
    # Workers are processes of their own: what they need to know stands in the environment.
    os.environ.update(BENCH_SETTING=args.setting, BENCH_FOLDER=str(folder))
    peer = tool(args.setting, folder)
    try:
        with peer.serve():
            for figure in calls[args.measurement](peer, args):
                figure.print()
    except NotThereError as err:
        say(f"{tool.__module__}, {args.setting}: {err}")


def here() -> tuple[str, Path] | None:
    """Return setting and folder, as a worker has them from whoever measures; None there."""
    if "BENCH_SETTING" not in os.environ:
        return None
    return os.environ["BENCH_SETTING"], Path(os.environ["BENCH_FOLDER"])


def script(name: str) -> str:
    """Return the path of a command that was installed with this Python."""
    return str(Path(sys.executable).parent / name)


def _drain(peer: Peer, args: argparse.Namespace) -> Iterator[Figure]:
    return working.drain(peer, args.size, args.concurrency, seconds=args.seconds)


def _async(peer: Peer, args: argparse.Namespace) -> Iterator[Figure]:
    return working.drain(peer, args.size, args.concurrency, asynchronous=True)


MEASUREMENTS: dict[str, Call[Peer]] = {
    "add": lambda peer, args: adding.add(peer, args.seconds, args.size),
    "add8": lambda peer, args: adding.add8(peer, args.seconds),
    "drain": _drain,
    "async": _async,
    "mixed": lambda peer, args: working.mixed(peer, args.size),
    "shell": lambda peer, args: working.shell(peer, args.size),
    "latency": lambda peer, args: working.latency(peer, args.size),
    "start": lambda peer, _: working.start(peer),
    "idle": lambda peer, args: resting.idle(peer, args.seconds),
    "disk": lambda peer, args: resting.disk(peer, args.size),
}
