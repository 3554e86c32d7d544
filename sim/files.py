"""Files appear whole or not at all: written beside their name first, and then renamed.

Standard library only.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write a file; OSError names it."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file; OSError names it."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        # A full disk names no file, and others the partial one, which nobody asked for.
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):  # whatever went wrong before is what counts
            partial.unlink(missing_ok=True)


def attempted(write: Callable[[], object]) -> OSError | None:
    """Write, and return what went wrong: who has no room for files still wants to know the numbers, and then why."""
    try:
        write()
    except OSError as error:
        return error
    return None


def write_figure(path: Path, figure: Any, **how: Any) -> None:
    """Write a figure of matplotlib's in the format that the name says, as `savefig` would."""
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:], **how)
    write_bytes(path, picture.getvalue())


def json_text(document: Any) -> str:
    """Return strict JSON: NaN and Infinity are errors, not numbers."""
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; numbers are written so that they are read back to the last bit."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
