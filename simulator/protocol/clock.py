"""The clock: integer microseconds, and an explicit order within one instant (R1)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

from simpy import Environment, Event
from simpy.events import EventPriority

T = TypeVar("T")

Story = Generator[Event, Any, T]
"""A SimPy process, or a part of one: yields what it waits for, returns T."""


class Phase(IntEnum):
    """The phases of one instant, in their order; `simulator.protocol` says what happens in each."""

    FAULT = 0
    KILL = 1
    STEP = 2
    CHECK = 3
    POLL = 4
    CONTROLLER = 5
    ROLLOUT = 6
    END = 7


class Reason(NamedTuple):
    """Something that can be waited for: from the mark `cause` until `at` (microseconds) the wait was a `stage`."""

    at: int
    cause: int
    stage: str = ""


START = Reason(0, 0)
"""The start of the run."""


class Moment(Event):
    """Happens `delay` microseconds from now, at its place within that instant; `stage` is what the wait is called."""

    def __init__(self, clock: Clock, delay: int, priority: EventPriority, stage: str = "") -> None:
        self.stage = stage
        # As simpy.Timeout does, which knows no priorities: triggered at birth.
        self.env = clock
        self.callbacks = []
        self._value = None
        self._ok = True
        clock.schedule(self, priority, delay)


class Clock(Environment):
    """A SimPy environment that counts integer microseconds and orders each instant by phase and rank."""

    # SimPy's own priorities 0 (starts and interrupts of processes) and 1 (what follows without delay) come first.
    _FIRST = 2

    def __init__(self, ranks: int) -> None:
        super().__init__(initial_time=0)
        self._ranks = ranks

    @property
    def now(self) -> int:
        """Microseconds after t_apply."""
        return self._now  # type: ignore[return-value]  # starts at 0, and all delays are integers

    def priority(self, phase: Phase, rank: int = 0) -> EventPriority:
        """Place of `rank` (at most the number given at the start) within a phase."""
        return EventPriority(self._FIRST + phase * (self._ranks + 1) + rank)

    def call(self, delay: int, priority: EventPriority, action: Callable[[], None], stage: str = "") -> None:
        """Do `action` after `delay` microseconds."""
        Moment(self, delay, priority, stage).callbacks.append(lambda _: action())

    # What `causality.CausalClock` keeps and this clock, which is faster, does not -----------------------------

    causal = False

    def happened(self) -> None:
        """An event has just been written into the trace."""

    def mark(self) -> Reason:
        """What is happening now, for whom it may be a reason later."""
        return START

    def because(self, *reasons: Reason | None, then: str = "", since: int = -1) -> None:
        """What happens now was made possible by the latest of `reasons` that came after `since`.

        The rest of the wait is called `then`. Without such a reason it is as the clock sees it by itself: what
        happens waited for the moment at hand.
        """


def ceil_div(dividend: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-dividend // divisor)
