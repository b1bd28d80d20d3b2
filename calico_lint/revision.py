"""`--from-git REV`: the specs as they stand at a revision of their git repository.

Everything is asked of the git program, which only reads: no network (a blob that a partial clone has not fetched is
missing), no lock, no write.
"""

from __future__ import annotations

import os
import subprocess

from calico_lint.files import MAX_BYTES, SUFFIXES, File, shown_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Set inside of hooks and by `git -c`: they would point git at another repository than that of the file.
_OF_ANOTHER_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_NAMESPACE")


class RevisionError(Exception):
    """The specs cannot be had at that revision; the message says which, why, and what to do."""


def read_revision(
    revision: str, paths: Iterable[str], *, stdin_name: str = "<stdin>", max_bytes: int = MAX_BYTES
) -> list[File]:
    """The files of the paths at a revision, each once, with the role "old".

    A folder is searched as it was then; standard input has the place of `stdin_name`. A file is called
    `PATH@REVISION`. Raises RevisionError.
    """
    files: dict[tuple[str, str], File] = {}
    repositories: dict[str, _Repository] = {}
    for path in paths:
        place = path
        if path == "-":
            if stdin_name == "<stdin>":
                raise RevisionError("standard input has no place in a repository: give --stdin-filename")
            place = stdin_name
        folder = os.path.realpath(place if os.path.isdir(place) else os.path.dirname(place) or ".")
        if not os.path.isdir(folder):
            raise RevisionError(f"{place}: there is no folder {shown_path(folder)}")
        root = _root(folder, place)
        if root not in repositories:
            repositories[root] = _Repository(root, revision)
        for name, below, data in repositories[root].read(os.path.realpath(place), place, max_bytes):
            shown = shown_path(os.path.join(place, below) if below else place)
            files.setdefault((root, name), File(f"{shown}@{revision}", data, named=False, role="old"))
    return list(files.values())


def _root(folder: str, place: str) -> str:
    """The folder of the work tree that holds a folder."""
    answer = _git(folder, "rev-parse", "--show-toplevel")
    if answer.returncode:
        said = _said(answer)
        if "not a git repository" in said or "must be run in a work tree" in said:
            raise RevisionError(f"{place} lies in no work tree of a git repository: name the old spec with --from")
        raise RevisionError(f"{place}: git says: {said}")
    return os.path.realpath(os.fsdecode(answer.stdout.rstrip(b"\n")))


class _Repository:
    """A work tree, and the tree of one revision."""

    def __init__(self, root: str, revision: str) -> None:
        self.root = root
        self.revision = revision
        # A leading dash would be an option; `^{tree}` takes a commit, a tag, or a tree.
        found = _git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}") if revision[:1] != "-" else None
        if not revision or found is None or found.returncode:
            raise RevisionError(
                f"{revision!r} is no revision of the repository {shown_path(root)}: give a branch, a tag or a commit "
                "that was fetched"
            )
        self.tree = found.stdout.decode().strip()

    def read(self, real: str, place: str, max_bytes: int) -> Iterator[tuple[str, str, bytes]]:
        """(path below the root, path below the folder, bytes) of the file, or of the specs below the folder."""
        name = os.path.relpath(real, self.root).replace(os.sep, "/")
        listed = self._blobs("" if name == "." else name)
        above = len(name)
        if not any(path == name for path, _ in listed):  # a folder
            above = 0 if name == "." else above + 1
            listed = [(path, blob) for path, blob in listed if _is_searched(path[above:])]
        if not listed:
            if os.path.isdir(real):
                return
            raise RevisionError(
                f"{place} is not in {self.revision}: a new spec has nothing to compare with, lint it without the option"
            )
        output = memoryview(self._contents([blob for _, blob in listed]))
        for path, _ in listed:
            # For each object `NAME TYPE SIZE`, its bytes, and an end of line.
            head_end = bytes(output[:200]).index(b"\n")
            head = bytes(output[:head_end]).decode().split()
            if len(head) != 3:
                raise RevisionError(f"{place}: git cannot read {path} at {self.revision}: {' '.join(head)}")
            start, size = head_end + 1, int(head[2])
            yield path, path[above:], bytes(output[start : start + min(size, max_bytes + 1)])
            output = output[start + size + 1 :]

    def _contents(self, blobs: list[str]) -> bytes:
        answer = _git(self.root, "cat-file", "--batch", input="\n".join(blobs).encode())
        if answer.returncode:
            raise RevisionError(f"git cannot read {self.revision}: {_said(answer)}")
        return answer.stdout

    def _blobs(self, name: str) -> list[tuple[str, str]]:
        """(path, object) of the file, or of all files below the folder."""
        pathspec = ("--", name) if name else ()
        answer = _git(self.root, "ls-tree", "-r", "-z", "--full-tree", self.tree, *pathspec)
        if answer.returncode:
            raise RevisionError(f"git cannot list {self.revision}: {_said(answer)}")
        found = []
        for entry in answer.stdout.split(b"\0"):
            head, _, path = entry.partition(b"\t")
            mode, kind, blob = (*head.decode().split(), "", "", "")[:3]
            if kind == "blob" and mode != "120000":  # no link: what it leads to has a path of its own
                found.append((os.fsdecode(path), blob))
        return found


def _is_searched(path: str) -> bool:
    """Whether a search would find the file: no hidden file or folder on the way, and a suffix of a spec."""
    return path.endswith(SUFFIXES) and not any(part.startswith(".") for part in path.split("/"))


def _git(folder: str, *arguments: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    command = ["git", "--no-pager", "--literal-pathspecs", "-c", "protocol.allow=never", *arguments]
    try:
        return subprocess.run(command, cwd=folder, env=environment, input=input, capture_output=True, check=False)
    except OSError as error:
        raise RevisionError(
            f"the git program could not be run ({error.strerror or error}): install it, or use --from"
        ) from error


def _said(answer: subprocess.CompletedProcess[bytes]) -> str:
    lines = answer.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[0].removeprefix("fatal: ") if lines else f"exit code {answer.returncode}"
