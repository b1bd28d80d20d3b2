"""`python -m calico_lint`."""

from calico_lint.cli import program

program()
