"""What is said about v1 data: findings with their places, the `v1_data` section of reports, and the v3 files."""

from __future__ import annotations

from calico_lint.finding import DocumentRef, Finding, Range, Related
from calico_lint.v1data import api_field, is_clean
from calico_lint.v1data.gates import version_fault
from calico_lint.v1data.keys import classify
from calico_lint.v1data.sources import Place, finding, locate
from calico_lint.yaml_source import render_path, resolve_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from calico_lint.v1data import Conversion, Problem, V1Object
    from calico_lint.v1data.sources import Input, Reading

_MOST_RELATED = 10
# What calicoctl v2 calls a kind of keys; the others it does not know.
_TITLES = {
    "global peer": "bgpPeer", "node peer": "bgpPeer", "host endpoint": "hostEndpoint", "pool": "ipPool",
    "policy": "policy", "profile": "profile", "workload endpoint": "workloadEndpoint", "metadata": "node",
    "node bgp": "node", "orchestrators": "node", "host": "node",
}  # fmt: skip
_STARTED = "calico-node of v3 has started on this store already"


# --- findings -------------------------------------------------------------------------------------------


def findings_of(reading: Reading, conversion: Conversion) -> list[Finding]:
    """Everything that is to be said, in no particular order."""
    problems = [*_v3_problems(reading), *conversion.remarks()]
    wanted: dict[Input, list[str]] = {}
    for problem in problems:
        for object in (problem.object, *problem.others[:_MOST_RELATED]):
            if object is not None and isinstance(object.place, Place) and object.place.is_key:
                wanted.setdefault(object.place.file, []).append(object.path)
    places = {file: file.places_of(keys) for file, keys in wanted.items()}
    store = _store_of(reading)
    return [*reading.findings, *(_finding(problem, places, store) for problem in problems)]


def _v3_problems(reading: Reading) -> list[Problem]:
    """What is left in the v3 store, with what it says of itself and so with the right way out."""
    problems = is_clean(reading.v3_keys or ())
    information = reading.cluster_information
    for problem in problems:
        if information is None:
            continue
        version, ready = information.get("calicoVersion"), information.get("datastoreReady")
        if isinstance(version, str) and version and (fault := version_fault(version)) and "v3 already" in fault:
            problem.message += f", and its ClusterInformation says {version}: {_STARTED}"
            problem.fix = (
                "do not delete them: nothing is to be migrated into a store that Calico v3 uses"
                if ready is True
                else "do not delete them; if all nodes run v3 and pods wait for their network, run `calico-upgrade "
                "complete`"
            )
        elif isinstance(version, str) and version:
            problem.message += f", and its ClusterInformation says {version}: a migration was begun and not completed"
    return problems


def _store_of(reading: Reading) -> str:
    """How reports call what the whole data is about."""
    return next((file.path for file in reading.inputs if not file.report.skipped), "<v1 data>")


def _finding(problem: Problem, places: dict[Input, dict[str, Range]], store: str) -> Finding:
    object = problem.object
    if object is None:
        return finding(problem.rule, store, Range(1, 1, 1, 1), f"{problem.message}; {problem.fix}")
    path, range, document, field = _place(object, problem.field, places)
    title = f"{document.kind} {document.name}" if document.kind else object.path
    others = []
    for other in problem.others[:_MOST_RELATED]:
        other_path, other_range, ref, _ = _place(other, "", places)
        name = f"{ref.kind} {ref.name}" if ref.kind else other.path
        others.append(Related(other_path, other_range, f"{name} is concerned as well"))
    found = finding(problem.rule, path, range, f"{title}: {problem.message}; {problem.fix}", document, field)
    found.related = tuple(others)
    return found


def _place(
    object: V1Object, field: str, places: dict[Input, dict[str, Range]]
) -> tuple[str, Range, DocumentRef, str | None]:
    """Path, range, document and field of a value of an object."""
    place = object.place
    kind, name = title_of(object.path)
    if not isinstance(place, Place):
        return "<v1 data>", Range(1, 1, 1, 1), DocumentRef(0, kind, name), field
    file = place.file
    if file.form == "resources":
        range, field = locate(place, api_field(object.path, field))
        index = place.node.document.index if place.node is not None else place.index
        return file.path, range, DocumentRef(index, kind, name), field
    key = render_path((object.path,))
    full = f"{key}{'.' if field and not field.startswith('[') else ''}{field}"
    if place.node is not None:  # an entry of a YAML mapping
        range, _ = locate(place, field)
    else:
        range = places.get(file, {}).get(object.path) or Range(1, 1, 1, 1)
    return file.path, range, DocumentRef(0, kind, name), full


def title_of(path: str) -> tuple[str | None, str | None]:
    """(kind, name) of a key's resource as calicoctl v2 writes them; (None, None) for what it does not know."""
    kind, identifiers = classify(path)
    title = _TITLES.get(kind)
    if title is None:
        return None, None
    if title in ("node", "profile"):
        return title, identifiers[0]
    if kind == "global peer":
        return title, "/".join(("global", *identifiers))
    return title, "/".join(identifiers)


# --- the section of the reports -------------------------------------------------------------------------


def section(reading: Reading, conversion: Conversion, other: Conversion | None) -> dict[str, Any]:
    """`v1_data` of the JSON report. `other` is what the other conversion makes of the same data."""
    return {
        "calico_upgrade": conversion.upgrade,
        "migrates": conversion.ok and not reading.v3_keys,
        "whole_store": reading.whole_store,
        "sources": [
            {"path": file.path, "form": file.form, "objects": file.report.documents}
            for file in reading.inputs
            if not file.report.skipped
        ],
        "etcd_version": reading.etcd_version,
        "v3_store": None
        if reading.v3_keys is None
        else {"keys": len(reading.v3_keys), "cluster_information": reading.cluster_information},
        "read": conversion.read,
        "resources": conversion.counts,
        "ipam": conversion.ipam_counts,
        "names": [
            {
                "v1_kind": row.v1_kind,
                "v1_name": row.v1_name,
                "kind": row.kind,
                "namespace": row.namespace,
                "name": row.name,
            }
            for row in conversion.names
        ],
        "skipped": [
            {"rule": each.rule, "key": each.object.path, "reason": each.message}
            for each in conversion.skipped
            if each.object is not None
        ],
        "differences": None if other is None else [*differences(conversion, other)],
        "notes": reading.notes,
    }


def differences(one: Conversion, other: Conversion) -> Iterator[dict[str, Any]]:
    """What becomes of a resource differently in two conversions: the fields, or in which of the two it is missing."""
    mine, theirs = _by_name(one.resources), _by_name(other.resources)
    for key in sorted(mine.keys() | theirs.keys()):
        kind, namespace, name = key
        row = {"kind": kind, "namespace": namespace or None, "name": name}
        if key not in theirs or key not in mine:
            yield row | {"only_in": one.upgrade if key in mine else other.upgrade}
        elif mine[key] != theirs[key]:
            fields = [*_different(mine[key], theirs[key], ())]
            yield row | {"fields": [render_path(field) for field in fields]}
    if one.ipam_counts != other.ipam_counts:
        yield {"ipam": {one.upgrade: one.ipam_counts, other.upgrade: other.ipam_counts}}


def _by_name(resources: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {
        (each["kind"], each["metadata"].get("namespace") or "", each["metadata"].get("name") or ""): each
        for each in resources
    }


def _different(one: Any, other: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if key not in one or key not in other:
                yield (*path, key)
            else:
                yield from _different(one[key], other[key], (*path, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _different(left, right, (*path, index))
    elif one != other:
        yield path


def summary(data: dict[str, Any]) -> str:
    """The section in words, for the text report."""
    upgrade = data["calico_upgrade"]
    written = [f"{count} {kind}" for kind, count in data["resources"].items()]
    ipam = [f"{count} IPAM {kind}" for kind, count in data["ipam"].items() if count]
    converted = ", ".join(written + ipam) or "nothing"
    lines = []
    if data["migrates"]:
        lines.append(f"calico-upgrade {upgrade} would migrate this data: {converted}.")
    else:
        lines.append(f"calico-upgrade {upgrade} would stop at this data. What converts: {converted}.")
    lost = sum(row["rule"] == "D010" for row in data["skipped"])
    if lost:
        lines.append(f"{lost} object{' is' if lost == 1 else 's are'} left out without a word (D010).")
    named = [row for row in data["names"] if row["v1_kind"] in ("node", "policy", "profile")]
    renamed = sum(row["v1_name"] != row["name"] for row in named)
    if renamed:
        lines.append(
            f"{renamed} of {len(named)} nodes, policies and profiles get another name (--write-v3 FILE lists them)."
        )
    if not data["whole_store"]:
        lines.append(
            "These are resources as calicoctl prints them: the version, the settings of Felix and BGP and the IPAM "
            "data are missing (a dump of the store has all)."
        )
    lines += _differences_in_words(data)
    lines += [f"Note: {note}." for note in data["notes"]]
    return "".join(f"{line}\n" for line in lines)


_MEANING = {
    "GlobalNetworkPolicy": "the rules' selectors that v1.0.5 leaves at calico/k8s_ns match nothing in v3 (D070)",
    "Profile": "the rules' selectors that v1.0.5 leaves at calico/k8s_ns match nothing in v3 (D070)",
    "IPPool": "master writes the defaults of vxlanMode, blockSize and nodeSelector, which v3 also fills in by itself",
}


def _differences_in_words(data: dict[str, Any]) -> Iterator[str]:
    found = data["differences"]
    if found is None:
        return
    if not found:
        yield "calico-upgrade v1.0.5 and master make the same of it."
        return
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        kinds.setdefault(row.get("kind", "IPAM data"), []).append(row)
    yield "calico-upgrade v1.0.5 and master differ:"
    for kind, rows in kinds.items():
        if kind == "IPAM data":
            yield "  IPAM data: v1.0.5 leaves out block affinities without a value (D017)"
            continue
        fields = sorted({field.partition("[")[0] for row in rows for field in row.get("fields", ())})
        only = {row["only_in"] for row in rows if "only_in" in row}
        parts = ([", ".join(fields)] if fields else []) + [f"some only with {upgrade}" for upgrade in sorted(only)]
        meaning = f": {_MEANING[kind]}" if kind in _MEANING and fields else ""
        yield f"  {len(rows)} {kind} ({'; '.join(parts)}){meaning}"


# --- v3 files -------------------------------------------------------------------------------------------

_HEAD = """\
# What calico-upgrade {upgrade} makes of {sources}, for `calicoctl apply -f`.
# ClusterInformation and IPAM data are not here: calicoctl takes neither, calico-upgrade writes them itself.
"""


def v3_yaml(conversion: Conversion, sources: Iterable[str]) -> str:
    """The converted resources as YAML documents that calicoctl v3 reads as they are meant."""
    import yaml

    # The plain dumper of libyaml where there is one: ten times as fast.
    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    Dumper.add_representer(str, _text)
    shown = ", ".join(sources).encode("unicode_escape").decode()
    # It cannot be applied; calicoctl says that the operation is not supported.
    resources = [each for each in conversion.resources if each["kind"] != "ClusterInformation"]
    body: str = yaml.dump_all(
        resources, Dumper=Dumper, sort_keys=False, explicit_start=True, allow_unicode=True, width=10_000
    )
    # Comments above a first separator would be a document of their own, which calicoctl cannot read.
    return _HEAD.format(upgrade=conversion.upgrade, sources=shown) + body.removeprefix("---\n")


def _text(dumper: Any, text: str) -> Any:
    # PyYAML leaves what only Go takes for a number or a boolean (`y`, `0o17`, `1e3`) without quotes.
    style = '"' if not text or resolve_plain(text) is not text or text == "<<" else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text.encode("utf-8", "replace").decode(), style=style)


def names_tsv(conversion: Conversion) -> str:
    """The table of names, one resource a line, with a header; columns are separated by tabs."""
    lines = ["v1 kind\tv1 name\tv3 kind\tv3 namespace\tv3 name\n"]
    for row in conversion.names:
        cells = (row.v1_kind, row.v1_name, row.kind, row.namespace or "", row.name)
        lines.append("\t".join(_cell(cell) for cell in cells) + "\n")
    return "".join(lines)


def _cell(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()
