"""The events of the fixture scenarios stay as they are, on every platform, unless somebody says so."""

from __future__ import annotations

import json

from tests.simulator.fingerprints import FILE, fingerprints


def test_events_of_the_fixtures_are_those_on_record() -> None:
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    now = fingerprints()
    changed = sorted(name for name in recorded.keys() & now.keys() if recorded[name] != now[name])
    assert not changed, (
        f"the engine's events have changed in {', '.join(changed)}. If that is meant, run "
        "`python -m tests.simulator.fingerprints` and add a line to CHANGELOG.md that says what changes for users."
    )
    assert recorded.keys() == now.keys(), "scenarios came or went: run `python -m tests.simulator.fingerprints`"
