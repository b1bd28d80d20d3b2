"""Sweeps: the same plan with one thing at several values, on the same draws: what is bought with what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from simulator.profile import Setting, parse
from simulator.statistics import CONFIDENCE, Difference, Summary, paired, summarise
from simulator.variants import Observe, Outcome, Unavailability, Variant, difference_to_dict, quantiles, unavailability

if TYPE_CHECKING:
    from simulator.observations import Observations

REPLICATIONS = 1000
"""Runs of each value, at most."""

MOST_VALUES = 50

_PLAYED_NODES, _PLAYED_MOST = 2_000, 32
"""Nodes of all runs of a value that are played event by event to see how many are without calico-node at once."""

_COMMA = re.compile(r",(?![^()]*\))")
_AT_ONCE, _NODES = "max_unavailable", "nodes"


@dataclass(frozen=True, slots=True)
class Wish:
    """A sweep as it was asked for: what is changed, and its values as they were written, with what each is."""

    name: str
    values: tuple[tuple[str, int | str | Setting], ...]

    def variants(self, base: Variant) -> list[Variant]:
        """The plan's own variant with each of the values."""
        return [self._variant(base, value) for _, value in self.values]

    def _variant(self, base: Variant, value: int | str | Setting) -> Variant:
        if isinstance(value, Setting):
            return replace(base, settings={**base.settings, self.name: value})
        if self.name == _AT_ONCE:
            return replace(base, max_unavailable=value)
        assert isinstance(value, int)
        return replace(base, nodes=value)


def parse_sweep(text: str) -> Wish:
    """A sweep as `--sweep` takes it: `max_unavailable=1,2,5,10%`, `nodes=50,100`, `pull_node=4,8,lognormal(8,0.5)`.

    Raises ValueError (of which a ProfileError is one) that says what is wrong.
    """
    name, equals, rest = text.partition("=")
    name = name.strip().replace("-", "_")
    values = [value.strip() for value in _COMMA.split(rest)] if equals else []
    if not name or not values or not all(values):
        raise ValueError(f"--sweep {text}: write NAME=VALUE,VALUE, for example max_unavailable=1,2,5,10%")
    if len(values) > MOST_VALUES:
        raise ValueError(f"--sweep {name}: {len(values)} values, at most {MOST_VALUES}")
    return Wish(name, tuple((value, _read(name, value)) for value in dict.fromkeys(values)))


def _read(name: str, value: str) -> int | str | Setting:
    if name not in (_AT_ONCE, _NODES):
        return Setting(parse(value), "--sweep")
    share = name == _AT_ONCE and value.endswith("%")
    number = value.removesuffix("%") if share else value
    if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= (100 if share else 100_000):
        what = "1 to 100000 nodes, or 1% to 100%" if name == _AT_ONCE else "1 to 100000"
        raise ValueError(f"--sweep {name}: {value!r} is none of {what}")
    return f"{int(number)}%" if share else int(number)


@dataclass(frozen=True, slots=True)
class Point:
    """One value: the windows, what it does to the main one against the plan, and how many nodes pay for it at once.

    `answers` are those of the budgets and maintenance windows, as the plan's JSON has them.
    """

    value: str
    windows: Mapping[str, Summary]
    difference: Difference
    unavailable: Unavailability
    replications: int
    engine: str | None
    answers: Mapping[str, list[dict[str, Any]]]

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "value": self.value,
            "windows": {name: quantiles(summary) for name, summary in self.windows.items()},
            **difference_to_dict(self.difference),
            "nodes_without_calico_node": self.unavailable.to_dict(),
            "replications": self.replications,
            "engine": self.engine,
            **self.answers,
        }


@dataclass(frozen=True, slots=True)
class Sweep:
    """All values of one thing; `window` is the one whose difference each point has."""

    name: str
    window: str
    points: tuple[Point, ...]

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {"name": self.name, "window": self.window, "points": [point.to_dict() for point in self.points]}


Judge = Callable[["Observations"], Mapping[str, list[dict[str, Any]]]]


def sweep(
    wish: Wish,
    base: Variant,
    window: str,
    runs: Observations,
    observe: Observe,
    judge: Judge,
    confidence: float = CONFIDENCE,
) -> Sweep:
    """Run every value. `runs` are the plan's own; `judge` answers the budgets."""
    outcomes = observe(wish.variants(base), min(REPLICATIONS, runs.count))
    points = (
        _point(text, outcome, window, runs, judge, confidence)
        for (text, _), outcome in zip(wish.values, outcomes, strict=True)
    )
    return Sweep(wish.name, window, tuple(points))


def _point(text: str, outcome: Outcome, window: str, runs: Observations, judge: Judge, confidence: float) -> Point:
    then = outcome.runs.windows[window]
    played = max(1, min(len(then), _PLAYED_MOST, _PLAYED_NODES // outcome.scenario.cluster.nodes))
    return Point(
        text,
        {name: summarise(lengths, confidence) for name, lengths in outcome.runs.windows.items() if lengths},
        paired(runs.windows[window][: len(then)], then, confidence),
        unavailability([outcome.again(number) for number in range(played)]),
        len(then),
        outcome.engine,
        judge(outcome.runs),
    )
