"""What the machine formats share: JSON and XML that every reader takes, whatever a spec or a file name holds.

Both are pure ASCII, so that they survive a terminal or a pipe of any encoding.
"""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
    from xml.etree.ElementTree import Element

    from calico_lint.finding import Finding
    from calico_lint.linter import LintResult

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def json_text(data: Any, *, indent: int | None = None) -> str:
    """JSON in ASCII. Halves of surrogate pairs (a file name that is not UTF-8) become `?`: many parsers refuse them."""
    text = json.dumps(data, indent=indent, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")
    return re.sub(r"[^\x00-\x7f]+", lambda match: json.dumps(match[0])[1:-1], text)


def xml_text(root: Element) -> str:
    """An XML document in ASCII, indented. Its texts must have passed `legal`."""
    from xml.etree import ElementTree

    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True).decode("ascii")
    # A bare carriage return in the text of an element would be read as a line feed.
    return text.replace("\r", "&#13;") + "\n"


def legal(text: str) -> str:
    """The text with U+FFFD for every character that XML 1.0 cannot hold, not even escaped."""
    return _NOT_XML.sub("\ufffd", text)


def by_file(result: LintResult) -> dict[str, list[Finding]]:
    """The findings of every file that was checked, also of those that have none."""
    files: dict[str, list[Finding]] = {report.path: [] for report in result.files if not report.skipped}
    for finding in result.findings:
        files.setdefault(finding.path, []).append(finding)
    return files
