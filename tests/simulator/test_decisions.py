"""What a plan is asked for a decision: maintenance windows, advice, sweeps, sensitivity, comparisons, gates, schema."""

from __future__ import annotations

import copy
import functools
import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calico_lint.kops.releases import parse_release
from calico_lint.yaml_source import Source
from simulator import planning
from simulator.advice import Advice
from simulator.cli import main
from simulator.compare import ComparisonError, compare, of_json, of_plan
from simulator.engine import run
from simulator.maintenance import parse_window
from simulator.observations import WINDOWS
from simulator.planning import (
    BLOCKED,
    GO,
    NEVER_COMPLETES,
    OVER_BUDGET,
    UNDECIDED,
    Options,
    Plan,
    PlanError,
    make_plan,
    parse_budget,
)
from simulator.profile import Fixed, Lognormal, Parameter, ProfileError, Setting, Uniform, parse
from simulator.report import compare as compare_report
from simulator.report import gates, html, text
from simulator.report import json as json_report
from simulator.scenario import Scenario
from simulator.sensitivity import MEDIAN, VALUE, ends_of, quantile, student_p90
from simulator.sweep import parse_sweep
from simulator.variants import unavailability
from tests.helpers import ROOT

SPECS = ROOT / "fixtures" / "specs"
NIGHT = "2026-12-05T02:00/04:00 Europe/Berlin"
SARIF = (ROOT / "tests" / "report" / "sarif-subset.schema.json").read_text()


def source(name: str) -> Source:
    return Source(f"{name}.yaml", (SPECS / f"{name}.yaml").read_bytes())


@functools.cache
def made(name: str = "calico-v2-to-v3", kops: str | None = "1.12.3", **options: Any) -> Plan:
    options.setdefault("replications", 100)
    options["settings"] = dict(options.get("settings", ()))
    return make_plan(source(name), None, parse_release(kops) if kops else None, None, Options(**options))


def windows(*texts: str) -> dict[str, Any]:
    return {"maintenance": tuple(map(parse_window, texts))}


def printed(plan: Plan, name: str = "x.yaml") -> str:
    import io

    out = io.StringIO()
    text.write(plan, {}, "calico-sim plan x.yaml", out)
    return out.getvalue()


def words(plan: Plan) -> str:
    return " ".join(printed(plan).split())


# --- maintenance windows ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "verdict"), [("PT2H", GO), ("PT2M", OVER_BUDGET), ("PT8M", OVER_BUDGET), ("PT10M", UNDECIDED)]
)
def test_a_maintenance_window_gates_like_a_budget(length: str, verdict: str) -> None:
    plan = made(**windows(f"2026-12-05T02:00/{length} Europe/Berlin"))
    (answer,) = plan.maintenance
    assert (plan.verdict, answer.verdict) == (verdict, verdict)
    seconds = answer.window.length
    (budget,) = made(budgets=(planning.Budget("total", seconds),)).budgets
    assert budget.verdict == verdict
    assert budget.share == pytest.approx(1 - answer.probability)
    assert budget.interval == pytest.approx((1 - answer.interval[1], 1 - answer.interval[0]))


def test_the_worst_of_budgets_and_windows_decides() -> None:
    plan = made(budgets=(planning.Budget("total", 7200.0),), **windows(NIGHT, "2026-12-05T02:00/PT2M"))
    assert plan.verdict == OVER_BUDGET
    assert plan.reason.startswith("over budget: P(not finished within 2026-12-05T02:00/PT2M) is 100.0%")


def test_a_window_is_told_with_its_interval_its_latest_start_and_the_clocks() -> None:
    plan = made(replications=400, **windows(NIGHT, "2026-10-25T01:00/04:00 Europe/Berlin"))
    (first, second) = plan.to_dict()["maintenance"]
    assert (first["length"], second["length"]) == (7200, 4 * 3600)
    assert (first["clock_change"], second["clock_change"]) == (False, True)
    assert first["window"] == NIGHT
    out = words(plan)
    assert f"Maintenance window {NIGHT} (2 h): 100.0% of the runs end inside (99.1% to 100.0%); the latest safe" in out
    assert re.search(r"the latest safe start is 2026-12-05 03:4\d:\d\d CET\.", out)
    assert "(4 h; the clocks are changed in it)" in out
    assert NIGHT in html.render(plan, "x", {})


def test_a_precise_plan_answers_with_its_own_confidence() -> None:
    plan = made(replications=None, precision=0.05, **windows(NIGHT))
    assert plan.maintenance[0].interval[0] == pytest.approx(0.0125 ** (1 / 1024))


# --- advice -----------------------------------------------------------------------------------------------


def changes(plan: Plan) -> dict[str, Advice]:
    return {advice.change: advice for advice in plan.advice}


def test_advice_says_effect_and_price_and_the_most_useful_comes_first() -> None:
    plan = made(nodes=60, replications=256)
    found = changes(plan)
    assert set(found) == {
        "pull the new images on every node before you start",
        "maxUnavailable 2% by hand",
        "maxUnavailable 5% by hand",
        "maxUnavailable 10% by hand",
        "scale down first, to the groups' minSize: 12 nodes",
    }
    medians = [advice.difference.median.value or 0 for advice in plan.advice]
    assert medians == sorted(medians)
    ten = found["maxUnavailable 10% by hand"]
    assert ten.price == "up to 6 nodes without calico-node at once"
    assert '"maxUnavailable":"10%"' in ten.commands[0]
    assert (ten.p50_then or 0) < (found["maxUnavailable 2% by hand"].p50_then or 0)
    assert (ten.p50_now or 0) > (ten.p50_then or math.inf)


def test_advice_is_the_plan_of_the_changed_cluster() -> None:
    """What a change would give is what a plan of the changed cluster gives, run by run."""
    plan = made(replications=256)
    alone = made(replications=256, max_unavailable="10%")
    advice = changes(plan)["maxUnavailable 10% by hand"]
    assert advice.p50_then == alone.windows["scheduling_block"].summary.p50
    pairs = [
        after - before for before, after in zip(plan.samples[advice.window], alone.samples[advice.window], strict=True)
    ]
    assert advice.difference.median.value == pytest.approx(sorted(pairs)[127])


def test_small_clusters_take_one_node_more() -> None:
    plan = made("calico-v3-rolling", "1.30")
    assert "maxUnavailable 2 by hand" in changes(plan)
    assert not any("maxUnavailable" in change for change in changes(made("calico-v3-rolling", "1.30", nodes=2)))


def test_a_release_that_ends_is_the_advice_where_the_chosen_never_does() -> None:
    plan = made(kops="1.16")
    (advice,) = plan.advice
    assert "kOps 1.14.1" in advice.change
    assert advice.p50_now is None
    assert advice.p50_then == made(kops="1.14.1").windows["scheduling_block"].summary.p50
    assert re.search(r"apply it with kOps 1\.14\.1.* an end", printed(plan))


@pytest.mark.parametrize(("name", "kops"), [("calico-v2-to-v3", "1.12.3"), ("calico-v3-rolling", "1.30")])
def test_a_node_that_is_not_ready_is_deleted_first(name: str, kops: str) -> None:
    stuck = made(name, kops, not_ready=1, **windows(NIGHT))
    assert (stuck.verdict, stuck.exit_code) == (NEVER_COMPLETES, 4)
    assert "NotReady" in stuck.reason
    (advice,) = stuck.advice
    assert advice.change == "delete the 1 NotReady node before you start"
    assert advice.p50_now is None
    assert advice.p50_then == made(name, kops, nodes=stuck.nodes - 1).windows["total"].summary.p50
    assert advice.maintenance[0].verdict == GO
    assert "NEVER COMPLETES" in printed(stuck)
    assert ElementTree.fromstring(gates.junit(stuck, "x")).get("failures") == "2"
    with pytest.raises(PlanError, match="only 2"):
        made(name, kops, nodes=2, not_ready=3)


def test_advice_tells_how_the_maintenance_window_would_fit() -> None:
    plan = made(**windows("2026-12-05T02:00/PT6M"))
    for advice in plan.advice:
        assert [answer.window.text for answer in advice.maintenance] == ["2026-12-05T02:00/PT6M"]
    pull = changes(plan)["pull the new images on every node before you start"]
    assert pull.maintenance[0].probability > plan.maintenance[0].probability + 0.5
    assert "Inside" in printed(plan)


def test_a_roll_that_is_too_long_is_split_over_windows() -> None:
    plan = made("calico-v3-rolling", "1.30", nodes=40, replications=200, **windows("2026-12-05T02:00/PT15M"))
    split = next(advice for advice in plan.advice if advice.part)
    match = re.search(r"roll in (\d+) such maintenance windows, (\d+) nodes in each", split.change)
    assert match is not None
    parts, nodes = int(match[1]), int(match[2])
    assert parts * nodes >= 40 > (parts - 1) * nodes
    assert split.maintenance[0].verdict == GO
    assert any("OnDelete" in command for command in split.commands)
    # The migration cannot be split: no pod starts before its last node is done.
    assert not any(advice.part for advice in made(**windows("2026-12-05T02:00/PT2M")).advice)


def test_what_would_take_too_long_is_named_and_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.planning._WHAT_IF_STEPS", 70)
    plan = made("calico-v2-to-v3", "1.12.3", nodes=61, replications=64)
    assert "maxUnavailable 10% by hand" in changes(plan)
    assert [each.change for each in plan.untried] == ["maxUnavailable 5% by hand", "maxUnavailable 2% by hand"]
    assert plan.to_dict()["advice_not_tried"][0]["reason"]
    assert "Not tried" in html.render(plan, "x", {})


# --- nodes without calico-node ----------------------------------------------------------------------------


def test_nodes_without_calico_node_of_a_golden_run() -> None:
    data = json.loads(json.dumps(made(replications=1).to_dict()["scenario"]))
    data["cluster"] |= {"nodes": 6, "max_unavailable": 2}
    traces = [run(Scenario.from_dict(data))]
    found = unavailability(traces)
    spans = sorted((node.killed or 0, node.main or 0) for node in traces[0].nodes)
    # The peak by brute force: how many intervals hold each instant at which one begins.
    assert found.peak.value == max(sum(start <= at < end for start, end in spans) for at, _ in spans) == 2
    whole = max(end for _, end in spans) - spans[0][0]
    assert found.mean.value == pytest.approx(sum(end - start for start, end in spans) / whole)


# --- sweeps -----------------------------------------------------------------------------------------------


def test_a_sweep_is_the_plans_of_its_values() -> None:
    plan = made(sweeps=(parse_sweep("max_unavailable=1,2,5,10%"),))
    (found,) = plan.sweeps
    assert [point.value for point in found.points] == ["1", "2", "5", "10%"]
    for point in found.points:
        value = int(point.value) if point.value.isdigit() else point.value
        alone = made(max_unavailable=value)
        assert point.windows == {name: window.summary for name, window in alone.windows.items()}
    peaks = [point.unavailable.peak.value for point in found.points]
    assert peaks == [1, 2, 5, 2]
    means = [point.unavailable.mean.value or 0 for point in found.points]
    assert means[0] < means[1] < means[2]
    assert (found.points[0].difference.median.value, found.points[0].difference.shorter) == (0.0, 0.0)


def test_any_parameter_and_the_nodes_can_be_swept() -> None:
    plan = made(
        sweeps=(parse_sweep("nodes=3, 6"), parse_sweep("pull_node=2,lognormal(8,0.5)")),
        budgets=(planning.Budget("total", 240.0),),
    )
    nodes, pulls = plan.sweeps
    assert [point.value for point in pulls.points] == ["2", "lognormal(8,0.5)"]
    for sweep in (nodes, pulls):
        medians = [point.windows["total"].p50 or 0 for point in sweep.points]
        assert medians[0] < medians[1]
    assert nodes.points[0].answers["budgets"][0]["verdict"] == GO
    assert (
        pulls.points[0].windows["total"].p50
        == made(settings=(("pull_node", Setting(Fixed(2.0), "-")),)).windows["total"].summary.p50
    )


def test_a_sweep_is_printed_and_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = made(sweeps=(parse_sweep("max_unavailable=1,2"),))
    out = printed(plan)
    assert re.search(r"^max_unavailable +P50 +P90  95% +Nodes off at once$", out, re.MULTILINE)
    assert re.search(r"^2 +\d+ min.* to .* 2, mean 0\.\d$", out, re.MULTILINE)
    assert max(map(len, (line for line in out.splitlines() if "$ " not in line))) <= text.PIPE_WIDTH
    page = html.render(plan, "x", {})
    assert "At other values of max_unavailable" in page
    assert 'aria-label="P90, 1: ' in page
    monkeypatch.setenv("COLUMNS", "60")
    assert "…" not in printed(plan).split("max_unavailable")[1].split("Risks")[0]


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ("max_unavailable", "write NAME=VALUE"),
        ("=1", "write NAME=VALUE"),
        ("nodes=1,,2", "write NAME=VALUE"),
        ("nodes=0", "is none of 1 to 100000"),
        ("nodes=10%", "is none of"),
        ("max_unavailable=0%", "is none of"),
        ("max_unavailable=²", "is none of"),
        ("pull_node=few", "forms are"),
        ("nodes=" + ",".join(map(str, range(1, 60))), "at most 50"),
    ],
)
def test_what_is_no_sweep(wrong: str, part: str) -> None:
    with pytest.raises(ValueError, match=re.escape(part)):
        parse_sweep(wrong)


@given(st.text(max_size=40) | st.from_regex(r"[a-z_]+=[0-9a-z%,().]+", fullmatch=True))
def test_any_text_is_a_sweep_or_an_error(written: str) -> None:
    try:
        wish = parse_sweep(written)
    except ValueError:
        return
    assert wish.name
    assert wish.values


def test_a_sweep_of_nothing_that_the_plan_knows() -> None:
    with pytest.raises(PlanError, match="did you mean 'pull_node'"):
        made(sweeps=(parse_sweep("pull_nod=1,2"),))


# --- sensitivity ------------------------------------------------------------------------------------------


def test_the_quantiles_are_those_of_the_distributions() -> None:
    import numpy as np

    generator = np.random.default_rng(1)
    for written in ("uniform(1,4)", "lognormal(8,0.5)", "lognormal(8,1,5,9)", "first_of(3,0,60)"):
        distribution = parse(written)
        drawn = distribution.sample(generator, (400_000,))
        for share in (0.1, 0.9):
            assert quantile(distribution, share) == pytest.approx(float(np.quantile(drawn, share)), rel=0.02)


def test_the_doubt_about_a_median_is_what_runs_draw() -> None:
    import numpy as np

    for distribution, observations in ((Lognormal(8, 0.5), 2), (Lognormal(8, 0.5), 20), (Uniform(2, 6), 2)):
        parameter = Parameter("x", distribution, "s", "-", "node", observations)
        scale = parameter.doubt(np.random.default_rng(2), 400_000).scale
        ends = ends_of(parameter)
        assert ends is not None
        assert ends.what == MEDIAN
        for end, share in ((ends.low, 0.1), (ends.high, 0.9)):
            assert end.median / distribution.median == pytest.approx(float(np.quantile(scale, share)), rel=0.02)


def test_students_t() -> None:
    table = {1: 3.078, 2: 1.886, 3: 1.638, 4: 1.533, 5: 1.476, 10: 1.372, 30: 1.310, 120: 1.289, 10_002: 1.282}
    assert {freedom: round(student_p90(freedom), 3) for freedom in table} == table


def test_what_is_known_is_not_varied() -> None:
    assert ends_of(Parameter("x", Fixed(3), "s", "-")) is None
    ends = ends_of(Parameter("x", Uniform(0, 10), "s", "-"))
    assert ends is not None
    assert (ends.what, ends.low, ends.high) == (VALUE, Fixed(1), Fixed(9))


def test_a_tornado_is_the_plans_of_its_ends() -> None:
    plan = made(sensitivity=True)
    found = plan.sensitivity
    assert found is not None
    swings = [influence.swing("scheduling_block") or 0 for influence in found.influences]
    assert swings == sorted(swings, reverse=True)
    first = found.influences[0]
    assert first.parameter.name == "pull_node"
    alone = made(settings=(("pull_node", Setting(first.ends.high, "-")),))
    assert first.windows["scheduling_block"][1].value == alone.windows["scheduling_block"].summary.p90
    assert found.base["total"].value == plan.windows["total"].summary.p90
    varied = {influence.parameter.name for influence in found.influences}
    assert plan.profile is not None
    assert varied == {each.name for each in plan.profile.parameters if not isinstance(each.distribution, Fixed)}
    for window in found.base:
        order = [influence.swing(window) or 0 for influence in found.of(window)]
        assert order == sorted(order, reverse=True)
    assert re.search(r"^Measure first .*\n^pull_node +5\.45 or 11\.7 s", printed(plan), re.MULTILINE)
    page = html.render(plan, "x", {})
    assert "What to measure first" in page
    assert 'aria-label="pull_node: ' in page


def test_what_is_measured_well_moves_less() -> None:
    def swing(observations: int) -> float:
        setting = Setting(Lognormal(8, 0.5), "measured", observations)
        found = made(sensitivity=True, settings=(("pull_node", setting),)).sensitivity
        assert found is not None
        return next(each.swing("total") or 0 for each in found.influences if each.parameter.name == "pull_node")

    assert swing(2) > 2 * swing(50) > 0


# --- compare ----------------------------------------------------------------------------------------------


def test_plans_made_here_are_compared_in_pairs() -> None:
    one, two = made(), made(max_unavailable=2)
    found = compare([of_plan("one", one), of_plan("two", two)])
    change = found.changes[0]["scheduling_block"]
    assert (change.pairs, change.shorter) == (100, 1.0)
    pairs = sorted(after - before for before, after in zip(one.samples["total"], two.samples["total"], strict=True))
    assert found.changes[0]["total"].median.value == pytest.approx(pairs[49])


def test_the_json_of_a_plan_is_compared_by_its_medians() -> None:
    one, two = made(), made(max_unavailable=2)
    read = of_json("two.json", json_report.render(two))
    assert read is not None
    assert read.windows["total"]["p90"].value == pytest.approx(two.windows["total"].summary.p90, abs=1e-3)
    change = compare([of_plan("one", one), read]).changes[0]["total"]
    paired = compare([of_plan("one", one), of_plan("two", two)]).changes[0]["total"]
    assert change.pairs is None
    value = (two.windows["total"].summary.p50 or 0) - (one.windows["total"].summary.p50 or 0)
    assert change.median.value == pytest.approx(value, abs=2e-3)
    wide, narrow = (each.median.interval or (0, 0) for each in (change, paired))
    assert (wide[0] or 0) < (narrow[0] or 0) < (narrow[1] or 0) < (wide[1] or 0)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"verdict": 1, "windows": 2, "version": 2}', "version 2"),
        ('{"verdict": "go", "windows": {}, "version": 1}', "not all of it"),
        (
            '{"verdict": "go", "windows": [], "version": 1, "reason": "", "seed": 0, "replications": 0, "cluster": {}}',
            "KeyE",
        ),
    ],
)
def test_what_is_no_plan(content: str, why: str) -> None:
    with pytest.raises(ComparisonError, match=why):
        of_json("x.json", content)


@pytest.mark.parametrize("content", ["", "a: 1", "{}", "{a: 1}", '{"kind": "Cluster"}', "[1]"])
def test_what_is_a_spec(content: str) -> None:
    assert of_json("x", content) is None


def test_blocked_plans_leave_nothing_to_compare() -> None:
    blocked, good = of_plan("b", made("calico-v2-etcd-2")), of_plan("g", made())
    with pytest.raises(ComparisonError, match=r"b: Calico v3 needs etcd 3\.x"):
        compare([blocked, good])
    with pytest.raises(ComparisonError, match="two or more"):
        compare([good])
    assert compare([good, blocked, good]).changes[0] == {}


def test_compare_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = str(SPECS / "calico-v2-to-v3.yaml")
    saved = tmp_path / "plan.json"
    assert main(["plan", spec, "--kops-version", "1.12", "--replications", "20", "--output", f"json={saved}"]) == 0
    capsys.readouterr()
    several = ["--kops-version", "1.12", "--kops-version", "1.16", "--kops-version", "1.14", "--replications", "20"]
    assert main(["compare", spec, spec, str(saved), *several]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^B .* NEVER-COMPLETES", out, re.MULTILINE)
    assert "the same *" in out
    assert "* of two medians" in out
    assert main(["compare", spec, spec, "--format", "json", "--replications", "20"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [plan["verdict"] for plan in data["plans"]] == ["undecided", "undecided"]
    assert data["differences"][0]["windows"]["total"] == {
        "p50": 0.0,
        "ci": [0.0, 0.0],
        "pairs": 20,
        "shorter": {"share": 0.0, "ci": [0.0, pytest.approx(0.168, abs=1e-3)]},
    }
    assert main(["compare", spec, "--replications", "20"]) == 1
    assert "two or more" in capsys.readouterr().err
    assert main(["compare", spec, spec, spec, "--kops-version", "1.12", "--kops-version", "1.13"]) == 2
    assert "give it once, or once for each" in capsys.readouterr().err


def test_a_comparison_shows_names_as_text() -> None:
    one = of_plan("[red]\x1b[31m.yaml", made())
    out = compare_report.render_text(compare([one, one]))
    assert "[red]?[31m.yaml" in out
    assert "\x1b" not in out


# --- gates: JUnit and SARIF -------------------------------------------------------------------------------

KINDS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "go": ("calico-v2-to-v3", "1.12.3", {"budgets": (parse_budget("total=1h"),), **windows(NIGHT)}),
    "over": ("calico-v2-to-v3", "1.12.3", {"budgets": (parse_budget("total=1m"), parse_budget("scheduling_block=1h"))}),
    "never": ("calico-v2-to-v3", "1.16", {}),
    "undecided": ("calico-v2-to-v3", None, windows(NIGHT)),
    "blocked": ("calico-v2-etcd-2", "1.12", {}),
    "rolling": ("calico-v3-rolling", "1.30", {}),
    "asked": (
        "calico-v3-rolling",
        "1.30",
        {"sweeps": (parse_sweep("max_unavailable=1,50%"),), "sensitivity": True, "pod_rate": 6.0, "replications": 400},
    ),
    "precise": ("calico-v2-to-v3", "1.14", {"precision": 0.05, "replications": None, "nodes": 3}),
    "engine": ("calico-v3-rolling", "1.30", {"not_ready": 2, "nodes": 5, "replications": 3}),
}


@pytest.fixture(params=KINDS)
def plan(request: pytest.FixtureRequest) -> Plan:
    name, kops, options = KINDS[request.param]
    return made(name, kops, **options)


def test_junit_is_as_red_as_the_exit_code(plan: Plan) -> None:
    root = ElementTree.fromstring(gates.junit(plan, "a<b>.yaml"))
    failures = root.findall(".//failure")
    assert bool(failures) == (plan.exit_code != 0)
    assert root.get("failures") == str(len(failures))
    names = [case.get("name") for case in root.iter("testcase")]
    assert len(names) == len(set(names)) == int(root.get("tests") or 0)
    assert len(names) >= 1 + len(plan.budgets) + len(plan.maintenance) + len(plan.windows)
    assert {each.get("type") for each in failures} <= {BLOCKED, NEVER_COMPLETES, OVER_BUDGET, UNDECIDED, "error"}


def test_sarif_tells_findings_and_verdicts(plan: Plan) -> None:
    spec = plan.cluster.document.source
    log = json.loads(gates.sarif(plan, {spec.path: spec}, spec.path))
    assert [run["tool"]["driver"]["name"] for run in log["runs"]] == ["calico-lint", "calico-sim"]
    ours = SARIF.replace('{"const": "calico-lint"}', '{"const": "calico-sim"}')
    ours = ours.replace("calicoLintFinding/v1", "calicoSimResult/v1")
    for run_, subset in zip(log["runs"], (SARIF, ours), strict=True):
        jsonschema.Draft202012Validator(json.loads(subset)).validate({**log, "runs": [run_]})
        rules = run_["tool"]["driver"]["rules"]
        assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run_["results"])
    lint, sim = (run_["results"] for run_ in log["runs"])
    assert len(lint) == len(plan.lint.findings)
    assert bool(sim) == (plan.exit_code != 0)
    prints = [result["partialFingerprints"]["calicoSimResult/v1"] for result in sim]
    assert len(prints) == len(set(prints))
    for result in sim:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == spec.path
        assert spec.text.splitlines()[place["region"]["startLine"] - 1].strip().startswith("calico")


def test_output_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = str(SPECS / "calico-v2-to-v3.yaml")
    base = ["plan", spec, "--kops-version", "1.12", "--replications", "40"]
    files = {name: tmp_path / f"plan.{name}" for name in gates.FORMATS}
    wanted = [word for name, path in files.items() for word in ("--output", f"{name}={path}")]
    night = ["--maintenance-window", "2026-12-05T02:00/PT1M Europe/Berlin"]
    assert main([*base, *wanted, *night, "--format", "json"]) == 3
    assert json.loads(files["json"].read_text()) == json.loads(capsys.readouterr().out)
    assert ElementTree.parse(files["junit"]).getroot().get("failures") == "1"
    assert json.loads(files["sarif"].read_text())["version"] == "2.1.0"
    for wrong, why in (
        ("junit", "is not FORMAT=FILE"),
        ("xml=a", "is not FORMAT=FILE"),
        (f"json={spec}", "would be overwritten"),
        (f"json={tmp_path}", "it is a directory"),
        (f"json={tmp_path}/none/a", "directory does not exist"),
    ):
        assert main([*base, "--output", wrong]) == 2
        assert why in capsys.readouterr().err
    assert main([*base, "--output", f"json={files['json']}", "--output", f"sarif={files['json']}"]) == 2
    assert main([*base, "--maintenance-window", "tonight"]) == 2
    assert "is no maintenance window" in capsys.readouterr().err
    assert main([*base, "--sweep", "nodes=0"]) == 2
    assert main([*base, "--sweep", "nodes=3,1", "--sensitivity"]) == 0
    assert "Measure first" in capsys.readouterr().out


# --- the schema -------------------------------------------------------------------------------------------


@functools.cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "schemas" / "plan.schema.json").read_text())
    return loaded


def strict(node: Any) -> Any:
    """The schema that also refuses what it does not name: so it cannot fall behind the program."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: strict(value) for key, value in node.items()}
    if isinstance(node.get("properties"), dict) and node.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["$defs"]["window_name"]["enum"] == list(WINDOWS)


def test_plans_are_what_the_schema_says_and_nothing_more(plan: Plan) -> None:
    data = json.loads(json_report.render(plan))
    jsonschema.Draft202012Validator(strict(schema())).validate(data)


@pytest.mark.parametrize(
    ("keys", "arguments"),
    [
        ({"joins"}, ["specs/calico-v2-to-v3.yaml", "--node-rate", "20/h", "--checklist"]),
        ({"v1_data"}, ["v1data/cluster.yaml", "--v1-data", "v1data/store-repaired.json"]),
        ({"v1_data"}, ["v1data/cluster.yaml", "--v1-data", "v1data/store.json"]),
        ({"remaining"}, ["specs/calico-v2-to-v3.yaml", "--state", "states/node-lost.json"]),
        ({"remaining"}, ["specs/calico-v2-to-v3.yaml", "--state", "states/finished.json"]),
        ({"remaining"}, ["specs/calico-v2-to-v3.yaml", "--state", "states/not-begun.json"]),
    ],
)
def test_what_only_some_plans_hold_is_what_the_schema_says(
    keys: set[str], arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "fixtures")
    main(["plan", *arguments, "--kops-version", "1.12.3", "--replications", "40", "--format", "json"])
    data = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(strict(schema())).validate(data)
    assert set(data) - set(schema()["required"]) == keys


def test_the_schema_refuses_what_is_no_plan() -> None:
    data = json.loads(json_report.render(made()))
    validator = jsonschema.Draft202012Validator(schema())
    validator.validate({**data, "a key of a later version": 1})
    for path, value in (
        (["verdict"], "perhaps"),
        (["windows", "total", "p50"], "7 min"),
        (["windows", "total", "unfinished"], 2),
        (["steps", 0, "ci"], None),
        (["advice", 0, "effect", "window"], "block"),
        (["version"], 2),
    ):
        wrong = copy.deepcopy(data)
        place = functools.reduce(lambda at, key: at[key], path[:-1], wrong)
        place[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(wrong)


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["plan", "--print-schema"])
    assert end.value.code == 0
    assert json.loads(capsys.readouterr().out) == schema()


def test_wrong_parameters_of_a_sweep_are_usage() -> None:
    with pytest.raises(ProfileError):
        parse_sweep("pull_node=lognormal(0,1)")
