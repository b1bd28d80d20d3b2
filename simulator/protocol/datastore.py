"""The flags in both stores: v1 Ready, CalicoVersion, whether the v3 prefix is empty, datastoreReady."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import START

if TYPE_CHECKING:
    from simulator.protocol.cluster import Cluster


class Datastore:
    """What all actors read and write; every write is known at once.

    `changed` happens when the scripts' questions (`needed`, `inprogress`) may get another answer; `opened` when
    datastoreReady becomes true. `idle` and `upgraded` are what last made `inprogress` and `needed`
    answer no, `written` is the last write.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._clock = cluster.clock
        self.v1_ready = True
        self.v3_empty = True
        self.migrated = False  # CalicoVersion >= 3, for good (R11)
        self.open = False
        self.changed = self._clock.event()
        self.opened = self._clock.event()
        self.idle = self.upgraded = self.written = START

    def needed(self) -> bool:
        """What the command `needed` answers (R8)."""
        return not self.migrated

    def in_progress(self) -> bool:
        """What the command `inprogress` answers (R8)."""
        return not self.migrated and not self.v1_ready

    def announce(self) -> None:
        """Wake those who wait for another answer."""
        self.changed.succeed()
        self.changed = self._clock.event()

    def set_ready(self, ready: bool) -> None:
        """Write v1 Ready."""
        if ready == self.v1_ready:
            return
        self.v1_ready = ready
        trace, now = self._cluster.trace, self._clock.now
        if ready:
            start, _ = trace.v1_not_ready.pop()
            trace.v1_not_ready.append((start, now))
        else:
            trace.v1_not_ready.append((now, None))
        self._cluster.record("datastore", None, "v1_ready" if ready else "v1_not_ready")
        self.written = self._clock.mark()
        if ready and not self.migrated:
            self.idle = self.written
        self.announce()

    def write_objects(self) -> None:
        """The v3 prefix holds something."""
        if self.v3_empty:
            self.v3_empty = False
            self._cluster.record("datastore", None, "v3_not_empty")

    def delete_objects(self) -> None:
        """The v3 prefix is empty."""
        self.v3_empty = True
        self._cluster.record("datastore", None, "v3_empty")
        self.written = self._clock.mark()

    def write_version(self) -> None:
        """Write CalicoVersion >= 3."""
        if not self.migrated:
            self.migrated = True
            self._cluster.trace.version = self._clock.now
            self._cluster.record("datastore", None, "version")
            self.written = self.upgraded = self._clock.mark()
            if not self.v1_ready:
                self.idle = self.written
            self.announce()

    def set_open(self) -> None:
        """Write datastoreReady := true."""
        if not self.open:
            self.open = True
            self._cluster.trace.complete = self._clock.now
            self._cluster.record("datastore", None, "complete")
            self.opened.succeed()
            self._cluster.check_complete()
