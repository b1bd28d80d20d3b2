"""What goes into the conversion of Calico v1 data, and what comes out of it.

Plain slotted classes: a cluster's store has a hundred thousand of them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# The stages at which calico-upgrade can object to an object, in the order in which it passes them. `gate` comes
# before all objects: the version, the Ready flag and what is left in the v3 store. `api` is calicoctl v2, not
# calico-upgrade: the resource that it printed could not have been in the store like this.
STAGES = ("gate", "api", "parse", "filter", "convert", "clash", "validate")

# The conversions that are known: calico/upgrade v1.0.5, which kOps runs, and the tip of calico-upgrade.
UPGRADES = ("v1.0.5", "master")


class V1Object:
    """One key of the etcd v2 store.

    `path` is the key: `/calico/v1/...`, `/calico/bgp/v1/...` or `/calico/ipam/v2/...`. `value` is the text that is
    stored there (a `str`, which for most keys is JSON and is decoded only when it is asked for), or the decoded JSON
    (anything else): a reader of a dump hands over the text as it is. `place` says where the object stands in
    the input; the conversion hands it on and never looks at it.
    """

    __slots__ = ("path", "place", "value")

    def __init__(self, path: str, value: Any, place: Any = None) -> None:
        self.path = path
        self.value = value
        self.place = place

    def __repr__(self) -> str:
        return f"V1Object({self.path!r}, {self.value!r})"


class Problem:
    """What is to be said about one object: of `Conversion.problems`, `.skipped` and `.changes`.

    `rule` is the id of its text (`D...`, calico_lint.rules.v1data), `stage` one of STAGES. `field` is the path of
    the value below the stored JSON (`inbound_rules[0].src_selector`), "" for the object as a whole;
    `objects.api_field` gives the same place in a resource that calicoctl v2 prints. `message` is the reason and
    `fix` the change that makes it pass, both one sentence without the object's name. `others` are the objects that
    it takes besides: the first holder of a clashing name. `v3` is the key of the converted resource
    (`Kind name` or `Kind namespace/name`), where there is one. `object` is None for what concerns the whole store.
    """

    __slots__ = ("field", "fix", "message", "object", "others", "rule", "stage", "v3")

    def __init__(
        self,
        rule: str,
        stage: str,
        object: V1Object | None,
        message: str,
        fix: str,
        *,
        field: str = "",
        others: tuple[V1Object, ...] = (),
        v3: str | None = None,
    ) -> None:
        self.rule = rule
        self.stage = stage
        self.object = object
        self.field = field
        self.message = message
        self.fix = fix
        self.others = others
        self.v3 = v3

    def __repr__(self) -> str:
        where = self.object.path if self.object else "store"
        return f"{self.rule} {self.stage} {where} {self.field}: {self.message}"


class Renamed:
    """A row of the table of names: the v1 key, and the v3 resource that it became.

    `v1_kind` and `v1_name` are as calicoctl v2 writes them (for kinds with several identifiers joined by "/").
    `namespace` is None for the kinds that have none.
    """

    __slots__ = ("kind", "name", "namespace", "object", "v1_kind", "v1_name")

    def __init__(
        self, object: V1Object, v1_kind: str, v1_name: str, kind: str, name: str, namespace: str | None = None
    ) -> None:
        self.object = object
        self.v1_kind = v1_kind
        self.v1_name = v1_name
        self.kind = kind
        self.name = name
        self.namespace = namespace


class Conversion:
    """What calico-upgrade makes of a v1 store.

    `resources` are the v3 resources, ready for `calicoctl apply`, in the order in which calico-upgrade writes them;
    `ipam` the IPAM objects as (v3 key, value), which it copies past the API. `names` is the table of names.
    `problems` stop calico-upgrade (it exits with 1 before it changes anything). `skipped` are the objects that it
    leaves out without an error, `changes` those that mean something else afterwards.
    The objects of a node whose name has a slash are among the resources although calico-upgrade does not find them
    (D014 in `skipped` says so): they can be applied by hand. `read` counts the keys of each kind of `keys.classify`.
    """

    __slots__ = ("changes", "ipam", "names", "problems", "read", "resources", "skipped", "upgrade")

    def __init__(self, upgrade: str) -> None:
        self.upgrade = upgrade
        self.resources: list[dict[str, Any]] = []
        self.ipam: list[tuple[str, Any]] = []
        self.names: list[Renamed] = []
        self.problems: list[Problem] = []
        self.skipped: list[Problem] = []
        self.changes: list[Problem] = []
        self.read: dict[str, int] = {}

    @property
    def ok(self) -> bool:
        """Whether calico-upgrade would go on to the migration."""
        return not self.problems

    @property
    def counts(self) -> dict[str, int]:
        """How many resources of each v3 kind are written."""
        counts: dict[str, int] = {}
        for resource in self.resources:
            counts[resource["kind"]] = counts.get(resource["kind"], 0) + 1
        return counts

    @property
    def ipam_counts(self) -> dict[str, int]:
        """How many IPAM objects are written: `blocks`, `affinities`, `handles`."""
        counts = {"blocks": 0, "affinities": 0, "handles": 0}
        for path, _ in self.ipam:
            counts[_IPAM_KINDS[path.split("/", 5)[4]]] += 1
        return counts

    def remarks(self) -> Iterator[Problem]:
        """Everything that there is to say: problems, then skipped objects, then changes of meaning."""
        yield from self.problems
        yield from self.skipped
        yield from self.changes


_IPAM_KINDS = {"assignment": "blocks", "host": "affinities", "handle": "handles"}


class InvalidResourceError(ValueError):
    """A document that is no v1 resource, or none that calicoctl v2 would have taken: `field` (API path) and reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field
        self.reason = reason
