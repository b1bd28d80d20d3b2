"""Plain lines for people: wrapped text behind a label, and names without what a terminal would obey."""

from __future__ import annotations

import textwrap

WIDTH = 100


def wrapped(first: str, text: str) -> list[str]:
    """Text behind a label, further lines indented as far as it."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def shown(text: str) -> str:
    """Names come from the input: without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
