"""The entry point: runs the command line, and says what becomes of its errors."""

from __future__ import annotations

import os
from typing import Any

from jobctl.cli import garbage
from jobctl.errors import JobctlError

INTERRUPTED = 130
#: Set by a shell that asks what may follow (see jobctl.cli.completing).
COMPLETING = "_JOBCTL_COMPLETE"
#: What a shell reports of a program that a closed pipe ended (128 + SIGPIPE).
CLOSED_PIPE = 141


def main(args: list[str] | None = None) -> int:
    """Run the command line and return its exit code; `args` are sys.argv's by default."""
    # Imports make objects by the ten thousand and no garbage. Looking for it in them, and
    # once more at the end, would be a sixth of the time that an add takes.
    garbage.leave()
    try:
        return _guarded(args)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        garbage.collect()


def _guarded(args: list[str] | None) -> int:
    from jobctl.cli import render

    render.prepare_streams()
    code = _run(args)
    return render.finish_output(CLOSED_PIPE) or code


def _run(args: list[str] | None) -> int:
    """Run, and make of every error one or two lines on stderr: here and nowhere else."""
    import typer
    import typer.main

    from jobctl.cli import render, tree

    try:
        command = typer.main.get_command(tree.app)
        if COMPLETING in os.environ:
            from jobctl.cli.completing.answer import complete

            return complete(command, os.environ)
        code = command.main(args, prog_name="jobctl", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except JobctlError as err:
        render.error(err)
        return err.exit_code
    except typer.TyperException as err:
        return _usage_error(err)
    except typer.Abort:  # Ctrl-C or Ctrl-D at a question
        return INTERRUPTED
    except SystemExit as err:  # typer's, after completion or when a pipe was closed
        if isinstance(err.__context__, BrokenPipeError):
            return CLOSED_PIPE  # typer says 1, which means that a job failed
        return err.code if isinstance(err.code, int) else 0
    except OSError as err:
        _show_traceback()
        where = f"{err.filename}: " if err.filename else ""
        render.error(f"{where}{err.strerror or err}")
        return 1
    except Exception as err:
        _show_traceback()
        render.error(
            f"{type(err).__name__}: {err}\n"
            "This is a bug in jobctl; JOBCTL_DEBUG=1 shows where it happened"
        )
        return 1


def _show_traceback() -> None:
    if os.environ.get("JOBCTL_DEBUG"):
        from traceback import print_exc

        print_exc()


def _usage_error(err: Any) -> int:
    from jobctl.cli import render

    possible = getattr(err, "possibilities", None)
    if possible:
        message = f"{err.message}: did you mean {possible[0]}?"
    else:
        message = err.format_message().rstrip(".").replace("\n\t", " ")
    code: int = err.exit_code
    ctx = getattr(err, "ctx", None)
    if ctx is not None:
        message += f"\nSee {ctx.command_path} --help"
    render.error(message[:1].lower() + message[1:])
    return code
