"""A replay as JSON, version 1 of the command line contract, and as a table for people."""

from __future__ import annotations

import json
from typing import Any, Final

_LABELS: Final = {
    "datastore_locked": "datastore locked",
    "version_written": "version written",
    "controllers_ready": "kube-controllers ready",
    "last_node_ready": "last node ready",
    "datastore_unlocked": "datastore unlocked",
    "scheduling_block": "no new pod starts (scheduling block)",
    "policy_freeze_controllers_init": "kube-controllers in its init container",
    "policy_freeze_conversion": "no policy is stored (conversion freeze)",
}
"""The first five are instants after the manifests were applied, the others lengths."""

_REASONS: Final = {
    "node_never_ready": "the new pod of a node never gets ready",
    "horizon": "the recording stops before the rollout has finished",
}

_STEPS: Final = {
    "delete_node": "delete the Node objects that are NotReady, if these nodes will not come back",
    "restore_node": "bring the nodes back",
    "fix_node": "repair the node, so that calico-node starts there and gets ready",
}


def render_json(replay: dict[str, Any]) -> str:
    """One JSON object, indented by a blank a level."""
    return json.dumps(replay, indent=1, allow_nan=False) + "\n"


def render_text(replay: dict[str, Any], path: str) -> str:
    """A table of predicted, observed and error; a stall with its reason and what to do. `path` is the recording's."""
    outcome = "the migration completes" if replay["completed"] else "the migration does not complete"
    lines = [f"Replay of {path}: {outcome}", ""]
    lines.append(f"{'':40}{'predicted':>12}{'observed':>12}{'error':>10}")
    for name, label in _LABELS.items():
        sides = (_seconds(replay[side][name]) for side in ("predicted", "observed"))
        lines.append(f"{label:40}{''.join(f'{side:>12}' for side in sides)}{_percent(replay['error'][name]):>10}")
    if replay["stall"] is not None:
        stall = replay["stall"]
        lines += ["", f"Stall since {_seconds(stall['since'])}: {stall['reason']}, {_REASONS[stall['reason']]}."]
        lines += [f"  {step}: {_STEPS[step]}" for step in stall["recovery"]]
    return "\n".join(lines) + "\n"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.2f} %"
