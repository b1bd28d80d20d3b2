"""One small module per output format; each renders a `LintResult`, and is imported when its format is asked for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from calico_lint.linter import LintResult
    from calico_lint.yaml_source import Source

FORMATS = ("text", "json", "ndjson", "sarif", "junit", "github", "gitlab", "checkstyle")


def render(
    format: str,
    result: LintResult,
    sources: Mapping[str, Source],
    *,
    kops: str | None = None,
    fail_on: str = "error",
    unreadable: Sequence[str] = (),
    color: bool = False,
) -> str:
    """The report in one of `FORMATS`.

    `sources` maps the paths of the findings to their text; `kops` is `--kops-version` as given; `unreadable`
    are the paths that could not be read, each with the reason. A format takes of these what it can say.
    """
    if format == "text":
        from calico_lint.report import text

        return text.render(result, sources, color=color)
    if format == "json":
        from calico_lint.report import json

        return json.render(result, kops=kops)
    if format == "ndjson":
        from calico_lint.report import ndjson

        return ndjson.render(result, kops=kops)
    if format == "sarif":
        from calico_lint.report import sarif

        return sarif.render(result, sources, unreadable=unreadable)
    if format == "junit":
        from calico_lint.report import junit

        return junit.render(result, fail_on=fail_on)
    if format == "github":
        from calico_lint.report import github

        return github.render(result)
    if format == "gitlab":
        from calico_lint.report import gitlab

        return gitlab.render(result, sources)
    if format == "checkstyle":
        from calico_lint.report import checkstyle

        return checkstyle.render(result)
    raise ValueError(f"no such format: {format}")
