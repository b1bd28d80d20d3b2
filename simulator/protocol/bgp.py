"""The BGP mesh: who is up since when, and so which sessions are Established (R15).

Every node peers with every other. Sessions are not kept as pairs: whether all, or any, of a node's sessions are
Established follows from the number of BIRDs and the times at which the oldest and the newest came up.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster

ALWAYS = -(10**18)
"""Up since long before the run, sessions included."""


class BgpMesh:
    """All BIRDs. `session` is the time in microseconds from both BIRDs up to Established."""

    def __init__(self, cluster: Cluster, nodes: int, session: int) -> None:
        self._cluster = cluster
        self._session = session
        self._existing = nodes
        self._up = OrderedDict.fromkeys(range(nodes), ALWAYS)  # node -> since; the oldest first

    def bird_up(self, node: int) -> None:
        """A BIRD starts now."""
        self._up[node] = self._cluster.clock.now
        self._up.move_to_end(node)

    def bird_down(self, node: int) -> None:
        """A BIRD ends now, and its sessions with it."""
        if self._up.pop(node, None) is None:
            return
        # A pod that is Ready and old enough needs one peer. As long as two BIRDs have been up for the time of a
        # session, everybody who counts on one has one; below that, only the oldest BIRD can be left alone.
        oldest = iter(self._up.items())
        first = next(oldest, None)
        second = next(oldest, None)
        if first and (second is None or second[1] + self._session > self._cluster.clock.now):
            self._cluster.nodes[first[0]].pod.probe.watch()

    def node_removed(self, node: int) -> None:
        """A node is nobody's peer any more."""
        self.bird_down(node)
        self._existing -= 1

    @property
    def alone(self) -> bool:
        """Whether there are no peers at all."""
        return self._existing == 1

    def all_established(self, now: int) -> bool:
        """Whether a node whose BIRD is up has all its sessions."""
        newest = next(reversed(self._up.values()), ALWAYS)
        return len(self._up) == self._existing and newest + self._session <= now

    def any_established(self, node: int, now: int) -> bool:
        """Whether `node`, whose BIRD is up, has a session."""
        for other, since in self._up.items():  # at most two turns
            if other != node:
                return max(since, self._up[node]) + self._session <= now
        return False
