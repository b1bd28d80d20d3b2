"""install-cni: the container that puts the v3 CNI plugin on the node (R7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.protocol.clock import Story

if TYPE_CHECKING:
    from simulator.protocol.pod import Pod


def install_cni(pod: Pod) -> Story[None]:
    """Runs as soon as its image is there; from then on the node starts pods by the v3 rules."""
    yield from pod.pull("cni", pod.node.timing.pull_cni)
    pod.cni_running = True
    pod.node.cni_installed()
    pod.update()
