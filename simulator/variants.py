"""The same upgrade with something changed: what advice, sweeps and sensitivities compare.

A variant draws the same random numbers as the plan itself, run by run (`simulator.draws`), so a difference of two runs
of one number is the change's doing and not luck.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.statistics import CONFIDENCE, Difference, Estimate, Summary, estimate

if TYPE_CHECKING:
    from simulator.observations import Observations
    from simulator.profile import Profile, Settings
    from simulator.scenario import Scenario
    from simulator.trace import Trace
    from simulator.upgrade import Upgrade


@dataclass(frozen=True, slots=True)
class Variant:
    """What of an upgrade can be another: how many nodes, how many at once, the parameters, the kOps that does it.

    `rolled`: only so many of the nodes are rolled (in one of several nights); None: all.
    """

    nodes: int
    max_unavailable: int | str
    settings: Settings
    upgrade: Upgrade
    rolled: int | None = None
    not_ready: bool = True
    """whether nodes that are NotReady are still there"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The runs of a variant. `engine`: why the engine played them, with fewer runs; None: the kernel did.

    `again` plays a replication once more, event by event.
    """

    variant: Variant
    scenario: Scenario
    profile: Profile
    runs: Observations
    engine: str | None
    again: Callable[[int], Trace]


Observe = Callable[[Iterable[Variant], int], "list[Outcome]"]
"""Runs variants, at most so many replications of each; the first ones of the plan's own."""


@dataclass(frozen=True, slots=True)
class Unavailability:
    """Nodes on which no calico-node runs at the same time, over `replications` runs, event by event.

    `peak`: the most in a run. `mean`: over the time from the first node's stop to the last node's start.
    """

    peak: Estimate
    mean: Estimate
    replications: int

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON: medians over the runs, with their intervals."""
        return {
            "peak": {"p50": self.peak.value, "ci": self.peak.to_list()},
            "mean": {"p50": None if self.mean.value is None else round(self.mean.value, 3), "ci": self.mean.to_list()},
            "replications": self.replications,
        }


def unavailability(traces: Sequence[Trace]) -> Unavailability:
    """How many nodes are without calico-node at once; at least one run."""
    found = [_without_calico_node(trace) for trace in traces]
    peaks, means = (sorted(values) for values in zip(*found, strict=True))
    return Unavailability(estimate(peaks, 0.5), estimate(means, 0.5), len(traces))


def _without_calico_node(trace: Trace) -> tuple[float, float]:
    """(most at once, mean over the roll) of one run; a node that never gets one is without until the last change."""
    spans = [
        (node.killed, trace.last_change if node.main is None else node.main)
        for node in trace.nodes
        if node.killed is not None
    ]
    if not spans:
        return 0.0, 0.0
    # An end before a beginning at the same instant: the two are not without at once.
    turns = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    now = most = 0
    for _, change in turns:
        now += change
        most = max(most, now)
    length = max(end for _, end in spans) - min(start for start, _ in spans)
    return float(most), sum(end - start for start, end in spans) / length if length else float(most)


def rounded(seconds: float | None) -> float | None:
    """Milliseconds: what the scenario contract compares to."""
    return None if seconds is None else round(seconds, 3)


def pair_to_dict(p50: Estimate, p90: Estimate) -> dict[str, Any]:
    """A median and a P90 as the plan's JSON has them, each with its interval in `ci`."""
    return {
        "p50": rounded(p50.value),
        "p90": rounded(p90.value),
        "ci": {"p50": p50.to_list(), "p90": p90.to_list()},
    }


def quantiles(summary: Summary, names: Iterable[str] = ("p50", "p90")) -> dict[str, Any]:
    """Quantiles of a window as the plan's JSON has them, each with its interval in `ci`."""
    found = {name: Estimate(getattr(summary, name), summary.intervals[name]) for name in names}
    return {
        **{name: rounded(each.value) for name, each in found.items()},
        "ci": {name: each.to_list() for name, each in found.items()},
        "unfinished": summary.unfinished,
    }


def difference_to_dict(difference: Difference) -> dict[str, Any]:
    """A paired difference as the plan's JSON has it."""
    return {
        "difference": {"p50": rounded(difference.median.value), "ci": difference.median.to_list()},
        "shorter": {"share": difference.shorter, "ci": [round(end, 6) for end in difference.shorter_interval]},
    }


def estimate_of(values: Sequence[float], share: float, confidence: float = CONFIDENCE) -> Estimate:
    """A quantile of runs in any order; None for no runs."""
    return estimate(sorted(values), share, confidence) if values else Estimate(None, None)
