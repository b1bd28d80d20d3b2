"""One run of one scenario, event by event."""

from __future__ import annotations

from simulator.protocol.cluster import Cluster
from simulator.scenario import Scenario
from simulator.trace import Trace

__all__ = ["Trace", "run"]


def run(scenario: Scenario, *, causes: bool = False) -> Trace:
    """Simulate a scenario to its end (rules R1-R21 of the scenario format).

    The same scenario gives the same trace, on every machine. A migration that stalls is a result, not an error.
    All times in the trace are integer microseconds after t_apply. With `causes` the trace also says what each event
    waited for (`Trace.links`, read by `simulator.causes`); such a run takes about twice as long.
    """
    return Cluster(scenario, causes).run()
