"""What every command has in common: bad input, a closed pipe, Ctrl-C and a full disk each end it in one clear line.

Standard library only, so that the real processor's edges can use it too.
"""

import argparse
import contextlib
import errno
import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

EXIT_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130
# What would end a line, or tell a terminal something, if it stood in what was typed or in a file.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_ELSEWHERE = "make room there, or give another place"
_REMEDIES = {
    errno.ENOSPC: _ELSEWHERE,
    errno.EDQUOT: _ELSEWHERE,
    errno.EFBIG: "give a place where files may be larger (ulimit -f)",
}


class UsageError(ValueError):
    """Bad input: the message is the one line to show."""


class CommandError(RuntimeError):
    """The command cannot go on, and no input is to blame: the message is the one line to show."""


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line on stderr and exits with 2."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """Parse, taking a negative number, -inf and -nan after a flag as its value, so that it can be quoted."""
        words = list(argv)
        for place in range(len(words) - 1, 0, -1):
            flag, value = words[place - 1], words[place]
            if flag.startswith("--") and "=" not in flag and re.match(r"-(\d|\.|inf|nan)", value, re.IGNORECASE):
                words[place - 1 : place + 1] = [f"{flag}={value}"]
        args, unknown = self.parse_known_args(words)
        if unknown:
            word = unknown[0].partition("=")[0]
            near = get_close_matches(word, self._option_string_actions, n=1)
            meant = f" (did you mean {near[0]}?)" if near and near[0] != word else ""
            self.error(f"unrecognized arguments: {shlex.join(unknown)}{meant}")
        return args

    def error(self, message: str) -> NoReturn:
        """Raise the one line to show."""
        raise UsageError(f"{message.removeprefix('argument ')}; see {self.prog} --help")


def run_command(name: str, main: Callable[[list[str]], None]) -> NoReturn:
    """Run a command with the process's arguments, and exit as its end deserves: never with a traceback for a user."""
    _mend_streams()
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except UsageError as error:
        _end(f"{name}: {error}", EXIT_BAD_INPUT)
    except CommandError as error:
        _end(f"{name}: {error}", EXIT_FAILED)
    except ModuleNotFoundError as error:
        _end(
            f"{name}: {error.name} is not installed: pip install -e . in the project, or python -m uv run …",
            EXIT_FAILED,
        )
    except KeyboardInterrupt as interrupt:
        _end(f"{name}: {str(interrupt) or 'interrupted; nothing half-written is left'}", EXIT_INTERRUPTED)
    except BrokenPipeError:  # whoever was reading has seen enough
        _end("", EXIT_FAILED)
    except OSError as error:
        _end(f"{name}: {_told(error)}", EXIT_FAILED)
    raise SystemExit(0)


def _told(error: OSError) -> str:
    """Return what went wrong, where, and what would help."""
    where, remedy = error.filename, _REMEDIES.get(error.errno or 0)
    if where is None and remedy:
        try:
            sys.stdout.flush()  # what could not be written stands in its buffer still
        except OSError as again:
            where = "standard output" if again.errno == error.errno else None
    words = error.strerror or str(error)
    return (f"{where}: " if where else "") + words + (f"; {remedy}" if remedy else "")


def _mend_streams() -> None:
    """Let there be an output and a place for complaints, whatever the shell has closed; neither chokes on a sign."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the end
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _end(line: str, code: int) -> NoReturn:
    if code != EXIT_INTERRUPTED:  # who interrupts does not want to wait for whoever reads
        with contextlib.suppress(OSError):
            sys.stdout.flush()  # what has been told counts, whatever went wrong after it
    # What is then still in stdout's buffer would fail once more, and loudly, when the interpreter ends.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if line:
        with contextlib.suppress(OSError):
            print(one_line(line), file=sys.stderr, flush=True)
    if code == EXIT_INTERRUPTED:
        # An interrupt that met an exec() of a string, as dataclasses and numba do, is remembered by the interpreter as
        # unhandled, and would end it with a signal after all.
        os._exit(code)
    raise SystemExit(code)


def one_line(text: str) -> str:
    r"""Return text as it can be shown in a line: what would end the line, or steer a terminal, is spelled out.

    >>> print(one_line("--out a\nb: \x1b[2J"))
    --out a\nb: \x1b[2J
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def as_typed(module: str, argv: Sequence[str]) -> str:
    """Return a command as a user would type it again.

    >>> as_typed("sim", ["--arrivals", "trace:my log.csv"])
    "python -m sim --arrivals 'trace:my log.csv'"
    """
    return shlex.join(["python", "-m", module, *argv])


def out_directory(text: str | None) -> Path | None:
    """Return where files go, which need not exist yet; UsageError if it could not be made or written to."""
    if text is None:
        return None
    path = Path(text)
    try:
        there = next(place for place in (path, *path.absolute().parents) if place.exists())
        for part in path.parts:
            there.joinpath(part).exists()  # of a name that is too long, this complains
        if not text or not there.is_dir():
            raise UsageError(f"--out {text}: {there if text else 'this'} is not a directory; give one")
        # Tried, because permissions do not tell: of a disk that cannot be written to, or to whoever may do all.
        tried = there / f".{os.getpid()}.partial"
        tried.mkdir()
        tried.rmdir()
    except OSError as error:
        raise UsageError(f"--out {text}: {error.strerror}; give another directory") from None
    return path
