"""The reference of both command lines, from their argument parsers.

`python -m calico_lint.reference` writes docs/reference/calico-*.md, `--check` compares.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib import import_module

from calico_lint.completion import options_of, plain_help, subcommands
from calico_lint.generated import settle
from calico_lint.manual import PROGRAMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "reference")
_NOTE = "<!-- Made by `python -m calico_lint.reference` from the options: do not edit. -->"
# What a command's own --help adds.
_BELOW = {"calico-sim recover": ("simulator.recover", "how_to_read")}
_OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
_SPECIAL = re.compile(r"([*_<\[|])")


def page(program: str) -> str:
    """The reference of a program, as Markdown."""
    module, function, _ = PROGRAMS[program]
    parser: argparse.ArgumentParser = getattr(import_module(module), function)()
    lines = [f"# {program}", "", _NOTE, "", *_described(parser, program)]
    for name, _, command in subcommands(parser):
        lines += ["", f"## {program} {name}", "", *_described(command, f"{program} {name}")]
    return "\n".join(lines) + "\n"


def _described(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    """What a command is for, how it is called, what can be given, and how it ends."""
    below = [*subcommands(parser)]
    for paragraph in (parser.description or "").split("\n\n"):
        if paragraph.startswith("  "):
            yield from ("```sh", paragraph.strip(), "```", "")
        else:
            yield from (_prose(paragraph), "")
    words = [name, *(["COMMAND"] if below else ["[OPTIONS]", *_places(parser)])]
    yield from ("```text", " ".join(words), "```", "")
    for command, what, _ in below:
        yield f"* [`{name} {command}`](#{name}-{command}): {_prose(what)}"
    if below:
        yield ""
    for action in parser._actions:
        if not action.option_strings and action.help and not isinstance(action, argparse._SubParsersAction):
            yield f"* **`{action.metavar or action.dest}`** {_prose(plain_help(action))}"
    for action in options_of(parser):
        if "--help" in action.option_strings:
            continue
        value = ""
        if action.nargs != 0:
            choices = "|".join(map(str, action.choices or ()))
            value = action.metavar if isinstance(action.metavar, str) else choices or action.dest.upper()
            value = " " + value.replace("%%", "%")
        yield f"* **`{', '.join(action.option_strings)}{value}`** {_prose(plain_help(action))}".rstrip()
    if parser.epilog:
        yield from ("", _prose(parser.epilog))
    if name in _BELOW:
        module, function = _BELOW[name]
        yield from ("", "```text", getattr(import_module(module), function)(), "```")


def _places(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if not action.option_strings:
            word = str(action.metavar or action.dest)
            yield f"{word}..." if action.nargs in ("*", "+") else word


def _prose(text: str) -> str:
    """A text of the help as Markdown: options are code, and nothing else is markup."""
    pieces = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(
        piece if piece.startswith("`") else _OPTION.sub(r"`\g<0>`", _SPECIAL.sub(r"\\\1", piece)) for piece in pieces
    )


def _main() -> int:
    files = {os.path.join(_FOLDER, f"{program}.md"): page(program) for program in PROGRAMS}
    return settle(files, sys.argv[1:], "python -m calico_lint.reference")


if __name__ == "__main__":
    sys.exit(_main())
