"""What a key of the etcd v2 store is: its kind, and the identifiers in it.

Source: libcalico-go lib/backend/model@9047dcb0, the regular expressions and `unescapeName`. One thing is wider here:
calico-upgrade takes a node's name up to the next slash and so never finds the objects of a node whose name has one
(calicoctl v2 stores them all the same). They are recognised, so that something can be said about them.
"""

from __future__ import annotations

# What the stores of older versions hold besides, and what nobody misses after the migration: status, and what Felix
# and BIRD leave for each other.
_NODE_BGP = frozenset(("ip_addr_v4", "network_v4", "ip_addr_v6", "network_v6", "as_num"))
_GLOBAL_BGP = frozenset(("as_num", "loglevel", "node_mesh"))


def classify(path: str) -> tuple[str, tuple[str, ...]]:
    """(kind, identifiers) of a key.

    Kinds: `config`, `host config`, `bgp config`, `node bgp`, `metadata`, `orchestrators`, `global peer`, `node peer`,
    `host endpoint`, `pool`, `policy`, `profile`, `workload endpoint`, `block`, `affinity`, `handle`, `ready`,
    `ipam config`; `host` for other keys below a node's directory (the identifier is the node), `unread` for what
    calico-upgrade never asks for, `none` for what needs no migration.
    """
    parts = path.split("/")
    if not parts[0]:
        del parts[0]
    if len(parts) < 3 or parts[0] != "calico" or "" in parts:
        return "none", ()
    if not path.isascii():
        from calico_lint.v1data.decode import valid_text

        parts = [valid_text(part) for part in parts]
    area, section = parts[1], parts[2]
    if area == "v1":
        if section == "host":
            return _host(parts) if len(parts) > 3 else ("none", ())
        return _v1(parts, section)
    if area == "bgp" and section == "v1":
        return _bgp(parts)
    if area == "ipam" and section == "v2":
        return _ipam(parts)
    return "none", ()


def unescape(name: str) -> str:
    """A name as it is meant: calicoctl stores / as %2f and % as %25."""
    return name.replace("%2f", "/").replace("%25", "%") if "%" in name else name


def escape(name: str) -> str:
    """A name as it is stored."""
    return name.replace("%", "%25").replace("/", "%2f")


def _host(parts: list[str]) -> tuple[str, tuple[str, ...]]:
    count = len(parts)
    last = parts[-1]
    if count >= 6 and parts[-2] == "endpoint":
        if count >= 9 and parts[-5] == "workload":
            host = parts[3] if count == 9 else "/".join(parts[3:-5])
            return "workload endpoint", (host, unescape(parts[-4]), unescape(parts[-3]), unescape(last))
        return "host endpoint", ("/".join(parts[3:-2]), unescape(last))
    if count >= 6 and "config" in parts[4:-1]:
        at = parts.index("config", 4)
        return "host config", ("/".join(parts[3:at]), "/".join(parts[at + 1 :]))
    if count >= 5 and last in ("metadata", "orchestrator_refs", "bird_ip"):
        kind = {"metadata": "metadata", "orchestrator_refs": "orchestrators"}.get(last, "host")
        return kind, ("/".join(parts[3:-1]),)
    return "host", (parts[3],)


def _v1(parts: list[str], section: str) -> tuple[str, tuple[str, ...]]:
    count = len(parts)
    if section == "config" and count > 3:
        return "config", ("/".join(parts[3:]),)
    if section == "policy" and count >= 6:
        if parts[3] == "tier" and count == 7 and parts[5] == "policy":
            return ("policy", (unescape(parts[6]),)) if parts[4] == "default" else ("unread", ())
        if parts[3] == "profile" and count == 6 and parts[5] in ("tags", "labels", "rules"):
            return "profile", (unescape(parts[4]), parts[5])
        return ("none", ()) if parts[3] == "tier" and parts[5] == "metadata" else ("unread", ())
    if section == "ipam" and count == 6 and parts[4] == "pool" and len(parts[3]) == 2 and parts[3][0] == "v":
        return "pool", (parts[5].replace("-", "/", 1),)
    if section == "Ready" and count == 3:
        return "ready", ()
    return ("unread", ()) if section in ("policy", "netset") else ("none", ())


def _bgp(parts: list[str]) -> tuple[str, tuple[str, ...]]:
    if len(parts) < 5 or parts[3] not in ("global", "host"):
        return "none", ()
    peer = len(parts[-2]) == 7 and parts[-2].startswith("peer_v")
    if parts[3] == "global":
        if peer and len(parts) == 6:
            from calico_lint.v1data.addresses import parse_ip

            return ("global peer" if parse_ip(parts[5]) else "unread"), (parts[5],)
        name = "/".join(parts[4:])
        return ("bgp config" if name in _GLOBAL_BGP else "unread"), (name,)
    if peer and len(parts) >= 7:
        from calico_lint.v1data.addresses import parse_ip

        return ("node peer" if parse_ip(parts[-1]) else "unread"), ("/".join(parts[4:-2]), parts[-1])
    if len(parts) >= 6 and parts[-1] in _NODE_BGP:
        return "node bgp", ("/".join(parts[4:-1]), parts[-1])
    return ("unread", ()) if len(parts) >= 6 else ("none", ())


def _ipam(parts: list[str]) -> tuple[str, tuple[str, ...]]:
    count = len(parts)
    if count == 4 and parts[3] == "config":
        return "ipam config", ()
    if count == 7 and parts[3] == "assignment" and _version(parts[4]) and parts[5] == "block":
        return "block", (parts[6].replace("-", "/", 1),)
    if count == 8 and parts[3] == "host" and _version(parts[5]) and parts[6] == "block":
        return "affinity", (parts[4], parts[7].replace("-", "/", 1))
    if count == 5 and parts[3] == "handle":
        return "handle", (parts[4],)
    return "unread", ()


def _version(part: str) -> bool:
    return len(part) == 4 and part.startswith("ipv")
