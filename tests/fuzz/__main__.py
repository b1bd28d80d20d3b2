"""`python -m tests.fuzz parser|fixer SECONDS [libFuzzer options]`: fuzz one target; stops at the first crash.

The input that crashed is left as `crash-...` in the working directory: shorten it, put it into `tests/fuzz/found/`
under a telling name, and it is a test.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

TOKENS = (
    "apiVersion: kops.k8s.io/v1alpha2", "kind: Cluster", "networking:", "calico:", "majorVersion: v3", "etcdClusters:",
    "version: ", "- ", "--- ", "--- # x", "\\x0a---\\x0a", "{}", "{a: 1, }", "[a, b]", "&a ", "*a", "<<: *a", "|+",
    ">-", "? ", "!!str ",
    "%YAML 1.1", "...", "# ", "\\xef\\xbb\\xbf", "\\xff\\xfe", "\\x0d\\x0a", "\\x09", "null", "~", "'",
    "\\\"", "\\xf0\\x9f\\x90\\x99", "${x}", "{{ x }}", "# calico-lint: ignore[KC104]",
)  # fmt: skip


def main() -> None:
    """Set up coverage before the modules are imported, and hand over to libFuzzer."""
    if len(sys.argv) < 3 or sys.argv[1] not in ("parser", "fixer") or not sys.argv[2].isdigit():
        sys.exit(__doc__)
    import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

    with atheris.instrument_imports(include=["calico_lint"]):
        from tests.fuzz.targets import MAX_BYTES, TARGETS, seeds

    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus")
        corpus.mkdir()
        for number, seed in enumerate(seeds()):
            (corpus / f"{number:04}").write_bytes(seed)
        words = Path(folder, "words")
        words.write_text("".join(f'"{token}"\n' for token in TOKENS))
        options = [f"-max_total_time={sys.argv[2]}", f"-dict={words}", f"-max_len={MAX_BYTES}", "-timeout=20"]
        atheris.Setup([sys.argv[0], *options, *sys.argv[3:], str(corpus)], TARGETS[sys.argv[1]])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
