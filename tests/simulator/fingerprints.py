"""A fingerprint of the events of each fixture scenario: who did what, and when, to the microsecond.

``python -m tests.simulator.fingerprints`` writes them anew. Do that only when the engine is meant to behave otherwise,
read the difference, and say in CHANGELOG.md what changes for users.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from simulator.engine import run
from simulator.scenario import Scenario
from tests.helpers import ROOT

FILE = Path(__file__).with_suffix(".json")


def fingerprints() -> dict[str, str]:
    """CRC-32 of the events, as hexadecimal digits, by the scenario's file name."""
    return {path.stem: _of(path) for path in sorted((ROOT / "fixtures" / "scenarios").glob("*.json"))}


def _of(path: Path) -> str:
    trace = run(Scenario.from_dict(json.loads(path.read_text(encoding="utf-8"))))
    lines = (f"{event.time} {event.actor} {event.node or '-'} {event.event}\n" for event in trace.events)
    return f"{zlib.crc32(''.join(lines).encode()):08x}"


if __name__ == "__main__":
    FILE.write_text(json.dumps(fingerprints(), indent=1) + "\n", encoding="utf-8")
