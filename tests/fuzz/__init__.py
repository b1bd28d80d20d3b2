"""`make fuzz`: parser and fixer on any bytes (atheris, coverage-guided; what it finds is kept in `found/`), and the
kernel against the engine on random plans."""
