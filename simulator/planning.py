"""Plan: what the upgrade that a spec starts would do, before it runs.

`make_plan` lints, decides which upgrade this is, draws and runs the replications, and answers: how long no
new pod can start, how long no policy takes effect, what can go wrong, and whether to go ahead.

All replications go through the kernel (`simulator.kernel`) or, where it cannot follow the scenario, through the engine;
what is shown of single ones, timelines and critical paths, always comes from the engine, from the same draws.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from calico_lint import __version__
from calico_lint.cluster import Cluster
from calico_lint.finding import Finding
from calico_lint.kops.calico import ETCD_V3, KUBERNETES
from calico_lint.kops.releases import NEWEST_PATCH, Releases, newest_of_minor
from calico_lint.linter import LintResult, lint_sources
from calico_lint.yaml_source import Source
from simulator import arrivals, causes, draws, kernel, risks
from simulator.advice import Advice, Untried, WhatIf, advise, split, what_ifs
from simulator.engine import run
from simulator.maintenance import MaintenanceWindow, WindowAnswer, fit
from simulator.observations import WINDOWS, Floats, Observations, Runs
from simulator.profile import Fixed, Profile, ProfileError, Setting, Settings, Situation, build, objects
from simulator.risks import Risk
from simulator.scenario import V2_TO_V3, V3_ROLLING, Scenario, ScenarioError
from simulator.sensitivity import Sensitivity, sensitivity
from simulator.statistics import (
    CONFIDENCE,
    Estimate,
    Interval,
    Summary,
    clopper_pearson,
    half_width,
    looks,
    quantile_rank,
    summarise,
)
from simulator.sweep import Sweep, Wish, sweep
from simulator.timing import MICRO, TIMINGS
from simulator.trace import Trace
from simulator.upgrade import NothingToSimulateError, Upgrade, decide
from simulator.v1_data import V1Data
from simulator.variants import Outcome, Variant, rounded
from simulator.variants import estimate_of as _estimate
from simulator.verdicts import BLOCKED as BLOCKED
from simulator.verdicts import EXIT_CODES as EXIT_CODES
from simulator.verdicts import GO as GO
from simulator.verdicts import NEVER_COMPLETES as NEVER_COMPLETES
from simulator.verdicts import OVER_BUDGET as OVER_BUDGET
from simulator.verdicts import UNDECIDED as UNDECIDED
from simulator.verdicts import gate

if TYPE_CHECKING:
    from simulator.checklist import Check
    from simulator.joining import NodeJoins
    from simulator.remaining import Remaining

DEFAULT_REPLICATIONS = 2000
MOST_REPLICATIONS = 65_536
"""Where a plan with a wished precision gives up, unless another number is given."""

WHAT_IF_REPLICATIONS = 256
"""Replications of each piece of advice, at most: compared in pairs with the same draws of the plan itself."""

_WHAT_IF_ENGINE_NODES, _WHAT_IF_FEWEST = 4_000, 16
"""The same where the engine must play it: nodes of all runs, and how many runs are too few to say anything."""

_WHAT_IF_STEPS, _WHAT_IF_LARGE = 6_000, 500
"""Nodes of all changes with several at once, where the kernel goes from pod to pod: more are not tried; and the nodes
from which on one block of runs must do."""

# What the engine plays is measured in nodes of runs, each of which takes it some 0.1 ms.
_ENGINE_NODES, _ENGINE_MOST = 40_000, 400
"""Where the kernel cannot follow: replications by default are these divided by the nodes, and not more than that."""

_EXPLAINED_NODES, _EXPLAINED_MOST = 800, 64
"""The same for the replications whose critical path is followed."""

# Errors that do not block. S9, the Job that never completes, is an outcome: the plan itself reports it. U001, a field
# that kOps does not know, is dropped by kOps without a word: the upgrade runs, as if it were not there.
_NOT_BLOCKING = ("S9", "U001")

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
    replications: int | None = None
    """None: as many as are usual; with a `precision`, at most"""
    seed: int = 0
    max_unavailable: int | str = 1
    not_ready: int = 0
    """nodes that are NotReady, and stay so"""
    settings: Settings = field(default_factory=dict)
    profile_name: str = "default"
    budgets: tuple[Budget, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    risk: float = 0.05
    pod_rate: float | None = None
    """new pods a minute, if it is asked how many of them will wait"""
    node_rate: float | None = None
    """new nodes an hour, if it is asked what they do"""
    precision: float | None = None
    """relative half width of the main window's P90 interval at which the plan has replications enough"""
    v1_data: V1Data | None = None
    """the data to migrate, if it is at hand"""
    sweeps: tuple[Wish, ...] = ()
    sensitivity: bool = False
    """whether each parameter is varied, to see which moves the windows most"""
    workers: int | None = None
    """threads, which change no number; None: one for each processor"""


@dataclass(frozen=True, slots=True)
class Window:
    """One window over all runs: `summary` given what is known of the timings, `given` as if the profile were right."""

    summary: Summary
    start: Estimate
    given: Summary

    @property
    def start_p50(self) -> float | None:
        """The median of when it begins; None: it does not, or this window is a length only."""
        return self.start.value

    @property
    def given_timings(self) -> dict[str, float | None]:
        """P50, P90 and P99 if the profile is exactly right."""
        return {"p50": self.given.p50, "p90": self.given.p90, "p99": self.given.p99}

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON; an interval is None where the sample is too small for one."""
        summary = self.summary
        return {
            "p50": rounded(summary.p50),
            "p90": rounded(summary.p90),
            "p99": rounded(summary.p99),
            "mean": rounded(summary.mean),
            "min": rounded(summary.minimum),
            "max": rounded(summary.maximum),
            "ci": {**_ends_of(summary.intervals), "start_p50": self.start.to_list()},
            "start_p50": rounded(self.start_p50),
            "unfinished": summary.unfinished,
            "given_timings": {
                **{name: rounded(value) for name, value in self.given_timings.items()},
                "ci": _ends_of(self.given.intervals),
            },
        }


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step over all runs, seconds after the end of `kops update cluster --yes`; None: not reached."""

    name: str
    start_p50: float | None
    end_p50: float | None
    end_p90: float | None
    what: str
    intervals: Mapping[str, Interval | None]
    """those of the three, by their names"""

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "name": self.name,
            "start_p50": rounded(self.start_p50),
            "end_p50": rounded(self.end_p50),
            "end_p90": rounded(self.end_p90),
            "what": self.what,
            "ci": _ends_of(self.intervals),
        }


@dataclass(frozen=True, slots=True)
class PodArrivals:
    """What new pods at a rate a minute meet: (P50, P90) over `replications` runs; None: without end.

    `waiting` and `waiting_at_once` are pods, `wait_median` and `wait_max` seconds of those that wait; `intervals` holds
    the two intervals of each, by its name.
    """

    rate: float
    waiting: tuple[float | None, float | None]
    waiting_at_once: tuple[float | None, float | None]
    wait_median: tuple[float | None, float | None]
    wait_max: tuple[float | None, float | None]
    intervals: Mapping[str, tuple[Interval | None, Interval | None]]
    replications: int

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        answer: dict[str, Any] = {"pods_per_minute": self.rate, "replications": self.replications}
        for name, intervals in self.intervals.items():
            values = getattr(self, name)
            answer[name] = {"p50": rounded(values[0]), "p90": rounded(values[1])}
            answer[name]["ci"] = _ends_of(dict(zip(("p50", "p90"), intervals, strict=True)))
        return answer


@dataclass(frozen=True, slots=True)
class Timeline:
    """A real replication; `name` says of which quantile it is the run.

    `steps` are (name, start, end) in seconds as in the plan's own steps; None: not reached.
    """

    name: str
    replication: int
    steps: tuple[tuple[str, float | None, float | None], ...]
    again: Callable[[], Trace]

    @property
    def trace(self) -> Trace:
        """The whole run, event by event: the engine makes it again from its own draws, the first time it is asked."""
        return self.again()

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        steps = [{"name": name, "start": rounded(start), "end": rounded(end)} for name, start, end in self.steps]
        return {"name": self.name, "replication": self.replication, "steps": steps}


@dataclass(frozen=True, slots=True)
class Stopping:
    """Why a plan with a wished precision has as many replications as it has.

    `half_width` is that of the P90's interval relative to the P90 (None: without end), at `confidence`, which all
    intervals of the plan have then: 95 % is left for all looks together.
    """

    precision: float
    half_width: float | None
    confidence: float
    looks: int

    @property
    def reached(self) -> bool:
        """Whether it is as precise as was wished; else the replications ran out."""
        return self.half_width is not None and self.half_width <= self.precision

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "precision": self.precision,
            "half_width": self.half_width,
            "reached": self.reached,
            "confidence": self.confidence,
            "looks": self.looks,
        }


@dataclass(frozen=True, slots=True, repr=False)
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
    maintenance: tuple[WindowAnswer, ...] = ()
    steps: tuple[PlanStep, ...] = ()
    critical_path: tuple[tuple[str, float], ...] = ()
    critical_path_runs: int = 0
    typical: int | None = None
    """the replication whose main window is the median one"""
    advice: tuple[Advice, ...] = ()
    """the most useful first"""
    untried: tuple[Untried, ...] = ()
    sweeps: tuple[Sweep, ...] = ()
    sensitivity: Sensitivity | None = None
    """if it was asked for"""
    arrivals: PodArrivals | None = None
    joins: NodeJoins | None = None
    timelines: tuple[Timeline, ...] = ()
    """the replications nearest the median and the P99 of the main window"""
    samples: Mapping[str, Floats] = field(default_factory=dict)
    """the lengths of each window in seconds, one a replication, read-only; infinite: without end"""
    engine: str | None = None
    """why the engine ran the replications and not the kernel; None: the kernel did"""
    stopping: Stopping | None = None
    remaining: Remaining | None = None
    """what is left of it, if it was asked for an upgrade under way (`simulator.remaining`)"""
    made_by: str = ""
    """what makes this plan again, where it is not a command line that did: a call of `simulator.plan`"""

    def __repr__(self) -> str:
        block = self.windows.get("scheduling_block")
        windows = {"no new pod starts": block, "in all": self.windows.get("total")}
        lengths = [
            f", {words} for {_or_ever(window.summary.p50)} (P90 {_or_ever(window.summary.p90)})"
            for words, window in windows.items()
            if window is not None and window.summary.maximum != 0
        ]
        return f"<Plan of {self.cluster.name}, {self.nodes} nodes: {self.verdict}{''.join(lengths)}>"

    def _repr_html_(self) -> str:
        """The page in a frame, as notebooks show it."""
        from html import escape

        return f'<iframe srcdoc="{escape(self.to_html())}" style="width:100%;height:40em;border:0"></iframe>'

    def to_html(self, path: str | os.PathLike[str] | None = None, command: str | None = None) -> str:
        """The plan as one self-contained page, which is also written to `path` if there is one.

        `command` is what the page says makes the plan again. Raises OSError where it cannot be written.
        """
        from hashlib import sha256

        from simulator.report.files import write_whole
        from simulator.report.html import render

        sources = [cluster.document.source for cluster in (self.cluster.old, self.cluster) if cluster is not None]
        if self.options.v1_data is not None:
            sources += self.options.v1_data.sources.values()
        digests = {source.path: sha256(source.text.encode()).hexdigest() for source in sources}
        page = render(self, command or self.made_by or "calico-sim plan", digests)
        if path is not None:
            write_whole(os.fspath(path), page)
        return page

    @property
    def checklist(self) -> tuple[Check, ...]:
        """What to look at before the upgrade is started."""
        from simulator.checklist import checklist

        return checklist(self)

    @property
    def exit_code(self) -> int:
        """The exit code of `calico-sim plan` for this verdict; where it is under way, for what is left."""
        if self.remaining is not None and self.verdict != BLOCKED:
            return self.remaining.exit_code
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
            "engine": self.engine,
            "stopping": None if self.stopping is None else self.stopping.to_dict(),
            "profile": None if self.profile is None else self.profile.to_dict(),
            "verdict": self.verdict,
            "findings": [finding_to_dict(finding) for finding in self.lint.findings],
            "windows": {name: self.windows[name].to_dict() if name in self.windows else None for name in WINDOWS},
            "steps": [step.to_dict() for step in self.steps],
            "critical_path": [{"stage": stage, "share": round(share, 4)} for stage, share in self.critical_path],
            "risks": [risk.to_dict() for risk in self.risks],
            "advice": [advice.to_dict() for advice in self.advice],
            "advice_not_tried": [untried.to_dict() for untried in self.untried],
            "sweeps": [sweep.to_dict() for sweep in self.sweeps],
            "sensitivity": None if self.sensitivity is None else self.sensitivity.to_dict(),
            "reason": self.reason,
            "budgets": [answer.to_dict() for answer in self.budgets],
            "maintenance": [answer.to_dict() for answer in self.maintenance],
            "assumptions": list(self.assumptions),
            "critical_path_replications": self.critical_path_runs,
            "arrivals": None if self.arrivals is None else self.arrivals.to_dict(),
            "timelines": [timeline.to_dict() for timeline in self.timelines],
            "checklist": [check.to_dict() for check in self.checklist],
            "tool": {"name": "calico-sim", "version": __version__},
            **({"v1_data": data.to_dict(self.critical_path)} if (data := self.options.v1_data) is not None else {}),
            **({"joins": self.joins.to_dict()} if self.joins is not None else {}),
            **({"remaining": self.remaining.to_dict()} if self.remaining is not None else {}),
        }


def _or_ever(seconds: float | None) -> str:
    return "ever" if seconds is None else duration(seconds)


def _array(lengths: Sequence[float]) -> Floats:
    """Nobody changes the samples of a plan that has been made."""
    array = np.array(lengths, np.float64)
    array.flags.writeable = False
    return array


def _ends_of(intervals: Mapping[str, Interval | None]) -> dict[str, list[float | None] | None]:
    return {name: None if ends is None else [rounded(ends[0]), rounded(ends[1])] for name, ends in intervals.items()}


# --- making a plan --------------------------------------------------------------------------------------


def make_plan(
    new: Source,
    old: Source | None = None,
    releases: Releases | None = None,
    old_releases: Releases | None = None,
    options: Options | None = None,
    progress: Callable[[int, int], None] | None = None,
    executor: Executor | None = None,
    so_far: Callable[[str, int, float, float], None] | None = None,
) -> Plan:
    """The plan of the upgrade that applying `new` would start.

    `old` is the spec as it is today (None: assumed), `releases` the kOps that will apply `new` (None:
    inferred), `old_releases` the one that last applied the old side. `progress` is called with (runs done, runs
    in all), `so_far` meanwhile with (the main window's name, runs, P50, P90 of them in seconds). The kernel's work is
    done by `executor` (None: by `options.workers` threads). Raises PlanError.
    """
    options = options or Options()
    lint = lint_sources(new, old, releases, old_releases)
    cluster, candidates = _the_cluster(lint, new)
    before = _the_old_cluster(cluster, old)
    old_candidates = _old_candidates(before, old_releases)
    try:
        upgrade = decide(cluster, candidates, before, old_candidates)
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
    if options.v1_data is not None and upgrade.protocol == V2_TO_V3:
        lint.findings += options.v1_data.findings
        reason = reason or options.v1_data.blocked
        assumptions.append(options.v1_data.assumption)
    elif options.v1_data is not None:
        assumptions.append("no v1 data is migrated by this upgrade: --v1-data plays no part")
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
    completing = _completing(cluster, upgrade, before, old_candidates)
    task = _Task(cluster, nodes, largest, candidates, upgrade, completing, lint, options, assumptions)
    if executor is not None:
        return _Simulation(task, executor, progress, so_far).plan()
    threads = ThreadPoolExecutor(options.workers or os.cpu_count())
    try:
        return _Simulation(task, threads, progress, so_far).plan()
    finally:
        threads.shutdown(cancel_futures=True)


def _completing(
    cluster: Cluster, upgrade: Upgrade, old: Cluster | None, old_releases: Releases | None
) -> Upgrade | None:
    """The upgrade by the newest kOps with which it ends, if that of the plan never does."""
    if upgrade.completes:
        return None
    for minor in sorted(NEWEST_PATCH, reverse=True):
        release = Releases((newest_of_minor(minor),), given=True)
        try:
            other = decide(cluster, release, old, old_releases)
        except NothingToSimulateError:
            continue
        if other.completes and other.protocol == upgrade.protocol and not other.blocked:
            return other
    return None


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
    """What a simulation needs to know; `largest` is the number of nodes at maxSize.

    `completing`: the same upgrade by a kOps with which it ends, if with this one it never does.
    """

    cluster: Cluster
    nodes: int
    largest: int
    candidates: Releases
    upgrade: Upgrade
    completing: Upgrade | None
    lint: LintResult
    options: Options
    assumptions: list[str]


class _Simulation:
    """All replications of one plan, and what they say."""

    def __init__(
        self,
        task: _Task,
        executor: Executor,
        progress: Callable[[int, int], None] | None,
        so_far: Callable[[str, int, float, float], None] | None,
    ) -> None:
        self.task = task
        self.executor = executor
        try:
            options = task.options
            self.base = Variant(task.nodes, options.max_unavailable, options.settings, task.upgrade)
            self.profile, self.scenario = _scenario(task, self.base)
        except (ProfileError, ScenarioError) as error:
            raise PlanError(str(error)) from None
        self.engine = kernel.covers(self.scenario)
        self.main = "scheduling_block" if task.upgrade.protocol == V2_TO_V3 else "total"
        self.what_ifs, self.untried = self._affordable()
        self._progress, self._so_far = progress, so_far
        self._done = 0
        self._all = 0
        self._block: tuple[int, draws.Block] | None = None  # the last one that a single run was taken from

    def plan(self) -> Plan:
        """Run everything and answer."""
        task, options, upgrade = self.task, self.task.options, self.task.upgrade
        runs, stopping = self._main_runs()
        count = runs.count
        confidence = CONFIDENCE if stopping is None else stopping.confidence
        compared = min(count, WHAT_IF_REPLICATIONS)
        self._all = 2 * count + sum(self._compared(scenario, compared) for *_, scenario in self.what_ifs)
        given = self._band(self.profile, self.scenario, 0, count, uncertain=False)
        changed = [
            self._band(profile, scenario, 0, self._compared(scenario, compared))
            for _, profile, scenario in self.what_ifs
        ]
        order = sorted(range(count), key=lambda number: (runs.windows[self.main][number], number))
        certain = self._collect(given)
        advice = [
            self._advice(what_if, runs, self._outcome(what_if.variant, profile, scenario, band), confidence)
            for (what_if, profile, scenario), band in zip(self.what_ifs, changed, strict=True)
        ]
        maintenance = self._maintenance(runs, confidence)
        advice += self._splits(runs, maintenance, compared, confidence)
        sweeps = self._sweeps(runs, confidence)
        tornado = (
            sensitivity(self.profile, self.base, self.main, runs, self.observe, confidence)
            if (options.sensitivity)
            else None
        )
        timelines = self._timelines(runs, order)
        self._explain(runs, timelines[0])
        waits = None if options.pod_rate is None else self._pod_arrivals(options.pod_rate, count)
        answers = tuple(_answer(budget, runs, options.risk, confidence) for budget in options.budgets)
        verdict, reason = _verdict(upgrade, task.candidates, answers, maintenance, options.risk)
        if options.not_ready and all(map(math.isinf, runs.windows["total"])):
            verdict, reason = NEVER_COMPLETES, _stuck(options.not_ready)
        whole = sum(runs.stages.values())
        return Plan(
            cluster=task.cluster,
            nodes=task.nodes,
            kops=task.candidates,
            upgrade=upgrade,
            verdict=verdict,
            reason=reason,
            lint=task.lint,
            options=replace(options, replications=count),
            risks=tuple(risks.find(upgrade, task.cluster, task.largest, task.nodes, runs)),
            assumptions=(*task.assumptions, *_assumptions(task, self.profile)),
            scenario=self.scenario,
            profile=self.profile,
            windows={
                name: Window(
                    summarise(lengths, confidence),
                    _estimate(runs.starts[name], 0.5, confidence),
                    summarise(certain.windows[name], confidence),
                )
                for name, lengths in runs.windows.items()
                if lengths
            },
            budgets=answers,
            maintenance=maintenance,
            steps=_plan_steps(runs, confidence),
            critical_path=tuple(
                (stage, length / whole)
                for stage, length in sorted(runs.stages.items(), key=lambda item: -item[1])
                if length
            ),
            critical_path_runs=runs.explained if whole else 0,
            typical=timelines[0].replication,
            advice=tuple(sorted(advice, key=lambda each: each.usefulness)),
            untried=self.untried,
            sweeps=sweeps,
            sensitivity=tornado,
            arrivals=waits,
            joins=None if options.node_rate is None else self._node_joins(options.node_rate, count),
            timelines=timelines,
            samples={name: _array(lengths) for name, lengths in runs.windows.items() if lengths},
            engine=self.engine,
            stopping=stopping,
        )

    # --- replications

    def _main_runs(self) -> tuple[Observations, Stopping | None]:
        """As many replications as were asked for, or as the wished precision takes."""
        options = self.task.options
        runs = Observations(bird=self.profile["bgp_session"].distribution != Fixed(0))
        if self.engine is None:
            usual = DEFAULT_REPLICATIONS if options.precision is None else MOST_REPLICATIONS
        else:
            usual = max(1, min(_ENGINE_MOST, _ENGINE_NODES // self.task.nodes))
        most = options.replications or usual
        compared = min(most, WHAT_IF_REPLICATIONS)
        self._all = 2 * most + sum(self._compared(scenario, compared) for *_, scenario in self.what_ifs)
        if options.precision is None:
            return self._collect(self._band(self.profile, self.scenario, 0, most), runs), None
        for looked, (count, confidence) in enumerate(looks(most), start=1):
            self._collect(self._band(self.profile, self.scenario, runs.count, count), runs)
            reached = half_width(runs.windows[self.main], 0.9, confidence)
            stopping = Stopping(options.precision, reached, confidence, looked)
            if stopping.reached:
                break
        return runs, stopping

    def _band(
        self, profile: Profile, scenario: Scenario, first: int, count: int, *, uncertain: bool = True
    ) -> Iterator[Runs]:
        """The replications `first` (a multiple of 64) to `count`, some at a time, in their order."""
        seed = self.task.options.seed
        if kernel.covers(scenario) is None:
            executor = self.executor
            return kernel.simulate(profile, scenario, seed, count, first=first, uncertain=uncertain, executor=executor)
        return _by_engine(profile, scenario, seed, first, count, uncertain)

    def _collect(self, band: Iterator[Runs], main: Observations | None = None) -> Observations:
        runs = Observations() if main is None else main
        for part in band:
            runs.extend(part, self.scenario.cluster.rolling)
            self._done += len(part.delay)
            if self._progress is not None:
                self._progress(self._done, self._all)
            if main is not None and self._so_far is not None:
                lengths = sorted(runs.windows[self.main])
                p50, p90 = (lengths[quantile_rank(len(lengths), share) - 1] for share in (0.5, 0.9))
                self._so_far(self.main, len(lengths), p50, p90)
        return runs

    # --- variants

    def observe(self, variants: Iterable[Variant], count: int) -> list[Outcome]:
        """The first `count` runs of each variant, fewer where the engine must play them.

        Raises ProfileError or ScenarioError for a variant that cannot be.
        """
        made = [(variant, *_scenario(self.task, variant)) for variant in variants]
        bands = [self._band(profile, scenario, 0, self._count(scenario, count)) for _, profile, scenario in made]
        return [self._outcome(*each, band) for each, band in zip(made, bands, strict=True)]

    def _outcome(self, variant: Variant, profile: Profile, scenario: Scenario, band: Iterator[Runs]) -> Outcome:
        runs = self._collect(band)
        seed = self.task.options.seed

        def again(number: int) -> Trace:
            block = draws.draw(profile, scenario.cluster.nodes, seed, number // draws.BLOCK)
            return run(draws.replication(scenario, block, number % draws.BLOCK))

        return Outcome(variant, scenario, profile, runs, kernel.covers(scenario), again)

    def _count(self, scenario: Scenario, count: int) -> int:
        """As many runs of a variant as are asked for; where the engine must play them, what it makes in a moment."""
        if kernel.covers(scenario) is None:
            return count
        return max(1, min(count, _WHAT_IF_ENGINE_NODES // scenario.cluster.nodes))

    def _compared(self, scenario: Scenario, count: int) -> int:
        """As many runs of a change as a piece of advice can take the time for."""
        large = scenario.cluster.nodes > _WHAT_IF_LARGE
        return self._count(scenario, min(count, draws.BLOCK) if large else count)

    def _affordable(self) -> tuple[list[tuple[WhatIf, Profile, Scenario]], tuple[Untried, ...]]:
        """The changes to try, and those that would take too long for a piece of advice."""
        task = self.task
        smallest = task.cluster.node_count()[0] or task.nodes
        found, untried, steps = [], [], 0
        for what_if in what_ifs(self.base, self.scenario, smallest, task.largest, task.completing):
            profile, scenario = _scenario(task, what_if.variant)
            engine = kernel.covers(scenario)
            several = engine is None and _several(scenario)
            steps += scenario.cluster.nodes if several else 0
            if several and steps > _WHAT_IF_STEPS:
                untried.append(Untried(what_if.change, "it takes long with so many nodes (--sweep does it)"))
            elif engine is not None and self._count(scenario, WHAT_IF_REPLICATIONS) < _WHAT_IF_FEWEST:
                untried.append(Untried(what_if.change, f"it must be played event by event, because {engine}"))
            else:
                found.append((what_if, profile, scenario))
        return found, tuple(untried)

    def _advice(self, what_if: WhatIf, runs: Observations, outcome: Outcome, confidence: float) -> Advice:
        window = what_if.window or self.main
        return advise(
            what_if,
            window,
            runs.windows[window],
            outcome,
            confidence,
            self._maintenance(outcome.runs, confidence),
        )

    def _maintenance(self, runs: Observations, confidence: float) -> tuple[WindowAnswer, ...]:
        options = self.task.options
        return tuple(fit(window, runs.windows["total"], options.risk, confidence) for window in options.maintenance)

    def _sweeps(self, runs: Observations, confidence: float) -> tuple[Sweep, ...]:
        options = self.task.options

        def judge(then: Observations) -> dict[str, list[dict[str, Any]]]:
            budgets = [_answer(budget, then, options.risk, confidence) for budget in options.budgets]
            windows = self._maintenance(then, confidence)
            return {
                "budgets": [answer.to_dict() for answer in budgets],
                "maintenance": [answer.to_dict() for answer in windows],
            }

        try:
            return tuple(
                sweep(wish, self.base, self.main, runs, self.observe, judge, confidence) for wish in options.sweeps
            )
        except (ProfileError, ScenarioError) as error:
            raise PlanError(f"--sweep: {error}") from None

    def _splits(
        self, runs: Observations, answers: Iterable[WindowAnswer], count: int, confidence: float
    ) -> Iterator[Advice]:
        """A roll that does not fit its maintenance window may be stopped at its end and go on in the next one."""
        if self.task.upgrade.protocol == V2_TO_V3:
            return
        for answer in answers:
            if answer.verdict == GO:
                continue
            for what_if in split(self.base, answer):
                outcome = self.observe([what_if.variant], count)[0]
                advice = self._advice(what_if, runs, outcome, confidence)
                if fit(answer.window, outcome.runs.windows["total"], answer.risk, confidence).verdict == GO:
                    yield advice
                    break

    # --- single runs, on the engine

    def _timelines(self, runs: Observations, order: Sequence[int]) -> tuple[Timeline, ...]:
        """The runs nearest the median and, with runs enough for one, the P99; `order`: the shortest first."""
        shares = {"median": 0.5, "P99": 0.99}
        if summarise(runs.windows[self.main]).intervals["p99"] is None:
            del shares["P99"]
        found: list[Timeline] = []
        for name, share in shares.items():
            number = order[quantile_rank(len(order), share) - 1]
            steps = tuple((step, _finite(at[0][number]), _finite(at[1][number])) for step, at in runs.steps.items())
            found.append(Timeline(name, number, steps, cache(partial(self._run, number))))
        return tuple(found)

    def _explain(self, runs: Observations, typical: Timeline) -> None:
        """Where the time goes, on the critical paths of a few runs, the typical one among them."""
        count = min(runs.count, _EXPLAINED_MOST, max(1, _EXPLAINED_NODES // self.task.nodes))
        others = [number for number in range(count) if number != typical.replication][: count - 1]
        for number in (typical.replication, *others):
            shares = causes.window(run(self._replication(number), causes=True))
            runs.explained += 1
            for stage, length in shares.items():
                runs.stages[stage] = runs.stages.get(stage, 0) + length

    def _pod_arrivals(self, rate: float, count: int) -> PodArrivals:
        """Whose waits depend on the node that a pod is on: only the engine tells."""
        count = min(count, max(1, min(_ENGINE_MOST, _ENGINE_NODES // self.task.nodes)))
        waits = [arrivals.pods_at_rate(run(self._replication(number)), round(rate * MICRO)) for number in range(count)]
        found: dict[str, tuple[Estimate, Estimate]] = {}
        for name, values, unit in zip(
            ("waiting", "waiting_at_once", "wait_median", "wait_max"),
            zip(*waits, strict=True),
            (1, 1, MICRO, MICRO),
            strict=True,
        ):
            lengths = [value / unit for value in values]
            found[name] = (_estimate(lengths, 0.5), _estimate(lengths, 0.9))
        return PodArrivals(
            rate,
            **{name: (p50.value, p90.value) for name, (p50, p90) in found.items()},
            intervals={name: (p50.interval, p90.interval) for name, (p50, p90) in found.items()},
            replications=count,
        )

    def _node_joins(self, rate: float, count: int) -> NodeJoins:
        """Only the engine lets nodes join, and plays each run several times for it."""
        from simulator.joining import node_joins

        count = min(count, max(1, min(_ENGINE_MOST, _ENGINE_NODES // 4 // self.task.nodes)))
        return node_joins(self.profile, self.scenario, self.task.options.seed, rate, count)

    def _run(self, number: int) -> Trace:
        return run(self._replication(number))

    def _replication(self, number: int) -> Scenario:
        wanted = number // draws.BLOCK
        if self._block is None or self._block[0] != wanted:
            nodes, seed = self.scenario.cluster.nodes, self.task.options.seed
            self._block = wanted, draws.draw(self.profile, nodes, seed, wanted)
        return draws.replication(self.scenario, self._block[1], number % draws.BLOCK)


def _several(scenario: Scenario) -> bool:
    cluster = scenario.cluster
    return 1 < cluster.at_once < cluster.nodes


def _by_engine(
    profile: Profile, scenario: Scenario, seed: int, first: int, count: int, uncertain: bool
) -> Iterator[Runs]:
    for number, members in draws.blocks(count):
        if number * draws.BLOCK >= first:
            block = draws.draw(profile, scenario.cluster.nodes, seed, number, uncertain=uncertain)
            for member in members:
                yield kernel.by_engine(scenario, block, member)


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None


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


def _scenario(task: _Task, variant: Variant) -> tuple[Profile, Scenario]:
    """The profile, and the scenario in which every timing has its median."""
    upgrade, cluster, settings = variant.upgrade, task.cluster, variant.settings
    nodes = variant.rolled or variant.nodes
    assert cluster.kubernetes is not None  # `decide` refuses a spec without
    data = task.options.v1_data if upgrade.protocol == V2_TO_V3 else None
    if data is not None and data.pods_per_node is not None:
        settings = {"pods_per_node": Setting(Fixed(data.pods_per_node), "the v1 data"), **settings}
    situation = Situation(
        protocol=upgrade.protocol,
        nodes=variant.nodes,
        control_plane=_control_plane(cluster),
        kubernetes=cluster.kubernetes,
        bird=_asks_bird(cluster, upgrade),
        upgrade_ipam=upgrade.manifest.datastore == KUBERNETES and upgrade.manifest.ipam == "calico-ipam",
        api_qps=_number(cluster, "kubeControllerManager.kubeAPIQPS"),
        api_burst=None if (burst := _number(cluster, "kubeControllerManager.kubeAPIBurst")) is None else int(burst),
        objects=None if data is None else data.objects,
    )
    profile = build(situation, settings, task.options.profile_name)
    timing: dict[str, float] = {
        parameter.name: parameter.distribution.median
        if TIMINGS[parameter.name].scaled
        else int(parameter.distribution.median)
        for parameter in profile.parameters
        if parameter.name in TIMINGS
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
    absent = task.options.not_ready if variant.not_ready else 0
    if absent > nodes:
        raise PlanError(f"{absent} nodes are NotReady, but there are only {nodes}")
    scenario = Scenario.from_dict(
        {
            "name": cluster.name,
            "title": f"Calico {upgrade.calico_from or 'of today'} to {upgrade.calico_to}, every timing at its median",
            "cluster": {
                "nodes": nodes,
                "max_unavailable": variant.max_unavailable,
                "kubernetes": str(cluster.kubernetes),
                "kops": str(upgrade.release),
                "protocol": upgrade.protocol,
                "objects": {"resources": resources, "ipam": ipam},
            },
            "timing": timing,
            "faults": [
                *([{"kind": "expected_image_mismatch"}] if never else []),
                *({"kind": "node_not_ready", "node": f"n{nodes - number}"} for number in range(absent)),
            ],
            "horizon": None,
            **_typha(cluster, upgrade, nodes),
        }
    )
    return profile, scenario


def _number(cluster: Cluster, path: str) -> float | None:
    """A number of the spec, or a Kubernetes quantity (`500m`, `1k`); None: none that counts, so the default holds.

    Kubernetes takes 0 for nothing said, and less for no limit at all, which is 0 here.
    """
    node = cluster.at(path)
    match = None if node is None else re.fullmatch(r"(-?\d+(?:\.\d+)?)([mk]?)", str(node.value))
    value = 0.0 if match is None else float(match[1]) * {"m": 1e-3, "k": 1e3}.get(match[2], 1.0)
    return None if value == 0 else max(0.0, value)


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
        f"{guesses} of {len(profile.parameters)} timings and sizes are assumptions; what is only guessed is drawn anew "
        "in each run, as if two observations stood behind it"
    )
    if upgrade.protocol == V2_TO_V3:
        pods = profile["pods_per_node"]
        if options.v1_data is None:
            rest = ", no Calico-native policies: the spec does not tell (--set pods_per_node=N)"
        else:
            rest = f" ({pods.source})"
        found.append(f"{pods.distribution} pods a node{rest}")
    elif upgrade.manifest.datastore == ETCD_V3:
        found.append("Calico stays on etcd: rolled like the later manifests, without the calico-upgrade containers")
    if _typha(cluster, upgrade, task.nodes):
        found.append(
            "Typha rolls beside: each Felix loses it for some 2 s (assumed), in which no policy reaches its node"
        )
    elif upgrade.protocol == V3_ROLLING and _positive(cluster, "networking.calico.typhaReplicas"):
        found.append("Typha is left out: it needs a node of its own for each replica, and one more to roll")
    nodes = "no other node is NotReady" if options.not_ready else "no node is NotReady"
    found.append(f"nothing fails meanwhile: {nodes}, no pull fails, no pod is killed (see the risks)")
    return found


def _positive(cluster: Cluster, path: str) -> bool:
    node = cluster.at(path)
    return node is not None and isinstance(node.value, int) and node.value > 0


# --- answers --------------------------------------------------------------------------------------------


def _verdict(
    upgrade: Upgrade,
    candidates: Releases,
    budgets: Iterable[BudgetAnswer],
    maintenance: Iterable[WindowAnswer],
    risk: float,
) -> tuple[str, str]:
    """(verdict, reason): the first of the contract's exit codes that applies."""
    if not upgrade.completes:
        return NEVER_COMPLETES, risks.mismatch(upgrade.never_completes, ())
    answers: list[tuple[str, float, BudgetAnswer | WindowAnswer]] = [
        *((f"{each.budget.window} > {duration(each.budget.limit)}", each.share, each) for each in budgets),
        *((f"not finished within {each.window.text}", 1.0 - each.probability, each) for each in maintenance),
    ]
    for verdict, text in ((OVER_BUDGET, "over budget"), (UNDECIDED, "the runs do not decide")):
        worst = [answer for answer in answers if answer[2].verdict == verdict]
        if worst:
            return verdict, "; ".join(
                f"{text}: P({what}) is {share:.1%} ({low:.1%} to {high:.1%}), accepted is {risk:.1%}"
                for what, share, answer in worst
                for low, high in [_exceeding(answer)]
            )
    if upgrade.never_completes:
        why = risks.mismatch(upgrade.never_completes, upgrade.completes)
        return UNDECIDED, f"it depends on the kOps release ({candidates}): {why}"
    if answers:
        return GO, "; ".join(
            f"P({what}) is at most {_exceeding(answer)[1]:.1%}, accepted is {risk:.1%}" for what, _, answer in answers
        )
    return GO, "the spec meets the requirements and the upgrade completes; no budget was given"


def _stuck(nodes: int) -> str:
    if nodes == 1:
        return "a node is NotReady and never gets the new pod: the roll waits for it until it is back or deleted"
    return f"{nodes} nodes are NotReady and never get new pods: the roll waits for them until they are back or deleted"


def _exceeding(answer: BudgetAnswer | WindowAnswer) -> tuple[float, float]:
    """The interval of the probability that the limit is exceeded."""
    low, high = answer.interval
    return (low, high) if isinstance(answer, BudgetAnswer) else (1.0 - high, 1.0 - low)


def _answer(budget: Budget, runs: Observations, risk: float, confidence: float) -> BudgetAnswer:
    # A window that this protocol does not have is never too long.
    over = sum(length > budget.limit for length in runs.windows[budget.window])
    interval = clopper_pearson(over, runs.count, confidence)
    return BudgetAnswer(budget, over / runs.count, interval, gate(interval, risk))


def _plan_steps(runs: Observations, confidence: float) -> tuple[PlanStep, ...]:
    """The steps in the order in which they usually begin, then end."""
    found = []
    for name, (starts, ends, what) in runs.steps.items():
        start, end, late = (_estimate(*case, confidence) for case in ((starts, 0.5), (ends, 0.5), (ends, 0.9)))
        intervals = {"start_p50": start.interval, "end_p50": end.interval, "end_p90": late.interval}
        found.append(PlanStep(name, start.value, end.value, late.value, what, intervals))
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
    value = _share(text)
    if not 0 <= value < 1:
        raise ValueError(f"{text!r} is no risk: write 5% or 0.05, below 100%")
    return value


def parse_precision(text: str) -> float:
    """A relative half width as `--precision` takes it: `2%` or `0.02`. Raises ValueError."""
    value = _share(text)
    if not 0 < value < 1:
        raise ValueError(f"{text!r} is no precision: write 2% or 0.02, above 0 and below 100%")
    return value


def _share(text: str) -> float:
    try:
        return float(text.strip().removesuffix("%")) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        return math.nan
