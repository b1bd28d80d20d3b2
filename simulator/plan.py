"""Plan: what the upgrade that a spec starts would do, before it runs.

`make_plan` lints, decides which upgrade this is, draws and runs the replications, and answers: how long no
new pod can start, how long no policy takes effect, what can go wrong, and whether to go ahead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from calico_lint import __version__
from calico_lint.cluster import Cluster
from calico_lint.finding import Finding
from calico_lint.kops.calico import ETCD_V3, KUBERNETES
from calico_lint.kops.releases import Releases
from calico_lint.linter import LintResult, lint_sources
from calico_lint.yaml_source import Source
from simulator import draws, risks
from simulator.engine import run
from simulator.observations import WINDOWS, Observations
from simulator.profile import Distribution, Fixed, Profile, ProfileError, Situation, build, objects
from simulator.risks import Risk
from simulator.scenario import V2_TO_V3, V3_ROLLING, Scenario, ScenarioError
from simulator.statistics import Summary, clopper_pearson, quantile, summarise
from simulator.timing import MICRO, TIMINGS
from simulator.upgrade import NothingToSimulateError, Upgrade, decide

DEFAULT_REPLICATIONS = 400
WHAT_IF_REPLICATIONS = 64
"""Replications of each piece of advice: one block, compared with the same draws of the plan itself."""

CAUSES_REPLICATIONS = 64
"""Replications whose critical path is followed; such a run takes twice as long."""

# Errors that do not block. S9, the Job that never completes, is an outcome: the plan itself reports it. U001, a field
# that kOps does not know, is dropped by kOps without a word: the upgrade runs, as if it were not there.
_NOT_BLOCKING = ("S9", "U001")

GO, OVER_BUDGET, UNDECIDED, NEVER_COMPLETES, BLOCKED = "go", "over-budget", "undecided", "never-completes", "blocked"
EXIT_CODES = {GO: 0, BLOCKED: 1, OVER_BUDGET: 3, NEVER_COMPLETES: 4, UNDECIDED: 5}

TWO_FREEZES = (
    "kOps' page (docs/calico-v3.md) counts as policy freeze only the time that kube-controllers waits in its init "
    "container; but from the lock on no Felix, old or new, applies any change until the datastore is open again, so a "
    "policy change takes effect only at the very end."
)


class PlanError(Exception):
    """A plan that cannot be made: usage, unreadable input, or nothing to simulate. The message says what to do.

    `findings` are what the linter said, where that explains it.
    """

    def __init__(self, message: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(message)
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` seconds for a window."""

    window: str
    limit: float


@dataclass(frozen=True, slots=True)
class BudgetAnswer:
    """P(window > limit) over the runs, its 95 % interval, and what that means at the accepted risk."""

    budget: Budget
    share: float
    interval: tuple[float, float]
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "window": self.budget.window,
            "limit": self.budget.limit,
            "probability": self.share,
            "interval": list(self.interval),
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may choose. `settings` replace parameters of the profile (see `simulator.profile.build`)."""

    nodes: int | None = None
    replications: int = DEFAULT_REPLICATIONS
    seed: int = 0
    max_unavailable: int | str = 1
    settings: Mapping[str, tuple[Distribution, str]] = field(default_factory=dict)
    profile_name: str = "default"
    budgets: tuple[Budget, ...] = ()
    risk: float = 0.05
    pod_rate: float | None = None
    """new pods a minute, if it is asked how many of them will wait"""


@dataclass(frozen=True, slots=True)
class Window:
    """One window over all runs. `given_timings`: P50, P90 and P99 if the profile's medians are exactly right."""

    summary: Summary
    start_p50: float | None
    given_timings: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON; an interval is None where the sample is too small for one."""
        summary = self.summary
        return {
            "p50": _rounded(summary.p50),
            "p90": _rounded(summary.p90),
            "p99": _rounded(summary.p99),
            "mean": _rounded(summary.mean),
            "min": _rounded(summary.minimum),
            "max": _rounded(summary.maximum),
            "ci": {
                name: None if ends is None else [_rounded(ends[0]), _rounded(ends[1])]
                for name, ends in summary.intervals.items()
            },
            "start_p50": _rounded(self.start_p50),
            "unfinished": summary.unfinished,
            "given_timings": {name: _rounded(value) for name, value in self.given_timings.items()},
        }


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step over all runs, seconds after the end of `kops update cluster --yes`; None: not reached."""

    name: str
    start_p50: float | None
    end_p50: float | None
    end_p90: float | None
    what: str

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "name": self.name,
            "start_p50": _rounded(self.start_p50),
            "end_p50": _rounded(self.end_p50),
            "end_p90": _rounded(self.end_p90),
            "what": self.what,
        }


@dataclass(frozen=True, slots=True)
class Advice:
    """A change and what it does to one window's P50, from runs that share their draws with the plan's own."""

    change: str
    window: str
    p50_now: float | None
    p50_then: float | None
    replications: int

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        effect = {"window": self.window, "p50_now": _rounded(self.p50_now), "p50_then": _rounded(self.p50_then)}
        return {"change": self.change, "effect": {**effect, "replications": self.replications}}


@dataclass(frozen=True, slots=True)
class PodArrivals:
    """What new pods at a rate a minute meet: (P50, P90) over the runs; None: without end.

    `waiting` and `waiting_at_once` are pods, `wait_median` and `wait_max` seconds of those that wait.
    """

    rate: float
    waiting: tuple[float | None, float | None]
    waiting_at_once: tuple[float | None, float | None]
    wait_median: tuple[float | None, float | None]
    wait_max: tuple[float | None, float | None]

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        names = ("waiting", "waiting_at_once", "wait_median", "wait_max")
        return {"pods_per_minute": self.rate} | {
            name: dict(zip(("p50", "p90"), map(_rounded, getattr(self, name)), strict=True)) for name in names
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer. Everything that simulation gives is empty where the verdict is `blocked`."""

    cluster: Cluster
    nodes: int
    kops: Releases
    upgrade: Upgrade
    verdict: str
    reason: str
    lint: LintResult
    options: Options
    risks: tuple[Risk, ...]
    assumptions: tuple[str, ...]
    scenario: Scenario | None = None
    profile: Profile | None = None
    windows: Mapping[str, Window] = field(default_factory=dict)
    budgets: tuple[BudgetAnswer, ...] = ()
    steps: tuple[PlanStep, ...] = ()
    critical_path: tuple[tuple[str, float], ...] = ()
    critical_path_runs: int = 0
    typical: int | None = None
    """the replication whose main window is the median one"""
    advice: tuple[Advice, ...] = ()
    arrivals: PodArrivals | None = None

    @property
    def exit_code(self) -> int:
        """The exit code of `calico-sim plan` for this verdict."""
        return EXIT_CODES[self.verdict]

    def to_dict(self) -> dict[str, Any]:
        """The plan's JSON: the keys of the contract, then some of our own from `reason` on."""
        from calico_lint.report.json import finding_to_dict

        return {
            "version": 1,
            "cluster": {
                "name": self.cluster.name,
                "nodes": self.nodes,
                "kubernetes": str(self.cluster.kubernetes),
                "kops": str(self.kops),
                "calico_from": self.upgrade.calico_from,
                "calico_to": self.upgrade.calico_to,
            },
            "scenario": None if self.scenario is None else self.scenario.to_dict(),
            "seed": self.options.seed,
            "replications": 0 if self.scenario is None else self.options.replications,
            "profile": None if self.profile is None else self.profile.to_dict(),
            "verdict": self.verdict,
            "findings": [finding_to_dict(finding) for finding in self.lint.findings],
            "windows": {name: self.windows[name].to_dict() if name in self.windows else None for name in WINDOWS},
            "steps": [step.to_dict() for step in self.steps],
            "critical_path": [{"stage": stage, "share": round(share, 4)} for stage, share in self.critical_path],
            "risks": [risk.to_dict() for risk in self.risks],
            "advice": [advice.to_dict() for advice in self.advice],
            "reason": self.reason,
            "budgets": [answer.to_dict() for answer in self.budgets],
            "assumptions": list(self.assumptions),
            "critical_path_replications": self.critical_path_runs,
            "arrivals": None if self.arrivals is None else self.arrivals.to_dict(),
            "tool": {"name": "calico-sim", "version": __version__},
        }


def _rounded(seconds: float | None) -> float | None:
    """Milliseconds: what the scenario contract compares to."""
    return None if seconds is None else round(seconds, 3)


# --- making a plan --------------------------------------------------------------------------------------


def make_plan(
    new: Source,
    old: Source | None = None,
    releases: Releases | None = None,
    old_releases: Releases | None = None,
    options: Options | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """The plan of the upgrade that applying `new` would start.

    `old` is the spec as it is today (None: assumed), `releases` the kOps that will apply `new` (None:
    inferred), `old_releases` the one that last applied the old side. `progress` is called with (runs done, runs
    in all). Raises PlanError.
    """
    options = options or Options()
    lint = lint_sources(new, old, releases, old_releases)
    cluster, candidates = _the_cluster(lint, new)
    before = _the_old_cluster(cluster, old)
    try:
        upgrade = decide(cluster, candidates, before, _old_candidates(before, old_releases))
    except NothingToSimulateError as error:
        raise PlanError(f"{new.path}: {error}", tuple(lint.findings)) from None
    nodes, largest = _nodes(cluster, options, new)
    assumptions = [*upgrade.assumptions]
    if candidates.note:
        assumptions.append(candidates.note)
    dropped = [item.field for item in lint.findings if item.rule == "U001" and item.field]
    if dropped:
        assumptions.append(f"kOps drops what it does not know, the plan too: {', '.join(dropped)} (calico-lint: U001)")
    errors = [item for item in lint.findings if item.severity == "error" and item.rule not in _NOT_BLOCKING]
    reason = upgrade.blocked or (_requirements(errors) if errors else None)
    if reason is not None:
        return Plan(
            cluster=cluster,
            nodes=nodes,
            kops=candidates,
            upgrade=upgrade,
            verdict=BLOCKED,
            reason=reason,
            lint=lint,
            options=options,
            risks=(),
            assumptions=tuple(assumptions),
        )
    return _simulate(_Task(cluster, nodes, largest, candidates, upgrade, lint, options, assumptions), progress)


def _requirements(errors: list[Finding]) -> str:
    rules = ", ".join(dict.fromkeys(finding.rule for finding in errors))
    return f"the spec has {len(errors)} error{'s' if len(errors) > 1 else ''} ({rules}): kOps or Calico would refuse it"


def _the_cluster(lint: LintResult, new: Source) -> tuple[Cluster, Releases]:
    if len(lint.clusters) == 1:
        return lint.clusters[0]
    if not lint.clusters:
        raise PlanError(f"{new.path}: no kOps Cluster can be read from this file", tuple(lint.findings))
    names = ", ".join(str(cluster.name) for cluster, _ in lint.clusters)
    raise PlanError(f"{new.path}: a plan is for one cluster, this file holds {len(lint.clusters)}: {names}")


def _the_old_cluster(cluster: Cluster, old: Source | None) -> Cluster | None:
    if old is None:
        return None
    if cluster.old is not None:
        return cluster.old
    raise PlanError(f"{old.path}: no Cluster named {cluster.name!r} can be read from the old spec")


def _old_candidates(old: Cluster | None, given: Releases | None) -> Releases | None:
    """The releases that may have applied the old side: given, else inferred from it, else None."""
    if given is not None or old is None:
        return given
    inferred = lint_sources(old.document.source).clusters
    return next(releases for cluster, releases in inferred if cluster.name == old.name)


def _nodes(cluster: Cluster, options: Options, new: Source) -> tuple[int, int]:
    """(nodes to plan for, nodes if every group grows to maxSize)."""
    if options.nodes is not None:
        return options.nodes, options.nodes
    smallest, largest = cluster.node_count()
    if smallest == 0:
        why = "no InstanceGroups" if not cluster.groups else "no node in its InstanceGroups' minSize"
        raise PlanError(
            f"{new.path}: the spec has {why}: give the number of nodes, control plane included, with --nodes N"
        )
    return smallest, largest


@dataclass(frozen=True, slots=True)
class _Task:
    """What a simulation needs to know; `largest` is the number of nodes at maxSize."""

    cluster: Cluster
    nodes: int
    largest: int
    candidates: Releases
    upgrade: Upgrade
    lint: LintResult
    options: Options
    assumptions: list[str]


@dataclass(frozen=True, slots=True)
class _WhatIf:
    """The same upgrade with something changed."""

    change: str
    nodes: int
    settings: Mapping[str, tuple[Distribution, str]]


def _simulate(task: _Task, progress: Callable[[int, int], None] | None) -> Plan:
    options, upgrade = task.options, task.upgrade
    try:
        profile, scenario = _scenario(task, task.nodes, options.settings)
    except (ProfileError, ScenarioError) as error:
        raise PlanError(str(error)) from None
    what_ifs = _what_ifs(task)
    compared = min(options.replications, WHAT_IF_REPLICATIONS)
    tick = _counter(progress, 2 * options.replications + len(what_ifs) * compared)
    rate = None if options.pod_rate is None else round(options.pod_rate * MICRO)
    runs = _replicate(
        profile, scenario, options.seed, options.replications, tick, explained=CAUSES_REPLICATIONS, pod_rate=rate
    )
    given = _replicate(profile, scenario, options.seed, options.replications, tick, uncertain=False)
    main = "scheduling_block" if upgrade.protocol == V2_TO_V3 else "total"
    now = _p50(runs.windows[main][:compared])
    advice = []
    for what_if in what_ifs:
        changed = _replicate(*_scenario(task, what_if.nodes, what_if.settings), options.seed, compared, tick)
        advice.append(Advice(what_if.change, main, now, _p50(changed.windows[main]), compared))
    answers = tuple(_answer(budget, runs, options.risk) for budget in options.budgets)
    verdict, reason = _verdict(upgrade, task.candidates, answers, options.risk)
    whole = sum(runs.stages.values())
    return Plan(
        cluster=task.cluster,
        nodes=task.nodes,
        kops=task.candidates,
        upgrade=upgrade,
        verdict=verdict,
        reason=reason,
        lint=task.lint,
        options=options,
        risks=tuple(risks.find(upgrade, task.cluster, task.largest, task.nodes, runs)),
        assumptions=(*task.assumptions, *_assumptions(task, profile)),
        scenario=scenario,
        profile=profile,
        windows={
            name: Window(summarise(runs.windows[name]), _p50(runs.starts[name]), _quantiles(given.windows[name]))
            for name in WINDOWS
            if runs.windows[name]
        },
        budgets=answers,
        steps=_plan_steps(runs),
        critical_path=tuple(
            (stage, length / whole)
            for stage, length in sorted(runs.stages.items(), key=lambda item: -item[1])
            if length
        ),
        critical_path_runs=runs.explained if whole else 0,
        typical=_median_run(runs.windows[main]),
        advice=tuple(advice),
        arrivals=None if options.pod_rate is None else _pod_arrivals(options.pod_rate, runs),
    )


def _pod_arrivals(rate: float, runs: Observations) -> PodArrivals:
    waiting, at_once, median, longest = zip(*runs.pod_waits, strict=True)
    return PodArrivals(rate, _ends(waiting), _ends(at_once), _ends(median, MICRO), _ends(longest, MICRO))


def _ends(values: Sequence[float], unit: int = 1) -> tuple[float | None, float | None]:
    """P50 and P90, in units."""
    ordered = sorted(value / unit for value in values)
    return quantile(ordered, 0.5), quantile(ordered, 0.9)


def _counter(progress: Callable[[int, int], None] | None, total: int) -> Callable[[], None]:
    """A function to be called after each run."""
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return tick


def _replicate(
    profile: Profile,
    scenario: Scenario,
    seed: int,
    count: int,
    tick: Callable[[], None],
    *,
    uncertain: bool = True,
    explained: int = 0,
    pod_rate: int | None = None,
) -> Observations:
    """Draw and run `count` replications, the first `explained` of them with their causes."""
    observations = Observations(bird=profile["bgp_session"].distribution != Fixed(0), pod_rate=pod_rate)
    for number, members in draws.blocks(count):
        block = draws.draw(profile, scenario.cluster.nodes, seed, number, uncertain=uncertain)
        for member in members:
            causes = observations.count < explained
            observations.add(run(draws.replication(scenario, block, member), causes=causes))
            tick()
    return observations


def _median_run(lengths: Sequence[float]) -> int:
    """The run with the median length; of two in the middle the shorter one."""
    return sorted(range(len(lengths)), key=lambda number: (lengths[number], number))[(len(lengths) - 1) // 2]


def replication(plan: Plan, number: int) -> Scenario:
    """The scenario of one replication of a plan that is not blocked, as it was drawn; the first is number 0."""
    assert plan.profile is not None
    assert plan.scenario is not None
    block = draws.draw(plan.profile, plan.nodes, plan.options.seed, number // draws.BLOCK)
    return draws.replication(plan.scenario, block, number % draws.BLOCK)


def _control_plane(cluster: Cluster) -> int:
    """How many control-plane nodes look for new manifests; the etcd members stand on them."""
    groups = [group for group in cluster.groups if group.role == "ControlPlane"]
    if groups:
        return max(1, sum(group.min_size for group in groups))
    members = cluster.etcd_clusters[0].get("etcdMembers") if cluster.etcd_clusters else None
    return max(1, len(members.value)) if members is not None and isinstance(members.value, list) else 1


def _asks_bird(cluster: Cluster, upgrade: Upgrade) -> bool:
    """Whether readiness asks BIRD: with IP-in-IP, which was the only mode before kOps 1.19.

    The default of `encapsulationMode`: pkg/model/components/calico.go@release-1.35:38-46.
    """
    if upgrade.release.minor < 19 or upgrade.protocol == V2_TO_V3:
        return True
    mode = cluster.text("networking.calico.encapsulationMode")
    if mode is None and cluster.ipv6_only:
        mode = "none"
    if mode is None and cluster.cloud == "azure" and upgrade.release.minor >= 35:
        mode = "vxlan"
    return mode in (None, "ipip")


def _scenario(task: _Task, nodes: int, settings: Mapping[str, tuple[Distribution, str]]) -> tuple[Profile, Scenario]:
    """The profile, and the scenario in which every timing has its median."""
    upgrade, cluster = task.upgrade, task.cluster
    assert cluster.kubernetes is not None  # `decide` refuses a spec without
    situation = Situation(
        protocol=upgrade.protocol,
        nodes=nodes,
        control_plane=_control_plane(cluster),
        kubernetes=cluster.kubernetes,
        bird=_asks_bird(cluster, upgrade),
        upgrade_ipam=upgrade.manifest.datastore == KUBERNETES and upgrade.manifest.ipam == "calico-ipam",
    )
    profile = build(situation, settings, task.options.profile_name)
    timing: dict[str, float] = {
        parameter.name: parameter.distribution.median for parameter in profile.parameters if parameter.name in TIMINGS
    }
    # v3-rolling writes no version: whatever `services` is, it is not too early.
    timing.setdefault("ensure_initialized", 0)
    timing["services"] = max(timing["services"], timing["ensure_initialized"])
    if not situation.bird:
        # The engine's probes always ask BIRD. Sessions that are up at once let every pod get ready in time;
        # this keeps one from turning unready when its only peer restarts.
        timing["failure_threshold"] = 1_000_000
    resources, ipam = objects(situation, profile["pods_per_node"].distribution.median)
    never = upgrade.protocol == V2_TO_V3 and not upgrade.completes
    scenario = Scenario.from_dict(
        {
            "name": cluster.name,
            "title": f"Calico {upgrade.calico_from or 'of today'} to {upgrade.calico_to}, every timing at its median",
            "cluster": {
                "nodes": nodes,
                "max_unavailable": task.options.max_unavailable,
                "kubernetes": str(cluster.kubernetes),
                "kops": str(upgrade.release),
                "protocol": upgrade.protocol,
                "objects": {"resources": resources, "ipam": ipam},
            },
            "timing": timing,
            "faults": [{"kind": "expected_image_mismatch"}] if never else [],
            "horizon": None,
            **_typha(cluster, upgrade, nodes),
        }
    )
    return profile, scenario


def _typha(cluster: Cluster, upgrade: Upgrade, nodes: int) -> dict[str, Any]:
    """The scenario's `typha`, if the spec asks for one that can roll: it needs a host of its own for each replica.

    kOps lets it surge to twice its size from 1.28 on, before that it is Kubernetes' default (facts of the templates
    networking.projectcalico.org/k8s-1.25 and before).
    """
    node = cluster.at("networking.calico.typhaReplicas")
    replicas = node.value if node is not None and isinstance(node.value, int) else 0
    if upgrade.protocol != V3_ROLLING or not 0 < replicas < nodes:
        return {}
    return {"typha": {"replicas": replicas, "max_surge": "100%" if upgrade.release.minor >= 28 else "25%"}}


def _what_ifs(task: _Task) -> list[_WhatIf]:
    """The changes worth comparing: none where the upgrade never ends."""
    if task.upgrade.protocol == V2_TO_V3 and not task.upgrade.completes:
        return []
    settings = task.options.settings
    images = ["pull_node", "pull_cni"]
    if task.upgrade.protocol == V2_TO_V3:
        images.append("pull_upgrade")
    present = {name: (Fixed(0.0), "pulled before") for name in images}
    found = [_WhatIf("pull the new images on every node before you start", task.nodes, {**settings, **present})]
    if task.largest > task.nodes:
        found.append(_WhatIf(f"with every group at its maxSize, {task.largest} nodes", task.largest, settings))
    return found


def _assumptions(task: _Task, profile: Profile) -> list[str]:
    """What the numbers rest on, besides the profile's sources."""
    options, upgrade, cluster = task.options, task.upgrade, task.cluster
    found = []
    if upgrade.protocol == V3_ROLLING:
        found.append("the new manifest changes the pods of calico-node: if it does not, nothing is rolled")
    if options.nodes is not None:
        found.append(f"{task.nodes} nodes, as given with --nodes")
    elif task.largest > task.nodes:
        found.append(f"{task.nodes} nodes: minSize of every group but bastions; at maxSize there are {task.largest}")
    if options.max_unavailable == 1:
        found.append("one node at a time (maxUnavailable 1, as in every kOps manifest)")
    else:
        found.append(f"maxUnavailable {options.max_unavailable}: kOps writes 1, so the DaemonSet must be patched")
    guesses = sum("assumption" in parameter.source for parameter in profile.parameters)
    found.append(
        f"{guesses} of {len(profile.parameters)} timings and sizes are assumptions, none was measured on this cluster; "
        "a median that is only guessed is drawn anew in each run, as if two observations stood behind it"
    )
    if upgrade.protocol == V2_TO_V3:
        pods = profile["pods_per_node"].distribution
        found.append(f"{pods} pods a node, no Calico-native policies: the spec does not tell (--set pods_per_node=N)")
    elif upgrade.manifest.datastore == ETCD_V3:
        found.append("Calico stays on etcd: rolled like the later manifests, without the calico-upgrade containers")
    if _typha(cluster, upgrade, task.nodes):
        found.append(
            "Typha rolls beside: each Felix loses it for some 2 s (assumed), in which no policy reaches its node"
        )
    elif upgrade.protocol == V3_ROLLING and _positive(cluster, "networking.calico.typhaReplicas"):
        found.append("Typha is left out: it needs a node of its own for each replica, and one more to roll")
    found.append("nothing fails meanwhile: no node is NotReady, no pull fails, no pod is killed (see the risks)")
    return found


def _positive(cluster: Cluster, path: str) -> bool:
    node = cluster.at(path)
    return node is not None and isinstance(node.value, int) and node.value > 0


# --- answers --------------------------------------------------------------------------------------------


def _verdict(upgrade: Upgrade, candidates: Releases, answers: tuple[BudgetAnswer, ...], risk: float) -> tuple[str, str]:
    """(verdict, reason): the first of the contract's exit codes that applies."""
    if not upgrade.completes:
        return NEVER_COMPLETES, risks.mismatch(upgrade.never_completes, ())
    for verdict, text in ((OVER_BUDGET, "over budget"), (UNDECIDED, "the runs do not decide")):
        worst = [answer for answer in answers if answer.verdict == verdict]
        if worst:
            return verdict, "; ".join(
                f"{text}: P({answer.budget.window} > {duration(answer.budget.limit)}) is {answer.share:.1%} "
                f"({answer.interval[0]:.1%} to {answer.interval[1]:.1%}), accepted is {risk:.1%}"
                for answer in worst
            )
    if upgrade.never_completes:
        why = risks.mismatch(upgrade.never_completes, upgrade.completes)
        return UNDECIDED, f"it depends on the kOps release ({candidates}): {why}"
    if answers:
        return GO, "; ".join(
            f"P({answer.budget.window} > {duration(answer.budget.limit)}) is at most {answer.interval[1]:.1%}, "
            f"accepted is {risk:.1%}"
            for answer in answers
        )
    return GO, "the spec meets the requirements and the upgrade completes; no budget was given"


def _answer(budget: Budget, runs: Observations, risk: float) -> BudgetAnswer:
    # A window that this protocol does not have is never too long.
    over = sum(length > budget.limit for length in runs.windows[budget.window])
    interval = clopper_pearson(over, runs.count)
    if interval[0] > risk:
        verdict = OVER_BUDGET
    elif interval[1] <= risk:
        verdict = GO
    else:
        verdict = UNDECIDED
    return BudgetAnswer(budget, over / runs.count, interval, verdict)


def _p50(values: list[float]) -> float | None:
    return quantile(sorted(values), 0.5) if values else None


def _quantiles(values: list[float]) -> dict[str, float | None]:
    summary = summarise(values)
    return {"p50": summary.p50, "p90": summary.p90, "p99": summary.p99}


def _plan_steps(runs: Observations) -> tuple[PlanStep, ...]:
    """The steps in the order in which they usually begin, then end."""
    found = [
        PlanStep(name, _p50(starts), _p50(ends), quantile(sorted(ends), 0.9), what)
        for name, (starts, ends, what) in runs.steps.items()
    ]
    return tuple(sorted(found, key=lambda step: (_or_never(step.start_p50), _or_never(step.end_p50))))


def _or_never(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds


# --- what the user writes -------------------------------------------------------------------------------

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?\Z")


def parse_duration(text: str) -> float:
    """Seconds of `90`, `90s`, `10m`, `1h30m`. Raises ValueError."""
    match = _DURATION.match(text.strip().lower())
    if match is None or not any(match.groups()):
        raise ValueError(f"{text!r} is no duration: write 90s, 10m or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def duration(seconds: float) -> str:
    """`8.4 s`, `44 s`, `51 min 20 s`, `4 h 12 min`, `2 d 3 h`: two units at most."""
    if seconds < 9.95:
        return f"{seconds:.1f} s" if seconds >= 0.05 else "0 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, "min", "s")
    minutes = round(whole / 60)
    if minutes < 48 * 60:
        return _two(minutes, 60, "h", "min")
    return _two(round(minutes / 60), 24, "d", "h")


def _two(count: int, size: int, large: str, small: str) -> str:
    rest = count % size
    return f"{count // size} {large} {rest} {small}" if rest else f"{count // size} {large}"


_PER_MINUTE = {"s": 60.0, "min": 1.0, "m": 1.0, "h": 1 / 60}


def parse_rate(text: str) -> float:
    """Pods a minute as `--pod-rate` takes them: `12`, `12/min`, `0.5/s`, `90/h`. Raises ValueError."""
    number, _, unit = text.strip().partition("/")
    try:
        rate = float(number) * _PER_MINUTE[unit.strip() or "min"]
    except (KeyError, ValueError):
        rate = math.nan
    if not 1e-6 <= rate <= 1e6:
        raise ValueError(f"{text!r} is no rate: write 12/min, 0.5/s or 90/h")
    return rate


def parse_budget(text: str) -> Budget:
    """A budget as `--budget` takes it: WINDOW=DURATION. Raises ValueError."""
    window, equals, limit = text.partition("=")
    if not equals or window.strip() not in WINDOWS:
        raise ValueError(f"{text!r} is no budget: write WINDOW=10m, where WINDOW is one of {', '.join(WINDOWS)}")
    return Budget(window.strip(), parse_duration(limit))


def parse_share(text: str) -> float:
    """A share as `--risk` takes it: `5%` or `0.05`. Raises ValueError."""
    try:
        value = float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1:
        raise ValueError(f"{text!r} is no risk: write 5% or 0.05, below 100%")
    return value
