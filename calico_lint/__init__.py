"""Read a kOps cluster spec and say what is wrong with it for Calico."""

# A constant, not importlib.metadata: reading the version must not cost 30 ms at every start.
__version__ = "0.1.0"
