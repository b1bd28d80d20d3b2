"""What a user wants to hear of the findings: selected rules, severities, suppressions, the baseline."""

from __future__ import annotations

from calico_lint import rules
from calico_lint.options import UsageError
from calico_lint.patterns import Patterns
from calico_lint.settings import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from calico_lint.finding import Finding
    from calico_lint.linter import LintResult
    from calico_lint.yaml_source import Source


class Policy:
    """The wishes of one run. Raises UsageError where they name rules or files that cannot be."""

    __slots__ = ("_asked", "_baseline", "_inline", "_per_file", "_require_reason", "_severities", "sources")

    def __init__(self, options: argparse.Namespace, *, paired: bool) -> None:
        every = {rule.id for rule in rules.all_rules()}
        selected = _ids(options.select, place(options, "select")) if options.select else every
        selected = selected | _ids(options.extend_select, place(options, "extend_select"))
        self._asked = selected - _ids(options.ignore, place(options, "ignore"))
        if not paired:
            self._asked -= {rule.id for rule in rules.all_rules() if rule.pair}
        where = place(options, "per_file_ignores")
        self._per_file = [
            (Patterns([pattern], options.settings_folder, where), _ids(names, where))
            for pattern, names in options.per_file_ignores.items()
        ]
        self._severities: dict[str, str] = {}
        where = place(options, "severity")
        for pattern, severity in sorted(options.severity.items(), key=lambda item: len(item[0])):
            self._severities.update(dict.fromkeys(_ids([pattern], where), severity))
        self._inline = options.inline_ignores
        self._require_reason = options.require_reason
        self._baseline = None
        self.sources: dict[str, Source] = {}  # of the baseline, on which findings can stand
        if options.baseline is not None and options.write_baseline is None:
            from calico_lint.baseline import Baseline

            self._baseline = Baseline(options.baseline)
            self.sources[self._baseline.path] = self._baseline.source

    def apply(self, result: LintResult, sources: Mapping[str, Source]) -> None:
        """Leave in the result what is to be reported; `result.suppressed` gets what comments and baseline hide.

        `sources` maps the paths of the findings to their text.
        """
        by_path: dict[str, list[Finding]] = {report.path: [] for report in result.files if report.skipped is None}
        for finding in result.findings:
            by_path.setdefault(finding.path, []).append(finding)
        findings: list[Finding] = []
        for path, own in by_path.items():
            asked = self._asked.difference(*(ids for patterns, ids in self._per_file if patterns.covers(path)))
            kept = [finding for finding in own if finding.rule in asked]
            if self._inline and "calico-lint:" in sources[path].text:
                from calico_lint.suppressions import suppress

                kept, suppressed = suppress(sources[path], kept, asked, require_reason=self._require_reason)
                result.suppressed += suppressed
            findings += kept
        if self._baseline is not None:
            findings = self._without_baseline(result, findings, sources)
        for finding in findings:
            finding.severity = self._severities.get(finding.rule, finding.severity)
        result.findings = sorted(findings, key=lambda finding: finding.sort_key())

    def _without_baseline(
        self, result: LintResult, findings: list[Finding], sources: Mapping[str, Source]
    ) -> list[Finding]:
        from calico_lint.fingerprint import fingerprints

        assert self._baseline is not None
        result.baseline = True
        # Suppressed ones count, so that like findings of one file keep the fingerprints they have without the comment.
        every = sorted(
            [*findings, *(each.finding for each in result.suppressed)], key=lambda finding: finding.sort_key()
        )
        prints = {id(finding): text for finding, text in zip(every, fingerprints(every, sources), strict=True)}
        checked = {report.path for report in result.files if report.skipped is None}
        new, known = self._baseline.split(findings, [prints[id(each)] for each in findings], checked, self._asked)
        result.suppressed += known
        return [finding for finding in new if finding.rule in self._asked]


def _ids(values: Sequence[str], where: str) -> set[str]:
    try:
        return rules.matching(tuple(values))
    except KeyError as error:
        from calico_lint.suppressions import meant

        word = error.args[0]
        raise UsageError(f"{where}: no rule has the id or prefix {word!r}{meant(word)}") from error
