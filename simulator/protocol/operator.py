"""Faults that happen at an instant, and the operator's actions, as listed in the scenario (sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from simulator.protocol.clock import Moment, Phase, Story
from simulator.scenario import Action, Fault

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster
    from simulator.protocol.node import Node


def schedule_faults_and_actions(cluster: Cluster) -> None:
    """Put them on the clock. Within an instant: nodes join, go off and on, then faults, then actions as listed (R1)."""
    scenario, clock = cluster.scenario, cluster.clock
    for rank, join in enumerate(scenario.joins):
        clock.call(join.at, clock.priority(Phase.FAULT, rank), cluster.nodes[join.node].join, "node joins")
    windows: dict[int, list[tuple[int, Fault]]] = {}
    # A node is off from the first moment of its window: an init container that ends with it cannot be killed.
    faults = sorted(scenario.faults, key=lambda fault: fault.kind != "node_not_ready")
    for rank, fault in enumerate(faults, start=len(scenario.joins)):
        priority = clock.priority(Phase.FAULT, rank)
        if fault.kind == "node_not_ready" and fault.node is not None and fault.until != fault.start:
            windows.setdefault(fault.node, []).append((rank, fault))
        elif fault.kind == "init_killed" and fault.node is not None and fault.at is not None:
            node = cluster.nodes[fault.node]
            clock.call(fault.at, priority, partial(_kill_init, node), "fault init_killed")
        elif fault.kind == "needed_error":
            clock.call(fault.start, priority, cluster.datastore.announce, "fault needed_error")
    for index, own in windows.items():
        clock.process(_power(cluster.nodes[index], sorted(own, key=lambda entry: entry[1].start)))
    for rank, action in enumerate(scenario.operator, start=len(scenario.joins) + len(faults)):
        clock.call(action.at, clock.priority(Phase.FAULT, rank), _effect(cluster, action), f"operator {action.kind}")


def _kill_init(node: Node) -> None:
    node.pod.kill_init()


def _power(node: Node, windows: list[tuple[int, Fault]]) -> Story[None]:
    """A node goes off and comes back, window after window (R6)."""
    clock = node.cluster.clock
    for rank, fault in windows:
        priority = clock.priority(Phase.FAULT, rank)
        yield Moment(clock, fault.start - clock.now, priority, "fault node_not_ready")
        node.go_down()
        if fault.until is None:
            return
        yield Moment(clock, fault.until - clock.now, priority, "fault node_not_ready")
        node.come_back()


def _effect(cluster: Cluster, action: Action) -> Callable[[], None]:
    """What an action does, at once."""
    store, job = cluster.datastore, cluster.job
    node = cluster.nodes[action.node] if action.node is not None else None
    effects: dict[str, Callable[[], None]] = {
        "abort": lambda: store.set_ready(True),
        "delete_v3_data": store.delete_objects,
        "complete": store.set_open,
        "recreate_job": job.recreate,
        "roll_back": cluster.rollback.start,
    }
    if node is not None:
        effects |= {"delete_node": node.remove, "delete_pod": lambda: cluster.daemonset.pod_deleted_by_hand(node)}

    def act() -> None:
        cluster.record("operator", node.name if node else None, action.kind)
        effects[action.kind]()

    return act
