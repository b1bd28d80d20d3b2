"""What a scenario may say beyond the contract: docs/scenario-extensions.md explains every key and rule.

Everything here is absent by default, and then a run and its result are exactly those of the contract. Times are
integer microseconds after t_apply.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from simulator.timing import MICRO, seconds

MAX_ARRIVALS: Final = 100_000
"""Arrivals of one kind: an answer to more of them would not be more precise."""

_MINUTE: Final = 60 * MICRO


@dataclass(frozen=True, slots=True)
class Join:
    """A node (an index from 0, behind those of the beginning) that joins the cluster at `at`."""

    node: int
    at: int


@dataclass(frozen=True, slots=True)
class Typha:
    """Typha's Deployment in v3-rolling, as kOps writes it.

    `start`: a Typha pod is created until it is Ready. `shutdown`: the time in which a Typha that ends disconnects its
    clients. `reconnect`: a Felix loses its Typha until it follows the datastore through another.
    """

    replicas: int
    max_unavailable: int
    max_surge: int | str
    start: int
    shutdown: int
    reconnect: int

    @property
    def surge(self) -> int:
        """How many pods there may be beyond `replicas`; a percentage rounds up."""
        if isinstance(self.max_surge, int):
            return self.max_surge
        return -(-int(self.max_surge[:-1]) * self.replicas // 100)

    @property
    def away(self) -> int:
        """Until when there is none at all: a Deployment that may lack all its pods ends all old ones at once."""
        return self.start if self.max_unavailable >= self.replicas else 0

    def to_dict(self) -> dict[str, Any]:
        """The value of the key `typha`."""
        return {
            "replicas": self.replicas,
            "max_unavailable": self.max_unavailable,
            "max_surge": self.max_surge,
            "start": seconds(self.start),
            "shutdown": seconds(self.shutdown),
            "reconnect": seconds(self.reconnect),
        }


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Pods or policies that are created during a run: at `times`, or `rate` of them a minute.

    `rate` counts millionths a minute; the first one arrives at `start`, none at or after `until` (None: the end of
    the run). `source` belongs to policies: who writes them, as in a `policy` probe.
    """

    times: tuple[int, ...] = ()
    rate: int | None = None
    start: int = 0
    until: int | None = None
    source: str | None = None

    def instants(self, end: int) -> Iterator[int]:
        """When they arrive, in order, in a run that ended at `end`."""
        if self.rate is None:
            yield from sorted(self.times)
            return
        end = end if self.until is None else self.until
        for number in count():
            time = self.start + number * _MINUTE * MICRO // self.rate
            if time >= end:
                return
            yield time

    def to_dict(self) -> dict[str, Any]:
        """The value of one key of `arrivals`."""
        written: dict[str, Any] = {} if self.source is None else {"source": self.source}
        if self.rate is None:
            return written | {"times": [seconds(time) for time in self.times]}
        written |= {"rate": seconds(self.rate), "from": seconds(self.start)}
        return written if self.until is None else written | {"until": seconds(self.until)}
