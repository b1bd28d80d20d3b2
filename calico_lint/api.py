"""calico-lint for programs and notebooks: specs in, findings out.

`docs/python.md` shows it at work.
"""

from __future__ import annotations

import os

from calico_lint.files import read_files
from calico_lint.kops.releases import parse_release
from calico_lint.linter import Input
from calico_lint.linter import lint as lint_inputs
from calico_lint.options import UsageError, parse
from calico_lint.policy import Policy
from calico_lint.settings import settle
from calico_lint.yaml_source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    from calico_lint.finding import Finding

    StrPath: TypeAlias = str | os.PathLike[str]


def lint(
    *paths: StrPath,
    text: str | bytes | None = None,
    old: StrPath | None = None,
    kops_version: str | None = None,
    from_kops_version: str | None = None,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
) -> list[Finding]:
    """What calico-lint says of specs, ordered by file, place and rule; empty: nothing is wrong.

    Like the command without any settings file: comments in the specs are obeyed, folders are searched, each file is its
    own cluster. Nothing is printed or kept.

    Args:
        *paths: files and folders. Or:
        text: one spec itself; findings call it ``<text>``.
        old: file or folder with the specs as they are today: adds the rules about the upgrade.
        kops_version: the kOps that will apply the specs, ``"1.30"`` or ``"1.30.2"``; None: inferred for each file.
        from_kops_version: the kOps that last applied the old ones.
        select: ids or prefixes of the only rules to ask; none: all.
        ignore: ids or prefixes of rules not to ask.

    Raises:
        OSError: a path cannot be read; nothing has been linted then.
        ValueError: there is no kOps spec in what was given, a version or a rule cannot be read, or `text` and paths are
            both given, or neither.

    """
    if (text is None) == (not paths):
        raise ValueError("give paths, or the spec itself as text=")
    try:
        releases = parse_release(kops_version) if kops_version is not None else None
        old_releases = parse_release(from_kops_version) if from_kops_version is not None else None
        options = parse(["--isolated"])
        options.select, options.ignore = list(select) or None, list(ignore) or None
        settle(options)
        policy = Policy(options, paired=old is not None)
    except UsageError as error:
        raise ValueError(str(error).removeprefix("--")) from None
    inputs = _read(paths) if text is None else [Input(Source("<text>", _bytes(text)))]
    today = [] if old is None else _read([old])
    result = lint_inputs(inputs, old=today, releases=releases, old_releases=old_releases)
    if not result.findings and not any(report.documents for report in result.files):
        raise ValueError(f"nothing was checked: no kOps spec was found in {', '.join(map(str, paths)) or 'the text'}")
    policy.apply(result, {item.source.path: item.source for item in inputs})
    return result.findings


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def _read(paths: Iterable[StrPath]) -> list[Input]:
    unreadable: list[str] = []
    # A `-` is standard input to the command; to a program it is a file of that name.
    names = [os.path.join(os.curdir, "-") if os.fspath(path) == "-" else os.fspath(path) for path in paths]
    found = [Input(Source(file.path, file.data), named=file.named) for file in read_files(names, unreadable)]
    if unreadable:
        raise OSError("; ".join(unreadable))
    return found
