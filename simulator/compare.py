"""Plans side by side. The first one is what the others are compared with.

Plans that are made here share their draws, so a difference is that of pairs of runs. A plan's JSON has no runs, only
quantiles: what it differs by is the difference of two medians, with an interval that holds both of theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from simulator.observations import WINDOWS
from simulator.statistics import Estimate, Interval, paired
from simulator.variants import rounded

if TYPE_CHECKING:
    from simulator.planning import Plan

_QUANTILES = ("p50", "p90")


class ComparisonError(Exception):
    """Nothing to compare, or a file that is no plan. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Side:
    """One plan: what it says of itself, P50 and P90 of each window, and its runs where it was made here."""

    name: str
    verdict: str
    reason: str
    cluster: Mapping[str, Any]
    seed: int
    replications: int
    windows: Mapping[str, Mapping[str, Estimate]]
    samples: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The shape of the comparison's JSON."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "reason": self.reason,
            "cluster": dict(self.cluster),
            "seed": self.seed,
            "replications": self.replications,
            "windows": {
                window: {
                    **{name: rounded(each.value) for name, each in quantiles.items()},
                    "ci": {name: each.to_list() for name, each in quantiles.items()},
                }
                for window, quantiles in self.windows.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Change:
    """What a window differs by; seconds, below 0 is shorter. `pairs`: of so many runs; None: of two medians."""

    median: Estimate
    pairs: int | None
    shorter: float | None = None
    shorter_interval: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The shape of the comparison's JSON."""
        ends = self.shorter_interval
        return {
            "p50": rounded(self.median.value),
            "ci": self.median.to_list(),
            "pairs": self.pairs,
            "shorter": None if ends is None else {"share": self.shorter, "ci": [round(end, 6) for end in ends]},
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """All plans, and what each one after the first changes in the windows that both have."""

    sides: tuple[Side, ...]
    changes: tuple[Mapping[str, Change], ...]

    def to_dict(self) -> dict[str, Any]:
        """The whole as JSON has it."""
        return {
            "version": 1,
            "plans": [side.to_dict() for side in self.sides],
            "differences": [
                {
                    "from": self.sides[0].name,
                    "to": side.name,
                    "windows": {window: change.to_dict() for window, change in changes.items()},
                }
                for side, changes in zip(self.sides[1:], self.changes, strict=True)
            ],
        }


def of_plan(name: str, plan: Plan) -> Side:
    """A plan that was made here."""
    data = plan.to_dict()
    return Side(
        name,
        plan.verdict,
        plan.reason,
        data["cluster"],
        plan.options.seed,
        data["replications"],
        {
            window: {key: Estimate(getattr(found.summary, key), found.summary.intervals[key]) for key in _QUANTILES}
            for window, found in plan.windows.items()
        },
        {window: lengths.tolist() for window, lengths in plan.samples.items()},
    )


def of_json(name: str, text: str) -> Side | None:
    """What `calico-sim plan --format json` printed; None: the text is something else. Raises ComparisonError."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
    except ValueError:
        return None
    if not isinstance(data, dict) or "verdict" not in data or "windows" not in data:
        return None
    if data.get("version") != 1:
        raise ComparisonError(f"{name}: a plan of version {data.get('version')!r}; this program reads version 1")
    try:
        return Side(
            name,
            str(data["verdict"]),
            str(data["reason"]),
            {key: data["cluster"][key] for key in ("name", "nodes", "kubernetes", "kops", "calico_from", "calico_to")},
            int(data["seed"]),
            int(data["replications"]),
            {window: _quantiles(found) for window, found in data["windows"].items() if window in WINDOWS and found},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ComparisonError(f"{name}: not the JSON of a plan, or not all of it: {error!r}") from None


def _quantiles(window: Mapping[str, Any]) -> dict[str, Estimate]:
    return {key: Estimate(_number(window[key]), _interval(window["ci"][key])) for key in _QUANTILES}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _interval(ends: Any) -> Interval | None:
    if ends is None:
        return None
    low, high = ends
    return _number(low), _number(high)


def compare(sides: Sequence[Side]) -> Comparison:
    """Each plan against the first. Raises ComparisonError where fewer than two were simulated."""
    if len(sides) < 2:
        raise ComparisonError("one plan alone: give two or more")
    if not sides[0].windows or not any(side.windows for side in sides[1:]):
        blocked = "; ".join(f"{side.name}: {side.reason}" for side in sides if not side.windows)
        raise ComparisonError(f"the first plan and another one must have been simulated, but {blocked}")
    return Comparison(tuple(sides), tuple(_changes(sides[0], side) for side in sides[1:]))


def _changes(first: Side, other: Side) -> dict[str, Change]:
    return {window: _change(first, other, window) for window in first.windows if window in other.windows}


def _change(first: Side, other: Side, window: str) -> Change:
    if window in first.samples and window in other.samples:
        count = min(len(first.samples[window]), len(other.samples[window]))
        now, then = (side.samples[window][:count] for side in (first, other))
        found = paired(now, then)
        return Change(found.median, count, found.shorter, found.shorter_interval)
    now_p50, then_p50 = first.windows[window]["p50"], other.windows[window]["p50"]
    value = None if now_p50.value is None or then_p50.value is None else then_p50.value - now_p50.value
    interval = None
    if now_p50.interval is not None and then_p50.interval is not None:
        (low, high), (then_low, then_high) = now_p50.interval, then_p50.interval
        interval = (_minus(then_low, high), _minus(then_high, low))
    return Change(Estimate(value, interval), None)


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
