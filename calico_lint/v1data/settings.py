"""Felix, cluster and BGP configuration: one key per parameter in v1, one resource per node or cluster in v3.

Source: libcalico-go lib/upgrade/migrator/{felixconfig,migrate}.go and the tags `confignamev1` of
lib/apis/v3/felixconfig.go@9047dcb0 and @bd77a00a; lib/upgrade/migrator/clients/v1/compat/compat.go for the node mesh.
None of these resources is validated by calico-upgrade.
"""

from __future__ import annotations

import re

from calico_lint.v1data.decode import UnparsableError, as_number, digits, json_value, node_mesh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOG_LEVELS = {
    "debug": "Debug",
    "info": "Info",
    "warning": "Warning",
    "error": "Error",
    "fatal": "Fatal",
    "panic": "Fatal",
    "": "",
}

# v1 parameter -> (field of v3's FelixConfiguration, type). Types: `text`, `text?` (an empty one is kept), `bool`,
# `int`, `uint32`, `s` and `ms` (durations), `ports`, `level`, `unhandled` (calico-upgrade has no way to convert it).
_FELIX = {
    "UseInternalDataplaneDriver": ("useInternalDataplaneDriver", "bool"),
    "DataplaneDriver": ("dataplaneDriver", "text"),
    "Ipv6Support": ("ipv6Support", "bool"),
    "IgnoreLooseRPF": ("ignoreLooseRPF", "bool"),
    "RouteRefreshInterval": ("routeRefreshInterval", "s"),
    "IptablesRefreshInterval": ("iptablesRefreshInterval", "s"),
    "IptablesPostWriteCheckIntervalSecs": ("iptablesPostWriteCheckInterval", "s"),
    "IptablesLockFilePath": ("iptablesLockFilePath", "text"),
    "IptablesLockTimeoutSecs": ("iptablesLockTimeout", "s"),
    "IptablesLockProbeIntervalMillis": ("iptablesLockProbeInterval", "ms"),
    "IpsetsRefreshInterval": ("ipsetsRefreshInterval", "s"),
    "MaxIpsetSize": ("maxIpsetSize", "int"),
    "NetlinkTimeoutSecs": ("netlinkTimeout", "s"),
    "MetadataAddr": ("metadataAddr", "text"),
    "MetadataPort": ("metadataPort", "int"),
    "InterfacePrefix": ("interfacePrefix", "text"),
    "InterfaceExclude": ("interfaceExclude", "text"),
    "ChainInsertMode": ("chainInsertMode", "text"),
    "DefaultEndpointToHostAction": ("defaultEndpointToHostAction", "text"),
    "IptablesFilterAllowAction": ("iptablesFilterAllowAction", "text"),
    "IptablesMangleAllowAction": ("iptablesMangleAllowAction", "text"),
    "LogPrefix": ("logPrefix", "text"),
    "LogFilePath": ("logFilePath", "text"),
    "LogSeverityFile": ("logSeverityFile", "level"),
    "LogSeverityScreen": ("logSeverityScreen", "level"),
    "LogSeveritySys": ("logSeveritySys", "level"),
    "IpInIpEnabled": ("ipipEnabled", "bool"),
    "IpInIpMtu": ("ipipMTU", "int"),
    "ReportingIntervalSecs": ("reportingInterval", "s"),
    "ReportingTTLSecs": ("reportingTTL", "s"),
    "EndpointReportingEnabled": ("endpointReportingEnabled", "bool"),
    "EndpointReportingDelaySecs": ("endpointReportingDelay", "s"),
    "IptablesMarkMask": ("iptablesMarkMask", "uint32"),
    "DisableConntrackInvalidCheck": ("disableConntrackInvalidCheck", "bool"),
    "HealthEnabled": ("healthEnabled", "bool"),
    "HealthHost": ("healthHost", "text?"),
    "HealthPort": ("healthPort", "int"),
    "PrometheusMetricsEnabled": ("prometheusMetricsEnabled", "bool"),
    "PrometheusMetricsPort": ("prometheusMetricsPort", "int"),
    "PrometheusGoMetricsEnabled": ("prometheusGoMetricsEnabled", "bool"),
    "PrometheusProcessMetricsEnabled": ("prometheusProcessMetricsEnabled", "bool"),
    "FailsafeInboundHostPorts": ("failsafeInboundHostPorts", "ports"),
    "FailsafeOutboundHostPorts": ("failsafeOutboundHostPorts", "ports"),
    "KubeNodePortRanges": ("kubeNodePortRanges", "unhandled"),
    "PolicySyncPathPrefix": ("policySyncPathPrefix", "text"),
    "UsageReportingEnabled": ("usageReportingEnabled", "bool"),
    "UsageReportingInitialDelaySecs": ("usageReportingInitialDelay", "s"),
    "UsageReportingIntervalSecs": ("usageReportingInterval", "s"),
    "DebugMemoryProfilePath": ("debugMemoryProfilePath", "text"),
    "DebugDisableLogDropping": ("debugDisableLogDropping", "bool"),
    "DebugSimulateCalcGraphHangAfter": ("debugSimulateCalcGraphHangAfter", "s"),
    "DebugSimulateDataplaneHangAfter": ("debugSimulateDataplaneHangAfter", "s"),
}
# What master knows besides.
_FELIX_MASTER = _FELIX | {
    "XDPRefreshInterval": ("XDPRefreshInterval", "s"),
    "OpenstackRegion": ("openstackRegion", "text"),
    "VXLANEnabled": ("vxlanEnabled", "bool"),
    "VXLANMTU": ("vxlanMTU", "int"),
    "VXLANPort": ("vxlanPort", "int"),
    "VXLANVNI": ("vxlanVNI", "int"),
    "NATPortRange": ("natPortRange", "unhandled"),
    "ExternalNodesCIDRList": ("externalNodesList", "unhandled"),
    "IptablesNATOutgoingInterfaceFilter": ("iptablesNATOutgoingInterfaceFilter", "text"),
    "XDPEnabled": ("xdpEnabled", "bool"),
    "GenericXDPEnabled": ("genericXDPEnabled", "bool"),
}
CLUSTER = {"ClusterGUID": "clusterGUID", "ClusterType": "clusterType", "CalicoVersion": "calicoVersion"}

_float = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
_NANOSECONDS = {"s": 10**9, "ms": 10**6}


def felix_field(parameter: str, upgrade: str) -> tuple[str, str] | None:
    """(field of v3's FelixConfiguration, type) of a v1 parameter; None if v3 has none for it."""
    return (_FELIX if upgrade == "v1.0.5" else _FELIX_MASTER).get(parameter)


def felix_value(text: str, kind: str) -> Any:
    """What a parameter's stored text becomes; "" where the field is then empty. Raises UnparsableError."""
    if kind in ("text", "text?"):
        return text
    if kind == "level":
        return LOG_LEVELS.get(text.lower(), "Info")
    if kind == "bool":
        if text not in _BOOLEANS:
            raise UnparsableError(f"{text!r} is neither true nor false (also 1, t, 0, f; but not yes, no, on, off)")
        return _BOOLEANS[text]
    if kind == "int":
        sign = text[:1] if text[:1] in ("+", "-") else ""
        number = digits(text.removeprefix(sign), 64)
        if number is None or number > 2**63 - (sign != "-"):
            raise UnparsableError(f"{text!r} is no integer")
        return -number if sign == "-" else number
    if kind == "uint32":
        number = digits(text, 32)
        if number is None:
            hint = " (calico-upgrade reads it in decimal only)" if text[:2].lower() == "0x" else ""
            raise UnparsableError(f"{text!r} is no integer from 0 to 4294967295{hint}")
        return number
    if kind == "ports":
        return _failsafe_ports(text)
    if kind == "unhandled":
        raise UnparsableError("calico-upgrade has no conversion for this parameter")
    return _duration(text, _NANOSECONDS[kind])


_BOOLEANS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True) | dict.fromkeys(
    ("0", "f", "F", "FALSE", "false", "False"), False
)


def _failsafe_ports(text: str) -> list[dict[str, Any]] | None:
    ports: list[dict[str, Any]] = []
    if text == "none":
        return ports
    for item in text.split(","):
        item = item.strip(" ")
        if not item:
            continue
        parts = item.split(":")
        if len(parts) > 2:
            raise UnparsableError(f"{item!r} is neither a port nor protocol:port")
        protocol = parts[0].upper() if len(parts) == 2 else "TCP"
        if protocol not in ("TCP", "UDP"):
            raise UnparsableError(f"{parts[0]!r} is neither tcp nor udp")
        sign = parts[-1][:1] if parts[-1][:1] in ("+", "-") else ""
        number = digits(parts[-1].removeprefix(sign), 64)
        if number is None:
            raise UnparsableError(f"{parts[-1]!r} is no port")
        if number > 65535 or (sign == "-" and number):
            raise UnparsableError(f"the port {parts[-1]} is not within 0 to 65535")
        ports.append({"protocol": protocol, "port": number})
    # A list without ports becomes null, which is Felix's default again, and not none.
    return ports or None


def _duration(text: str, unit: int) -> str:
    if not _float.fullmatch(text):
        raise UnparsableError(f"{text!r} is no number of {'seconds' if unit == 10**9 else 'milliseconds'}")
    number = float(text)
    if abs(number) == float("inf") and "inf" not in text.lower():
        raise UnparsableError(f"{text!r} is too big")
    number *= unit
    # What does not fit becomes the smallest integer, as the processor's conversion has it.
    return duration_text(int(number) if abs(number) < 2.0**63 else -(2**63))


def duration_text(nanoseconds: int) -> str:
    """A duration as Go prints it: `1m30s`, `250ms`, `1.5s`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if rest < size * 1000:
            return f"{sign}{_decimal(rest, size)}{unit}"
    minutes, rest = divmod(rest, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, 10**9)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else sign + text


def _decimal(number: int, unit: int) -> str:
    whole, rest = divmod(number, unit)
    if not rest:
        return str(whole)
    return f"{whole}.{str(rest).rjust(len(str(unit)) - 1, '0').rstrip('0')}"


def mesh_enabled(text: str) -> bool:
    """Whether the node mesh is on in v3, from the stored JSON. Raises UnparsableError where calico-upgrade turns it off
    because it cannot read the value.
    """
    return bool(node_mesh(json_value(text)).get("enabled"))


def default_as_number(text: str) -> int | None:
    """The default AS number, `64512` or `1.10`; None where calico-upgrade gives up at it."""
    return as_number(text)
