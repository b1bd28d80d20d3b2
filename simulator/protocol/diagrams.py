"""The state diagrams of docs/model.md, drawn from `simulator.protocol.states`.

``python -m simulator.protocol.diagrams`` writes them into the chapter, ``--check`` says whether they are up to date.
Each stands between a line ``<!-- diagram: NAME -->`` and a line ``<!-- end -->``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from calico_lint.generated import settle
from simulator.protocol.states import ABSENT, MACHINES, Machine

CHAPTER: Final = Path(__file__).resolve().parents[2] / "docs" / "model.md"

_PLACE: Final = re.compile(r"(?<=<!-- diagram: )(?P<name>[a-z0-9-]+) -->\n.*?<!-- end -->", re.DOTALL)


def machines() -> dict[str, Machine]:
    """Every machine of every protocol, by name."""
    return {machine.name: machine for of_protocol in MACHINES.values() for machine in of_protocol}


def draw(machine: Machine) -> str:
    """The diagram of a machine in the language of Mermaid."""
    name = {state: f"s{number}" for number, state in enumerate(machine.edges)}
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{state}" as {name[state]}' for state in machine.edges]
    lines += [f"    [*] --> {name[start]}" for start in (machine.start, ABSENT) if start in name]
    for state, edges in machine.edges.items():
        for after in dict.fromkeys(edges.values()):
            events = ", ".join(event for event in edges if edges[event] == after)
            lines.append(f"    {name[state]} --> {name[after]} : {events}")
    if machine.interrupts:
        lines.append(f'    state "{machine.what}" as any')
        lines += [f"    any --> {name[after]} : {event}" for event, after in machine.interrupts.items()]
    return "\n".join(lines)


def with_diagrams(chapter: str) -> str:
    """The chapter with its diagrams drawn anew.

    Raises:
        ValueError: it has a place for a diagram that does not exist, or none for one that does.

    """
    known = machines()
    places = [found["name"] for found in _PLACE.finditer(chapter)]
    if sorted(places) != sorted(known):
        raise ValueError(f"places for diagrams: {sorted(places)}; state machines: {sorted(known)}")
    return _PLACE.sub(
        lambda found: f"{found['name']} -->\n```mermaid\n{draw(known[found['name']])}\n```\n<!-- end -->", chapter
    )


def main(arguments: list[str]) -> int:
    """Write the diagrams, or with ``--check`` compare them. Returns the exit code: 1 they are stale, 2 usage."""
    chapter = with_diagrams(CHAPTER.read_text(encoding="utf-8"))
    return settle({str(CHAPTER): chapter}, arguments, "python -m simulator.protocol.diagrams")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
