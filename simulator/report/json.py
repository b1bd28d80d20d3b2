"""A plan as the JSON object of the command line contract, version 1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.planning import Plan


def render(plan: Plan) -> str:
    """One JSON object, indented by a blank a level. Unfinished is null: JSON has no infinity."""
    return json.dumps(plan.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
