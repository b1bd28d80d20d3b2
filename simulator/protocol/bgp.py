"""The BGP mesh: who is up since when, and so which sessions are Established (R15).

Every node peers with every other. Sessions are not kept as pairs: whether all, or any, of a node's sessions are
Established follows from the number of BIRDs and the times at which the oldest and the newest came up. A node that
joins (extension J3) is a peer from the first write of its Node resource on, which old BIRDs of a migration do not see.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from simulator.protocol.clock import START, Reason

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster

ALWAYS = -(10**18)
"""Up since long before the run, sessions included."""


class BgpMesh:
    """All BIRDs. `session` is the time in microseconds from both BIRDs up to Established."""

    def __init__(self, cluster: Cluster, nodes: int, session: int) -> None:
        self._cluster = cluster
        self._session = session
        self._peers = nodes
        self._joined: set[int] = set()  # peers that were not there from the beginning
        old = nodes if cluster.scenario.joins and not cluster.rolling else 0
        self._strangers = set(range(old))  # BIRDs of v2, which read the store that those who join are not in
        self._up = OrderedDict.fromkeys(range(nodes), ALWAYS)  # node -> since; the oldest first
        self._came: dict[int, Reason] = {}  # the nodes whose BIRD has started in this run
        self._removed = START
        self.lost = START
        """what last left somebody without a session: the end of a BIRD, or a peer that is new"""

    def bird_up(self, node: int, stranger: bool = False) -> None:
        """A BIRD starts now. `stranger`: it is one of v2 and does not know the nodes that joined."""
        if stranger and self._cluster.scenario.joins:
            if self._cluster.nodes[node].joins and node not in self._joined:
                return  # only v1 data knows it
            self._strangers.add(node)
        self._up[node] = self._cluster.clock.now
        self._up.move_to_end(node)
        self._came[node] = self._cluster.clock.mark()

    def bird_down(self, node: int) -> None:
        """A BIRD ends now, and its sessions with it."""
        if self._up.pop(node, None) is None:
            return
        self._strangers.discard(node)
        self.lost = self._cluster.clock.mark()
        # A pod that is Ready and old enough needs one peer. As long as two BIRDs have been up for the time of a
        # session, everybody who counts on one has one; below that, only the oldest BIRD can be left alone.
        oldest = iter(self._up.items())
        first = next(oldest, None)
        second = next(oldest, None)
        if first and (second is None or second[1] + self._session > self._cluster.clock.now):
            self._cluster.nodes[first[0]].pod.probe.watch()
        if self._strangers:  # those who joined count on fewer
            for joined in self._joined:
                self._cluster.nodes[joined].pod.probe.watch()

    def node_known(self, node: int) -> None:
        """A node that joins has written its Node resource: it is everybody's peer."""
        if node in self._joined:
            return
        if self.alone:
            for only in self._up:
                self._cluster.nodes[only].pod.probe.watch()
        self._joined.add(node)
        self._peers += 1
        self.lost = self._cluster.clock.mark()

    def node_removed(self, node: int) -> None:
        """A node is nobody's peer any more."""
        self.bird_down(node)
        if node in self._joined or not self._cluster.nodes[node].joins:
            self._peers -= 1
        self._joined.discard(node)
        self._removed = self._cluster.clock.mark()

    @property
    def alone(self) -> bool:
        """Whether there are no peers at all."""
        return self._peers == 1

    def all_established(self, node: int, now: int) -> bool:
        """Whether `node`, whose BIRD is up, has all its sessions."""
        if self._strangers and node in self._joined:
            return False
        newest = next(reversed(self._up.values()), ALWAYS)
        return len(self._up) == self._peers and newest + self._session <= now

    def any_established(self, node: int, now: int) -> bool:
        """Whether `node`, whose BIRD is up, has a session."""
        other = self._oldest_peer(node)
        return other is not None and max(self._up[other], self._up[node]) + self._session <= now

    def has_only_strangers(self, node: int) -> bool:
        """Whether `node` has joined, its BIRD is up, and all others that are up are of v2: they do not know it."""
        return node in self._joined and node in self._up and len(self._up) > 1 and self._oldest_peer(node) is None

    def _oldest_peer(self, node: int) -> int | None:
        """The BIRD that is up for longest of those that `node` can have a session with."""
        strangers = self._strangers if node in self._joined else ()
        for other in self._up:  # at most two turns, but for those who join
            if other != node and other not in strangers:
                return other
        return None

    # Which of them was the last that a node waited for --------------------------------------------------------

    def all_since(self) -> Reason:
        """What completed everybody's sessions: the newest BIRD, or that nobody waits for a lost one any more."""
        return self._removed if self.alone else max(self._session_of(next(reversed(self._up))), self._removed)

    def any_since(self, node: int) -> Reason:
        """What gave `node`, which has one, its first session of today."""
        other = self._oldest_peer(node)
        assert other is not None
        return max(self._session_of(other), self._session_of(node))

    def _session_of(self, node: int) -> Reason:
        came = self._came.get(node)  # the others' have been there from the beginning
        return START if came is None else Reason(came.at + self._session, came.cause, "bgp_session")
