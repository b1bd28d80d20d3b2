"""Every random number of a plan, drawn before anything runs.

A stream belongs to (seed, block of 64 runs, stage) and to nothing else, so a result does not depend on
the number of workers, on how many runs were asked for, or on which other stages exist; two plans of one
seed share their luck (common random numbers). Within a stream the numbers are node-major: all 64 runs of
the first node, then of the second; so a node keeps its draws when the cluster grows.

Durations are whole microseconds: sums are exact, and the last bit of `exp`, in which processors differ,
does not survive the rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.profile import CERTAIN, Doubt, Fixed, Parameter, Profile
from simulator.scenario import Scenario
from simulator.timing import MICRO

BLOCK = 64

_NODE_BITS, _KEY_BITS = 17, 46  # with more nodes than 2^17 the keys' first bits fall off: they are as random without
_TILE = 512  # nodes that are drawn at once: all steps of the arithmetic stay in the processor's cache, and are few

Integers = npt.NDArray[np.int64]


def stream(seed: int, block: int, stage: str) -> np.random.Generator:
    """The generator of one (seed, block, stage)."""
    # The stage's name itself is the key: a table of numbers would have to be kept for ever.
    key = (block, int.from_bytes(stage.encode(), "big"))
    return np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence(seed, spawn_key=key)))


@dataclass(frozen=True, slots=True)
class Block:
    """The draws of 64 runs: microseconds (for a rate: millionths).

    `timing[name][run]` is the cluster's own value, `per_node[name][node, run]` that of a node,
    `order[run]` the nodes, as indices, in the order in which the DaemonSet controller takes them.
    """

    timing: dict[str, Integers]
    per_node: dict[str, Integers]
    order: Integers

    def first(self, runs: int) -> Block:
        """The first `runs` of its runs."""
        if runs == len(self.order):
            return self
        return Block(
            {name: values[:runs] for name, values in self.timing.items()},
            {name: np.ascontiguousarray(values[:, :runs]) for name, values in self.per_node.items()},
            self.order[:runs],
        )


def draw(profile: Profile, nodes: int, seed: int, block: int, *, uncertain: bool = True) -> Block:
    """The draws of block number `block`.

    With `uncertain` the distributions that rest on few observations are themselves drawn, once a run
    (`Parameter.doubt`); without, the profile is taken at its word. All else is drawn alike.
    """
    timing: dict[str, Integers] = {}
    per_node: dict[str, Integers] = {}
    for parameter in (*profile.of_scope("run"), *profile.of_scope("node")):
        name = parameter.name
        if isinstance(parameter.distribution, Fixed):  # it need not be drawn, nor spelt out node by node
            timing[name] = np.full(BLOCK, round(parameter.distribution.value * MICRO))
            continue
        doubt = CERTAIN
        if uncertain and parameter.uncertain:
            doubt = parameter.doubt(stream(seed, block, f"{name}@median"), BLOCK)
        # kube-controllers and the Job start pods too: the cluster's value is theirs.
        timing[name] = _sample(parameter, stream(seed, block, f"{name}@cluster"), (BLOCK,), doubt)
        if parameter.scope == "node":
            per_node[name] = _sample(parameter, stream(seed, block, name), (nodes, BLOCK), doubt)
    _not_before(timing, "services", "ensure_initialized")
    if "services" in per_node or "ensure_initialized" in per_node:
        for name in ("services", "ensure_initialized"):
            if name in timing:
                per_node.setdefault(name, np.broadcast_to(timing[name], (nodes, BLOCK)))
        _not_before(per_node, "services", "ensure_initialized")
    return Block(timing, per_node, _order(nodes, seed, block))


def _order(nodes: int, seed: int, block: int) -> Integers:
    """The controller walks a Go map: any order is as likely as any other (kops daemon/update.go:391-433).

    A key for each node, sorted; the node's number in the last bits makes it a sort of plain integers.
    """
    bits = max(_NODE_BITS, (nodes - 1).bit_length())
    keys = stream(seed, block, "order").random((nodes, BLOCK)).T * (1 << _KEY_BITS)
    packed = keys.astype(np.int64) << bits
    packed |= np.arange(nodes)
    packed.sort(axis=1)
    packed &= (1 << bits) - 1
    return packed


def replication(base: Scenario, block: Block, run: int) -> Scenario:
    """The scenario of one run of a block: `base` with this run's durations. `calico-sim run` accepts it."""
    return base.with_durations(
        {name: int(values[run]) for name, values in block.timing.items()},
        {name: values[:, run].tolist() for name, values in block.per_node.items()},
        order=block.order[run].tolist(),
    )


def blocks(runs: int) -> Iterator[tuple[int, range]]:
    """(block, its runs) that `runs` runs are made of; the last block may be used in part."""
    for block in range((runs + BLOCK - 1) // BLOCK):
        yield block, range(min(BLOCK, runs - block * BLOCK))


def _sample(parameter: Parameter, generator: np.random.Generator, shape: tuple[int, ...], doubt: Doubt) -> Integers:
    drawn = np.empty(shape, np.int64)
    step = _TILE if len(shape) > 1 else len(drawn)
    for begin in range(0, len(drawn), step):
        tile = drawn[begin : begin + step]
        tile[:] = np.rint(parameter.distribution.sample(generator, tile.shape, doubt) * MICRO)
    return drawn


def _not_before(values: dict[str, Integers], later: str, earlier: str) -> None:
    """BIRD and Felix are started after the start-up that writes the version (rc.local:24-62 of calico/node)."""
    if later in values and earlier in values:
        values[later] = np.maximum(values[later], values[earlier])
