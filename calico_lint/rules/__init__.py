"""The rules, one module per topic. A topic is imported when a document needs it.

`TOPICS` is the registry: a rule that stands in no `RULES` list of these modules does not exist.
"""

from __future__ import annotations

import sys

from calico_lint.rules import documents
from calico_lint.rules.documents import KOPS_OUTSIDE_TABLES, PAIR_UNMATCHED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from calico_lint.cluster import Cluster
    from calico_lint.rules.core import Rule

# In the order in which ids are listed and explained.
TOPICS = (
    "calico", "networking", "etcd", "versions", "addresses", "ignored", "requirements", "upgrade", "changes", "pairs",
    "encapsulation", "scale", "dataplane", "nodes", "support", "operations", "fields", "organisation", "documents",
    "exceptions", "v1data",
)  # fmt: skip
# The keys of `networking.calico` that call for a topic. A cluster with none of them does not load it (0.3 ms each),
# unless something else in `topics_of` calls for it. A test keeps this in step with what the rules are about.
CALICO_KEYS = {
    "calico": frozenset((
        "awsSrcDstCheck", "bpfEnabled", "bpfExternalServiceMode", "bpfLogLevel", "chainInsertMode", "crossSubnet",
        "encapsulationMode", "ipipMode", "iptablesBackend", "ipv4AutoDetectionMethod", "ipv6AutoDetectionMethod",
        "majorVersion", "typhaReplicas", "vxlanMode", "wireguardEnabled",
    )),
    "dataplane": frozenset((
        "bpfEnabled", "bpfExternalServiceMode", "bpfKubeProxyIptablesCleanupEnabled", "bpfLogLevel", "chainInsertMode",
        "nftablesMode", "wireguardEnabled",
    )),
    "nodes": frozenset(("bpfEnabled", "iptablesBackend", "wireguardEnabled")),
}  # fmt: skip
# Of these, the rules on a pair: the spec as it is today and as it will be.
PAIR_TOPICS = ("upgrade", "changes", "pairs")


class Topic:
    """The rules of one module, indexed for dispatch: those asked for every cluster, and those asked when a
    key is present (`by_key`: parent path below spec -> key -> rules).
    """

    __slots__ = ("by_key", "unconditional")

    def __init__(self, rules: list[Rule]) -> None:
        self.unconditional = [rule for rule in rules if not rule.on]
        self.by_key: dict[str, dict[str, list[Rule]]] = {}
        for rule in rules:
            for path in rule.on:
                parent, _, key = path.rpartition(".")
                self.by_key.setdefault(parent, {}).setdefault(key, []).append(rule)


_topics: dict[str, Topic] = {}


def load(topic: str) -> Any:
    """The module of a topic."""
    name = f"calico_lint.rules.{topic}"
    __import__(name)  # importlib.import_module would load importlib, and that warnings: 0.3 ms
    return sys.modules[name]


def topics_of(cluster: Cluster) -> Iterator[Topic]:
    """The topics that a cluster needs."""
    names = ["versions", "etcd", "networking", "addresses"]
    if cluster.calico is not None:
        written = cluster.calico.value if isinstance(cluster.calico.value, dict) else ()
        called = [topic for topic, keys in CALICO_KEYS.items() if not keys.isdisjoint(written)]
        if "dataplane" not in called and cluster.at("kubeProxy.proxyMode") is not None:
            called.append("dataplane")
        if "nodes" not in called and (cluster.groups or cluster.at("sysctlParameters") is not None):
            called.append("nodes")
        names += ["ignored", "requirements", "encapsulation", "scale", "support", "operations", *called]
    elif cluster.cni == "canal":
        names.append("support")
    for name in names:
        topic = _topics.get(name)
        if topic is None:
            topic = _topics[name] = Topic(load(name).RULES)
        yield topic


def all_rules() -> list[Rule]:
    """Every rule, in the order of `TOPICS`."""
    return [rule for topic in TOPICS for rule in load(topic).RULES]


def matching(patterns: tuple[str, ...]) -> set[str]:
    """The ids that patterns name: an id or alias names that rule only, anything else is a prefix.

    Raises KeyError with the pattern that names nothing.
    """
    rules = all_rules()
    by_name = {name: rule.id for rule in rules for name in (*rule.aliases, rule.id)}
    found: set[str] = set()
    for pattern in patterns:
        wanted = pattern.upper()
        if wanted in by_name:
            found.add(by_name[wanted])
            continue
        ids = (
            {id for name, id in by_name.items() if name.startswith(wanted)}
            if wanted != "ALL"
            else set(by_name.values())
        )
        if not ids:
            raise KeyError(pattern)
        found |= ids
    return found


__all__ = [
    "KOPS_OUTSIDE_TABLES", "PAIR_TOPICS", "PAIR_UNMATCHED", "TOPICS", "all_rules", "documents", "load", "matching",
    "topics_of",
]  # fmt: skip
