"""`python -m simulator` is `calico-sim`."""

from __future__ import annotations

import sys

from simulator.cli import program

sys.exit(program())
