from __future__ import annotations

import json
import math
import multiprocessing
import re
from collections.abc import Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from calico_lint.kops.releases import Version, parse_release
from calico_lint.yaml_source import Source
from simulator.engine import run
from simulator.observations import WINDOWS
from simulator.planning import (
    BLOCKED,
    GO,
    NEVER_COMPLETES,
    OVER_BUDGET,
    UNDECIDED,
    Budget,
    Options,
    Plan,
    PlanError,
    duration,
    make_plan,
    parse_budget,
    parse_duration,
    parse_precision,
    parse_share,
    replication,
)
from simulator.profile import Fixed, Lognormal, Profile, Setting, Situation, build, objects, parse
from simulator.scenario import V2_TO_V3, V3_ROLLING, Scenario
from simulator.timing import TIMINGS
from simulator.windows import flat
from tests.helpers import ROOT, spec_text

SPECS = ROOT / "fixtures" / "specs"
MIGRATION = (SPECS / "calico-v2-to-v3.yaml").read_text()
TODAY = (SPECS / "calico-v2.yaml").read_text()
ETCD_2 = (SPECS / "calico-v2-etcd-2.yaml").read_text()
MODERN = (SPECS / "calico-v3-rolling.yaml").read_text()
KUBERNETES = {V2_TO_V3: Version(1, 10, 13), V3_ROLLING: Version(1, 30, 4)}


def plan(
    text: str,
    kops: str | None = "1.12.3",
    *,
    old: str | None = None,
    old_kops: str | None = None,
    runs: int | None = 4,
    **options: Any,
) -> Plan:
    return make_plan(
        Source("new.yaml", text.encode()),
        Source("old.yaml", old.encode()) if old is not None else None,
        parse_release(kops) if kops else None,
        parse_release(old_kops) if old_kops else None,
        Options(replications=runs, **options),
    )


def golden(protocol: str, nodes: int) -> dict[str, tuple[Any, str]]:
    """Settings that turn the default profile into the golden one, in which every number is known by hand."""
    situation = Situation(protocol, nodes, 3, KUBERNETES[protocol])
    settings = {
        parameter.name: (Fixed(float(TIMINGS[parameter.name].golden)), "golden")  # type: ignore[arg-type]
        for parameter in build(situation).parameters
        if parameter.name in TIMINGS
    }
    if protocol == V2_TO_V3:
        resources, ipam = objects(situation, 30)
        settings["store_rate"] = (Fixed((resources + ipam) / 2), "golden")  # 2 s, as 200 objects at 100/s
    return settings


# --- numbers known by hand ------------------------------------------------------------------------------


@pytest.mark.parametrize("nodes", [2, 3, 10])
def test_the_block_of_the_golden_profile_is_30_seconds_a_node_and_14(nodes: int) -> None:
    made = plan(MIGRATION, nodes=nodes, settings=golden(V2_TO_V3, nodes))
    block = made.windows["scheduling_block"].summary
    assert (block.minimum, block.p50, block.maximum) == (30 * nodes + 14,) * 3
    doc = made.windows["policy_freeze_controllers_init"]
    assert (doc.summary.p50, doc.start_p50) == (30, 6)
    assert made.windows["policy_freeze_conversion"].summary.p50 == 40
    assert made.windows["policy_freeze_enforcement"].summary.p50 == 30 * nodes + 24
    assert made.windows["total"].summary.p50 == 30 * nodes + 24
    assert made.windows["node_felix_gap_max"].summary.p50 == 33
    starts = {step.name: (step.start_p50, step.end_p50) for step in made.steps}
    assert starts["migrate the data"] == (7, 35)
    assert starts["roll the other nodes"] == (35, 30 * nodes + 20)
    assert starts["complete the upgrade"] == (30 * nodes + 20, 30 * nodes + 21)


def test_the_critical_path_of_the_golden_profile_adds_up() -> None:
    made = plan(MIGRATION, nodes=3, settings=golden(V2_TO_V3, 3))
    seconds = {stage: round(share * 104, 6) for stage, share in made.critical_path}
    assert seconds == {
        "image pulls": 8 + 2 * (4 + 8),
        "pause of calico-upgrade": 15,
        "read and write the data": 1 + 2,
        "start of calico-node": 3 * 3,
        "BGP sessions": 3 * 5,
        # n1 sees its peers at 41, its probes come at 40 and 50; the later ones wait from 71 and 101.
        "readiness probe": 9 + 9 + 9,
        "restart of the pod": 2,
        "completion Job": 1,
    }
    assert sum(share for _, share in made.critical_path) == pytest.approx(1)


@pytest.mark.parametrize("nodes", [1, 2, 5])
@pytest.mark.parametrize(("text", "kops"), [(MIGRATION, "1.12"), (MODERN, "1.30")])
def test_a_critical_path_has_no_negative_share(text: str, kops: str, nodes: int) -> None:
    path = dict(plan(text, kops, nodes=nodes, runs=64).critical_path)
    assert sum(path.values()) == pytest.approx(1)
    assert min(path.values()) > 0
    # Of two nodes that are rolled, the old one loses its only peer and is restarted beside the new one.
    assert (path.get("failing readiness probes", 0) > 0.02) == (nodes == 2 and text == MODERN)


def test_the_roll_of_the_golden_profile() -> None:
    made = plan(MODERN, "1.30", nodes=3, settings=golden(V3_ROLLING, 3))
    assert made.windows["scheduling_block"].summary.maximum == 0
    assert made.windows["node_policy_staleness_max"].summary.p50 == 24
    assert made.windows["node_felix_gap_max"].summary.p50 == 18
    assert made.windows["total"].summary.p50 == 90
    assert {name for name in WINDOWS if name not in made.windows} == {
        "policy_freeze_controllers_init",
        "policy_freeze_conversion",
        "policy_freeze_enforcement",
    }
    assert dict(made.critical_path)["image pulls"] == pytest.approx(3 * 14 / 90)


def test_a_plan_counts_from_the_end_of_kops_update() -> None:
    settings = golden(V2_TO_V3, 3)
    early = plan(MIGRATION, nodes=3, settings=settings)
    late = plan(
        MIGRATION,
        nodes=3,
        settings={**settings, "channels_delay": (Fixed(30), "-"), "apply": (Fixed(3), "-")},
    )
    for name in WINDOWS:
        more = 33 if name == "total" else 0
        assert late.windows[name].summary.p50 == (early.windows[name].summary.p50 or 0) + more
    for before, after in zip(early.steps[1:], late.steps[1:], strict=True):
        assert after.start_p50 == (before.start_p50 or 0) + 33
    assert (late.steps[0].start_p50, late.steps[0].end_p50) == (0, 33)


# --- which upgrade --------------------------------------------------------------------------------------


def without_groups(text: str) -> str:
    return text.split("---")[0]


CASES: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("the upgrade", MIGRATION, {"kops": "1.12.3"}, GO, V2_TO_V3),
    ("its oldest kOps", MIGRATION, {"kops": "1.11.0"}, GO, V2_TO_V3),
    ("its newest kOps", MIGRATION, {"kops": "1.14.1"}, GO, V2_TO_V3),
    ("a v2 spec, as if majorVersion were set", TODAY, {"kops": "1.12.3"}, GO, V2_TO_V3),
    ("with the old spec", MIGRATION, {"old": TODAY, "old_kops": "1.10"}, GO, V2_TO_V3),
    ("with the old spec, its kOps inferred", MIGRATION, {"old": TODAY}, GO, V2_TO_V3),
    ("a Job that waits for ever", MIGRATION, {"kops": "1.15.0"}, NEVER_COMPLETES, V2_TO_V3),
    ("the same, with the old spec", MIGRATION, {"kops": "1.16", "old": TODAY}, NEVER_COMPLETES, V2_TO_V3),
    ("a range of which part never ends", MIGRATION, {"kops": None}, UNDECIDED, V2_TO_V3),
    ("etcd 2", ETCD_2, {"kops": "1.12"}, BLOCKED, V2_TO_V3),
    ("etcd 2 is the default", MIGRATION.replace("    version: 3.2.24\n", ""), {"kops": "1.11"}, BLOCKED, V2_TO_V3),
    ("Calico too old", MIGRATION, {"old": TODAY, "old_kops": "1.8.0"}, BLOCKED, V2_TO_V3),
    ("Calico too old, no old spec", MIGRATION, {"old_kops": "1.8.0"}, BLOCKED, V2_TO_V3),
    ("kOps too old", TODAY, {"kops": "1.10"}, BLOCKED, V2_TO_V3),
    ("Kubernetes too old", TODAY.replace("1.10.13", "1.6.13"), {"kops": "1.11"}, BLOCKED, V2_TO_V3),
    (
        "crossing Kubernetes 1.12",
        TODAY.replace("1.10.13", "1.12.10"),
        {"kops": "1.12", "old": TODAY},
        BLOCKED,
        V3_ROLLING,
    ),
    ("back to v2", TODAY, {"old": MIGRATION}, BLOCKED, V2_TO_V3),
    ("Calico on etcd, v3 to v3", MIGRATION, {"kops": "1.13", "old": MIGRATION, "old_kops": "1.12"}, GO, V3_ROLLING),
    ("a modern cluster", MODERN, {"kops": "1.30"}, GO, V3_ROLLING),
    ("a modern cluster, release inferred", MODERN, {"kops": None}, GO, V3_ROLLING),
    (
        "a modern cluster and its past",
        MODERN,
        {"kops": "1.30", "old": MODERN.replace("1.30.4", "1.29.8"), "old_kops": "1.29"},
        GO,
        V3_ROLLING,
    ),
]


@pytest.mark.parametrize(
    ("text", "options", "verdict", "protocol"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_which_upgrade_it_is(text: str, options: Mapping[str, Any], verdict: str, protocol: str) -> None:
    made = plan(text, **options)
    assert (made.verdict, made.upgrade.protocol) == (verdict, protocol)
    assert made.exit_code == {GO: 0, BLOCKED: 1, NEVER_COMPLETES: 4, UNDECIDED: 5}[verdict]
    assert made.reason
    assert (made.scenario is None) == (verdict == BLOCKED) == (made.windows == {})
    if made.scenario is not None:
        assert made.scenario.cluster.protocol == protocol


def test_versions_before_and_after() -> None:
    made = plan(MIGRATION, old=TODAY, old_kops="1.10")
    assert (made.upgrade.calico_from, made.upgrade.calico_to) == ("2.6.7", "3.7.4")
    # kOps 1.10 to 1.18 ship three different v2.6: which one runs is not known.
    assert plan(MIGRATION, old=TODAY).upgrade.calico_from is None
    assert plan(MODERN, "1.30").upgrade.calico_from is None
    overridden = MODERN.replace("calico: {}", "calico: {version: v3.27.5}")
    assert plan(overridden, "1.30").upgrade.calico_to == "3.27.5"


def test_the_reason_names_the_releases() -> None:
    made = plan(MIGRATION, kops=None)
    assert "kOps 1.15-1.18" in made.reason
    assert "it ends with kOps 1.11-1.14" in made.reason
    assert str(made.upgrade.release) == "1.14.1"
    assert any("could apply this spec; simulated as 1.14.1" in text for text in made.assumptions)
    mismatch = next(risk for risk in made.risks if risk.id == "image-mismatch")
    assert mismatch.probability is None
    assert "1.15-1.18" in mismatch.reason


def test_what_never_completes_is_simulated_up_to_there() -> None:
    made = plan(MIGRATION, "1.16", runs=8, budgets=(Budget("scheduling_block", 1e5),))
    assert made.scenario is not None
    assert [fault.kind for fault in made.scenario.faults] == ["expected_image_mismatch"]
    block = made.windows["scheduling_block"]
    assert (block.summary.p50, block.summary.unfinished, block.given_timings["p50"]) == (None, 1.0, None)
    assert block.start_p50 is not None
    assert made.windows["policy_freeze_controllers_init"].summary.p50 is not None
    assert made.budgets[0].share == 1.0
    assert [advice.p50_now for advice in made.advice] == [None]
    assert made.critical_path == ()
    assert made.risks[0].id == "image-mismatch"
    assert made.risks[0].probability == 1.0
    assert "calico-upgrade complete --no-prompts" in made.risks[0].recovery


def test_errors_of_the_linter_block() -> None:
    made = plan(MODERN.replace("calico: {}", "calico: {encapsulationMode: geneve}"), "1.30")
    assert made.verdict == BLOCKED
    assert made.lint.count("error") > 0
    assert "the spec has 1 error" in made.reason
    assert all(window is None for window in made.to_dict()["windows"].values())


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        (MODERN.replace("calico: {}", "canal: {}"), {"kops": "1.24"}, "runs canal, not Calico"),
        (MODERN.replace("calico: {}", "cilium: {}"), {"kops": "1.30"}, "runs cilium, not Calico"),
        (MODERN.replace("    calico: {}", "    {}"), {"kops": "1.30"}, "names no networking option"),
        (MODERN, {"kops": "1.30", "old": MODERN.replace("calico: {}", "cilium: {}")}, "the old spec runs cilium"),
        (TODAY, {"old": TODAY}, "Calico v2 before and after"),
        (MODERN.replace("  kubernetesVersion: 1.30.4\n", ""), {"kops": "1.30"}, "kubernetesVersion is missing"),
        (without_groups(MODERN), {"kops": "1.30"}, "no InstanceGroups: give the number of nodes"),
        (re.sub("minSize: .", "minSize: 0", MODERN), {"kops": "1.30"}, "--nodes N"),
        (
            f"{MODERN}---\n{without_groups(MODERN)}".replace("modern", "second", 9),
            {"kops": "1.30"},
            "is for one cluster",
        ),
        ("a: 1\n", {}, "no kOps Cluster can be read"),
        ("a: [\n", {}, "no kOps Cluster can be read"),
        ("", {}, "no kOps Cluster can be read"),
        (MIGRATION, {"old": MODERN}, "no Cluster named 'prod.example.com'"),
        (MIGRATION, {"settings": {"pull_nod": (Fixed(1), "--set")}}, "did you mean 'pull_node'?"),
    ],
)
def test_nothing_to_plan_is_explained(text: str, options: Mapping[str, Any], why: str) -> None:
    with pytest.raises(PlanError) as error:
        plan(text, **options)
    assert why in str(error.value)
    assert "\n" not in str(error.value)


# --- the cluster ----------------------------------------------------------------------------------------


def test_nodes_are_those_of_min_size_and_max_size_is_compared() -> None:
    made = plan(MODERN, "1.30")
    assert made.nodes == 8
    assert any("8 nodes: minSize" in text and "there are 14" in text for text in made.assumptions)
    grown = next(advice for advice in made.advice if "maxSize, 14 nodes" in advice.change)
    assert (grown.p50_then or 0) > (grown.p50_now or math.inf) * 1.3
    assert any(risk.id == "autoscaling" for risk in made.risks)


def test_nodes_can_be_given() -> None:
    made = plan(without_groups(MODERN), "1.30", nodes=5)
    assert made.nodes == 5
    assert made.scenario is not None
    assert made.scenario.cluster.nodes == 5
    assert not any(risk.id == "autoscaling" for risk in made.risks)
    assert plan(MIGRATION, nodes=1).windows["scheduling_block"].summary.p50 is not None


def test_control_plane_nodes_decide_how_soon_the_change_is_seen() -> None:
    three = plan(MODERN, "1.30", runs=64).steps[0].end_p50
    text = MODERN.replace("role: Master", "role: Node").replace("minSize: 5", "minSize: 1")
    one = plan(text.replace("role: Node", "role: Master", 1), "1.30", runs=64).steps[0].end_p50
    assert three is not None
    assert one is not None
    assert three < one


@pytest.mark.parametrize(
    ("calico", "bird"),
    [("{}", True), ("{encapsulationMode: ipip}", True), ("{encapsulationMode: vxlan}", False)],
)
def test_readiness_asks_bird_only_with_ipip(calico: str, bird: bool) -> None:
    made = plan(MODERN.replace("calico: {}", f"calico: {calico}"), "1.30")
    assert made.profile is not None
    assert (made.profile["bgp_session"].distribution != Fixed(0)) == bird
    assert any(risk.id == "routes-withdrawn" for risk in made.risks) == bird


def test_two_nodes_without_bird_do_not_wait_for_each_other() -> None:
    vxlan = MODERN.replace("calico: {}", "calico: {encapsulationMode: vxlan}")
    path = dict(plan(vxlan, "1.30", nodes=2, runs=64).critical_path)
    assert not {"failing readiness probes", "BGP sessions"} & path.keys()


def test_max_unavailable() -> None:
    one, three = plan(MIGRATION, runs=16), plan(MIGRATION, runs=16, max_unavailable="25%")
    assert (three.windows["total"].summary.p50 or 0) < (one.windows["total"].summary.p50 or 0) / 1.5
    for made in (one, three):
        assert sum(share for _, share in made.critical_path) == pytest.approx(1)
        assert made.critical_path_runs == made.to_dict()["critical_path_replications"] == 16
    assert any("kOps writes 1" in text for text in three.assumptions)
    # Three begin at once: all but the first to reach the lock fail once, or wait.
    assert next(risk for risk in three.risks if risk.id == "two-migrations").probability is not None


# --- budgets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        ({"scheduling_block": 3600.0}, GO),
        ({"scheduling_block": 10.0}, OVER_BUDGET),
        ({"scheduling_block": 3600.0, "total": 10.0}, OVER_BUDGET),
        ({"scheduling_block": 480.0}, UNDECIDED),
    ],
)
def test_budgets(limits: Mapping[str, float], verdict: str) -> None:
    budgets = tuple(Budget(window, limit) for window, limit in limits.items())
    made = plan(MIGRATION, runs=80, budgets=budgets, risk=0.1)
    assert made.verdict == verdict
    assert made.exit_code == {GO: 0, OVER_BUDGET: 3, UNDECIDED: 5}[verdict]
    assert len(made.budgets) == len(limits)


def test_few_runs_leave_a_tight_budget_undecided() -> None:
    # 0 of 40 is at most 8.8 %.
    made = plan(MIGRATION, runs=40, budgets=(Budget("scheduling_block", 36000.0),), risk=0.05)
    assert made.verdict == UNDECIDED
    assert made.budgets[0].interval == (0.0, pytest.approx(0.0881, abs=1e-4))


def test_a_roll_has_no_policy_freeze_to_exceed() -> None:
    budget = (Budget("policy_freeze_enforcement", 0.0), Budget("scheduling_block", 0.0))
    assert plan(MODERN, "1.30", runs=80, budgets=budget).verdict == GO


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("2h10s", 7210)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_budget(f"total={text}") == Budget("total", seconds)


@pytest.mark.parametrize("text", ["", "m", "ten", "-5", "5d", "10 m 3", "1e3"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["scheduling_block", "block=3m", "=3m"])
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(ValueError, match="is no budget: write WINDOW=10m"):
        parse_budget(text)


def test_shares() -> None:
    assert parse_share("5%") == 0.05
    assert parse_share("0.01") == 0.01
    for text in ("5", "-1%", "100%", "few", "nan"):
        with pytest.raises(ValueError, match="is no risk"):
            parse_share(text)
    assert parse_precision("2%") == 0.02
    for text in ("0", "0%", "100%", "-1%", "fine"):
        with pytest.raises(ValueError, match="is no precision"):
            parse_precision(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.04, "0 s"),
        (8.44, "8.4 s"),
        (9.96, "10 s"),
        (59.7, "1 min"),
        (61, "1 min 1 s"),
        (3080, "51 min 20 s"),
        (3599.6, "1 h"),
        (15100, "4 h 12 min"),
        (172000, "47 h 47 min"),
        (190000, "2 d 5 h"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# --- the record -----------------------------------------------------------------------------------------

KEYS = {
    "version", "cluster", "scenario", "seed", "replications", "profile", "verdict", "findings", "windows", "steps",
    "critical_path", "risks", "advice",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kops"), [(MIGRATION, "1.12"), (MIGRATION, "1.16"), (MODERN, "1.30"), (ETCD_2, "1.12")]
)
def test_the_json_has_the_shape_of_the_contract(text: str, kops: str) -> None:
    made = plan(text, kops, budgets=(Budget("total", 60.0),))
    data = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert data.keys() >= KEYS
    assert data["version"] == 1
    assert set(data["cluster"]) == {"name", "nodes", "kubernetes", "kops", "calico_from", "calico_to"}
    assert list(data["windows"]) == list(WINDOWS)
    for window in data["windows"].values():
        if window is not None:
            assert set(window) == {
                "p50", "p90", "p99", "mean", "min", "max", "ci", "start_p50", "unfinished", "given_timings",
            }  # fmt: skip
    quantiles_have_intervals(data)
    for step in data["steps"]:
        assert set(step) == {"name", "start_p50", "end_p50", "end_p90", "what", "ci"}
    for risk in data["risks"]:
        assert {"id", "name", "probability", "effect", "recovery"} <= set(risk)
        assert risk["reason"]
    if data["profile"] is not None:
        assert {"name", "distribution", "unit", "source"} <= set(data["profile"]["parameters"][0])


def quantiles_have_intervals(data: Any) -> None:
    """No percentile without its interval, wherever one stands: beside it is `ci` with the same name in it."""
    if isinstance(data, list):
        for item in data:
            quantiles_have_intervals(item)
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        if re.fullmatch(r"(.*_)?p\d\d(_.*)?", key) and not isinstance(value, list):
            interval = data["ci"][key] if isinstance(data["ci"], dict) else data["ci"]
            if interval is not None and value is not None:
                assert interval[0] <= value
                assert interval[1] is None or value <= interval[1]
        elif key != "ci":
            quantiles_have_intervals(value)


@pytest.mark.parametrize(("text", "kops"), [(MIGRATION, "1.12"), (MIGRATION, "1.16"), (MODERN, "1.30")])
def test_every_percentile_has_its_interval(text: str, kops: str) -> None:
    data = plan(text, kops, runs=400, pod_rate=6.0).to_dict()
    quantiles_have_intervals(data)
    total = data["windows"]["total"]
    assert None not in total["ci"].values()
    assert None not in total["given_timings"]["ci"].values()
    assert all(None not in step["ci"].values() for step in data["steps"])
    assert None not in data["arrivals"]["waiting"]["ci"].values()
    for advice in data["advice"]:
        assert advice["effect"]["difference"]["ci"] is not None


def test_no_p99_below_368_runs() -> None:
    few, enough = plan(MODERN, "1.30", runs=367), plan(MODERN, "1.30", runs=368)
    for made, there in ((few, False), (enough, True)):
        window = made.windows["total"]
        assert (window.summary.p99 is not None) == (window.given.p99 is not None) == there
        assert [timeline.name for timeline in made.timelines] == ["median", "P99"][: 1 + there]


# --- replications ---------------------------------------------------------------------------------------


def numbers(made: Plan) -> Any:
    """Everything that a plan says."""
    return made.to_dict() | {"samples": {name: lengths.tolist() for name, lengths in made.samples.items()}}


@pytest.mark.parametrize(("text", "kops"), [(MIGRATION, "1.12"), (MODERN, "1.30")])
def test_the_kernel_gives_the_plan_of_the_engine(text: str, kops: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_kernel = plan(text, kops, runs=100)
    assert by_kernel.engine is None
    monkeypatch.setattr("simulator.kernel.covers", lambda _: "this test wants it")
    by_engine = plan(text, kops, runs=100)
    assert by_engine.engine == "this test wants it"
    assert numbers(by_kernel) | {"engine": None} == numbers(by_engine) | {"engine": None}


def test_what_the_kernel_does_not_cover_runs_on_the_engine_and_the_plan_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simulator.planning._ENGINE_NODES", 160)
    settings = {"api_qps": (Fixed(0.5), "--set"), "api_burst": (Fixed(1), "--set")}
    made = plan(MODERN, "1.30", nodes=16, max_unavailable="100%", runs=None, settings=settings)
    assert made.engine is not None
    assert "API server's limit" in made.engine
    assert made.options.replications == 10  # as many as the engine makes in a moment
    assert made.to_dict()["engine"] == made.engine
    # Without the limit the kernel does it, and each run is over sooner.
    settings = {"api_qps": (Fixed(0), "--set")}
    free = plan(MODERN, "1.30", nodes=16, max_unavailable="100%", runs=None, settings=settings)
    assert (free.engine, free.options.replications) == (None, 2000)
    assert all(
        with_limit > without for with_limit, without in zip(made.samples["total"], free.samples["total"], strict=False)
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_no_number(workers: int) -> None:
    assert numbers(plan(MIGRATION, runs=300, workers=workers)) == numbers(plan(MIGRATION, runs=300))


def test_any_executor_will_do() -> None:
    def made(executor: Executor | None) -> Plan:
        options = Options(replications=200)
        return make_plan(
            Source("new.yaml", MODERN.encode()), None, parse_release("1.30"), None, options, None, executor
        )

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        assert numbers(made(processes)) == numbers(made(None))


def test_timelines_are_real_replications_run_again() -> None:
    made = plan(MIGRATION, runs=400)
    lengths = made.samples["scheduling_block"]
    for timeline, rank in zip(made.timelines, (200, 396), strict=True):
        assert sorted(lengths)[rank - 1] == lengths[timeline.replication]
        assert flat(timeline.trace)["scheduling_block"] == lengths[timeline.replication]
        assert timeline.trace.scenario == replication(made, timeline.replication)
        clear = next(end for name, _, end in timeline.steps if name == "prepare the first node")
        timing = timeline.trace.scenario.timing
        assert clear == pytest.approx(((timeline.trace.clear or 0) + timing["channels_delay"] + timing["apply"]) / 1e6)
    assert made.typical == made.timelines[0].replication
    written = made.to_dict()["timelines"]
    assert [(line["name"], line["replication"]) for line in written] == [
        (timeline.name, timeline.replication) for timeline in made.timelines
    ]


def test_what_if_runs_share_parameters_and_draws() -> None:
    """The change sets pulls to 0: everything else is the same in each pair, so no run gets longer, and few seconds
    of difference stand for minutes of spread.
    """
    made = plan(MIGRATION, runs=256)
    advice = next(advice for advice in made.advice if "pull the new images" in advice.change)
    difference = advice.difference
    assert (difference.shorter, advice.replications) == (1.0, 256)
    assert difference.median.interval is not None
    low, high = difference.median.interval
    assert low is not None
    assert high is not None
    assert low <= (difference.median.value or 0) <= high < 0
    # Unpaired, the interval of the difference would be as wide as those of both medians together.
    unpaired = [sorted(ends) for ends in (advice.now.interval or (), advice.then.interval or ())]  # type: ignore[type-var]
    assert high - low < sum(ends[1] - ends[0] for ends in unpaired)  # type: ignore[operator]


def test_a_wished_precision() -> None:
    rough = plan(MIGRATION, runs=None, precision=0.05)
    assert rough.stopping is not None
    assert rough.stopping.reached
    assert (rough.stopping.looks, rough.options.replications) == (1, 1024)
    assert rough.stopping.confidence == pytest.approx(0.975)
    finer = plan(MIGRATION, runs=None, precision=0.015)
    assert finer.stopping is not None
    assert finer.stopping.reached
    assert finer.options.replications == 1024 * 2 ** (finer.stopping.looks - 1) > 1024
    # The first runs are the same ones.
    assert list(finer.samples["total"][:1024]) == list(rough.samples["total"])
    # What is promised is what is reported.
    low, high = finer.windows["scheduling_block"].summary.intervals["p90"] or (None, None)
    assert low is not None
    assert high is not None
    assert (high - low) / 2 / (finer.windows["scheduling_block"].summary.p90 or 0) <= 0.015


def test_a_precision_that_the_replications_do_not_reach() -> None:
    made = plan(MIGRATION, runs=100, precision=0.001)
    assert made.stopping is not None
    assert (made.stopping.reached, made.options.replications) == (False, 100)
    never = plan(MIGRATION, "1.16", runs=None, precision=0.01)
    assert never.stopping is not None
    assert (never.stopping.half_width, never.options.replications) == (0.0, 1024)


def test_both_bands_are_of_the_same_draws() -> None:
    """A profile without any doubt has one band; one observation more or less changes the wide band alone."""
    certain = {
        parameter.name: Setting(parameter.distribution, "measured")
        for parameter in (plan(MIGRATION).profile or Profile("", ())).parameters
    }
    few = {name: setting._replace(observations=5) for name, setting in certain.items()}
    many = {name: setting._replace(observations=10_000) for name, setting in certain.items()}
    one, five, lots = (plan(MIGRATION, runs=400, settings=settings) for settings in (certain, few, many))
    for name, window in one.windows.items():
        assert window.given == window.summary
        assert five.windows[name].given == lots.windows[name].given == window.given
    block = [made.windows["scheduling_block"].summary for made in (one, lots, five)]
    spread = [(summary.p90 or 0) / (summary.p50 or 1) for summary in block]
    assert spread[0] == pytest.approx(spread[1], rel=0.02)
    assert spread[2] > spread[0] * 1.05


# --- the API server's limit -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "qps", "burst"),
    [
        ("", 20, 30),
        ("kubeAPIQPS: 50\n    kubeAPIBurst: 100", 50, 100),
        ('kubeAPIQPS: "500m"', 0.5, 30),
        ("kubeAPIQPS: 0\n    kubeAPIBurst: 0", 20, 30),
        ("kubeAPIQPS: -1", 0, 30),
    ],
)
def test_the_controllers_rate_limit_is_that_of_the_spec(written: str, qps: float, burst: int) -> None:
    text = (
        MODERN.replace("  networking:", f"  kubeControllerManager:\n    {written}\n  networking:", 1)
        if written
        else MODERN
    )
    made = plan(text, "1.30")
    assert made.profile is not None
    assert made.scenario is not None
    assert (made.profile["api_qps"].distribution, made.profile["api_burst"].distribution) == (Fixed(qps), Fixed(burst))
    assert made.scenario.timing["api_qps"] == qps * 1e6
    assert ("kubeControllerManager" in made.profile["api_qps"].source) == bool(written and "QPS: 0" not in written)


def test_run_accepts_the_scenario_of_a_plan() -> None:
    for made in (plan(MIGRATION), plan(MODERN, "1.30"), plan(MIGRATION, "1.16")):
        assert made.scenario is not None
        read = Scenario.from_dict(json.loads(json.dumps(made.to_dict()["scenario"])))
        assert read == made.scenario
        assert run(read).completed == (made.verdict == GO)


def test_a_plan_is_repeated_exactly_and_seeds_differ() -> None:
    one, again, other = plan(MIGRATION, seed=5), plan(MIGRATION, seed=5), plan(MIGRATION, seed=6)
    assert one.to_dict() == again.to_dict()
    assert one.to_dict()["windows"] != other.to_dict()["windows"]


def test_more_runs_keep_the_first() -> None:
    few, many = plan(MIGRATION, runs=10), plan(MIGRATION, runs=70)
    assert few.windows["total"].summary.minimum is not None
    assert many.windows["total"].summary.minimum is not None
    assert many.windows["total"].summary.minimum <= few.windows["total"].summary.minimum
    assert (many.windows["total"].summary.maximum or 0) >= (few.windows["total"].summary.maximum or 0)


def test_progress_counts_every_run() -> None:
    calls: list[tuple[int, int]] = []
    make_plan(
        Source("new.yaml", MODERN.encode()),
        releases=parse_release("1.30"),
        options=Options(replications=6),
        progress=lambda done, total: calls.append((done, total)),
    )
    # The plan, the plan with certain medians, and three comparisons: a block at a time.
    assert calls == [(done, 30) for done in (6, 12, 18, 24, 30)]


def test_the_first_runs_answer_before_the_last() -> None:
    answers: list[tuple[str, int, float, float]] = []
    made = make_plan(
        Source("new.yaml", MODERN.encode()),
        releases=parse_release("1.30"),
        options=Options(replications=150),
        so_far=lambda *answer: answers.append(answer),
    )
    assert [(name, runs) for name, runs, *_ in answers] == [("total", 64), ("total", 128), ("total", 150)]
    total = made.windows["total"].summary
    assert answers[-1][2:] == (total.p50, total.p90)
    assert answers[0][2:] != answers[-1][2:]


def test_uncertain_medians_widen_the_plan() -> None:
    made = plan(MIGRATION, runs=200)
    block = made.windows["scheduling_block"]
    given = block.given_timings
    assert given["p50"] is not None
    assert given["p90"] is not None
    assert block.summary.p50 is not None
    assert block.summary.p90 is not None
    assert block.summary.p90 / block.summary.p50 > given["p90"] / given["p50"]
    assert given["p99"] is None


def test_a_profile_that_is_set_needs_no_guess() -> None:
    settings = {
        parameter.name: (parse(str(parameter.distribution)), "measured")
        for parameter in plan(MIGRATION).profile.parameters  # type: ignore[union-attr]
    }
    made = plan(MIGRATION, runs=20, settings=settings)
    block = made.windows["scheduling_block"]
    assert block.summary.p50 == block.given_timings["p50"]
    assert isinstance(made.profile["pull_node"].distribution, Lognormal)  # type: ignore[index]


def test_recoveries_name_this_clusters_etcd() -> None:
    commands = [line for risk in plan(MIGRATION).risks for line in risk.recovery]
    assert any("http://etcd-a.internal.prod.example.com:4001,http://etcd-b.internal" in line for line in commands)
    tls = MIGRATION.replace("    name: main\n", "    enableEtcdTLS: true\n    name: main\n", 1).replace(
        "    name: events\n", "    enableEtcdTLS: true\n    name: events\n", 1
    )
    commands = [line for risk in plan(tls).risks for line in risk.recovery]
    assert any("https://etcd-a" in line and "--cacert=/srv/kubernetes/calico/ca.pem" in line for line in commands)


@pytest.mark.parametrize("path", sorted(SPECS.glob("calico-*.yaml")), ids=lambda path: path.name)
def test_every_fixture_says_what_it_is(path: Path) -> None:
    first = path.read_text().splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 30


@pytest.mark.parametrize(
    ("replicas", "kops", "nodes", "expected"),
    [
        (3, "1.30", 20, {"replicas": 3, "max_surge": "100%"}),
        (3, "1.27", 20, {"replicas": 3, "max_surge": "25%"}),
        (3, "1.30", 3, None),  # a host for each replica, and one to roll
        (0, "1.30", 20, None),
    ],
)
def test_typha_rolls_beside_calico_node(
    replicas: int, kops: str, nodes: int, expected: dict[str, object] | None
) -> None:
    spec = spec_text(f"networking: {{calico: {{typhaReplicas: {replicas}}}}}", kops)
    made = plan(spec, kops, nodes=nodes, runs=3)
    typha = made.to_dict()["scenario"].get("typha")
    assert (typha and {key: typha[key] for key in expected or {}}) == expected
    assert any("Typha rolls beside" in text for text in made.assumptions) == (expected is not None)
