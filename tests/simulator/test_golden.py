"""Whole runs against results that were worked out by hand, from a file each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.engine import run
from simulator.run_command import run_file
from simulator.scenario import Scenario
from simulator.windows import result
from tests.helpers import ROOT, SHARED

OWN = sorted((ROOT / "fixtures" / "scenarios").glob("*.json"))
GOLDEN = sorted((SHARED / "golden").glob("*.json"))


def check(path: Path) -> None:
    expected: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["expected"]
    answer = json.loads(run_file(str(path)))
    if answer["stall"] is not None:
        # The files have the reason and the recovery of a stall; the command line adds since when.
        since = answer["stall"].pop("since")
        assert 0 <= since <= 100_000
    assert list(answer) == list(expected)
    assert answer == expected


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_own_scenarios(path: Path) -> None:
    check(path)


@pytest.mark.skipif(not GOLDEN, reason="the golden scenarios (../shared/golden) are not on this machine")
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_scenarios(path: Path) -> None:
    check(path)


@pytest.mark.parametrize("path", [*OWN, *GOLDEN], ids=lambda path: path.stem)
def test_round_trip_and_no_horizon(path: Path) -> None:
    scenario = Scenario.from_dict(json.loads(path.read_text(encoding="utf-8")))
    again = Scenario.from_dict(json.loads(json.dumps(scenario.to_dict())))
    assert again == scenario
    without = Scenario.from_dict(scenario.to_dict() | {"horizon": None})
    ended, endless = result(run(again)), result(run(without))
    if ended["completed"]:
        assert endless == ended
    elif scenario.horizon == 100_000_000_000:  # one that is cut short may complete later
        assert endless["stall"] == ended["stall"]


def test_there_are_scenarios() -> None:
    assert len(OWN) >= 12
