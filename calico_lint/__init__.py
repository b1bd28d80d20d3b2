"""Read a kOps cluster spec and say what is wrong with it for Calico.

For programs and notebooks: `lint` gives the findings of `calico_lint.api`, each a `Finding`.
"""

# A constant, not importlib.metadata: reading the version must not cost 30 ms at every start.
__version__ = "0.1.0"

__all__ = ["Finding", "__version__", "lint"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.api import lint
    from calico_lint.finding import Finding


_HOMES = {"Finding": "calico_lint.finding", "lint": "calico_lint.api"}


def __getattr__(name: str) -> object:
    """The public names, imported when they are first asked for (PEP 562): the commands import this package too."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
