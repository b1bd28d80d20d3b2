"""The conversion as a whole: which objects calico-upgrade finds, and what comes of each.

The order is its own: configuration, nodes, BGP peers, host endpoints, IP pools, policies, profiles, workload
endpoints, then IPAM; within each the order of the keys. Each list is read, filtered, converted, checked for clashing
names and validated, and everything is looked at even if something fails, so that one run reports all.

Source: libcalico-go lib/upgrade/migrator/migrate.go (queryAndConvertResources)@9047dcb0.
"""

from __future__ import annotations

from calico_lint.v1data import decode, gates, ipam, resources, settings
from calico_lint.v1data.decode import UnparsableError
from calico_lint.v1data.keys import classify
from calico_lint.v1data.names import node_name
from calico_lint.v1data.objects import UPGRADES, Conversion, Problem, Renamed, V1Object
from calico_lint.v1data.resources import V1_NAMESPACE, ConversionError
from calico_lint.v1data.validate import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Resource = dict[str, Any]
    Item = tuple[V1Object, tuple[str, ...]]
    # Of a field: the object that has it, and the field there.
    Locate = Callable[[str], tuple[V1Object, str]]

_DECODERS = {
    "global peer": decode.bgp_peer,
    "node peer": decode.bgp_peer,
    "host endpoint": decode.host_endpoint,
    "pool": decode.ip_pool,
    "policy": decode.policy,
    "workload endpoint": decode.workload_endpoint,
    "block": decode.block,
    "affinity": decode.block_affinity,
    "handle": decode.handle,
}
# The v1 kind as calicoctl v2 writes it, and the identifiers that are its name.
_V1_KINDS = {
    "global peer": "bgpPeer",
    "node peer": "bgpPeer",
    "host endpoint": "hostEndpoint",
    "pool": "ipPool",
    "policy": "policy",
    "workload endpoint": "workloadEndpoint",
}
# The kinds whose key has a node's name first.
_OF_NODE = frozenset(
    ("workload endpoint", "host endpoint", "host config", "metadata", "orchestrators", "node peer", "node bgp")
)


def convert(objects: Iterable[V1Object], upgrade: str, *, whole_store: bool, keep: bool) -> Conversion:
    """See `calico_lint.v1data.convert`."""
    if upgrade not in UPGRADES:
        raise ValueError(f"unknown conversion {upgrade!r}: one of {', '.join(UPGRADES)}")
    run = _Run(Conversion(upgrade), whole_store, keep)
    # A big store makes millions of small objects, none of them in a cycle. Searching for one takes a third of the time.
    import gc

    collects = gc.isenabled()
    gc.disable()
    try:
        run.sort(objects)
        run.gates()
        run.felix()
        run.bgp()
        run.nodes()
        for kind in ("global peer", "node peer", "host endpoint", "pool", "policy"):
            run.each(kind)
        run.profiles()
        run.each("workload endpoint")
        run.ipam()
        run.left_out()
    finally:
        if collects:
            gc.enable()
    return run.conversion


def convert_resource(objects: Iterable[V1Object], upgrade: str) -> Resource:
    """The v3 resource that the keys of one v1 resource become, without filter, clash check and validation.

    Raises ConversionError where calico-upgrade cannot convert it, UnparsableError where it cannot read it, and
    ValueError where the keys are not those of one resource.
    """
    run = _Run(Conversion(upgrade), whole_store=False, keep=True)
    run.sort(objects)
    for kind, items in run.found.items():
        if kind in ("metadata", "node bgp", "orchestrators"):
            hosts = {identifiers[0] for _, identifiers in items}
            host = hosts.pop()
            return resources.node(host, run.node_value(host, run.node_parts().get(host, {})))
        if kind == "profile":
            name = items[0][1][0]
            return resources.profile(name, run.profile_value({part: one for one, (_, part) in items}), upgrade)
        if kind in _V1_KINDS:
            object, identifiers = items[0]
            return converted(kind, identifiers, _DECODERS[kind](stored(object)), upgrade)
    raise ValueError("no key of a resource")


def converted(kind: str, identifiers: tuple[str, ...], value: dict[str, Any], upgrade: str) -> Resource:
    """The v3 resource of a kind that is stored under one key."""
    if kind == "workload endpoint":
        host, orchestrator, workload, endpoint = identifiers
        return resources.workload_endpoint(host, orchestrator, workload, endpoint, value)
    if kind == "policy":
        return resources.policy(identifiers[0], value, upgrade)
    if kind == "host endpoint":
        host, endpoint = identifiers
        return resources.host_endpoint(host, endpoint, value)
    if kind == "pool":
        return resources.ip_pool(value, upgrade)
    return resources.bgp_peer(identifiers[0] if kind == "node peer" else None, value)


def stored(object: V1Object) -> Any:
    """The decoded JSON of an object. Raises UnparsableError."""
    value = object.value
    return decode.json_value(value) if isinstance(value, str) else value


def text_of(object: V1Object) -> str:
    """The text of an object whose value is no JSON: a parameter, a version, an address."""
    value = object.value
    if isinstance(value, str):
        return value
    from json import dumps

    return "" if value is None else dumps(value)


class _Run:
    __slots__ = ("_hosts", "_with_slash", "conversion", "found", "keep", "upgrade", "whole_store")

    def __init__(self, conversion: Conversion, whole_store: bool, keep: bool) -> None:
        self.conversion = conversion
        self.upgrade = conversion.upgrade
        self.whole_store = whole_store
        self.keep = keep
        self.found: dict[str, list[Item]] = {}
        # Node -> the first key below its directory.
        self._hosts: dict[str, V1Object] = {}
        self._with_slash: dict[str, list[V1Object]] = {}

    def sort(self, objects: Iterable[V1Object]) -> None:
        """Put each object to its kind, in the order in which etcd lists them. Of one key the last value counts."""
        # With 0 in place of the slashes, keys sort as directories do.
        ordered = sorted(objects, key=lambda object: object.path.replace("/", "\0"))
        found = self.found
        for index, object in enumerate(ordered):
            if index + 1 < len(ordered) and ordered[index + 1].path == object.path:
                continue
            kind, identifiers = classify(object.path)
            if kind == "none":
                continue
            if kind in _OF_NODE:
                host = identifiers[0]
                if "/" in host:
                    self._with_slash.setdefault(host, []).append(object)
                if kind not in ("node peer", "node bgp"):
                    self._hosts.setdefault(host, object)
            elif kind == "host":
                self._hosts.setdefault(identifiers[0], object)
            found.setdefault(kind, []).append((object, identifiers))
        self.conversion.read = {kind: len(items) for kind, items in found.items()}

    def problem(self, rule: str, stage: str, object: V1Object | None, message: str, fix: str, **more: Any) -> None:
        self.conversion.problems.append(Problem(rule, stage, object, message, fix, **more))

    def skip(self, rule: str, stage: str, object: V1Object, message: str, fix: str, **more: Any) -> None:
        self.conversion.skipped.append(Problem(rule, stage, object, message, fix, **more))

    def change(self, rule: str, object: V1Object, message: str, fix: str, **more: Any) -> None:
        self.conversion.changes.append(Problem(rule, "convert", object, message, fix, **more))

    def keep_resource(self, resource: Resource) -> None:
        if not self.keep:
            resource = {"kind": resource["kind"], "metadata": {"name": resource["metadata"]["name"]}}
        self.conversion.resources.append(resource)

    def unparsable(self, object: V1Object, error: UnparsableError) -> None:
        self.skip(
            "D010",
            "parse",
            object,
            f"calico-upgrade cannot read the value and leaves it out without a word: {error.reason}",
            "correct the value, or delete the key if nothing needs it",
            field=error.field,
        )

    def gates(self) -> None:
        """The version and the Ready flag."""
        version = next((object for object, (name, *_) in self.found.get("config", ()) if name == "CalicoVersion"), None)
        ready = next((object for object, _ in self.found.get("ready", ())), None)
        for object, ask in ((version, gates.version_problem), (ready, gates.ready_problem)):
            if object is not None or self.whole_store:
                problem = ask(object, None if object is None else text_of(object))
                if problem:
                    self.conversion.problems.append(problem)

    def felix(self) -> None:
        """FelixConfiguration of the cluster, ClusterInformation, then FelixConfiguration of each node."""
        parameters = {identifiers[0]: object for object, identifiers in self.found.get("config", ())}
        self._felix_configuration("default", parameters)
        spec: dict[str, Any] = {
            field: text_of(parameters[name]) for name, field in settings.CLUSTER.items() if name in parameters
        }
        if spec:
            spec = {field: text for field, text in spec.items() if text} | {"datastoreReady": False}
            self.keep_resource(resources.resource("ClusterInformation", {"name": "default"}, spec))
        by_node: dict[str, dict[str, V1Object]] = {}
        hosts: dict[str, dict[str, V1Object]] = {}
        for object, (host, name) in self.found.get("host config", ()):
            by_node.setdefault(node_name(host), {})[name] = object
            hosts.setdefault(node_name(host), {}).setdefault(host, object)
        for node in sorted(by_node):
            if len(hosts[node]) > 1:
                first, *rest = hosts[node].values()
                self.change(
                    "D074",
                    rest[-1],
                    f"the Felix configurations of the nodes {', '.join(sorted(hosts[node]))} are merged into one, "
                    f"node.{node}, and of each parameter the last node's value wins",
                    "delete the configuration of the nodes that are gone",
                    others=(first, *rest[:-1]),
                    v3=f"FelixConfiguration node.{node}",
                )
            self._felix_configuration(f"node.{node}", by_node[node])

    def _felix_configuration(self, name: str, parameters: dict[str, V1Object]) -> None:
        spec: dict[str, Any] = {}
        is_set = False
        v3 = f"FelixConfiguration {name}"
        for parameter, object in parameters.items():
            known = settings.felix_field(parameter, self.upgrade)
            if known is None:
                if parameter not in settings.CLUSTER and parameter != "IpInIpTunnelAddr":
                    self.skip(
                        "D015",
                        "convert",
                        object,
                        f"v3 has no field for the Felix parameter {parameter}, which is not migrated",
                        "check that the parameter is not needed, or set its successor in v3 after the migration",
                    )
                continue
            field, kind = known
            text = text_of(object)
            try:
                value = settings.felix_value(text, kind)
            except UnparsableError as error:
                fix = (
                    "delete the key, and set the field in v3 after the migration"
                    if kind == "unhandled"
                    else f"correct the value of {parameter}, or delete the key, which gives Felix its default"
                )
                self.problem("D034", "convert", object, error.reason, fix, v3=v3)
                continue
            is_set = True
            if value != "" or kind == "text?":
                spec[field] = value
            if kind == "level":
                self._log_level(object, text, v3)
        if is_set:
            self.keep_resource(resources.resource("FelixConfiguration", {"name": name}, spec))

    def _log_level(self, object: V1Object, text: str, v3: str) -> None:
        if text.lower() not in settings.LOG_LEVELS:
            self.change(
                "D072",
                object,
                f"the log level {text!r} becomes Info, because v3 has none of that name",
                "set it to debug, info, warning, error or fatal if Info is not meant",
                v3=v3,
            )

    def bgp(self) -> None:
        """BGPConfiguration of the cluster."""
        values = {identifiers[0]: object for object, identifiers in self.found.get("bgp config", ())}
        spec: dict[str, Any] = {}
        v3 = "BGPConfiguration default"
        object = values.get("loglevel")
        if object is not None and text_of(object):
            spec["logSeverityScreen"] = settings.LOG_LEVELS.get(text_of(object).lower(), "Info")
            self._log_level(object, text_of(object), v3)
        object = values.get("node_mesh")
        if object is not None:
            try:
                spec["nodeToNodeMeshEnabled"] = settings.mesh_enabled(text_of(object))
            except UnparsableError as error:
                spec["nodeToNodeMeshEnabled"] = False
                self.change(
                    "D073",
                    object,
                    f"calico-upgrade cannot read the setting of the node-to-node mesh ({error.reason}) and turns the "
                    "mesh off in v3",
                    'store {"enabled": true} or {"enabled": false}',
                    v3=v3,
                )
        object = values.get("as_num")
        if object is not None and text_of(object):
            number = settings.default_as_number(text_of(object))
            if number is None:
                self.problem(
                    "D035",
                    "convert",
                    object,
                    f"the default AS number {text_of(object)!r} is none, and calico-upgrade gives up at it without "
                    "looking at anything that follows",
                    "set it to a number up to 4294967295, plain or dotted",
                    v3=v3,
                )
                return
            spec["asNumber"] = number
        if spec:
            self.keep_resource(resources.resource("BGPConfiguration", {"name": "default"}, spec))

    def node_parts(self) -> dict[str, dict[str, V1Object]]:
        """Node -> the keys that it consists of besides its directory, by name."""
        parts: dict[str, dict[str, V1Object]] = {}
        for object, (host, name) in self.found.get("node bgp", ()):
            parts.setdefault(host, {})[name] = object
        for kind in ("metadata", "orchestrators"):
            for object, (host,) in self.found.get(kind, ()):
                parts.setdefault(host, {})[kind] = object
        return parts

    def node_value(self, host: str, parts: dict[str, V1Object]) -> dict[str, Any]:
        """What `resources.node` takes. What cannot be read is left out and said."""
        from calico_lint.v1data.addresses import parse_cidr, parse_ip

        value: dict[str, Any] = {}
        for name, key, read in (
            ("ip_addr_v4", "ipv4", parse_ip),
            ("network_v4", "net4", parse_cidr),
            ("ip_addr_v6", "ipv6", parse_ip),
            ("network_v6", "net6", parse_cidr),
            ("as_num", "as_number", decode.as_number),
        ):
            object = parts.get(name)
            if object is not None and text_of(object):
                value[key] = read(text_of(object))
                if value[key] is None:
                    self._lost_from_node(object, f"{name} {text_of(object)!r}")
        object = parts.get("orchestrators")
        if object is not None:
            try:
                value["refs"] = decode.orchestrator_refs(stored(object))
            except UnparsableError as error:
                self._lost_from_node(object, f"the orchestrator references ({error.reason})")
        return value

    def _lost_from_node(self, object: V1Object, what: str) -> None:
        self.skip(
            "D011",
            "parse",
            object,
            f"calico-upgrade cannot read {what} and leaves it out of the node, with no more than a line in its log",
            "correct the value",
        )

    def nodes(self) -> None:
        """Node: each directory below /calico/v1/host is one."""
        parts = self.node_parts()
        hosts = self._hosts if self.whole_store else {host for host in self._hosts if "metadata" in parts.get(host, {})}
        names: dict[str, V1Object] = {}
        by_name: dict[str, Resource] = {}
        for host in sorted(hosts):
            own = parts.get(host, {})
            object = own.get("metadata") or self._hosts[host]
            value = self.node_value(host, own)

            def locate(field: str, own: dict[str, V1Object] = own, object: V1Object = object) -> tuple[V1Object, str]:
                return own.get(field) or object, ""

            resource = self._take(object, names, "node", host, resources.node(host, value), locate)
            if resource is not None:
                by_name[resource["metadata"]["name"]] = resource
                if value.get("as_number") is not None and "bgp" not in resource["spec"]:
                    self.change(
                        "D076",
                        own["as_num"],
                        "the node has an AS number and no address that can be read, and v3 keeps neither",
                        "set the node's addresses, or delete the key if the node is gone",
                        v3=f"Node {resource['metadata']['name']}",
                    )
        for object, (host, name) in self.found.get("host config", ()):
            if name == "IpInIpTunnelAddr" and text_of(object):
                resource = by_name.get(node_name(host))
                if resource is not None and "bgp" in resource["spec"]:
                    resource["spec"]["bgp"]["ipv4IPIPTunnelAddr"] = text_of(object)

    def each(self, kind: str) -> None:
        """The kinds that are stored under one key each."""
        names: dict[str, V1Object] = {}
        decoder, v1_kind = _DECODERS[kind], _V1_KINDS[kind]
        upgrade = self.upgrade
        for object, identifiers in self.found.get(kind, ()):
            if kind == "pool" and ipam.network_of(identifiers[0]) is None:
                self._bad_network_key(object, "v1.0.5" if upgrade == "v1.0.5" else None)
                continue
            try:
                value = decoder(stored(object))
            except UnparsableError as error:
                self.unparsable(object, error)
                continue
            if self._filtered(kind, object, identifiers):
                continue
            try:
                resource = converted(kind, identifiers, value, upgrade)
            except ConversionError as failure:
                self.problem(failure.rule, "convert", object, failure.message, failure.fix, field=failure.field)
                continue
            name = "/".join(("global", *identifiers)) if kind == "global peer" else "/".join(identifiers)
            self._take(object, names, v1_kind, name, resource, None)
            if kind == "policy":
                self._rule_changes(object, value)
            elif kind == "host endpoint" and V1_NAMESPACE in (value.get("labels") or ()):
                self._kept_label(object, "labels")

    def profiles(self) -> None:
        """Profiles, of three keys each."""
        by_name: dict[str, dict[str, V1Object]] = {}
        for object, (name, part) in self.found.get("profile", ()):
            by_name.setdefault(name, {})[part] = object
        names: dict[str, V1Object] = {}
        for name in sorted(by_name):
            parts = by_name[name]
            object = next(iter(parts.values()))
            value: dict[str, Any] = {}
            for part in list(parts):
                try:
                    value[part] = _PROFILE_PARTS[part](stored(parts[part]))
                except UnparsableError as error:
                    self.unparsable(parts[part], error)
                    del parts[part]
            if not parts or self._filtered("profile", object, (name,)):
                continue
            object = next(iter(parts.values()))

            def locate(
                field: str, parts: dict[str, V1Object] = parts, object: V1Object = object
            ) -> tuple[V1Object, str]:
                if field == "labels":
                    return parts.get("labels") or parts.get("tags") or object, ""
                return (parts["rules"], field) if "bound_rules" in field and "rules" in parts else (object, field)

            try:
                resource = resources.profile(name, value, self.upgrade)
            except ConversionError as failure:
                place = parts["tags"] if failure.rule == "D033" else parts["rules"]
                self.problem(failure.rule, "convert", place, failure.message, failure.fix, field=failure.field)
                continue
            self._take(object, names, "profile", name, resource, locate)
            if "rules" in parts:
                self._rule_changes(parts["rules"], value["rules"])
            if "labels" in parts and V1_NAMESPACE in (value["labels"] or ()):
                self._kept_label(parts["labels"], "")

    def profile_value(self, parts: dict[str, V1Object]) -> dict[str, Any]:
        """What `resources.profile` takes. Raises UnparsableError."""
        return {part: _PROFILE_PARTS[part](stored(object)) for part, object in parts.items()}

    def _filtered(self, kind: str, object: V1Object, identifiers: tuple[str, ...]) -> bool:
        if kind == "policy" and identifiers[0].startswith("knp.default."):
            message = "the policy belongs to a Kubernetes NetworkPolicy, of which kube-controllers makes it again in v3"
        elif kind == "profile" and identifiers[0].startswith("k8s_ns."):
            message = "the profile belongs to a Kubernetes namespace, of which kube-controllers makes it again in v3"
        elif kind == "profile" and identifiers[0].startswith("openstack-sg-"):
            message = "the profile belongs to an OpenStack security group, of which the driver makes it again in v3"
        elif kind == "workload endpoint" and identifiers[1] == "openstack":
            message = "the endpoint belongs to OpenStack, whose driver makes it again in v3"
        else:
            return False
        if "OpenStack" in message:
            self.skip("D021", "filter", object, message, "upgrade Calico's driver for OpenStack together with Felix")
        else:
            self.skip("D020", "filter", object, message, "wait until kube-controllers v3 runs before `complete`")
        return True

    def _take(
        self,
        object: V1Object,
        names: dict[str, V1Object],
        v1_kind: str,
        v1_name: str,
        resource: Resource,
        locate: Locate | None,
    ) -> Resource | None:
        """Check a converted resource, and keep it if nothing is wrong with it."""
        metadata = resource["metadata"]
        name, namespace = metadata.get("name", ""), metadata.get("namespace")
        full_name = name if namespace is None else f"{namespace}/{name}"
        previous = names.get(full_name)
        names[full_name] = object
        found = faults(resource, self.upgrade)
        if previous is not None or found:
            v3 = f"{resource['kind']} {full_name}"
            if previous is not None:
                self.problem(
                    "D040",
                    "clash",
                    object,
                    f"its name becomes {full_name} in v3, as that of {previous.path} does",
                    "delete one of the two, or create one again under a name that stays different",
                    others=(previous,),
                    v3=v3,
                )
            for rule, field, message, fix in found:
                place, field = locate(field) if locate else (object, field)
                self.problem(rule, "validate", place, message, fix, field=field, v3=v3)
            return None
        self.keep_resource(resource)
        self.conversion.names.append(Renamed(object, v1_kind, v1_name, resource["kind"], name, namespace))
        return resource

    def _rule_changes(self, object: V1Object, value: dict[str, Any]) -> None:
        from calico_lint.v1data.selectors import parse

        for direction in ("inbound_rules", "outbound_rules"):
            for index, rule in enumerate(value.get(direction) or ()):
                for side in ("src", "dst"):
                    place = f"{direction}[{index}]."
                    if rule.get(f"!{side}_tag") and rule.get(f"!{side}_selector"):
                        self.change(
                            "D071",
                            object,
                            "the rule leaves out what has the tag and what the selector matches; in v3 it leaves out "
                            "only what both match, and so applies to more",
                            "replace the tag by a label, and write the negated selector as `(a) || (b)`",
                            field=f"{place}!{side}_tag",
                        )
                    for sign in ("", "!"):
                        selector = rule.get(f"{sign}{side}_selector")
                        if self.upgrade != "v1.0.5" or not selector or V1_NAMESPACE not in selector:
                            continue
                        if V1_NAMESPACE in parse(selector).labels:
                            self.change(
                                "D070",
                                object,
                                f"calico-upgrade v1.0.5 leaves {V1_NAMESPACE} in a rule's selector, and no endpoint "
                                "has that label in v3: the test is never true (and always, where it is negated)",
                                "after the migration, replace it by projectcalico.org/namespace in the v3 policy "
                                "before `complete`, or migrate with calico-upgrade's master",
                                field=f"{place}{sign}{side}_selector",
                            )

    def _kept_label(self, object: V1Object, field: str) -> None:
        self.change(
            "D075",
            object,
            f"the label {V1_NAMESPACE} stays as it is here, and policies ask for projectcalico.org/namespace in v3",
            "add the label projectcalico.org/namespace with the same value",
            field=field,
        )

    def _bad_network_key(self, object: V1Object, crashes: str | None) -> None:
        fix = "delete the key: no component of Calico writes one like it"
        if crashes is None:
            self.skip("D013", "parse", object, "the key has no network in it, so that it is not read", fix)
            return
        message = f"the key has no network in it, and calico-upgrade {crashes} crashes there"
        self.problem("D012", "parse", object, message.replace("  ", " "), fix)

    def ipam(self) -> None:
        """Blocks, affinities and handles."""
        without_state: list[V1Object] = []
        for kind in ("block", "affinity", "handle"):
            for object, identifiers in self.found.get(kind, ()):
                network = ipam.network_of(identifiers[-1]) if kind != "handle" else ""
                if network is None:
                    self._bad_network_key(object, "")
                    continue
                if kind == "affinity" and isinstance(object.value, str) and not object.value:
                    # Calico v2 stores nothing there, which the older conversion cannot read.
                    if self.upgrade == "v1.0.5":
                        without_state.append(object)
                        continue
                    value: dict[str, Any] = {}
                else:
                    try:
                        value = _DECODERS[kind](stored(object))
                    except UnparsableError as error:
                        self.unparsable(object, error)
                        continue
                if kind == "block":
                    entry = ipam.block(network, value, self.upgrade)
                elif kind == "affinity":
                    entry = ipam.affinity(identifiers[0], network, value, self.upgrade)
                else:
                    entry = ipam.handle(identifiers[0], value, self.upgrade)
                self.conversion.ipam.append(entry if self.keep else (entry[0], None))
        if without_state:
            first, *rest = without_state
            self.skip(
                "D017",
                "parse",
                first,
                f"calico-upgrade v1.0.5 leaves out {len(without_state)} affinities of blocks to nodes without a word, "
                "because they have an empty value, as Calico v2 writes them: the nodes get new blocks in v3, and the "
                "free addresses of the old ones stay unused",
                "see that the pools have room for another block per node, or migrate with calico-upgrade's master",
                others=tuple(rest),
            )

    def left_out(self) -> None:
        """What calico-upgrade does not look for."""
        for object, _ in self.found.get("unread", ()):
            self.skip(
                "D013",
                "parse",
                object,
                "calico-upgrade does not read this key, so that it is not migrated",
                "check whether it is needed, and set its successor in v3 after the migration",
            )
        for object, _ in self.found.get("ipam config", ()):
            self.skip(
                "D016",
                "parse",
                object,
                "the configuration of IPAM is not migrated: v3 starts with the defaults",
                "set strict affinity again in v3 if it was set",
            )
        for host, (first, *rest) in sorted(self._with_slash.items()):
            self.skip(
                "D014",
                "parse",
                first,
                f"the node's name {host} has a slash, and calico-upgrade reads a node's name up to the next slash: it "
                f"does not find the keys of this node ({1 + len(rest)} in all)",
                "rename the node before the migration, or apply its converted resources afterwards with calicoctl v3",
                others=tuple(rest),
            )


_PROFILE_PARTS = {"tags": decode.strings, "labels": decode.string_map, "rules": decode.profile_rules}
