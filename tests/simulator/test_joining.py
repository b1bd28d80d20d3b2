from __future__ import annotations

import json
import math

import pytest

import simulator
from simulator.cli import main
from simulator.joining import _pair, node_joins, parse_node_rate
from simulator.planning import Plan, replication
from simulator.windows import flat
from tests.helpers import ROOT

SPECS = ROOT / "fixtures" / "specs"
MIGRATION, MODERN = SPECS / "calico-v2-to-v3.yaml", SPECS / "calico-v3-rolling.yaml"


@pytest.fixture(scope="module")
def migration() -> Plan:
    return simulator.plan(MIGRATION, kops_version="1.12.3", nodes=6, replications=4)


def test_runs_without_joins_are_the_plans_own(migration: Plan) -> None:
    assert migration.profile is not None
    assert migration.scenario is not None
    for number in range(4):
        before, after, endless = _pair(migration.profile, migration.scenario, 0, number, 1e-3)
        assert before is after
        assert not endless
        assert before.scenario == replication(migration, number)
        assert flat(before)["scheduling_block"] == migration.samples["scheduling_block"][number]


def test_joins_only_lengthen_and_stay_closed(migration: Plan) -> None:
    assert migration.profile is not None
    assert migration.scenario is not None
    lengths = []
    for rate in (1e-3, 30, 90):
        found = node_joins(migration.profile, migration.scenario, 0, rate, 24)
        assert found.window == "scheduling_block"
        assert found.difference.median.value is not None
        assert found.difference.median.value >= 0
        assert found.difference.shorter == 0
        assert found.joined[0].value is not None
        assert (found.joined[0].value, found.closed[0].value == 0) == (0, True) or rate > 1
        lengths.append(found.length[0].value or math.inf)
        assert found.to_dict() == json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert lengths == sorted(lengths)
    assert lengths[-1] > lengths[0] + 30  # a minute and a half of block lets several join, each some 30 s


def test_too_many_nodes_never_end(migration: Plan) -> None:
    assert migration.profile is not None
    assert migration.scenario is not None
    found = node_joins(migration.profile, migration.scenario, 0, 1000, 2)
    assert (found.never, found.length[0].value, found.joined[0].value) == (1.0, None, None)


def test_a_roll_within_v3() -> None:
    made = simulator.plan(MODERN, kops_version="1.30", nodes=4, replications=8, node_rate=60)
    assert made.joins is not None
    assert made.joins.window == "total"
    assert made.joins.joined[1].value
    # A new node needs its own start only, whatever the roll does.
    assert made.joins.closed[1].value < 120  # type: ignore[operator]


def test_an_upgrade_that_never_ends_is_not_the_new_nodes_fault() -> None:
    made = simulator.plan(MIGRATION, kops_version="1.16", nodes=3, replications=3, node_rate=30)
    assert made.joins is not None
    assert (made.joins.never, made.joins.joined[0].value) == (0.0, 0.0)


def test_the_report_and_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", str(MIGRATION), "--kops-version", "1.12.3", "--replications", "4", "--node-rate", "1/min"]
    assert main(arguments) == 0
    assert "At 60 new nodes an hour " in capsys.readouterr().out
    assert main([*arguments, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["joins"]["nodes_per_hour"] == 60
    assert main([*arguments[:-2], "--format", "json"]) == 0
    assert "joins" not in json.loads(capsys.readouterr().out)
    assert main([*arguments[:-1], "600/h"]) == 0
    assert "the roll never catches up" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "rate"), [("6", 6), ("6/h", 6), ("0.5/min", 30), ("48/d", 2), (" 2 / h ", 2)])
def test_rates(text: str, rate: float) -> None:
    assert parse_node_rate(text) == rate


@pytest.mark.parametrize("text", ["", "x", "6/s", "0", "-1", "nan", "inf", "1e9", "/h"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate of nodes: write 6/h"):
        parse_node_rate(text)
