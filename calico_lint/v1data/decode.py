"""How Go reads the stored JSON into Calico's v1 types: which values it takes, and what they become.

calico-upgrade leaves out what Go cannot read, without a word, so that every rule here decides about an object:
`null` is no value, a number is no text, `1.0` is no integer, field names match in any case, unknown fields are
ignored. A decoder takes a decoded JSON value and gives what it becomes, or raises UnparsableError.

Source: encoding/json, and libcalico-go lib/{net,numorstring,backend/model}@9047dcb0.
"""

from __future__ import annotations

from calico_lint.v1data.addresses import ip_text, mac_text, net_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Decoder = Callable[[Any], Any]
    Fields = dict[str, Decoder]


class UnparsableError(Exception):
    """A value that Go cannot read: the path of the field below the value, and the reason."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field

    def within(self, step: str) -> UnparsableError:
        """The same, seen from one level up: `step` is a field's name or `[index]`."""
        dot = "." if self.field and not self.field.startswith("[") else ""
        self.field = f"{step}{dot}{self.field}"
        return self


def json_value(text: str) -> Any:
    """The JSON value of a stored text. Raises UnparsableError where it is no JSON."""
    global _decoder
    if _decoder is None:
        from json import JSONDecoder

        _decoder = JSONDecoder(parse_constant=_no_constant)
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise UnparsableError("it is nested too deeply") from None
    except ValueError as error:
        if not text.strip():
            raise UnparsableError("it is empty") from None
        raise UnparsableError(f"it is no JSON: {error}") from None


_decoder: Any = None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "a boolean"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else f"a {type(value).__name__}"


def valid_text(value: str) -> str:
    """The text as Go has it: halves of surrogate pairs become U+FFFD."""
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def string(value: Any) -> str:
    """A Go string; null is the empty one."""
    if type(value) is str:
        return value if value.isascii() else valid_text(value)
    if value is None:
        return ""
    raise UnparsableError(f"{_kind(value)} where a text is expected")


def string_pointer(value: Any) -> str | None:
    """A Go *string."""
    return None if value is None else string(value)


def boolean(value: Any) -> bool:
    """A Go bool."""
    if value is None or value is False:
        return False
    if value is True:
        return True
    raise UnparsableError(f"{_kind(value)} where true or false is expected")


def number_pointer(value: Any) -> float | int | None:
    """A Go *float64, as JSON writes it: an integer where it is one."""
    if value is None:
        return None
    if type(value) is int or type(value) is float:
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if number - number != 0:
            raise UnparsableError("a number that is too big")
        if number != int(number) or abs(number) >= 1e21:
            return number
        if abs(number) < 2**53:
            return int(number)
        from decimal import Decimal

        return int(Decimal(repr(number)))  # the shortest digits that give the number, then zeros
    raise UnparsableError(f"{_kind(value)} where a number is expected")


def _integer(value: Any, low: int, high: int) -> int:
    if type(value) is int:
        if low <= value <= high:
            return value
        raise UnparsableError(f"{value if abs(value) < 10**30 else 'the number'} is not within {low} to {high}")
    if type(value) is float:
        raise UnparsableError(f"{value} where an integer is expected")
    raise UnparsableError(f"{_kind(value)} where an integer is expected")


def integer(value: Any) -> int:
    """A Go int."""
    return 0 if value is None else _integer(value, -(2**63), 2**63 - 1)


def integer_pointer(value: Any) -> int | None:
    """A Go *int."""
    return None if value is None else _integer(value, -(2**63), 2**63 - 1)


def uint16(value: Any) -> int:
    """A Go uint16."""
    return 0 if value is None else _integer(value, 0, 65535)


def digits(text: str, bits: int) -> int | None:
    """strconv.ParseUint(text, 10, bits): the number, or None."""
    if not (text.isascii() and text.isdigit()):
        return None
    text = text.lstrip("0") or "0"
    return number if len(text) < 25 and (number := int(text)) < 1 << bits else None


def as_number(text: str) -> int | None:
    """An AS number as Calico reads a text: `64512` or `1.10`."""
    number = digits(text, 32)
    if number is not None:
        return number
    high, dot, low = text.partition(".")
    if not dot:
        return None
    parts = digits(high, 16), digits(low, 16)
    return None if parts[0] is None or parts[1] is None else (parts[0] << 16) + parts[1]


def as_number_value(value: Any) -> int:
    """An AS number in the API: a number or a text."""
    if value is None:
        return 0
    if isinstance(value, str):
        number = as_number(value)
        if number is None:
            raise UnparsableError(f"{value!r} is no AS number")
        return number
    return _integer(value, 0, 2**32 - 1)


def as_number_pointer(value: Any) -> int | None:
    """An optional AS number in the API."""
    return None if value is None else as_number_value(value)


def quoted_as_number(value: Any) -> int:
    """An AS number as a BGP peer is stored: a text in which a JSON number stands (a dotted one it cannot be)."""
    if value is None:
        return 0
    if type(value) is not str:
        raise UnparsableError(f"{_kind(value)} where a number in quotes is expected")
    if value == "null":
        return 0
    if len(value) > 1 and value[0] == value[-1] == '"':
        return as_number_value(value[1:-1])
    number = digits(value, 32)
    if number is None or (len(value) > 1 and value[0] == "0"):
        raise UnparsableError(f"{value!r} is no AS number as it is stored, which is a number in quotes")
    return number


def ip(value: Any) -> str:
    """An address; NIL for null and the empty text."""
    text = ip_text(string(value))
    if text is None:
        raise UnparsableError(f"{value!r} is no IP address")
    return text


def ip_pointer(value: Any) -> str | None:
    """An optional address."""
    return None if value is None else ip(value)


def net(value: Any) -> str:
    """A network or an address: `address/prefix`, not masked; NIL for null and the empty text."""
    text = net_text(string(value))
    if text is None:
        raise UnparsableError(f"{value!r} is no CIDR and no IP address")
    return text


def net_pointer(value: Any) -> str | None:
    """An optional network."""
    return None if value is None else net(value)


def mac_pointer(value: Any) -> str | None:
    """An optional hardware address."""
    if value is None:
        return None
    text = mac_text(string(value))
    if text is None:
        raise UnparsableError(f"{value!r} is no MAC address")
    return text


def protocol(value: Any) -> int | str:
    """A protocol: a number up to 255, or a name, which is not looked at. null is 0."""
    if type(value) is str:
        number = digits(value, 8)
        return valid_text(value) if number is None else number
    return 0 if value is None else _integer(value, 0, 255)


def protocol_pointer(value: Any) -> int | str | None:
    """An optional protocol."""
    return None if value is None else protocol(value)


_PORT_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def port(value: Any) -> int | str:
    """A port of a rule: a number, a range `a:b`, or a name."""
    if type(value) is not str:
        return uint16(value)
    if value.isascii() and value.isdigit():
        number = digits(value, 16)
        if number is None:
            raise UnparsableError(f"{value!r} is no port")
        return number
    low_text, colon, high_text = value.partition(":")
    if colon and all(text.isascii() and text.isdigit() for text in (low_text, high_text)):
        low, high = digits(low_text, 16), digits(high_text, 16)
        if low is None or high is None:
            raise UnparsableError(f"{value!r} is no range of ports")
        if low > high:
            raise UnparsableError(f"the range of ports {value} begins above its end")
        return low if low == high else f"{low}:{high}"
    if not 1 <= len(value) <= 128 or not _PORT_NAME.issuperset(value):
        raise UnparsableError(f"{value!r} is no port, no range of ports and no port's name")
    return value


def listed(decoder: Decoder) -> Decoder:
    """A Go slice of what a decoder reads; null is nil, which is None."""

    def decode(value: Any) -> list[Any] | None:
        if value is None:
            return None
        if type(value) is not list:
            raise UnparsableError(f"{_kind(value)} where a list is expected")
        index = 0
        try:
            result = []
            for index, item in enumerate(value):  # noqa: B007 - the index is for the error
                result.append(decoder(item))
        except UnparsableError as error:
            raise error.within(f"[{index}]") from None
        return result

    return decode


def mapped(decoder: Decoder) -> Decoder:
    """A Go map from texts to what a decoder reads; null is nil, which is None."""

    def decode(value: Any) -> dict[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            raise UnparsableError(f"{_kind(value)} where an object is expected")
        return {string(key): decoder(item) for key, item in value.items()}

    return decode


def structure(fields: Fields) -> Decoder:
    """A Go struct with these fields: a dict with those of them that are present. null is the empty one."""
    # Upper and lower case, and the two letters that Unicode folds to ASCII, are the same to Go.
    folded = {name.lower(): name for name in fields}

    def decode(value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise UnparsableError(f"{_kind(value)} where an object is expected")
        result: dict[str, Any] = {}
        key = ""
        try:
            for key, item in value.items():
                decoder = fields.get(key)
                if decoder is not None:
                    result[key] = decoder(item)
                elif type(key) is str:
                    name = folded.get(key.lower().replace("ſ", "s"))
                    # A null sets no text, number or boolean, so that one that stands there already stays.
                    if name is not None and not (item is None and result.get(name) and fields[name](None) is not None):
                        result[name] = fields[name](item)
        except UnparsableError as error:
            raise error.within(key) from None
        return result

    return decode


def structure_pointer(fields: Fields) -> Decoder:
    """An optional Go struct."""
    decode = structure(fields)
    return lambda value: None if value is None else decode(value)


strings = listed(string)
string_map = mapped(string)

_port = structure({"name": string, "protocol": protocol, "port": uint16})
_nat = structure({"int_ip": ip, "ext_ip": ip})

workload_endpoint = structure(
    {
        "state": string,
        "name": string,
        "active_instance_id": string,
        "mac": mac_pointer,
        "profile_ids": strings,
        "ipv4_nets": listed(net),
        "ipv6_nets": listed(net),
        "ipv4_nat": listed(_nat),
        "ipv6_nat": listed(_nat),
        "labels": string_map,
        "ipv4_gateway": ip_pointer,
        "ipv6_gateway": ip_pointer,
        "ports": listed(_port),
    }
)

host_endpoint = structure(
    {
        "name": string,
        "expected_ipv4_addrs": listed(ip),
        "expected_ipv6_addrs": listed(ip),
        "labels": string_map,
        "profile_ids": strings,
        "ports": listed(_port),
    }
)

ip_pool = structure(
    {"cidr": net, "ipip": string, "ipip_mode": string, "masquerade": boolean, "ipam": boolean, "disabled": boolean}
)

bgp_peer = structure({"ip": ip, "as_num": quoted_as_number})

_rule_fields: Fields = {
    "action": string,
    "ip_version": integer_pointer,
    "protocol": protocol_pointer,
    "!protocol": protocol_pointer,
    "icmp_type": integer_pointer,
    "icmp_code": integer_pointer,
    "!icmp_type": integer_pointer,
    "!icmp_code": integer_pointer,
    "log_prefix": string,
    "http": structure_pointer({"methods": strings}),
}
for _negation in ("", "!"):
    for _side in ("src", "dst"):
        _rule_fields |= {
            f"{_negation}{_side}_tag": string,
            f"{_negation}{_side}_net": net_pointer,
            f"{_negation}{_side}_nets": listed(net_pointer),
            f"{_negation}{_side}_selector": string,
            f"{_negation}{_side}_ports": listed(port),
            f"{_negation}orig_{_side}_selector": string,
        }
for _side in ("src", "dst"):
    _rule_fields |= {
        f"orig_{_side}_namespace_selector": string,
        f"orig_{_side}_service_acct_names": strings,
        f"orig_{_side}_service_acct_selector": string,
    }
rules = listed(structure(_rule_fields))

policy = structure(
    {
        "namespace": string,
        "order": number_pointer,
        "inbound_rules": rules,
        "outbound_rules": rules,
        "selector": string,
        "untracked": boolean,
        "annotations": string_map,
        "pre_dnat": boolean,
        "apply_on_forward": boolean,
        "types": strings,
    }
)

profile_rules = structure({"inbound_rules": rules, "outbound_rules": rules})

orchestrator_refs = listed(structure({"orchestrator": string, "nodeName": string}))

node_mesh = structure({"enabled": boolean})

block = structure(
    {
        "cidr": net,
        "affinity": string_pointer,
        "strictAffinity": boolean,
        "allocations": listed(integer_pointer),
        "unallocated": listed(integer),
        "attributes": listed(structure({"handle_id": string_pointer, "secondary": string_map})),
        "hostAffinity": string_pointer,
        "deleted": boolean,
    }
)

block_affinity = structure({"state": string, "deleted": boolean})

handle = structure({"block": mapped(integer), "deleted": boolean})
