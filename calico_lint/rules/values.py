"""How rules read values and speak of them."""

from __future__ import annotations

from calico_lint.rules.core import Hit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from calico_lint.finding import Fix
    from calico_lint.yaml_source import Node

_LONGEST_SHOWN = 60


def text(node: Node | None) -> str | None:
    """The value if it is text and not empty: an empty text is as good as absent for kOps."""
    return node.value if node is not None and isinstance(node.value, str) and node.value else None


def quoted(value: str) -> str:
    """A value in backticks, on one line, not too long."""
    shown = " ".join(value.split())
    if len(shown) > _LONGEST_SHOWN:
        shown = f"{shown[:_LONGEST_SHOWN]}..."
    return f"`{shown}`"


def listed(values: Sequence[str], conjunction: str = "or") -> str:
    """`a`, `b` or `c`, in backticks."""
    *others, last = (f"`{value}`" for value in values)
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def not_allowed(node: Node, allowed: Sequence[str]) -> Iterator[Hit]:
    """A hit if the node holds text that kOps does not take. Names the value that was probably meant.

    With the case and the hyphens of another way to write it that value is the fix, and more than that is a guess.
    """
    value = text(node)
    if value is None or value in allowed:
        return
    alike = [word for word in allowed if _alike(word, value)]
    meant = next((word for word in alike if _bare(word) == _bare(value)), alike[0] if alike else None)
    advice = f"write `{meant}`" if meant else "write one of these" if len(allowed) > 1 else "write that or remove it"
    fix = None
    if meant:
        from calico_lint.fix import set_value

        fix = set_value(node, meant, safe=_bare(meant) == _bare(value))
    message = f"{quoted(value)} is not a value for `{node.key}`: kOps takes {listed(allowed)}; {advice}"
    yield Hit(node, message, fix=fix)


def _bare(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "")


def _alike(word: str, value: str) -> bool:
    left, right = _bare(word), _bare(value)
    return left == right or (min(len(left), len(right)) > 2 and (left.startswith(right) or right.startswith(left)))


def at_key(
    parent: Node,
    key: str,
    message: str,
    *,
    related: Sequence[tuple[Node, str]] = (),
    severity: str | None = None,
    origin: str | None = None,
    fix: Fix | None = None,
) -> Hit:
    """A hit on the value of a key, or on the missing key."""
    node = parent.get(key)
    if node is None:
        return Hit(parent, message, missing=key, related=related, severity=severity, origin=origin, fix=fix)
    return Hit(node, message, related=related, severity=severity, origin=origin, fix=fix)
