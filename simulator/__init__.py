"""Predict what a Calico upgrade will do to a kOps cluster, before anyone runs it.

For programs and notebooks: `plan` makes a `Plan`, or raises a `PlanError` (`simulator.api`, docs/python.md).
"""

__all__ = ["Plan", "PlanError", "plan"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulator.api import plan
    from simulator.planning import Plan, PlanError

_HOMES = {"Plan": "simulator.planning", "PlanError": "simulator.planning", "plan": "simulator.api"}


def __getattr__(name: str) -> object:
    """The public names, imported when they are first asked for (PEP 562): no command needs all that they bring."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
