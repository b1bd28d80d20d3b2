"""Rules about files and documents: YAML as kOps reads it (Y), and documents that kOps cannot take (U007, U008)."""

from __future__ import annotations

from calico_lint.finding import Related
from calico_lint.rules.core import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from calico_lint.finding import Finding, Fix
    from calico_lint.rules.core import Rule
    from calico_lint.yaml_source import Document, Problem, Source

_SYNTAX = described(
    "Y001",
    "yaml-syntax",
    severity="error",
    origin="yaml",
    text="""The file is not valid YAML.

    kOps cannot read the document at all. The place is where the parser gave up; the cause is often the
    line before: a missing colon, an unclosed quote, a tab, or a wrong indentation.

    Fix: correct the YAML at or just before the place.
    Source: sigs.k8s.io/yaml, as kopscodecs.Decode calls it (pkg/kopscodecs/codecs.go@release-1.36).
    """,
)

_DUPLICATE_KEY = described(
    "Y002",
    "yaml-duplicate-key",
    severity="error",
    origin="yaml",
    fix="safe",
    text="""A key stands twice in one mapping.

    `kops create -f` and `kops replace -f` decode without a check for duplicates: the last one wins and what
    stands under the first is dropped without a word. A second `networking:` block can so undo the first.

    Fix: merge the two, or delete the one that is not meant.
    Source: go-yaml v2 setMapIndex without strict mode; kopscodecs.Decode.
    """,
)

_ENCODING = described(
    "Y003",
    "yaml-encoding",
    severity="error",
    origin="yaml",
    text="""The file is not UTF-8.

    kOps splits the file at bytes and decodes UTF-8. Other encodings do not survive that.

    Fix: save the file as UTF-8.
    Source: util/pkg/text/text.go@release-1.36:29-33.
    """,
)

_EMPTY_DOCUMENT = described(
    "Y004",
    "yaml-empty-document",
    severity="warning",
    origin="yaml",
    fix="safe",
    text="""There is nothing between two document separators.

    kOps decodes every piece of the file; a piece without content has no `kind`, and `kops create -f` and
    `kops replace -f` stop there with an error. Pieces before it have been applied by then.

    Fix: remove the separator (often one at the very top below a comment, or at the very end).
    Source: cmd/kops/create.go@release-1.36:126-130, UnstructuredJSONScheme ("Object 'Kind' is missing").
    """,
)

_LOST_DOCUMENT = described(
    "Y005",
    "yaml-lost-document",
    severity="error",
    origin="yaml",
    fix="safe",
    text="""kOps drops this document without a word.

    kOps does not split a file with a YAML parser but at lines that are exactly `---`. After `--- # comment`
    or `---` with a blank behind it, it reads on in the same piece and decodes only the first document of it:
    a whole InstanceGroup can vanish from `kops create -f` and `kops replace -f`.

    Fix: leave nothing but `---` on the line.
    Source: util/pkg/text/text.go@release-1.36:29-33 (since 1.12).
    """,
)

_NOT_KOPS = described(
    "Y006",
    "not-a-kops-spec",
    severity="error",
    origin="yaml",
    text="""The file was named, but holds no kOps document.

    Nothing in it has an apiVersion of the group kops.k8s.io, so nothing was checked. A file that is only
    found in a folder is skipped instead.

    Fix: name the cluster spec, or add `apiVersion: kops.k8s.io/v1alpha2`.
    Source: a linter that passes over what it cannot read would report a success that never was.
    """,
)

_TOO_DEEP = described(
    "Y007",
    "yaml-too-deep",
    severity="error",
    origin="yaml",
    text="""The document is nested deeper than 200 levels.

    No cluster spec is. The rest of the document was not read, so that a hostile file cannot exhaust memory.

    Fix: flatten the document.
    Source: a limit of calico-lint; go-yaml v2 has one of 10,000.
    """,
)

_ALIAS = described(
    "Y008",
    "yaml-alias",
    severity="error",
    origin="yaml",
    text="""An alias that cannot be followed.

    It names no anchor, its anchor contains itself, or the aliases of the document expand to more than go-yaml
    would take. kOps refuses the document.

    Fix: define the anchor before its first use; write out what refers to itself.
    Source: go-yaml v2 decode.go (unknown anchor, anchor contains itself, excessive aliasing).
    """,
)

_KEY = described(
    "Y009",
    "yaml-key",
    severity="error",
    origin="yaml",
    text="""A key or merge that kOps cannot decode.

    Keys become the names of a JSON object: a list, a mapping or a null cannot be one, and `<<` takes only
    mappings.

    Fix: quote the key, or write the mapping out.
    Source: sigs.k8s.io/yaml convertToJSONableObject; go-yaml v2 merge.
    """,
)

_TOO_LARGE = described(
    "Y010",
    "file-too-large",
    severity="error",
    origin="yaml",
    text="""The file is larger than 10 MB and was not read.

    The largest cluster specs in public use have a few hundred kilobytes. A file of this size is something
    else, or was generated by mistake.

    Fix: name the spec itself, or split the file.
    Source: a limit of calico-lint.
    """,
)

_TEMPLATE = described(
    "Y011",
    "template",
    severity="error",
    origin="yaml",
    text="""The file is a template, not a spec.

    It holds `{{ ... }}` or `${...}`: what kOps will get is known only after it has been rendered
    (`kops toolbox template`, Helm, envsubst, Terraform). A template that is only found in a folder is skipped.

    Fix: lint the rendered file, for example `kops toolbox template ... | calico-lint -`.
    Source: kOps reads no templates in `create -f` and `replace -f`.
    """,
)

_API_VERSION = described(
    "U007",
    "api-version",
    severity="error",
    origin="schema",
    text="""An apiVersion of kOps that this version of kOps cannot read.

    v1alpha1 was dropped after kOps 1.17; v1alpha2 is read by every release, v1alpha3 from 1.23 on.

    Fix: `apiVersion: kops.k8s.io/v1alpha2`; let kOps 1.17 or older convert a v1alpha1 spec with
        `kops get cluster -o yaml --full=false`.
    Source: pkg/apis/kops/v1alpha1 exists up to release-1.17.
    """,
)

_KIND = described(
    "U008",
    "kind",
    severity="error",
    origin="schema",
    fix="safe",
    text="""A kind that kOps does not know.

    kOps stops at it. Kinds are Cluster, InstanceGroup, SSHCredential, Keyset and Host, spelt like this.

    Fix: correct the spelling of `kind`.
    Source: pkg/apis/kops/v1alpha2/register.go@release-1.36.
    """,
)

KOPS_OUTSIDE_TABLES = described(
    "KV300",
    "kops-release-unknown",
    severity="info",
    origin="calico",
    text="""The kOps release given is outside the releases that calico-lint knows.

    The nearest known release stands in for it. What changed since then is not known here.

    Fix: update calico-lint, or check the release notes of that kOps.
    Source: the release tables of calico-lint cover kOps 1.8 to 1.36.
    """,
)

PAIR_UNMATCHED = described(
    "P700",
    "pair-unmatched",
    severity="info",
    origin="calico",
    text="""The old spec (--from, --from-git) has no cluster of this name, or several.

    Upgrade rules compare a cluster with itself, so the old and the new spec are paired by the name of the
    Cluster; where several old files have that name, --from-git takes the one of the same path. This one has no
    counterpart and was linted on its own.

    Fix: give the old spec of the same cluster.
    Source: kOps identifies a cluster by its name; renaming one is creating another.
    """,
)


RULES: list[Rule] = [
    _SYNTAX, _DUPLICATE_KEY, _ENCODING, _EMPTY_DOCUMENT, _LOST_DOCUMENT, _NOT_KOPS, _TOO_DEEP, _ALIAS, _KEY, _TOO_LARGE,
    _TEMPLATE, _API_VERSION, _KIND, KOPS_OUTSIDE_TABLES, PAIR_UNMATCHED,
]  # fmt: skip
_BY_ID = {rule.id: rule for rule in RULES}


def _finding(
    rule_id: str,
    source: Source,
    start: int,
    end: int,
    message: str,
    related: tuple[Related, ...] = (),
    document: Document | None = None,
    field: str | None = None,
    fix: Fix | None = None,
) -> Finding:
    ref = document.ref if document is not None else None
    range = source.range(start, end)
    return _BY_ID[rule_id].finding(source.path, range, message, document=ref, field=field, related=related, fix=fix)


def yaml_findings(source: Source) -> Iterator[Finding]:
    """The problems that reading the file met, as findings."""
    for problem in source.problems:
        related = tuple(Related(source.path, source.range(start, end), text) for start, end, text in problem.related)
        document = None
        if problem.document is not None and problem.document < len(source.documents):
            document = source.documents[problem.document]
        fix = _FIXES[problem.rule](source, problem) if problem.rule in _FIXES else None
        yield _finding(problem.rule, source, problem.start, problem.end, problem.message, related, document, fix=fix)


def _duplicate_fix(source: Source, problem: Problem) -> Fix | None:
    """The second of two entries that say the same goes. Of two that differ nobody knows which is meant."""
    from calico_lint.fix import remove_duplicate

    if problem.repeated is None or problem.document is None or problem.document >= len(source.documents):
        return None
    entry, flow = problem.repeated
    document = source.documents[problem.document]
    if document.offset + entry[0] != problem.start:
        return None  # that document could not be read, and this is the next one
    return remove_duplicate(document, entry, flow=flow)


def _empty_document_fix(source: Source, problem: Problem) -> Fix | None:
    """Without the separator above (at the top: below) its comments join the next or the last document."""
    from calico_lint.fix import splice

    text = source.text
    start = text.rfind("\n", 0, problem.start) + 1 if problem.end else text.find("\n---") + 1
    end = text.find("\n", start) + 1
    if text[start:end].rstrip("\r\n") != "---":
        return None
    return splice(source, [(start, end, "")], "remove the separator", safe=True)


def _lost_document_fix(source: Source, problem: Problem) -> Fix | None:
    """What stands behind the separator moves to the next line: then kOps sees the document that everybody else sees."""
    import re

    from calico_lint.fix import splice

    behind = re.compile(r"---([ \t]+)([^\r\n]?)[^\r\n]*(\r?)").match(source.text, problem.start)
    if behind is None or source.text[problem.start - 1 : problem.start] != "\n":
        return None
    newline = f"{behind[3]}\n" if behind[2] else ""
    return splice(source, [(*behind.span(1), newline)], "leave nothing but --- on the line", safe=True, added=1)


_FIXES: dict[str, Callable[[Source, Problem], Fix | None]] = {
    "Y002": _duplicate_fix, "Y004": _empty_document_fix, "Y005": _lost_document_fix,
}  # fmt: skip


def check_kind(document: Document, other_kinds: Sequence[str], api_versions: Sequence[str]) -> Finding | None:
    """U007 or U008 for a document of the kOps group that cannot be linted; None where it can, or need not."""
    source = document.source
    version = (document.api_version or "").partition("/")[2]
    if version not in api_versions:
        node = document.root["apiVersion"]
        advice = (
            "v1alpha1 was dropped after kOps 1.17: convert the spec to kops.k8s.io/v1alpha2"
            if version == "v1alpha1"
            else f"kOps knows {' and '.join(api_versions)}"
        )
        start, end = node.span
        message = f"`{document.api_version}` cannot be linted: {advice}"
        return _finding("U007", source, start, end, message, (), document, node.field)
    if document.kind in ("Cluster", "InstanceGroup") or document.kind in other_kinds:
        return None
    node_or_none = document.root.get("kind")
    known = ", ".join(("Cluster", "InstanceGroup", *other_kinds))
    if node_or_none is None:
        start, end = document.root["apiVersion"].span
        return _finding("U008", source, start, end, f"`kind` is missing: kOps knows {known}", (), document, "kind")
    start, end = node_or_none.span
    message = f"kOps knows no kind {node_or_none.value!r}, but {known}"
    fix = None
    for kind in ("Cluster", "InstanceGroup", *other_kinds):
        if kind.lower() == str(node_or_none.value).lower():
            from calico_lint.fix import set_value

            fix = set_value(node_or_none, kind, safe=True)
    return _finding("U008", source, start, end, message, (), document, node_or_none.field, fix)


def template_finding(source: Source) -> Finding:
    """Y011 for a named file that is a template: what its YAML looks like before rendering is nobody's business."""
    return _finding("Y011", source, 0, 0, "the file is a template ({{ }} or ${ }): render it first, lint the result")


def not_kops_finding(source: Source) -> Finding:
    """Y006 for a named file without any kOps document."""
    holds = "is empty" if not source.text.strip() else "holds no kOps document"
    return _finding("Y006", source, 0, 0, f"the file {holds}: nothing in it has an apiVersion of the group kops.k8s.io")
