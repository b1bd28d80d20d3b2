"""Who waited for what: a clock that remembers it (see `simulator.causes`).

A process waits for one thing at a time. So what it does when it goes on was caused, last, by the moment that it
waited for; and that moment by whatever was going on when it was scheduled. The clock carries this along by itself.
Only where a moment says *when* and something else said *whether*, as with a probe that ticks until a session is
Established, the actor names that other thing with `because`.
"""

from __future__ import annotations

from simpy import Event
from simpy.core import SimTime
from simpy.events import NORMAL, EventPriority

from simulator.protocol.clock import Clock, Moment, Reason
from simulator.trace import Link, Trace


class CausalClock(Clock):
    """A clock that writes the causal graph into `trace.links`."""

    causal = True

    def __init__(self, ranks: int, trace: Trace) -> None:
        super().__init__(ranks)
        self._trace = trace
        self._links = trace.links
        self._links.append(Link(0, 0, "", None))
        self._cause = 0  # the link of what is happening now
        self._origins: dict[Event, int] = {}  # what was happening when an event was scheduled

    def schedule(self, event: Event, priority: EventPriority = NORMAL, delay: SimTime = 0) -> None:
        """Remember who schedules the event."""
        self._origins[event] = self._cause
        super().schedule(event, priority, delay)

    def step(self) -> None:
        """Process the next event in the name of who scheduled it."""
        time, _, _, event = self._queue[0]
        self._cause = self._origins.pop(event)
        self._reach(int(time), event.stage if isinstance(event, Moment) else "")
        if len(event.callbacks) > 1:  # those who wait for the same thing do not cause each other
            here = self._cause
            event.callbacks = [
                step for callback in event.callbacks for step in (lambda _, here=here: self._return(here), callback)
            ]
        super().step()

    def happened(self) -> None:
        """Link the newest event of the trace to what is happening; it is now what is happening."""
        self._append(self.now, "", len(self._trace.events) - 1)

    def mark(self) -> Reason:
        """What is happening now."""
        return Reason(self.now, self._cause)

    def because(self, *reasons: Reason | None, then: str = "", since: int = -1) -> None:
        """Go on in the name of the latest of the reasons."""
        latest = max((reason for reason in reasons if reason is not None and reason.at > since), default=None)
        if latest is not None:
            self._cause = latest.cause
            self._reach(latest.at, latest.stage)
            self._reach(max(latest.at, self.now), then)

    def _return(self, cause: int) -> None:
        self._cause = cause

    def _reach(self, time: int, stage: str) -> None:
        """A wait ends at `time`; none was needed if that is when its cause happened."""
        if time != self._links[self._cause].time:
            self._append(time, stage, None)

    def _append(self, time: int, stage: str, event: int | None) -> None:
        self._links.append(Link(time, self._cause, stage, event))
        self._cause = len(self._links) - 1
