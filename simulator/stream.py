"""kubectl's watch stream: one JSON object after the other, as ``kubectl get pods -w -o json`` prints them.

kubectl writes each object over many lines, with `{` and `}` alone at the margin; with ``--output-watch-events`` it
wraps it in `{"type", "object"}`; other tools write one object a line. A connection that breaks leaves half an object,
and what follows begins anew with a `{` at the margin: that is how the reader finds its way back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_OBJECT = 16 * 1024 * 1024
"""Characters of one object: a List of all pods of 5,000 nodes has less."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """What is no JSON object: the line on which it began, counted from 1, and why."""

    line: int
    reason: str


def read_objects(lines: Iterable[str]) -> Iterator[dict[str, Any] | Malformed]:
    """The objects of a stream in order, and what is none. Never raises on content."""
    buffer: list[str] = []
    start = size = 0
    for number, line in enumerate(lines, start=1):
        opens = line.startswith("{")
        if buffer and opens:
            yield Malformed(start, "the object is cut off")
            buffer.clear()
        if not buffer:
            if not opens:
                if line.strip():
                    yield Malformed(number, f"this is no JSON object: {line.strip()[:60]!r}")
                continue
            start, size = number, 0
        buffer.append(line)
        size += len(line)
        if size > MAX_OBJECT:
            yield Malformed(start, f"the object is longer than {MAX_OBJECT:,} characters")
            buffer.clear()
        elif line.startswith("}") or (opens and line.rstrip().endswith("}")):
            yield _parsed("".join(buffer), start)
            buffer.clear()
    if buffer:
        yield Malformed(start, "the object is cut off")


def _parsed(text: str, line: int) -> dict[str, Any] | Malformed:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Malformed(line, str(error))
    assert isinstance(value, dict)  # it began with a brace
    return value
