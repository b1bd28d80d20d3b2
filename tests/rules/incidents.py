"""Published incidents -> the rules that catch them.

The incidents stand in ../shared/incidents, each with a minimal spec. One line each, in the order of their ids:

    Caught("S9")                  each of these rules finds something in the minimal spec
    Caught("P707", info=True)     the same, and nothing that they find is more than an info
    Elsewhere("S4")               it carries no spec; these rules speak of it, and have examples of their own
    Silent("KC102")               none of these rules may say a word (`ALL_ERRORS`: no finding is an error)
    Unseen("why")                 nothing in a spec, a release or a pair of specs tells; what a spec could say is `why`
"""

from __future__ import annotations


class Caught:
    """Every one of `rules` fires; with `info`, as an info and beside no error."""

    def __init__(self, *rules: str, info: bool = False) -> None:
        self.rules = rules
        self.info = info


class Elsewhere:
    """The incident carries no spec; `rules` speak of it and are tested with their own examples."""

    def __init__(self, *rules: str) -> None:
        self.rules = rules


class Silent:
    """None of `rules` fires on the minimal spec, because there is nothing wrong with it."""

    def __init__(self, *rules: str) -> None:
        self.rules = rules


class Unseen:
    """Nothing that calico-lint reads tells of the incident, for this reason."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


ALL_ERRORS = "*"

INCIDENTS: dict[str, Caught | Elsewhere | Silent | Unseen] = {
    # --- the migration from Calico v2 to v3, and other upgrades -------------------------------------------
    "001": Caught("S9"),
    "002": Caught("S9"),
    "003": Caught("P706"),
    "004": Caught("KI607", "P706"),
    "005": Caught("S14"),
    "007": Caught("P705"),
    "009": Caught("KC102"),
    "010": Silent(ALL_ERRORS),
    "012": Elsewhere("S4"),
    "013": Elsewhere("S4"),
    "014": Caught("S3", info=True),
    "016": Elsewhere("S11"),
    "019": Unseen("the Calico v1 data, not the spec, holds the profile"),
    "022": Caught("C834"),
    "023": Caught("P706"),
    "025": Caught("S15"),
    "026": Caught("Z909"),
    # --- changes of a running cluster ---------------------------------------------------------------------
    "049": Caught("P707", "P711"),
    "050": Elsewhere("P707"),
    "052": Caught("P711"),
    "054": Caught("P721"),
    "055": Caught("P717"),
    "057": Caught("P717"),
    "060": Caught("P713"),
    "061": Unseen("the manifests of kOps make no pool; the pool in the datastore is not in the spec"),
    "066": Unseen("the DHCP options of the VPC are no part of the spec"),
    "068": Elsewhere("P722"),
    # --- MTU, cross-subnet, scale, addresses, firewall (sections 4.1 to 4.5) ------------------------------
    "040": Caught("T823"),
    "041": Caught("T821"),
    "042": Caught("T822"),
    "063": Caught("C840"),
    "074": Caught("F847"),
    "075": Caught("B826"),
    "076": Caught("F841"),
    # --- eBPF, WireGuard, nftables, node OS, versions, other (sections 4.6 to 4.11) -----------------------
    "028": Caught("X896"),
    "031": Caught("Z911", info=True),
    "032": Unseen("the intervals are options of `kops rolling-update cluster`, not of the spec"),
    "033": Unseen("--fail-on-validate-error is an option of `kops rolling-update cluster`, not of the spec"),
    "034": Caught("Z913"),
    "035": Caught("Z912"),
    "036": Unseen("which nodes are not Ready is seen in the cluster only; every kOps rolls one calico-node at a time"),
    "037": Unseen("kOps has no Tigera operator, and which nodes are not Ready is seen in the cluster only"),
    "038": Caught("X898"),
    "043": Caught("X896"),
    "045": Caught("X897"),
    "048": Caught("O885"),
    "078": Caught("O886"),
    "080": Caught("O887"),
    "085": Caught("KC120"),
    "086": Caught("E852"),
    "087": Caught("E854"),
    "089": Caught("E861"),
    "090": Caught("E861"),
    "091": Caught("E861"),
    "092": Unseen("no kOps ships a development build of Calico, and the maps are seen on the nodes only"),
    "093": Caught("E862"),
    "095": Caught("Z908", info=True),
    "096": Caught("KI605"),
}
