"""Where Calico v1 data comes from: files and folders, or a live etcd -> objects of the v1 store, each with its place.

A file is what `calicoctl get ... -o yaml|json` of v2 printed, or a dump of keys: an answer of etcd's v2 API, what
`etcdctl --output json` printed, lines of keys and values, or a YAML mapping of keys to values. JSON is read by the
standard library, which keeps nothing of where things stand: the places of what is reported are looked up afterwards.
"""

from __future__ import annotations

import gc
import json
import re

from calico_lint.files import read_files
from calico_lint.finding import DocumentRef, Finding, Range
from calico_lint.linter import FileReport
from calico_lint.v1data import InvalidResourceError, V1Object, etcd, from_api
from calico_lint.yaml_source import CollectionMark, Node, Source, render_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from calico_lint.files import File
    from calico_lint.patterns import Patterns
    from calico_lint.rules.core import Rule

    # Start and end offset, number of the document, and the way in it.
    Stretch: TypeAlias = tuple[int, int, int, tuple[int, ...]]
    Told: TypeAlias = Callable[[str, int, int], None]  # what is done, how much of it, of how much

MAX_BYTES = 2_000_000_000
# Above this no YAML is tried for what is no JSON: nobody has written it by hand, and it would take minutes.
_MAX_YAML = 5_000_000
# A dump on one line is no excerpt for anybody, and copying the line for each finding takes its time.
_MAX_LINE = 2_000
_WHOLE = ("", "/", "/calico", "/calico/v1")  # dumps of these hold the version and the Ready flag, if there are any
_V3_RESOURCES = "/calico/resources/"
_KINDS = frozenset(("bgppeer", "hostendpoint", "ippool", "node", "policy", "profile", "workloadendpoint"))
_NOTHING = (
    "the file holds no Calico v1 data: neither resources as calicoctl v2 prints them nor keys of etcd's v2 store; "
    "export them again, for example with `calicoctl get nodes -o yaml`"
)
_NO_VALUES = (
    "the file holds keys and none of their values, as `etcdctl ls` prints them; dump the values too: curl "
    "'http://HOST:2379/v2/keys/calico?recursive=true&quorum=true'"
)
_PATTERNS = {  # where the keys stand in a dump, by its form
    "nodes": r'"key"\s*:\s*"((?:[^"\\]|\\.)*)"',
    "mapping": r'"(/(?:[^"\\]|\\.)*)"\s*:',
    "lines": r"(?m)^(/\S+)",
}


class Place:
    """Where an object stands: a resource in a file (its node, or its stretch of the text), or a key of a dump.

    `start` and `end` are character offsets of a JSON document or member of a list, -1 without one; `outer` is the way
    in the document to that stretch, `prefix` the way in the stretch to the resource. `index` is the document's number.
    """

    __slots__ = ("end", "file", "index", "node", "outer", "prefix", "start")

    def __init__(
        self,
        file: Input,
        index: int = 0,
        *,
        node: Node | None = None,
        start: int = -1,
        end: int = -1,
        outer: tuple[int, ...] = (),
        prefix: tuple[str | int, ...] = (),
    ) -> None:
        self.file = file
        self.index = index
        self.node = node
        self.start = start
        self.end = end
        self.outer = outer
        self.prefix = prefix

    @property
    def is_key(self) -> bool:
        """Whether this is all of a dump, in which the object's key tells the place."""
        return self.node is None and self.start < 0


class _Uncommented(Source):
    """A text without comments, whatever its strings look like: JSON, or what etcd says."""

    __slots__ = ()

    def comments(self) -> list[tuple[int, str]]:
        """None."""
        return []


class Input:
    """A file or a store that was read: how reports call it, its text, and what came of it.

    `form` is `resources`, `nodes`, `mapping`, `lines`, `etcd`, or empty for what is no v1 data. `source` is the text,
    `shown` what reports show excerpts of and where comments are looked for: without text where there is none to show.
    """

    __slots__ = ("document", "form", "path", "report", "shown", "source")

    def __init__(self, path: str) -> None:
        self.path = path
        self.form = ""
        self.report = FileReport(path)
        self.source: Source = _Uncommented(path, b"", parse=False)
        self.shown: Source = self.source
        self.document: tuple[Place, Source] | None = None  # the last one that was read again for its places

    def places_of(self, wanted: Iterable[str]) -> dict[str, Range]:
        """Where keys stand in a dump, each where it is found first; in one pass, however many are asked for."""
        missing = set(wanted)
        found: dict[str, Range] = {}
        pattern = _PATTERNS.get(self.form)
        if not missing or pattern is None:
            return found
        for match in re.finditer(pattern, self.source.text):
            key = match[1] if "\\" not in match[1] or self.form == "lines" else _unquoted(match[1])
            if key not in missing:
                continue
            missing.remove(key)
            found[key] = self.source.range(*match.span(1))
            if not missing:
                break
        return found

    def root_of(self, place: Place) -> tuple[Node, int] | None:
        """The resource that stands at a place, and how far its text is from the file's beginning."""
        if place.node is not None:
            return place.node, 0
        if place.start < 0:
            return None
        if self.document is None or self.document[0] is not place:
            data = self.source.text[place.start : place.end].encode("utf-8", "surrogatepass")
            self.document = place, Source(self.path, data, MAX_BYTES)
        documents = self.document[1].documents
        node = documents[0].root.get(*place.prefix) if documents else None
        return None if node is None else (node, place.start)


class Reading:
    """What was read: the objects, and what is to be said about the files that they stand in.

    `whole_store` says that the objects are all of a store. `v3_keys` are the keys of the v3 store below /calico/, None
    where nobody could look; `cluster_information` what it says of itself. `etcd_version` is that of a live etcd.
    `notes` are for the user, on what was not read.
    """

    __slots__ = (
        "cluster_information", "etcd_version", "findings", "inputs", "notes", "objects", "v3_keys", "whole_store",
    )  # fmt: skip

    def __init__(self) -> None:
        self.objects: list[V1Object] = []
        self.inputs: list[Input] = []
        self.findings: list[Finding] = []
        self.whole_store = False
        self.v3_keys: list[str] | None = None
        self.cluster_information: dict[str, Any] | None = None
        self.etcd_version: str | None = None
        self.notes: list[str] = []


def read(
    paths: Sequence[str],
    unreadable: list[str],
    *,
    environment: Mapping[str, str] | None = None,
    certificates: Mapping[str, str | None] | None = None,
    v3_url: str | None = None,
    stdin_name: str = "<stdin>",
    exclude: Patterns | None = None,
    gitignore: bool = True,
    told: Told | None = None,
) -> Reading:
    """Read files, folders, standard input (`-`) and stores (`etcd://HOST:PORT`).

    What cannot be read is appended to `unreadable` as `path: reason`. `environment` and `certificates` (`ca`,
    `certificate`, `key`) say how to reach an etcd, `v3_url` where its v3 store is if not at the same address, or `none`
    to leave it alone. Never raises on content.
    """
    reading = Reading()
    told = told or _nobody
    enabled = gc.isenabled()
    gc.disable()  # there are hundreds of thousands of new objects, and no cycles among them
    try:
        for url in filter(etcd.is_url, paths):
            try:
                _read_etcd(reading, url, environment or {}, certificates or {}, v3_url, told)
            except etcd.EtcdError as error:
                unreadable.append(str(error))
        files = read_files(
            [path for path in paths if not etcd.is_url(path)],
            unreadable,
            stdin_name=stdin_name,
            max_bytes=MAX_BYTES,
            exclude=exclude,
            gitignore=gitignore,
        )
        for number, file in enumerate(files):
            told("files", number, 0)
            _FileReader(reading, file).read()
    finally:
        if enabled:
            gc.enable()
    return reading


def _nobody(what: str, done: int, total: int) -> None:
    pass


# --- a live etcd ----------------------------------------------------------------------------------------


def _read_etcd(
    reading: Reading,
    url: str,
    environment: Mapping[str, str],
    certificates: Mapping[str, str | None],
    v3_url: str | None,
    told: Told,
) -> None:
    access = etcd.access_v1(url, environment, **certificates)
    origin = Input(access.name)
    origin.form = "etcd"
    with etcd.Etcd(access) as client:
        reading.etcd_version = client.version()
        pairs = etcd.keys(client, lambda done, total: told("etcd", done, total))
        objects = _objects(pairs, Place(origin))
    reading.inputs.append(origin)
    reading.objects += objects
    origin.report.documents = len(objects)
    reading.whole_store = True
    if v3_url != "none":
        _read_v3(reading, etcd.access_v3(v3_url, access, environment, **certificates))


def _read_v3(reading: Reading, access: etcd.Access) -> None:
    try:
        with etcd.Etcd(access) as client:
            keys = client.v3_keys()
            if keys is None:
                reading.notes.append(
                    f"{access.name} serves no JSON gateway to the v3 store: that it is clean was not checked"
                )
                return
            reading.v3_keys = (reading.v3_keys or []) + keys
            if etcd.CLUSTER_INFORMATION.decode() in keys:
                _cluster_information(reading, client.v3_value(etcd.CLUSTER_INFORMATION))
    except etcd.EtcdError as error:
        reading.notes.append(f"{error}; that the v3 store is clean was not checked")


def _cluster_information(reading: Reading, value: bytes | None) -> None:
    try:
        found = json.loads(value or b"")
    except (ValueError, RecursionError):
        return
    spec = found.get("spec") if isinstance(found, dict) else None
    reading.cluster_information = spec if isinstance(spec, dict) else None


def _objects(pairs: Iterable[tuple[str, str | None]], place: Place) -> list[V1Object]:
    """Objects of keys with their values. Of empty directories only those of nodes mean something."""
    found: list[V1Object] = []
    hosts: set[str] = set()
    for key, value in pairs:
        if value is not None:
            found.append(V1Object(key, value, place))
        elif key.startswith("/calico/v1/host/"):
            hosts.add("/".join(key.split("/", 5)[:5]))
    found += [V1Object(host, None, place) for host in sorted(hosts)]
    return found


# --- a file ---------------------------------------------------------------------------------------------


class _FileReader:
    """Reads one file into a `Reading`."""

    __slots__ = ("count", "file", "input", "objects", "reading", "recognised", "told")

    def __init__(self, reading: Reading, file: File) -> None:
        self.reading = reading
        self.file = file
        self.input = Input(file.path)
        self.objects: list[V1Object] = []
        self.told: list[Finding] = []
        self.count = 0  # resources and keys
        self.recognised = False

    def read(self) -> None:
        """Read the file; what it holds that is none of ours is a finding, or a reason to skip it."""
        reading, report = self.reading, self.input.report
        source: Source = _Uncommented(self.file.path, self.file.data, MAX_BYTES, parse=False)
        if source.problems:  # not UTF-8, or too big
            self._yaml_problems(source)
        else:
            self.input.source = source
            self._text(source.text)
        if not self.recognised and not self.told:
            self.say("D036", None, _NOTHING)
        if not self.recognised and not self.file.named:
            report.skipped = "no Calico v1 data"
            self.told = []
        report.documents = self.count
        reading.inputs.append(self.input)
        reading.objects += self.objects
        reading.findings += self.told

    def _text(self, text: str) -> None:
        start = re.match(r"\s*", text)
        first = text[start.end() : start.end() + 1] if start else ""
        if first in ("{", "["):
            if self._json():
                self._excerpts()
                return
        elif re.match(r"(?:[ \t]*(?:#[^\n]*)?\n)*/[^\s:]\S*(?:[ \t][^\n]*)?(?:\r?\n|\Z)", text) and not _is_mapping(
            text
        ):
            self._lines()
            self._excerpts()
            return
        if len(text) > _MAX_YAML and first in ("{", "["):
            self._broken_json()
            return
        source = Source(self.file.path, self.file.data, MAX_BYTES)
        self.input.source = self.input.shown = source
        self._yaml(source)

    def _excerpts(self) -> None:
        text = self.input.source.text
        if text.count("\n") * _MAX_LINE >= len(text):
            self.input.shown = self.input.source

    # --- JSON

    def _json(self) -> bool:
        """Read the file as JSON documents; False, and nothing is read, if it is none."""
        try:
            documents = list(_json_documents(self.input.source.text))
        except (ValueError, RecursionError):
            return False
        for value, stretch in documents:
            self._json_value(value, stretch, ())
        return True

    def _broken_json(self) -> None:
        try:
            for _ in _json_documents(self.input.source.text):
                pass
        except json.JSONDecodeError as error:
            place = self.input.source.range(error.pos, error.pos)
            self.say("Y001", place, f"this is no JSON: {error.msg}; write the file again, it may be cut off")
        except (ValueError, RecursionError) as error:
            self.say("Y001", None, f"this is no JSON that can be read: {error}")

    def _json_value(self, value: Any, stretch: Stretch, prefix: tuple[str | int, ...]) -> None:
        if isinstance(value, dict):
            if self._dump(value, Place(self.input)):
                return
            items = value.get("items")
            if isinstance(items, list) and str(value.get("kind", "")).endswith("List"):
                for index, item in enumerate(items):
                    self._json_value(item, stretch, (*prefix, "items", index))
                return
        elif isinstance(value, list) and len(prefix) < 3:
            for index, item in enumerate(value):
                self._json_value(item, stretch, (*prefix, index))
            return
        start, end, index, outer = stretch
        self._resource(value, Place(self.input, index, start=start, end=end, outer=outer, prefix=prefix))

    def _dump(self, value: dict[Any, Any], place: Place) -> bool:
        """Take the answer of an etcd, or a mapping of keys to values; False if it is none."""
        if isinstance(value.get("node"), dict):
            self._nodes(value["node"], place)
        elif isinstance(value.get("kvs"), list) or ("header" in value and "count" in value):
            self._v3(value.get("kvs") or [])
        elif isinstance(value.get("errorCode"), int):
            self.recognised = True
            reason = f"{value.get('message', 'an error')} ({value.get('cause', '')})"
            self.say("D036", None, f"this is an error that etcd has answered: {reason}; dump the store again")
        elif value and all(isinstance(key, str) and key.startswith("/") for key in value):
            self._mapping(value, place)
        else:
            return False
        return True

    def _nodes(self, node: dict[str, Any], place: Place) -> None:
        self.input.form = "nodes"
        self.recognised = True
        damaged = 0

        def pairs() -> Iterator[tuple[str, str | None]]:
            nonlocal damaged
            for key, value in etcd.leaves(node):
                if key or value is not None:
                    yield key, value
                else:
                    damaged += 1

        self._take(_objects(pairs(), place))
        if node.get("key", "") in _WHOLE:
            self.reading.whole_store = True
        if damaged:
            self.say("D036", None, f"{damaged} nodes of the dump have no text as key or as value; dump the store again")

    def _v3(self, entries: list[Any]) -> None:
        from base64 import b64decode

        self.recognised = True
        keys = self.reading.v3_keys = self.reading.v3_keys or []
        for entry in entries:
            try:
                key = b64decode(entry["key"])
                keys.append(key.decode("utf-8", "replace"))
                if key == etcd.CLUSTER_INFORMATION:
                    _cluster_information(self.reading, b64decode(entry["value"]))
            except (LookupError, TypeError, ValueError):
                continue
        self.count += len(entries)

    def _mapping(self, value: dict[str, Any], place: Place) -> None:
        self.input.form = "mapping"
        self.recognised = True
        self._take([V1Object(key, item, place) for key, item in value.items() if key.startswith("/calico/")])
        self.reading.whole_store = True

    def _take(self, objects: list[V1Object]) -> None:
        """Take the objects of a dump; what is of v3 in it goes elsewhere."""
        v3 = [object.path for object in objects if object.path.startswith(_V3_RESOURCES)]
        if v3:
            self.reading.v3_keys = (self.reading.v3_keys or []) + v3
            objects = [object for object in objects if not object.path.startswith(_V3_RESOURCES)]
        self.objects += objects
        self.count += len(objects) + len(v3)

    # --- lines of keys and values

    def _lines(self) -> None:
        """A key at the beginning of a line, and its value behind it or on the lines that follow."""
        self.input.form = "lines"
        self.recognised = True
        pairs: list[tuple[str, str]] = []
        key: str | None = None
        value: list[str] = []
        for line in [*self.input.source.text.split("\n"), "/"]:
            line = line.removesuffix("\r")
            if line.startswith("/calico/") or line == "/":
                if key is not None and not key.endswith("/"):
                    while value and not value[-1]:
                        value.pop()
                    pairs.append((key, "\n".join(value)))
                key, _, rest = line.partition("\t" if "\t" in line.partition(" ")[0] else " ")
                value = [rest.strip(" \t")] if rest.strip(" \t") else []
            elif key is not None:
                value.append(line)
        place = Place(self.input)
        if len(pairs) > 1 and not any(value for _, value in pairs):
            self.say("D036", None, _NO_VALUES)
            self.count += len(pairs)
            return
        self._take([V1Object(key, value, place) for key, value in pairs])
        self.reading.whole_store = True

    # --- YAML

    def _yaml(self, source: Source) -> None:
        self._yaml_problems(source)
        for document in source.documents:
            self._yaml_node(document.root)

    def _yaml_node(self, node: Node) -> None:
        value = node.value
        if isinstance(value, list) and len(node.path) < 3:
            for item in node:
                self._yaml_node(item)
            return
        if isinstance(value, dict):
            items = node.get("items")
            if items is not None and isinstance(items.value, list) and str(value.get("kind", "")).endswith("List"):
                for item in items:
                    self._yaml_node(item)
                return
            if value and all(isinstance(key, str) and key.startswith("/") for key in value):
                self.input.form = "mapping"
                self.recognised = True
                objects = [
                    V1Object(key, item, Place(self.input, self.count, node=node[key]))
                    for key, item in value.items()
                    if key.startswith("/calico/")
                ]
                self._take(objects)
                self.reading.whole_store = True
                return
            if self._dump(value, Place(self.input)):
                return
        if value is not None:
            self._resource(value, Place(self.input, self.count, node=node))

    def _yaml_problems(self, source: Source) -> None:
        from calico_lint.rules import documents

        for finding in documents.yaml_findings(source):
            if finding.rule == "Y004":
                continue  # an empty document hurts nobody here
            finding.fix = None
            finding.message = finding.message.replace("kOps specs are", "the data is").replace("kOps", "calico-lint")
            self.told.append(finding)

    # --- resources

    def _resource(self, value: Any, place: Place) -> None:
        self.input.form = self.input.form or "resources"
        kind = value.get("kind") if isinstance(value, dict) else None
        known = isinstance(kind, str) and kind.lower() in _KINDS
        version = value.get("apiVersion") if isinstance(value, dict) else None
        if known and version == "v1" and str(kind).lower() != "node":
            self.recognised = True
        try:
            objects = from_api(value, place)
        except InvalidResourceError as error:
            self._invalid(value, place, error)
            return
        # Kubernetes has nodes as well, also of version v1: they have a status.
        if known and "status" not in value:
            self.recognised = True
            self.count += 1
            self.objects += objects
            return
        self._invalid(
            value, place, InvalidResourceError("status", "is nothing of Calico v1: this is a Kubernetes node")
        )

    def _invalid(self, value: Any, place: Place, error: InvalidResourceError) -> None:
        version = value.get("apiVersion") if isinstance(value, dict) else None
        reason = error.reason
        if isinstance(version, str) and version.startswith("kops"):
            reason = "this is a kOps spec; lint it in a run of its own, without --v1-data"
        range, field = locate(place, error.field)
        document = document_of(value, place)
        name = f"{document.kind} {document.name}: " if document.kind and document.name else ""
        subject = f"{error.field} " if error.field and reason is error.reason else ""
        self.say("D036", range, f"{name}{subject}{reason}", document=document, field=field)

    def say(
        self,
        rule: str,
        range: Range | None,
        message: str,
        *,
        document: DocumentRef | None = None,
        field: str | None = None,
    ) -> None:
        """A finding about the file."""
        self.told.append(finding(rule, self.input.path, range or Range(1, 1, 1, 1), message, document, field))


def finding(
    rule_id: str,
    path: str,
    range: Range,
    message: str,
    document: DocumentRef | None = None,
    field: str | None = None,
) -> Finding:
    """A finding of a rule that has no check of its own."""
    from calico_lint import rules

    topic = "v1data" if rule_id.startswith("D") else "documents"
    rule: Rule = next(rule for rule in rules.load(topic).RULES if rule.id == rule_id)
    return rule.finding(path, range, message, document=document, field=field)


def locate(place: Place, field: str) -> tuple[Range, str]:
    """Where a field of a resource stands (if it is missing: what should hold it), and how it is called there."""
    found = place.file.root_of(place)
    if found is None:
        return Range(1, 1, 1, 1), field
    node, offset = found
    if not field and node.get("metadata") is not None:
        field = "metadata.name" if node.get("metadata", "name") is not None else "metadata"
    full = render_path((*place.outer, *node.document.prefix, *node.path))
    full = f"{full}.{field}" if full and field and not field.startswith("[") else full + field
    missing = False
    for step in _steps(field):
        below = node.get(step)
        if below is None:
            missing = True
            break
        node = below
    on_key = missing and isinstance(node.entry[4], CollectionMark) and node.entry[0] >= 0
    return _shifted(place, node.key_range if on_key else node.range, offset), full


def _shifted(place: Place, range: Range, offset: int) -> Range:
    """A range in the stretch of a document as one in the file."""
    if place.node is not None or place.start <= 0:
        return range
    line, column = place.file.source.position(offset)
    return Range(
        range.line + line - 1,
        range.column + (column - 1 if range.line == 1 else 0),
        range.end_line + line - 1,
        range.end_column + (column - 1 if range.end_line == 1 else 0),
    )


def document_of(value: Any, place: Place) -> DocumentRef:
    """The identity of a resource that calicoctl has printed."""
    kind = value.get("kind") if isinstance(value, dict) else None
    metadata = value.get("metadata") if isinstance(value, dict) else None
    name = None
    if isinstance(metadata, dict):
        name = metadata.get("name") or metadata.get("cidr") or metadata.get("peerIP")
    index = place.node.document.index if place.node is not None else place.index
    return DocumentRef(index, kind if isinstance(kind, str) else None, name if isinstance(name, str) else None)


def _steps(field: str) -> list[str | int]:
    """`spec.ingress[0].source` as steps."""
    steps: list[str | int] = []
    for match in re.finditer(r'\[(\d{1,9})\]|\["((?:[^"\\]|\\.)*)"\]|([^.\[\]]+)', field):
        number, quoted, plain = match.groups()
        steps.append(int(number) if number else plain if plain is not None else _unquoted(quoted))
    return steps


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


def _is_mapping(text: str) -> bool:
    """Whether the first line is an entry of a YAML mapping, `/calico/v1/Ready: "true"`, and not a key and a value."""
    return re.match(r"(?:[ \t]*(?:#[^\n]*)?\n)*/\S*:[ \t]*(?:[ \t]\S[^\n]*)?(?:\r?\n|\Z)", text) is not None


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _json_documents(text: str) -> Iterator[tuple[Any, Stretch]]:
    """The JSON documents of a text, one after the other, of a list its members; each with its stretch of the text.

    Raises ValueError (JSONDecodeError with the place) and RecursionError.
    """
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    blank = re.compile(r"[ \t\r\n]*")

    def skip(at: int) -> int:
        match = blank.match(text, at)
        return match.end() if match else at

    at = skip(0)
    number = 0
    while at < len(text):
        if text[at] != "[":
            value, end = decoder.raw_decode(text, at)
            yield value, (at, end, number, ())
            at = skip(end)
        else:
            at = skip(at + 1)
            mark = text[at : at + 1]
            if mark == "]":
                at = skip(at + 1)
            member = 0
            while mark != "]":
                value, end = decoder.raw_decode(text, at)
                yield value, (at, end, number, (member,))
                member += 1
                at = skip(end)
                mark = text[at : at + 1]
                if mark not in (",", "]"):
                    raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
                at = skip(at + 1)
        number += 1


__all__ = ["Input", "Place", "Reading", "document_of", "finding", "locate", "read"]
