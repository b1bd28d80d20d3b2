"""One small module per output format; each renders a `LintResult`."""
