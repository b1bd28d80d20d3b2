"""What many tests of the simulator need: the engine's result for the few keys of a scenario that matter."""

from __future__ import annotations

from typing import Any

from simulator.engine import run
from simulator.scenario import Scenario
from simulator.windows import result

Json = dict[str, Any]


def answer(cluster: Json | int, **rest: Any) -> Json:
    """The result of a scenario: `cluster` is its section, or the number of nodes; `rest` are the other sections."""
    section = {"nodes": cluster} if isinstance(cluster, int) else cluster
    return result(run(Scenario.from_dict({"cluster": section, **rest})))
