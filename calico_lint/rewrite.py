"""A changed text -> its file: in one step, by one process, and only if nobody else changed it meanwhile."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO


class RewriteError(Exception):
    """The file was left as it is; the message says why."""


def rewrite(path: str, old: bytes, new: bytes) -> None:
    """Replace the content of a regular file that still is `old`. Its mode stays, its owner where possible.

    The new content is complete on the disk before it takes the place of the old; whatever goes wrong before
    (a full disk, Ctrl-C) leaves the old file and nothing else. Symbolic links stay: their target is replaced.
    Raises RewriteError.
    """
    target = os.path.realpath(path)
    try:
        flags = ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")  # as far as there are; the path may have become a pipe
        descriptor = os.open(target, os.O_RDWR | sum(getattr(os, flag, 0) for flag in flags))
        with open(descriptor, "rb") as stream:
            _lock(stream)
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise RewriteError("it is no regular file")
            if not status.st_mode & 0o222:
                raise RewriteError("it is read-only")  # root could write it all the same
            if status.st_nlink > 1:
                raise RewriteError(f"it has {status.st_nlink} hard links, and the others would keep the old text")
            if not os.path.samestat(status, os.stat(target)) or stream.read(len(old) + 1) != old:
                raise RewriteError("it was changed since it was read; run again")
            _replace(stream, target, new, status)
    except OSError as error:
        raise RewriteError(error.strerror or str(error)) from error


def _lock(stream: IO[bytes]) -> None:
    """Keep a second calico-lint out until the file is closed, or the process is gone."""
    try:
        import fcntl
    except ImportError:
        return  # Windows: the comparison of the content has to do
    try:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RewriteError("another process is writing it; run again") from None
    except OSError:
        pass  # a file system without locks


def _replace(old: IO[bytes], target: str, data: bytes, status: os.stat_result) -> None:
    from tempfile import mkstemp

    folder = os.path.dirname(target)
    descriptor, temporary = mkstemp(prefix=".calico-lint-", dir=folder)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
            _take_after(stream.fileno(), target, status)
            stream.flush()
            os.fsync(stream.fileno())
        if os.name == "nt":
            old.close()  # Windows replaces no file that is open
        os.replace(temporary, target)
    except BaseException:  # Ctrl-C too
        with suppress(OSError):  # it may be in its place already
            os.remove(temporary)
        raise
    _sync_folder(folder)


def _take_after(descriptor: int, target: str, status: os.stat_result) -> None:
    """Owner (where allowed), extended attributes (where there are some) and mode of the file to be replaced."""
    if hasattr(os, "fchown"):
        try:
            os.fchown(descriptor, status.st_uid, status.st_gid)
        except OSError:
            with suppress(OSError):
                os.fchown(descriptor, -1, status.st_gid)  # the group is what colleagues share a file by
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(target):
                os.setxattr(descriptor, name, os.getxattr(target, name))
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _sync_folder(folder: str) -> None:
    """Make the new name last over a power failure, where folders can be synced."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
