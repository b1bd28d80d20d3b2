"""Writing a file as a whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path


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
    target = Path(path)
    try:
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            target.write_text(text, encoding="utf-8", newline="\n")  # a pipe or a device cannot be replaced
            return
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with open(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise unwritable(path, error.strerror or "unknown error") from None


def unwritable(path: str, reason: str) -> OSError:
    """The error for a file that cannot be written."""
    return OSError(errno.EIO, f"it cannot be written: {reason}", path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
