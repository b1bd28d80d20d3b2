"""What a plan concludes, and when a share of runs is too much."""

from __future__ import annotations

GO, OVER_BUDGET, UNDECIDED, NEVER_COMPLETES, BLOCKED = "go", "over-budget", "undecided", "never-completes", "blocked"
EXIT_CODES = {GO: 0, BLOCKED: 1, OVER_BUDGET: 3, NEVER_COMPLETES: 4, UNDECIDED: 5}


def gate(interval: tuple[float, float], risk: float) -> str:
    """GO, OVER_BUDGET or UNDECIDED for the interval of the share of runs that exceed a limit, at an accepted risk."""
    low, high = interval
    if low > risk:
        return OVER_BUDGET
    return GO if high <= risk else UNDECIDED
