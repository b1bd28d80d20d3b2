"""The commands that the documentation shows, with what they print.

In a block of kind `console`, a line `$ command` is followed by its output; a line `[...]` in that stands for any number
of lines. A command may go on behind a `\\` at the end of its line. Every command in such a block is run, in a shell, in
a scratch folder where `fixtures` is the project's; what cannot be run (kubectl, files of the reader's own) stands in a
block of kind `sh`. A command that reads a file which an earlier command of its page wrote (`> FILE`, `--output FILE`)
is run behind that one.

`python -m tests.docs_examples [PAGE...]` writes the output of today into the pages, except where it is shortened.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"(?m)^```console\n(.*?)^```$", re.DOTALL)
_COMMAND = re.compile(r"(?m)^\$ ((?:.*\\\n)*.*)\n?")
_OURS = re.compile(r"(?:cat [\w./-]+ \| )?calico-(?:lint|sim)\b|cat fixtures/\S+$")
_WRITES = re.compile(r"(?:>\s*|--(?:output|html|write-v3)[= ](?:\w+=)?)([\w./-]+)")
ANYTHING = "[...]"
TIMEOUT_S = 60


class Example(NamedTuple):
    """One command of a page; `start` and `end` delimit its output in the page's text.

    `before` are the earlier commands of the page that write what this one reads.
    """

    page: Path
    line: int
    command: str
    output: str
    start: int
    end: int
    before: tuple[str, ...]

    @property
    def name(self) -> str:
        """The page and the line of the command."""
        return f"{self.page.name}:{self.line}"

    @property
    def ours(self) -> bool:
        """Whether it needs nothing but this project."""
        return _OURS.match(self.command) is not None


def examples(page: Path) -> Iterator[Example]:
    """The commands of a page in order."""
    text = page.read_text(encoding="utf-8")
    writers: dict[str, tuple[str, ...]] = {}
    for block in _BLOCK.finditer(text):
        commands = list(_COMMAND.finditer(block[1]))
        ends = [command.start() for command in commands[1:]] + [len(block[1])]
        for command, end in zip(commands, ends, strict=True):
            before = [line for file, lines in writers.items() if file in command[1].split() for line in lines]
            for file in _WRITES.findall(command[1]):
                writers[file] = (*before, command[1])
            yield Example(
                page,
                text.count("\n", 0, block.start(1) + command.start()) + 1,
                command[1],
                block[1][command.end() : end],
                block.start(1) + command.end(),
                block.start(1) + end,
                tuple(dict.fromkeys(before)),
            )


def run(example: Example) -> str:
    """What a command prints on standard output and error, in order, in a terminal of 100 columns without colour."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "fixtures").symlink_to(ROOT / "fixtures", target_is_directory=True)
        for command in example.before:
            _shell(command, folder)
        return _shell(example.command, folder)


def _shell(command: str, folder: str) -> str:
    scripts = Path(sys.executable).parent
    environment = {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "CALICO_LINT_CACHE_DIR": os.environ.get("CALICO_LINT_CACHE_DIR", ""),
    }
    with subprocess.Popen(
        ["sh", "-c", command],
        cwd=folder,
        env={key: value for key, value in environment.items() if value},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    ) as shell:
        try:
            return shell.communicate(timeout=TIMEOUT_S)[0]
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)  # what the shell has started would go on without it
            raise


def matches(shown: str, printed: str) -> bool:
    """Whether the output is what the page shows; blank lines at the ends do not count."""
    pieces = [re.escape(piece.strip("\n")) for piece in shown.strip("\n").split(ANYTHING)]
    return re.fullmatch(r"(?:.|\n)*".join(pieces), printed.strip("\n")) is not None


def main() -> None:
    """Bring the pages up to date."""
    for page in [Path(name).absolute() for name in sys.argv[1:]] or PAGES:
        text = page.read_text(encoding="utf-8")
        for example in reversed(list(examples(page))):
            if not example.ours:
                print(f"{example.name}: not ours, so no block of kind console: {example.command}")
                continue
            printed = run(example)
            if matches(example.output, printed):
                continue
            if ANYTHING in example.output:
                print(f"{example.name}: shortened, and not true any more: {example.command}\n{printed}")
                continue
            print(f"{example.name}: {example.command}")
            blank = "\n" if example.output.endswith("\n\n") else ""
            lines = printed.strip("\n")
            text = text[: example.start] + (lines + "\n" if lines else "") + blank + text[example.end :]
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
