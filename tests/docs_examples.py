"""The commands that the documentation shows, with what they print.

In a block of kind `console`, a line `$ command` is followed by its output; a line `[...]` in that stands for any number
of lines. Commands are run in a shell from the project's root; those of other programs (kubectl, kops) are not run.
`python -m tests.docs_examples` writes the output of today into the pages, except where it is shortened.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"(?m)^```console\n(.*?)^```$", re.DOTALL)
_OURS = re.compile(r"(?:cat [\w./-]+ \| )?calico-(?:lint|sim)\b")
_ELSEWHERE = re.compile(r"\b(?:kubectl|kops|kops-\S+|git|pip|make|NAME)\b|tcp://|--from-git")
ANYTHING = "[...]"


class Example(NamedTuple):
    """One command of a page; `start` and `end` delimit its output in the page's text."""

    page: Path
    line: int
    command: str
    output: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """The page and the line of the command."""
        return f"{self.page.name}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether it needs nothing but this project."""
        return _OURS.match(self.command) is not None and _ELSEWHERE.search(self.command) is None


def examples(page: Path) -> Iterator[Example]:
    """The commands of a page in order."""
    text = page.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        starts = [match.start() for match in re.finditer(r"(?m)^\$ ", block[1])]
        for begin, end in zip(starts, [*starts[1:], len(block[1])], strict=True):
            piece = block[1][begin:end]
            first, _, output = piece.partition("\n")
            place = block.start(1) + begin + len(first) + 1
            line = text.count("\n", 0, place - 1) + 1
            yield Example(page, line, first.removeprefix("$ "), output, place, place + len(output))


def run(command: str) -> str:
    """What a command prints on standard output and error, in order, in a terminal of 100 columns without colour."""
    scripts = Path(sys.executable).parent
    environment = {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "CALICO_LINT_CACHE_DIR": os.environ.get("CALICO_LINT_CACHE_DIR", ""),
    }
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env={key: value for key, value in environment.items() if value},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return done.stdout


def matches(shown: str, printed: str) -> bool:
    """Whether the output is what the page shows; blank lines at the ends do not count."""
    pieces = [re.escape(piece.strip("\n")) for piece in shown.strip("\n").split(ANYTHING)]
    return re.fullmatch(r"(?:.|\n)*".join(pieces), printed.strip("\n")) is not None


def main() -> None:
    """Bring the pages up to date."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for example in reversed(list(examples(page))):
            if not example.runs:
                continue
            printed = run(example.command)
            if matches(example.output, printed):
                continue
            if ANYTHING in example.output:
                print(f"{example.name}: shortened, and not true any more: {example.command}")
                continue
            print(f"{example.name}: {example.command}")
            blank = "\n" if example.output.endswith("\n\n") else ""
            text = text[: example.start] + printed.strip("\n") + "\n" + blank + text[example.end :]
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
