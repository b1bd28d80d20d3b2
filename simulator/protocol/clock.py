"""The clock: integer microseconds, and an explicit order within one instant (R1)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import IntEnum
from typing import Any, TypeVar

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


class Moment(Event):
    """Happens `delay` microseconds from now, at its place within that instant."""

    def __init__(self, clock: Clock, delay: int, priority: EventPriority) -> None:
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

    def call(self, delay: int, priority: EventPriority, action: Callable[[], None]) -> None:
        """Do `action` after `delay` microseconds."""
        Moment(self, delay, priority).callbacks.append(lambda _: action())


def ceil_div(dividend: int, divisor: int) -> int:
    """The quotient, rounded up."""
    return -(-dividend // divisor)
