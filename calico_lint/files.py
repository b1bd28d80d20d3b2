"""Paths -> files: folders are searched, files are read, `-` is standard input.

Nothing here knows YAML: what the cache answers needs no parser.
"""

from __future__ import annotations

import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeAlias

    from calico_lint.patterns import Patterns

    Note: TypeAlias = Callable[[str, str], None]  # a path that is left out, and the reason

SUFFIXES = (".yaml", ".yml", ".json")
MAX_BYTES = 10_000_000


class File:
    """A file as it was read: how reports call it, its bytes (one more than the limit at most), how it came.

    `named` tells a file that the user named from one found in a folder; `role` is "new", or "old" for `--from`.
    `real` is where it lies, behind all links; None for standard input.
    """

    __slots__ = ("data", "named", "path", "real", "role")

    def __init__(self, path: str, data: bytes, *, named: bool, role: str, real: str | None = None) -> None:
        self.path = path
        self.data = data
        self.named = named
        self.role = role
        self.real = real


def read_files(
    paths: Iterable[str],
    unreadable: list[str],
    *,
    role: str = "new",
    named: bool = True,
    stdin_name: str = "<stdin>",
    max_bytes: int = MAX_BYTES,
    exclude: Patterns | None = None,
    gitignore: bool = True,
    note: Note | None = None,
) -> Iterator[File]:
    """Every file of the paths once, in order.

    `named` False treats named files as if found in a folder: those that are no kOps specs are skipped.
    Of what is found in a folder, `exclude` and .gitignore files leave out what they name; `note` is told.
    What cannot be read is appended to `unreadable` as `path: reason`; the rest is read all the same.
    """
    seen: set[str] = set()
    for path in paths:
        if path == "-":
            yield File(stdin_name, sys.stdin.buffer.read(max_bytes + 1), named=named, role=role)
            continue
        if os.path.isdir(path):
            files: Iterable[str] = _Walk(unreadable, exclude, gitignore, note or _nothing).files(path)
        elif not named and exclude is not None and (pattern := exclude.covers(path)) is not None:
            (note or _nothing)(path, f"{exclude.origin}: {pattern.text}")
            continue
        else:
            files = (path,)
        for file in files:
            real = os.path.realpath(file)
            if real in seen:
                if note is not None:
                    note(file, "read already, under another name")
                continue
            seen.add(real)
            try:
                with open(file, "rb") as stream:
                    data = stream.read(max_bytes + 1)
            except OSError as error:
                unreadable.append(f"{file}: {error.strerror or error}")
            else:
                yield File(shown_path(file), data, named=named and file is path, role=role, real=real)


def searched(folder: str, *, exclude: Patterns | None, gitignore: bool) -> Iterator[str]:
    """The paths of the files that a search of a folder finds; what cannot be read is passed over."""
    return _Walk([], exclude, gitignore, _nothing).files(folder)


def shown_path(path: str) -> str:
    """The path as reports show it: relative to the working directory where it lies below it, with slashes."""
    absolute = os.path.abspath(path)
    here = os.getcwd()
    if absolute.startswith(here.rstrip(os.sep) + os.sep):
        path = os.path.relpath(absolute, here)
    elif not os.path.isabs(path):
        path = os.path.normpath(path)
    return path.replace(os.sep, "/")


def repository_of(folder: str) -> str | None:
    """The folder at or above this one that holds `.git`; None outside of a repository."""
    folder = os.path.abspath(folder)
    while not os.path.exists(os.path.join(folder, ".git")):
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above
    return folder


def _nothing(path: str, reason: str) -> None:
    pass


def _is(question: Callable[[], bool]) -> bool:
    """The answer of a directory entry; no for a link that leads back to itself."""
    try:
        return question()
    except OSError:
        return False


class _Walk:
    """The search of one folder: YAML and JSON files, sorted; a folder's own files come before those below.

    Hidden ones are left out, folders behind symbolic links, what is no file, and what patterns name.
    """

    __slots__ = ("exclude", "gitignore", "note", "unreadable")

    def __init__(self, unreadable: list[str], exclude: Patterns | None, gitignore: bool, note: Note) -> None:
        self.unreadable = unreadable
        self.exclude = exclude
        self.gitignore = gitignore
        self.note = note

    def files(self, folder: str) -> Iterator[str]:
        """The files below a folder."""
        stack = [(folder, self._above(folder) if self.gitignore else ())]
        while stack:
            folder, levels = stack.pop()
            try:
                with os.scandir(folder) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError as error:
                self.unreadable.append(f"{folder}: {error.strerror or error}")
                continue
            if self.gitignore and any(entry.name == ".gitignore" for entry in entries):
                levels = (*levels, *self._patterns(os.path.join(folder, ".gitignore"), folder))
            folders: list[tuple[str, tuple[Patterns, ...]]] = []
            for entry in entries:
                path = os.path.join(folder, entry.name)
                is_folder = _is(entry.is_dir)
                if not (is_folder or entry.name.endswith(SUFFIXES)):
                    continue
                reason = self._reason(entry, path, is_folder, levels)
                if reason is not None:
                    self.note(path, reason)
                elif is_folder:
                    folders.append((path, levels))
                else:
                    yield path
            stack.extend(reversed(folders))

    def _reason(self, entry: os.DirEntry[str], path: str, is_folder: bool, levels: tuple[Patterns, ...]) -> str | None:
        """Why an entry is left out; None if it is not."""
        if entry.name.startswith("."):
            return "hidden"
        if is_folder and entry.is_symlink():
            return "a link to a folder"
        if self.exclude is not None or levels:
            from calico_lint.patterns import ignored

            absolute = os.path.abspath(path).replace(os.sep, "/")
            exclude = (self.exclude,) if self.exclude is not None else ()
            for rules in (levels, exclude):
                reason = ignored(absolute, rules, folder=is_folder)
                if reason is not None:
                    return reason
        if not is_folder and not _is(entry.is_file):
            # A pipe would be waited for; a broken link is told by opening it.
            try:
                mode = os.stat(path).st_mode
            except OSError:
                return None
            return None if stat.S_ISREG(mode) else "no regular file"
        return None

    def _above(self, folder: str) -> tuple[Patterns, ...]:
        """What the .gitignore files above a folder say, from the top of its repository downwards."""
        above = os.path.dirname(os.path.abspath(folder))
        root = repository_of(folder)
        if root is None:
            return ()
        levels = [*self._patterns(os.path.join(root, ".git", "info", "exclude"), root)]
        chain = []
        while os.path.abspath(folder) != root:
            chain.append(above)
            if above == root:
                break
            above = os.path.dirname(above)
        for each in reversed(chain):
            levels += self._patterns(os.path.join(each, ".gitignore"), each)
        return tuple(levels)

    def _patterns(self, path: str, folder: str) -> tuple[Patterns, ...]:
        try:
            with open(path, "rb") as stream:
                text = os.fsdecode(stream.read())
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            self.unreadable.append(f"{path}: {error.strerror or error}")
            return ()
        from calico_lint.patterns import Patterns

        patterns = Patterns(text.removeprefix("\ufeff").split("\n"), folder, shown_path(path))
        return (patterns,) if patterns.patterns else ()
