"""Advice by what-if: changes that an operator can really make, each run on the plan's own draws, in pairs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from simulator.profile import Fixed, Setting
from simulator.scenario import V2_TO_V3
from simulator.statistics import Difference, Estimate, paired
from simulator.variants import Outcome, Variant, difference_to_dict, estimate_of, rounded

if TYPE_CHECKING:
    from simulator.maintenance import WindowAnswer
    from simulator.scenario import Scenario
    from simulator.upgrade import Upgrade

AT_ONCE = ("2%", "5%", "10%")
"""Values of maxUnavailable that are tried, if they are more nodes than the plan's."""

PATCH = (
    "kubectl -n kube-system patch daemonset calico-node --type merge -p "
    '\'{{"spec":{{"updateStrategy":{{"rollingUpdate":{{"maxUnavailable":{value}}}}}}}}}\''
    "   # once the manifests are applied: they say 1"
)


_STRATEGY = (
    "kubectl -n kube-system patch daemonset calico-node --type merge -p "
    '\'{{"spec":{{"updateStrategy":{{"type":"{type}","rollingUpdate":{more}}}}}}}\''
)

MOST_SPLITS = 4
"""Numbers of maintenance windows that are tried, from the fewest that could do."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A change to try. `price`: what it costs the cluster; None: nothing that the plan knows of."""

    change: str
    variant: Variant
    price: str | None = None
    commands: tuple[str, ...] = ()
    window: str | None = None
    """the one to compare; None: the plan's main one"""


@dataclass(frozen=True, slots=True)
class Advice:
    """A change and what it does to one window, from runs that share their draws with the plan's own, in pairs.

    `price`: what it costs the cluster; None: nothing that the plan knows of. `maintenance`: how the maintenance windows
    that were asked about would fit then.
    """

    change: str
    window: str
    now: Estimate
    then: Estimate
    difference: Difference
    replications: int
    price: str | None = None
    commands: tuple[str, ...] = ()
    maintenance: tuple[WindowAnswer, ...] = ()
    part: bool = False
    """whether `then` is of one part of the upgrade, of several"""

    @property
    def p50_now(self) -> float | None:
        """The median without the change, in these runs."""
        return self.now.value

    @property
    def p50_then(self) -> float | None:
        """The median with it."""
        return self.then.value

    @property
    def usefulness(self) -> float:
        """To sort by: the seconds that a run gets longer, the median; an upgrade that now ends is the most useful."""
        if self.p50_now is None and self.p50_then is not None:
            return -math.inf
        if self.part:
            return 0.0  # the whole is no shorter
        value = self.difference.median.value
        return math.inf if value is None else value

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        effect = {
            "window": self.window,
            "p50_now": rounded(self.p50_now),
            "p50_then": rounded(self.p50_then),
            "ci": {"p50_now": self.now.to_list(), "p50_then": self.then.to_list()},
            **difference_to_dict(self.difference),
            "replications": self.replications,
        }
        if self.maintenance:
            effect["maintenance"] = [answer.to_dict() for answer in self.maintenance]
        return {"change": self.change, "effect": effect, "price": self.price, "commands": list(self.commands)}


@dataclass(frozen=True, slots=True)
class Untried:
    """A change that was not tried, and why."""

    change: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {"change": self.change, "reason": self.reason}


def what_ifs(
    base: Variant, scenario: Scenario, smallest: int, largest: int, completing: Upgrade | None
) -> Iterator[WhatIf]:
    """The changes worth trying: of an upgrade that never ends, only those that let it end.

    `smallest` and `largest` are the nodes at the groups' minSize and maxSize; `completing` is the same upgrade by a
    kOps with which it ends, if the plan's own does not.
    """
    if completing is not None:
        yield WhatIf(
            f"apply it with kOps {completing.release}, whose completion Job waits for the image that is rolled",
            replace(base, upgrade=completing),
        )
    if base.upgrade.protocol == V2_TO_V3 and not base.upgrade.completes:
        return
    absent = sum(fault.kind == "node_not_ready" for fault in scenario.faults)
    if absent:
        yield WhatIf(
            f"delete the {absent} NotReady node{'s' if absent > 1 else ''} before you start",
            replace(base, nodes=base.nodes - absent, not_ready=False),
            commands=("kubectl get nodes", "kubectl delete node NAME"),
            window="total",  # the datastore may not even be locked before
        )
        return  # while they are there nothing else lets it end
    images = ["pull_node", "pull_cni"]
    if base.upgrade.protocol == V2_TO_V3:
        images.append("pull_upgrade")
    present = {name: Setting(Fixed(0.0), "pulled before") for name in images}
    yield WhatIf(
        "pull the new images on every node before you start", replace(base, settings={**base.settings, **present})
    )
    yield from _at_once(base, scenario)
    if smallest < base.nodes:
        yield WhatIf(
            f"scale down first, to the groups' minSize: {smallest} nodes",
            replace(base, nodes=smallest),
            price=f"{base.nodes - smallest} nodes less capacity",
        )
    if largest > base.nodes:
        yield WhatIf(f"with every group at its maxSize, {largest} nodes", replace(base, nodes=largest))


def _at_once(base: Variant, scenario: Scenario) -> Iterator[WhatIf]:
    """More nodes at once than now, fewer than all; where no percentage is that, one node more."""
    cluster = scenario.cluster

    def places(value: int | str) -> int:
        return replace(cluster, max_unavailable=value).budget(base.nodes)

    now = places(base.max_unavailable)
    found: dict[int, int | str] = {places(value): value for value in reversed(AT_ONCE) if now < places(value)}
    wanted = found or {now + 1: now + 1}
    for count, value in sorted(wanted.items(), reverse=True):
        if count < base.nodes:
            yield WhatIf(
                f"maxUnavailable {value} by hand",
                replace(base, max_unavailable=value),
                price=f"up to {count} nodes without calico-node at once",
                commands=(PATCH.format(value=_quoted(value)),),
            )


def _quoted(value: int | str) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _places(base: Variant) -> str:
    return f'{{"maxUnavailable":{_quoted(base.max_unavailable)}}}'


def advise(
    what_if: WhatIf,
    window: str,
    now: Sequence[float],
    outcome: Outcome,
    confidence: float,
    maintenance: tuple[WindowAnswer, ...],
) -> Advice:
    """What a change does to the runs `now` of a window, of which as many are compared as the change has."""
    then = outcome.runs.windows[window]
    now = now[: len(then)]
    return Advice(
        what_if.change,
        window,
        estimate_of(now, 0.5, confidence),
        estimate_of(then, 0.5, confidence),
        paired(now, then, confidence),
        len(then),
        what_if.price,
        what_if.commands,
        maintenance,
        what_if.variant.rolled is not None,
    )


def split(base: Variant, answer: WindowAnswer) -> Iterator[WhatIf]:
    """A roll in several maintenance windows, first in as few as could do: each stops where its window ends."""
    if base.nodes < 2 or answer.window.length <= 0:
        return
    first = max(2, math.floor(answer.typical / answer.window.length)) if math.isfinite(answer.typical) else 2
    for parts in range(first, min(base.nodes, first + MOST_SPLITS) + 1):
        nodes = -(-base.nodes // parts)
        yield WhatIf(
            f"roll in {parts} such maintenance windows, {nodes} nodes in each",
            replace(base, rolled=nodes),
            price="old and new calico-node side by side in between",
            commands=(
                f"{_STRATEGY.format(type='OnDelete', more='null')}   # where a window ends: nothing more is rolled",
                f"{_STRATEGY.format(type='RollingUpdate', more=_places(base))}   # where the next one begins",
            ),
        )
