"""Paths -> files: folders are searched, files are read, `-` is standard input.

Nothing here knows YAML: what the cache answers needs no parser.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUFFIXES = (".yaml", ".yml", ".json")
MAX_BYTES = 10_000_000


class File:
    """A file as it was read: how reports call it, its bytes (one more than the limit at most), how it came.

    `named` tells a file that the user named from one found in a folder; `role` is "new", or "old" for `--from`.
    """

    __slots__ = ("data", "named", "path", "role")

    def __init__(self, path: str, data: bytes, *, named: bool, role: str) -> None:
        self.path = path
        self.data = data
        self.named = named
        self.role = role


def read_files(
    paths: Iterable[str], unreadable: list[str], *, role: str = "new", named: bool = True, stdin_name: str = "<stdin>"
) -> Iterator[File]:
    """Every file of the paths once, in order.

    `named` False treats named files as if found in a folder: those that are no kOps specs are skipped.
    What cannot be read is appended to `unreadable` as `path: reason`; the rest is read all the same.
    """
    seen: set[str] = set()
    for path in paths:
        if path == "-":
            yield File(stdin_name, sys.stdin.buffer.read(MAX_BYTES + 1), named=named, role=role)
            continue
        files = _walk(path, unreadable) if os.path.isdir(path) else (path,)
        for file in files:
            real = os.path.realpath(file)
            if real in seen:
                continue
            seen.add(real)
            try:
                with open(file, "rb") as stream:
                    data = stream.read(MAX_BYTES + 1)
            except OSError as error:
                unreadable.append(f"{file}: {error.strerror or error}")
            else:
                yield File(shown_path(file), data, named=named and file is path, role=role)


def shown_path(path: str) -> str:
    """The path as reports show it: relative to the working directory where it lies below it, with slashes."""
    absolute = os.path.abspath(path)
    here = os.getcwd()
    if absolute.startswith(here.rstrip(os.sep) + os.sep):
        path = os.path.relpath(absolute, here)
    elif not os.path.isabs(path):
        path = os.path.normpath(path)
    return path.replace(os.sep, "/")


def _walk(folder: str, unreadable: list[str]) -> Iterator[str]:
    """YAML and JSON files below a folder, sorted; hidden ones and folders behind symlinks are left out."""

    def note(error: OSError) -> None:
        unreadable.append(f"{error.filename}: {error.strerror or error}")

    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                yield os.path.join(parent, name)
