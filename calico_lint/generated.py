"""Files that are made from others and committed: writing them, and finding that they have drifted."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def settle(files: Mapping[str, str], arguments: Sequence[str], program: str) -> int:
    """Write files (path -> text), or with `--check` say which are not like that; the exit code.

    `program` is how they are made (`python -m ...`). 1: some have drifted, 2: other arguments.
    """
    if list(arguments) not in ([], ["--check"]):
        print(f"usage: {program} [--check]", file=sys.stderr)
        return 2
    drifted = [path for path, text in files.items() if _content(path) != text]
    for path in drifted:
        if arguments:
            print(f"{os.path.relpath(path)} has drifted from what it is made of: run {program}", file=sys.stderr)
            continue
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(files[path])
    return 1 if drifted and arguments else 0


def _content(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return None
