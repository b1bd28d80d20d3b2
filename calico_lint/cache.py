"""The result cache: the same bytes, the same options and the same calico-lint give the same report.

One entry is one whole run, because files of a run can belong together (InstanceGroups join the Cluster of another
file). An entry holds the report and the exit code; it is written at once or not at all, checked when it is read, and
never needed: a cache that cannot be read or written costs time, nothing else.
"""

from __future__ import annotations

import os

try:  # hashlib would load OpenSSL, for 3 ms of every start
    from _blake2 import blake2b
except ImportError:  # pragma: no cover - an interpreter that hides it
    from hashlib import blake2b

from calico_lint import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from calico_lint.files import File

    Outcome: TypeAlias = tuple[int, str, str]  # exit code, standard output, standard error

_MAGIC = b"calico-lint result 1\n"
_MOST_ENTRIES = 500
_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def cache_folder() -> str:
    """$CALICO_LINT_CACHE_DIR, else `calico-lint` in the user's cache folder."""
    chosen = os.environ.get("CALICO_LINT_CACHE_DIR")
    if chosen:
        return chosen
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "calico-lint")


class Cache:
    """The entry of one run. `settings` is everything besides the files that decides about the report."""

    __slots__ = ("_path",)

    def __init__(self, settings: str, files: Iterable[File]) -> None:
        digest = blake2b(digest_size=20)
        digest.update(f"{__version__}\n{_fingerprint()}\n{settings}\n".encode("utf-8", "surrogateescape"))
        for file in files:
            head = f"{file.role} {file.named} {len(file.data)} {file.path}\n"
            digest.update(head.encode("utf-8", "surrogateescape"))
            digest.update(file.data)
        self._path = os.path.join(cache_folder(), digest.hexdigest())

    def get(self) -> Outcome | None:
        """The outcome of the same run before, or None. What is damaged is as good as missing."""
        try:
            with open(self._path, "rb") as stream:
                entry = stream.read()
        except OSError:
            return None
        magic, checksum, body = entry[: len(_MAGIC)], entry[len(_MAGIC) : len(_MAGIC) + 20], entry[len(_MAGIC) + 20 :]
        if magic != _MAGIC or checksum != blake2b(body, digest_size=20).digest():
            return None
        head, _, text = body.partition(b"\n")
        code, length = (int(part) for part in head.split())
        return code, text[:length].decode("utf-8", "surrogatepass"), text[length:].decode("utf-8", "surrogatepass")

    def put(self, outcome: Outcome) -> None:
        """Keep an outcome for the next run. Only the user may read it: it quotes the specs."""
        code, out, err = outcome
        text = out.encode("utf-8", "surrogatepass")
        body = f"{code} {len(text)}\n".encode() + text + err.encode("utf-8", "surrogatepass")
        temporary = f"{self._path}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as stream:
                stream.write(_MAGIC + blake2b(body, digest_size=20).digest() + body)
            os.replace(temporary, self._path)
            _prune(os.path.dirname(self._path))
        except OSError:
            _remove(temporary)


def _fingerprint() -> str:
    """Size and time of every file of the program: a checkout that is worked on keeps its version for weeks."""
    folders = [os.path.join(_PACKAGE, name) for name in ("", "rules", "kops", "report", "schemas")]
    folders.append(os.path.join(os.path.dirname(_PACKAGE), "schemas"))
    seen = []
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.endswith((".py", ".json")):
                        status = entry.stat()
                        seen.append((entry.name, status.st_size, status.st_mtime_ns))
        except OSError:
            continue
    return repr(sorted(seen))


def _prune(folder: str) -> None:
    """Keep the newer half once there are too many entries."""
    names = os.listdir(folder)
    if len(names) <= _MOST_ENTRIES:
        return
    paths = sorted((os.path.join(folder, name) for name in names), key=os.path.getmtime)
    for path in paths[: len(paths) // 2]:
        _remove(path)


def _remove(path: str) -> None:
    try:  # noqa: SIM105 - contextlib is not loaded otherwise
        os.remove(path)
    except OSError:
        pass
