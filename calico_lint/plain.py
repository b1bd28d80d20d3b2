"""Characters that a terminal's encoding lacks: a likeness in ASCII instead of a question mark.

Consoles of Windows (cp437, cp1252 and others) and `LANG=C` have no arrow, and some no dash.
"""

from __future__ import annotations

from codecs import register_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

ERRORS: Final = "calico-plain"
"""The name under which `encode` and `reconfigure` take the likenesses, once `register` was called."""

LIKENESSES: Final = {
    "→": ">", "←": "<", "–": "-", "—": "-", "−": "-", "·": "-", "•": "*", "…": "...", "×": "x", "±": "+-",
    "≤": "<=", "≥": ">=", "≈": "~", "✓": "+", "✗": "x", "█": "#", "▓": "=", "░": "-", "▒": ">", "▏": "|", "│": "|",
    "─": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "\u00a0": " ",
}  # fmt: skip


def register() -> str:
    """Make `ERRORS` known to Python's codecs; returns it."""
    register_error(ERRORS, _replaced)
    return ERRORS


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(LIKENESSES.get(letter, "?") for letter in letters), error.end
