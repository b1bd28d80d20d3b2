"""Fuzzing of the parser and the fixer: `make fuzz` (atheris, coverage-guided). What it finds is kept in `found/`."""
