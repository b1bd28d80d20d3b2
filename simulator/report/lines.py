"""Plain lines for people: wrapped text behind a label, and names without what a terminal would obey."""

from __future__ import annotations

import os
import sys
import textwrap

WIDTH = 100
_NARROWEST = 30


def width() -> int:
    """Columns of the terminal or of $COLUMNS, but no more than can be read; for files and pipes as many as that."""
    given = os.environ.get("COLUMNS", "")
    columns = int(given) if given.isdecimal() and len(given) < 6 else 0
    if not columns and sys.stdout.isatty():
        try:
            columns = os.get_terminal_size(sys.stdout.fileno()).columns
        except OSError:  # a terminal that has no size
            columns = 0
    return max(_NARROWEST, min(WIDTH, columns or WIDTH))


def wrapped(first: str, text: str) -> list[str]:
    """Text behind a label, further lines indented as far as it, or less where that would leave too little room."""
    columns = width()
    indent = len(first) if len(first) <= columns // 2 else len(first) - len(first.lstrip()) + 2
    return textwrap.wrap(
        text,
        columns,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def shown(text: str) -> str:
    """Names come from the input: without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
