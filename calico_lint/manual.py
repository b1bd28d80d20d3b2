"""The man pages of both programs, from their argument parsers.

`python -m calico_lint.manual` writes docs/man/*.1, `--check` compares.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from calico_lint import __version__
from calico_lint.completion import options_of, plain_help, subcommands
from calico_lint.generated import settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

# Program -> where its parser is made, and what apropos says.
PROGRAMS = {
    "calico-lint": ("calico_lint.options", "build_parser", "check kOps cluster specs for Calico"),
    "calico-sim": ("simulator.cli", "_parser", "predict the upgrade of Calico by kOps"),
}
_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "docs", "man")
_SECTIONS = {
    "calico-lint": """.SH ENVIRONMENT
.TP
.B KOPS_VERSION
stands in for \\-\\-kops\\-version.
.TP
.B CALICO_LINT_CACHE_DIR
is where results are kept; else calico\\-lint in $XDG_CACHE_HOME or ~/.cache.
.TP
.B NO_COLOR
switches colours off.
.SH FILES
.TP
.BR .calico-lint.toml ", " pyproject.toml
Settings, searched for from the first PATH upwards to the top of the repository: docs/settings.md.
.TP
.B .gitignore
What it names is left out when folders are searched.
""",
}


def page(program: str) -> str:
    """The man page of a program, as roff."""
    module, function, what = PROGRAMS[program]
    parser: argparse.ArgumentParser = getattr(import_module(module), function)()
    below = [*subcommands(parser)]
    usage = "COMMAND [OPTIONS]" if below else "[OPTIONS] PATH..."
    lines = [
        f'.TH {program.upper()} 1 "" "{program} {__version__}" "User Commands"',
        ".SH NAME",
        f"{_text(program)} \\- {_text(what)}",
        ".SH SYNOPSIS",
        f".B {_text(program)}",
        _text(usage),
        ".SH DESCRIPTION",
        _text(parser.description or ""),
        *_arguments(parser),
        ".SH OPTIONS",
        *_options(parser),
    ]
    if below:
        lines.append(".SH COMMANDS")
    for name, _, command in below:
        lines += [f".SS {_text(name)}", _text(command.description or ""), *_arguments(command), *_options(command)]
        if command.epilog:
            lines += [".PP", _text(command.epilog)]
    if parser.epilog:
        lines += [".SH EXIT STATUS", _text(parser.epilog)]
    other = "calico-sim" if program == "calico-lint" else "calico-lint"
    return "\n".join(lines) + "\n" + _SECTIONS.get(program, "") + f".SH SEE ALSO\n.BR {other} (1)\n"


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if not action.option_strings and isinstance(action.metavar, str) and action.help and not action.choices:
            yield from (".TP", f".I {_text(action.metavar)}", _text(plain_help(action)))


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in options_of(parser):
        value = ""
        if action.nargs != 0:
            choices = "|".join(map(str, action.choices or ()))
            value = action.metavar if isinstance(action.metavar, str) else choices or action.dest.upper()
            value = f" \\fI{_text(value.replace('%%', '%'))}\\fR"
        flags = ", ".join(f"\\fB{_text(flag)}\\fR" for flag in action.option_strings)
        yield from (".TP", flags + value, _text(plain_help(action)) or "\\&")


def _text(text: str) -> str:
    """Text as roff takes it: a hyphen that can be copied, no line that begins a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq")
    return "\\&" + text if text.startswith(".") else text


def _main() -> int:
    files = {os.path.join(_FOLDER, f"{program}.1"): page(program) for program in PROGRAMS}
    return settle(files, sys.argv[1:], "python -m calico_lint.manual")


if __name__ == "__main__":
    sys.exit(_main())
