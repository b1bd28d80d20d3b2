"""Writing a file as a whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from calico_lint.report.files import write


def check_writable(path: str) -> None:
    """Find out, before a long computation, what would keep `write_whole` from writing.

    Raises:
        OSError: as `write_whole`.

    """
    target = Path(path)
    if target.is_dir():
        raise unwritable(path, "it is a directory")
    if not target.parent.is_dir():
        raise unwritable(path, "its directory does not exist")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise unwritable(path, "permission denied")


def write_whole(path: str, text: str) -> None:
    """Replace the file with the text, atomically; a pipe or a device is written into.

    Raises:
        OSError: it cannot be written; the error says why.

    """
    try:
        write(path, text)
    except OSError as error:
        raise unwritable(path, error.strerror or "unknown error") from None


def unwritable(path: str, reason: str) -> OSError:
    """The error for a file that cannot be written."""
    return OSError(errno.EIO, f"it cannot be written: {reason}", path)
