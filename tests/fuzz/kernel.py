"""`python -m tests.fuzz.kernel SECONDS [SEED]`: random plans, run by run, by kernel and engine; part of `make fuzz`.

Unlike the tests it takes the draws of whole profiles, clusters of up to two thousand nodes, faults and limits together.
It stops at the first run that differs, and says how to get it again.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from simulator import kernel
from simulator.draws import draw
from simulator.kernel import batch, schedule
from simulator.profile import Profile, parse
from simulator.scenario import V2_TO_V3, V3_ROLLING, Scenario
from tests.simulator.test_kernel import by_engine, by_kernel, plan_of

Json = dict[str, Any]

_PROTOCOLS = (
    (V2_TO_V3, "1.9.11", True),
    (V2_TO_V3, "1.10.13", True),
    (V3_ROLLING, "1.30.4", True),
    (V3_ROLLING, "1.20.4", False),
)
_KILLS = ("uniform(0, 20)", "lognormal(3, 1)", "uniform(0, 60)", "0")


def fault(choose: random.Random, nodes: int, protocol: str) -> Json:
    """Any fault of a pod that the kernel may meet with several nodes at once."""
    kind = choose.choice(["image_unpullable", "main_crash", "node_not_ready"])
    start = 0 if kind == "node_not_ready" else choose.choice([0, choose.randint(0, 300)])
    found: Json = {"kind": kind, "from": start, "until": choose.choice([None, start + choose.randint(1, 600)])}
    if kind == "image_unpullable":
        found["image"] = choose.choice(["node", "cni", *(["upgrade"] if protocol == V2_TO_V3 else [])])
    if kind != "image_unpullable" or choose.random() < 0.6:
        found["node"] = f"n{choose.randint(1, nodes)}"
    return found


def plan(choose: random.Random) -> tuple[Profile, Scenario]:
    """A profile, and the scenario that its draws are put into."""
    nodes = choose.choice([choose.randint(1, 12), choose.randint(10, 80), choose.randint(10, 80) * 25])
    at_once = choose.choice([1, choose.randint(1, nodes), choose.randint(1, min(nodes, 20)), max(1, nodes // 10)])
    protocol, kubernetes, bird = choose.choice(_PROTOCOLS)
    faults = {str(item.get("node")): item for item in (fault(choose, nodes, protocol) for _ in range(3))}
    some = list(faults.values())[: choose.choice([0, 0, 1, 3])]
    profile, scenario = plan_of(nodes, at_once, protocol, kubernetes, bird, faults=some)
    timing: Json = choose.choice([{}, {}, {"api_qps": 20, "api_burst": 30}, {"slow_start": 0.3}, {"api_qps": 2}])
    if "api_qps" in timing and choose.random() < 0.5:
        timing = {"api_qps": choose.choice([0.5, 1, 2, 5, 20]), "api_burst": choose.randint(1, 40)}
    for name, values in (("bird_threshold", (5, 10, 60, 200)), ("bgp_session", (0, 1, 10, 40))):
        if choose.random() < 0.3:
            timing = timing | {name: choose.choice(values)}
    data = scenario.to_dict()
    horizon = choose.choice([None, None, choose.randint(50, 2000)])
    scenario = Scenario.from_dict(data | {"timing": data["timing"] | timing, "horizon": horizon})
    parameters = [item for item in profile.parameters if item.name not in (*timing, "api_qps")]
    kill = parse(choose.choice(_KILLS))
    parameters = [replace(item, distribution=kill) if item.name == "kill" else item for item in parameters]
    return Profile("random", tuple(parameters)), scenario


def main() -> None:
    """Compare until the time is over."""
    if len(sys.argv) not in (2, 3) or not all(text.isdigit() for text in sys.argv[1:]):
        sys.exit(__doc__)
    end = time.monotonic() + int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) == 3 else random.randrange(2**32)
    plans = runs = asked = 0

    def ask(*run: Any) -> Any:
        nonlocal asked
        asked += 1
        return kernel.by_engine(*run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch, "by_engine", ask)
        while time.monotonic() < end:
            choose = random.Random(seed)
            profile, scenario = plan(choose)
            if kernel.covers(scenario) is None:
                patch.setattr(schedule, "INSERTION", choose.choice([1, 16]))
                block = draw(profile, scenario.cluster.nodes, seed, 0).first(4)
                if by_kernel(scenario, block) != by_engine(scenario, block):
                    sys.exit(f"kernel and engine differ: python -m tests.fuzz.kernel 1 {seed}\n{scenario.to_dict()}")
                plans, runs = plans + 1, runs + len(block.order)
            seed += 1
    print(f"{runs} runs of {plans} random plans: the same; {asked} of them were left to the engine")


if __name__ == "__main__":
    main()
