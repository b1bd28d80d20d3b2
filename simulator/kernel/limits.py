"""Whether a call of the DaemonSet controller ever waits for its turn; while none does, the limit changes nothing.

`docs/scenario-extensions.md`, L1-L5: a sync that deletes m pods makes m deletions, m creations and two status updates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulator.draws import Integers
from simulator.scenario import Scenario
from simulator.timing import MICRO


def exceeded_at_once(scenario: Scenario) -> bool:
    """Whether the calls of the very first sync already wait."""
    timing, cluster = scenario.timing, scenario.cluster
    if not timing["api_qps"]:
        return False
    first = min(cluster.budget(cluster.nodes), cluster.nodes)
    return 2 * first + 2 > max(1, timing["api_burst"])


def may_wait(scenario: Scenario, ready: Integers, at_once: int) -> npt.NDArray[np.bool_]:
    """Runs in which a call may wait: all in which one does, and a few more. `ready` [run, pod]: when pods get Ready.

    Each Ready lets the controller sync: it takes four calls at most, as it frees the place of one pod. In a bucket of B
    tokens that gets one each T no call waits if no span of time from one sync to another holds more than B + span / T.
    """
    qps = scenario.timing["api_qps"]
    if not qps:
        return np.zeros(len(ready), bool)
    interval = round(MICRO * MICRO / qps)
    syncs = ready if at_once == 1 else np.sort(ready, axis=1)
    first = 2 * at_once + 2
    after = (first + 4 * np.arange(1, ready.shape[1] + 1)) * interval - syncs  # calls so far, less what was earned
    before = after - 4 * interval
    lowest = np.minimum(np.minimum.accumulate(before, axis=1), 0)  # 0: the first sync is the start
    waits: npt.NDArray[np.bool_] = (after - lowest).max(axis=1) > max(1, scenario.timing["api_burst"]) * interval
    return waits
