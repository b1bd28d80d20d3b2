"""The faults' windows, as the actors meet them (section 3 of the scenario format)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulator.protocol.clock import Reason
from simulator.scenario import Fault


class Faults:
    """Look-up of windows by kind. Times are microseconds; None asks for the end of time."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._by_kind: dict[str, list[Fault]] = {}
        for fault in faults:
            self._by_kind.setdefault(fault.kind, []).append(fault)

    def of(self, kind: str) -> Sequence[Fault]:
        """The faults of a kind, as listed."""
        return self._by_kind.get(kind, ())

    def active(self, kind: str, time: int | None, node: int | None = None) -> bool:
        """Whether a window of that kind (and node) holds `time`."""
        return any(fault.node == node and fault.active(time) for fault in self._by_kind.get(kind, ()))

    def pull_fails(self, image: str, node: int | None, time: int | None) -> bool:
        """Whether a pull attempt fails; node None: the pull of the controllers or the Job."""
        windows = self._by_kind.get("image_unpullable")
        return windows is not None and any(
            fault.image == image and fault.node in (None, node) and fault.active(time) for fault in windows
        )

    def gone(
        self, kinds: Iterable[str], after: int, now: int, node: int | None = None, image: str | None = None
    ) -> Reason | None:
        """The end of the last of these windows that was over in (after, now]; None if none was."""
        ends = [
            (fault.until, kind)
            for kind in kinds
            for fault in self._by_kind.get(kind, ())
            if fault.until is not None and after < fault.until <= now
            if fault.image == image and fault.node in (None, node)
        ]
        return Reason(max(ends)[0], 0, f"fault {max(ends)[1]}") if ends else None

    def over(self, kind: str) -> int | None:
        """When the last window of that kind is over; 0 without such a fault, None for never."""
        latest = 0
        for fault in self.of(kind):
            if fault.until is None:
                return None
            latest = max(latest, fault.until)
        return latest
