"""The API server as the DaemonSet controller meets it: a rate limit, slow-start batches, one sync after the other.

Shared by the engine (extension `api_qps`, `api_burst`, `slow_start`) and by the replay of recorded rollouts.

Sources: kube-controller-manager's `--kube-api-qps` 20 and `--kube-api-burst` 30 are defaults of its own
(pkg/controller/apis/config/v1alpha1/defaults.go of Kubernetes, the same since 1.7 at least); each controller has a
client, and so a limit, to itself (client_builder.go: `ClientOrDie` makes a clientset from a copy of the configuration).
Batches and their limit: pkg/controller/daemon/daemon_controller.go, `BurstReplicas`, `SlowStartInitialBatchSize`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from operator import itemgetter
from typing import Final, Generic, TypeVar

from simpy import Event

from simulator.protocol.clock import Story

T = TypeVar("T")
V = TypeVar("V")

BURST_REPLICAS: Final = 250
"""Creations and deletions of one sync, each."""


class TokenBucket:
    """The rate limit of a Kubernetes client: a call each `interval` (microseconds), of which `burst` can be saved up.

    `saved` is how many are at time 0; None: all of them.
    """

    def __init__(self, interval: int, burst: float, saved: float | None = None) -> None:
        self._interval = interval
        self._full = round(max(1, burst) * interval)  # a client that saves nothing still makes its calls
        self._empty_at = -self._full if saved is None else -round(saved * interval)

    def take(self, now: int) -> int:
        """Take the next token, in turn: how long to wait for it, in microseconds."""
        self._empty_at = max(self._empty_at, now - self._full) + self._interval
        return max(0, self._empty_at - now)


def slow_start(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The batches of 1, 2, 4, … in which a sync creates pods: each waits until the one before has been answered."""
    begin, size = 0, 1
    while begin < len(items):
        yield items[begin : begin + size]
        begin, size = begin + size, 2 * size


class SyncWorker(ABC, Generic[T]):
    """The controller's one worker and its calls; what it works on, and how long a call takes, is up to the heirs.

    A sync creates the pods that are missing or, if none is, deletes old ones, at most 250; when all these calls have
    been answered it writes the status, if that is another than before. What happens meanwhile is seen by the next sync.
    """

    def __init__(self, tokens: TokenBucket | None, wait: Callable[[int], Event]) -> None:
        self._tokens = tokens
        self._wait = wait
        self._status: Hashable = None

    def sync(self) -> Story[None]:
        """One sync, from its look at the pods to the answer to its last call."""
        if missing := self.take_missing(BURST_REPLICAS):
            for batch in slow_start(missing):
                yield from self._calls(batch, self.create, creation=True)
        elif old := self.take_old(BURST_REPLICAS):
            yield from self._calls(old, self.delete)
        status = self.status()
        if status != self._status:
            self._status = status
            yield from self._calls([status], self.status_written)

    @abstractmethod
    def now(self) -> int:
        """The time in microseconds."""

    @abstractmethod
    def take_missing(self, limit: int) -> Sequence[T]:
        """At most `limit` of the pods that are to be created, in order."""

    @abstractmethod
    def take_old(self, limit: int) -> Sequence[T]:
        """At most `limit` of the pods that are to be deleted, in order."""

    @abstractmethod
    def create(self, item: T) -> None:
        """A creation has been answered."""

    @abstractmethod
    def delete(self, item: T) -> None:
        """A deletion has been answered."""

    @abstractmethod
    def status(self) -> Hashable:
        """What the status is to say; None before anything has happened."""

    @abstractmethod
    def status_written(self, status: Hashable) -> None:
        """The status says so now."""

    @abstractmethod
    def call_duration(self, at: int, creation: bool) -> int:
        """How long a call takes that is sent at `at`, in microseconds."""

    def _calls(self, items: Sequence[V], effect: Callable[[V], None], creation: bool = False) -> Story[None]:
        """Make one call for each item, all at once as far as the limit allows, and wait for the last answer."""
        now = self.now()
        sent = [now + (self._tokens.take(now) if self._tokens else 0) for _ in items]
        answered = [(at + self.call_duration(at, creation), item) for at, item in zip(sent, items, strict=True)]
        for at, item in sorted(answered, key=itemgetter(0)):
            if at > self.now():  # else in the same instant, and nothing comes between
                yield self._wait(at - self.now())
            effect(item)
