"""The examples of docs/python.md print what the page shows. `python -m tests.test_python_page` renews the page."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import ROOT

PAGE = ROOT / "docs" / "python.md"
_EXAMPLE = re.compile(r"^```python\n(.*?)^```$\n(?:\n^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)


def printed(code: str, line: int, names: dict[str, Any]) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        # Errors are to show the line of the page.
        exec(compile("\n" * line + code, str(PAGE), "exec"), names)
    return out.getvalue()


def test_the_page_shows_what_its_examples_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text, names = PAGE.read_text(encoding="utf-8"), dict[str, Any]()
    examples = list(_EXAMPLE.finditer(text))
    assert len(examples) >= 6
    for example in examples:
        line = text.count("\n", 0, example.start(1))
        assert printed(example[1], line, names) == (example[2] or ""), f"line {line}"


def test_no_example_is_passed_over() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(_EXAMPLE.findall(text)) == text.count("```python") == text.count("```text")


def imported_by(*names: str) -> set[str]:
    """What importing these adds to an interpreter that has nothing but its own modules."""
    code = (
        "import sys; before = set(sys.modules); "
        + "; ".join(f"import {name}" for name in names)
        + "; print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-S", "-c", code]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_packages_loads_nothing() -> None:
    assert imported_by("calico_lint") == {"calico_lint"}
    assert imported_by("simulator") == {"simulator"}


@pytest.mark.parametrize(
    ("package", "names"), [("calico_lint", {"Finding", "lint"}), ("simulator", {"Plan", "PlanError", "plan"})]
)
def test_public_names(package: str, names: set[str]) -> None:
    module = __import__(package)
    assert names <= set(module.__all__)
    assert names <= set(dir(module))
    for name in names:
        assert getattr(module, name).__name__ == name
        assert getattr(module, name).__doc__
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'paln'"):
        _ = module.paln


def main() -> None:
    """Write today's output into the page."""
    text, names, end, pieces = PAGE.read_text(encoding="utf-8"), dict[str, Any](), 0, []
    for example in _EXAMPLE.finditer(text):
        line = text.count("\n", 0, example.start(1))
        output = printed(example[1], line, names)
        pieces += [text[end : example.start()], f"```python\n{example[1]}```\n\n```text\n{output}```"]
        end = example.end()
    Path(PAGE).write_text("".join([*pieces, text[end:]]), encoding="utf-8")


if __name__ == "__main__":
    main()
