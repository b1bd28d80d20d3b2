"""One run of one scenario, event by event."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

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
    with _collected_later(scenario.node_count):
        return Cluster(scenario, causes).run()


_dropped = 0  # nodes of the runs whose remains have not been collected


@contextmanager
def _collected_later(nodes: int) -> Iterator[None]:
    """A run makes objects by the hundred thousand and drops few: looking for garbage takes a third of its time.

    Where the caller has switched that off altogether, it is done when there is much of it: a node leaves some 30 kB.
    """
    global _dropped
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()
        else:
            _dropped += nodes
            if _dropped > _MANY_NODES:
                _dropped = 0
                gc.collect()


_MANY_NODES = 10_000
