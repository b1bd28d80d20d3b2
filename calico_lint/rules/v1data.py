"""Rules about Calico v1 data (D): what calico-upgrade objects to, leaves out, or changes the meaning of.

What they say is found by `calico_lint.v1data`. Their examples are keys of the etcd v2 store with their values (keys
below /calico/resources are of the v3 store, null stands for a key that is absent), or a resource as calicoctl v2 prints
it; a CalicoVersion and a Ready flag that are right are added to them.
"""

from __future__ import annotations

from calico_lint.rules.core import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from calico_lint.rules.core import Rule

_MIGRATE = "libcalico-go lib/upgrade/migrator/migrate.go@9047dcb0"
_CONVERTERS = "libcalico-go lib/upgrade/converters"
_VALIDATOR = "libcalico-go lib/validator/v3/validator.go@9047dcb0 and @bd77a00a"


def _d(id: str, name: str, severity: str, text: str) -> Rule:
    return described(id, name, severity=severity, origin="calico", text=text)


RULES = [
    _d(
        "D001",
        "v1-version",
        "error",
        f"""calico-upgrade does not migrate from this version of Calico.

    It reads `/calico/v1/config/CalicoVersion`, which every calico-node of Calico v2 writes when it starts, and
    goes on only from 2.6.5 or newer and below 3. A pre-release counts as its release. Without the key, or with
    one that is no version, it stops: the init container of each new calico-node fails, and pods wait for their
    network.

    Bad (kOps 1.12.10):
        /calico/v1/config/CalicoVersion: v2.6.4
    Good (kOps 1.12.10):
        /calico/v1/config/CalicoVersion: v2.6.12
    Fix: upgrade to the newest Calico v2.6 (kOps 1.11 and older install it) and let its nodes start.
    Source: {_MIGRATE} (CanMigrate, versionRequiresMigration).
    """,
    ),
    _d(
        "D002",
        "v1-not-ready",
        "error",
        f"""The Ready flag of the v1 store is not true.

    `/calico/v1/Ready` is the switch that pauses Calico for the migration, and its lock. `calico-upgrade start` stops
    if it is false already or absent. False means that a migration runs, or that one was interrupted after the
    pause: no component of v2 sets it back, new pods get no network and policies do not change until somebody does.

    Bad (kOps 1.12.10):
        /calico/v1/Ready: 'false'
    Good (kOps 1.12.10):
        /calico/v1/Ready: 'true'
    Fix: if no migration runs, delete what it left in the v3 store, then run `calico-upgrade abort`.
    Source: {_MIGRATE} (clearReadyV1, IsMigrationInProgress, Abort).
    """,
    ),
    _d(
        "D003",
        "v3-store-not-clean",
        "error",
        """There are keys of Calico in the v3 store already.

    calico-upgrade starts only if no key below `/calico/` is in etcd v3. What is there is left by a migration that was
    interrupted, by a calico-node of v3 that has started too early, or by a cluster that runs on v3 already.
    Deleting it is not enough after an interrupted migration: the Ready flag of v1 is still false then, and the next
    start stops at it.

    Bad (kOps 1.12.10):
        /calico/resources/v3/projectcalico.org/clusterinformations/default: {}
    Good (kOps 1.12.10):
        /calico/v1/config/ClusterType: k8s,bgp
    Fix: make sure that nothing of Calico v3 uses the store, delete the keys below `/calico/` from etcd v3, then run
        `calico-upgrade abort`.
    Source: calico-upgrade pkg/commands/dryrun.go@v1.0.5; libcalico-go lib/backend/etcdv3/etcdv3.go@9047dcb0 (IsClean).
    """,
    ),
    _d(
        "D010",
        "v1-value-unreadable",
        "error",
        """calico-upgrade cannot read the value, and leaves the object out without a word.

    It reads each value into a Go type and drops what does not fit: no error, no line in a report, and after the
    migration the policy or the endpoint does not exist. A typical cause is a value that was stored by hand: a
    number where a text must be, `1.0` for an integer, an address that is none.

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {order: high, selector: all()}
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {order: 100, selector: all()}
    Fix: correct the value, or delete the key if nothing needs it.
    Source: libcalico-go lib/upgrade/migrator/clients/v1/etcdv2/etcdv2.go@9047dcb0 (filterEtcdList); encoding/json.
    """,
    ),
    _d(
        "D011",
        "v1-node-value-unreadable",
        "warning",
        """A part of a node cannot be read, and the node is migrated without it.

    A node's addresses, networks, AS number and orchestrator references are keys of their own. One that cannot
    be read is left out with a line in calico-upgrade's log. Without its addresses a node has no BGP in v3, until its
    calico-node starts and writes them again.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/metadata: {}
        /calico/bgp/v1/host/n1/ip_addr_v4: 10.0.0.300
    Good (kOps 1.12.10):
        /calico/v1/host/n1/metadata: {}
        /calico/bgp/v1/host/n1/ip_addr_v4: 10.0.0.30
    Fix: correct the value; calico-node v2.6 does so when it starts, if it can find the address.
    Source: libcalico-go lib/upgrade/migrator/clients/v1/compat/compat.go@9047dcb0 (getNodeSubcomponents).
    """,
    ),
    _d(
        "D012",
        "v1-crashes-upgrade",
        "error",
        """calico-upgrade crashes at this object.

    A pool, a block or an affinity whose key has no network in it, and a null or an empty text among a rule's
    networks, end it with a nil pointer. At a block or an affinity that happens after the resources have been
    written, so that the Ready flag stays false and the v3 store is no longer clean.

    Bad (kOps 1.12.10):
        /calico/ipam/v2/assignment/ipv4/block/none: {cidr: 10.0.0.0/26}
    Good (kOps 1.12.10):
        /calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26: {cidr: 10.0.0.0/26}
    Fix: delete the key, or the entry in the list of networks.
    Source: libcalico-go lib/backend/model/{ippool,block,block_affinity}.go@9047dcb0; lib/upgrade/converters/rule.go.
    """,
    ),
    _d(
        "D013",
        "v1-key-not-read",
        "warning",
        """calico-upgrade does not look at this key.

    It lists the kinds that it knows, in the default tier, and nothing else: policies of other tiers, settings of BGP
    other than the AS number, the log level and the mesh, and what others have stored below Calico's directories stay
    behind.

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/security/policy/deny: {selector: all()}
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/deny: {selector: all()}
    Fix: check whether the key is needed, and create what corresponds to it in v3 after the migration.
    Source: libcalico-go lib/backend/model@9047dcb0 (the KeyFromDefaultPath of each list).
    """,
    ),
    _d(
        "D014",
        "v1-node-name-with-slash",
        "warning",
        """A node's name has a slash, and calico-upgrade does not find its keys.

    calicoctl v2 stores the name as it is, so that the slash makes a directory; calico-upgrade reads a node's name
    up to the next slash. It migrates a node of another name, and none of the endpoints and settings of this one.

    Bad (kOps 1.12.10):
        /calico/v1/host/db/primary/endpoint/eth0: {name: eth0}
    Good (kOps 1.12.10):
        /calico/v1/host/db-primary/endpoint/eth0: {name: eth0}
    Fix: rename the node before the migration, or apply the converted resources afterwards.
    Source: libcalico-go lib/backend/model/hostendpoint.go@9047dcb0 and its neighbours (the regular expressions).
    """,
    ),
    _d(
        "D015",
        "v1-felix-parameter-unknown",
        "info",
        """v3 has no field for this Felix parameter, which is not migrated.

    Parameters that v3 has dropped, and names that are spelled wrong, are ignored without a word. Felix has ignored a
    wrong name as well.

    Bad (kOps 1.12.10):
        /calico/v1/config/LogSeverityScren: debug
    Good (kOps 1.12.10):
        /calico/v1/config/LogSeverityScreen: debug
    Fix: correct the name, or check that the parameter is not needed.
    Source: libcalico-go lib/apis/v3/felixconfig.go@9047dcb0 and @bd77a00a.
    """,
    ),
    _d(
        "D016",
        "v1-ipam-config-lost",
        "warning",
        f"""The configuration of IPAM is not migrated.

    calico-upgrade copies blocks, affinities and handles, but not `/calico/ipam/v2/config`. Strict affinity, with
    which a node takes addresses from its own blocks only, is off after the migration.

    Bad (kOps 1.12.10):
        /calico/ipam/v2/config: {{strict_affinity: true}}
    Good (kOps 1.12.10):
        /calico/ipam/v2/handle/h1: {{block: {{}}}}
    Fix: set it again in v3 if it was set.
    Source: {_MIGRATE} (migrateIPAMData).
    """,
    ),
    _d(
        "D017",
        "v1-block-affinities-lost",
        "warning",
        """calico-upgrade v1.0.5 leaves out the affinities of blocks to nodes.

    Calico v2 stores an affinity with an empty value, which calico/upgrade v1.0.5 cannot read. The blocks keep the
    name of their node, but the node does not know them in v3: it claims a new block, and the free addresses of
    the old one stay unused. Nodes fail to get one where the pool has no free block. calico-upgrade's master reads
    them.

    Bad (kOps 1.12.10):
        /calico/ipam/v2/host/n1/ipv4/block/10.0.0.0-26: ''
    Good (kOps 1.12.10):
        /calico/ipam/v2/host/n1/ipv4/block/10.0.0.0-26: {state: confirmed}
    Fix: see that the pools have room for another block per node.
    Source: libcalico-go lib/backend/model/keys.go@9047dcb0 and @bd77a00a (ParseValue);
        github.com/projectcalico/calico/issues/1956.
    """,
    ),
    _d(
        "D020",
        "v1-of-kubernetes",
        "info",
        f"""The object belongs to Kubernetes, and is made again instead of migrated.

    The policies of Kubernetes NetworkPolicies (`knp.default.`) and the profiles of namespaces (`k8s_ns.`) are
    left out: kube-controllers of v3 writes them from the Kubernetes API. Until it has, endpoints without their
    profile drop all traffic, and a missing policy lets traffic pass; calico-upgrade's Job does not wait for it.

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/knp.default.shop.deny: {{selector: all()}}
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/deny: {{selector: all()}}
    Fix: nothing in the data; see that kube-controllers of v3 can start before the migration is completed.
    Source: {_MIGRATE} (filterGNP, filterProfile).
    """,
    ),
    _d(
        "D021",
        "v1-of-openstack",
        "info",
        f"""The object belongs to OpenStack, and is made again instead of migrated.

    The profiles of security groups (`openstack-sg-`) and the endpoints of OpenStack are left out: Calico's driver for
    Neutron writes them again.

    Bad (kOps 1.12.10):
        /calico/v1/policy/profile/openstack-sg-1/tags: []
    Good (kOps 1.12.10):
        /calico/v1/policy/profile/web/tags: []
    Fix: upgrade Calico's driver for OpenStack together with the nodes.
    Source: {_MIGRATE} (filterProfile, filterWEP).
    """,
    ),
    _d(
        "D030",
        "v1-workload-id",
        "error",
        f"""The workload ID of a Kubernetes endpoint has no dot.

    An endpoint of the orchestrator `k8s` is named `namespace.pod`, as the Calico CNI plugin does it; v3 has the two
    apart. What has another name was made by hand or by another program, and cannot be converted.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/workload/k8s/shop%2fweb-1/endpoint/eth0: {{name: cali1}}
    Good (kOps 1.12.10):
        /calico/v1/host/n1/workload/k8s/shop.web-1/endpoint/eth0: {{name: cali1}}
    Fix: delete the endpoint if its pod is gone, else re-create the pod.
    Source: {_CONVERTERS}/workloadendpoint.go@9047dcb0 (getPodNamespaceName).
    """,
    ),
    _d(
        "D031",
        "v1-endpoint-identifiers",
        "error",
        f"""A workload endpoint has a part of its name that v3 cannot use.

    In v3 its name is made of the node, the orchestrator, the pod (or container, or workload) and the endpoint.
    None of them can be empty, or begin or end with a -.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/workload/k8s/shop.-web/endpoint/eth0: {{name: cali1}}
    Good (kOps 1.12.10):
        /calico/v1/host/n1/workload/k8s/shop.web/endpoint/eth0: {{name: cali1}}
    Fix: re-create the workload under another name, or delete the endpoint if the workload is gone.
    Source: {_CONVERTERS}/workloadendpoint.go and lib/names/workloadendpoint.go@9047dcb0.
    """,
    ),
    _d(
        "D032",
        "v1-policy-type",
        "error",
        f"""A policy has a type that is neither ingress nor egress.

    Upper and lower case do not matter, and without types a policy gets both (a preDNAT policy ingress only).

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {{selector: all(), types: [inbound]}}
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {{selector: all(), types: [ingress]}}
    Fix: set the type to ingress or egress.
    Source: {_CONVERTERS}/policy.go@9047dcb0.
    """,
    ),
    _d(
        "D033",
        "v1-tag-is-label",
        "error",
        f"""A profile has a tag and a label of the same name.

    v3 has no tags: each becomes a label with an empty value. Where the profile has a label of that name, or the tag
    stands there twice, calico-upgrade does not decide which one is meant.

    Bad (kOps 1.12.10):
        /calico/v1/policy/profile/web/tags: [role]
        /calico/v1/policy/profile/web/labels: {{role: frontend}}
    Good (kOps 1.12.10):
        /calico/v1/policy/profile/web/tags: [web]
        /calico/v1/policy/profile/web/labels: {{role: frontend}}
    Fix: rename the label's key, with the selectors that ask for it, or remove the tag.
    Source: {_CONVERTERS}/profile.go@9047dcb0.
    """,
    ),
    _d(
        "D034",
        "v1-felix-parameter",
        "error",
        """calico-upgrade cannot read the value of a Felix parameter.

    It is stricter than Felix: true and false have no other spellings than 1, t, 0 and f; a mark mask is read in
    decimal (not 0xff000000); ports are numbers with an optional `tcp:` or `udp:`; times are numbers of seconds
    (milliseconds where the name says so). KubeNodePortRanges cannot be converted at all.

    Bad (kOps 1.12.10):
        /calico/v1/config/IpInIpEnabled: 'yes'
    Good (kOps 1.12.10):
        /calico/v1/config/IpInIpEnabled: 'true'
    Fix: correct the value, or delete the key, which gives Felix its default.
    Source: libcalico-go lib/upgrade/migrator/felixconfig.go@9047dcb0.
    """,
    ),
    _d(
        "D035",
        "v1-default-as-number",
        "error",
        f"""The default AS number is none.

    calico-upgrade gives up at it without looking at nodes, policies and endpoints, so that its reports are
    incomplete.

    Bad (kOps 1.12.10):
        /calico/bgp/v1/global/as_num: AS64512
    Good (kOps 1.12.10):
        /calico/bgp/v1/global/as_num: '64512'
    Fix: set it to a number up to 4294967295, plain (64512) or dotted (1.10).
    Source: {_MIGRATE} (queryAndConvertGlobalBGPConfigV1ToV3); lib/numorstring/asnumber.go.
    """,
    ),
    _d(
        "D036",
        "v1-resource-invalid",
        "error",
        f"""The resource could not have been stored like this.

    calicoctl v2 would not print it, so that it has been edited, or is no resource of v1.

    Bad (kOps 1.12.10):
        apiVersion: v1
        kind: bgpPeer
        metadata: {{scope: node, peerIP: 10.0.0.1}}
        spec: {{asNumber: 64512}}
    Good (kOps 1.12.10):
        apiVersion: v1
        kind: bgpPeer
        metadata: {{scope: global, peerIP: 10.0.0.1}}
        spec: {{asNumber: 64512}}
    Fix: export the resource again with calicoctl v2.
    Source: {_CONVERTERS}@9047dcb0 (APIV1ToBackendV1); lib/apis/v1.
    """,
    ),
    _d(
        "D040",
        "v1-name-clash",
        "error",
        f"""Two objects get the same name in v3.

    Names become lower-case DNS names. A policy, a profile or an endpoint whose name changes gets a part of its SHA-1
    appended, so that it stays apart; a node does not, and Node_A and node-a become the same.

    Bad (kOps 1.12.10):
        /calico/v1/host/Node_A/metadata: {{}}
        /calico/v1/host/node-a/metadata: {{}}
    Good (kOps 1.12.10):
        /calico/v1/host/Node_A/metadata: {{}}
        /calico/v1/host/node-b/metadata: {{}}
    Fix: delete the one that is not needed (often a node that is gone), or rename one.
    Source: {_CONVERTERS}/names.go and migrator/migrate.go@9047dcb0 (queryAndConvertV1ToV3Resources).
    """,
    ),
    _d(
        "D050",
        "v3-name",
        "error",
        f"""v3 does not take the name that the object gets.

    The name is longer than 253 characters, or, after all conversion, no DNS name: nothing may be left of it, and
    a pod's and a container's name are not converted at all. A policy's name has no dots.

    Bad (kOps 1.12.10):
        /calico/v1/host/___/metadata: {{}}
    Good (kOps 1.12.10):
        /calico/v1/host/_a_/metadata: {{}}
    Fix: create the object again under a name that v3 takes, and delete this one.
    Source: {_VALIDATOR} (validateObjectMeta, validateGlobalNetworkPolicy).
    """,
    ),
    _d(
        "D051",
        "v3-labels",
        "error",
        f"""v3 does not take a label or an annotation.

    Keys and values must be as Kubernetes wants them: a key of at most 63 letters, digits, -, _ and . with an
    optional DNS prefix, and a value likewise. A profile's tags count, because they become labels.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/endpoint/eth0: {{name: eth0, labels: {{a/b/c: x}}}}
    Good (kOps 1.12.10):
        /calico/v1/host/n1/endpoint/eth0: {{name: eth0, labels: {{b/c: x}}}}
    Fix: rename the label or shorten its value, with the selectors that ask for it.
    Source: {_VALIDATOR} (validateObjectMetaLabels, validateLabels, validateObjectMetaAnnotations).
    """,
    ),
    _d(
        "D052",
        "v3-selector",
        "error",
        f"""A selector does not parse.

    In a rule, a tag is part of it: `(selector) && tag == ''`, so that a tag with other characters than those of
    labels breaks it.

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {{selector: "role = 'web'"}}
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {{selector: "role == 'web'"}}
    Fix: correct the selector, or rename the tag.
    Source: {_VALIDATOR} (validateSelector); lib/selector.
    """,
    ),
    _d(
        "D053",
        "v3-rule-protocol",
        "error",
        f"""A rule's protocol, ports and ICMP fields do not go together.

    Ports need the protocol TCP or UDP (6, 17), ICMP fields ICMP or ICMPv6 by name, an ICMP code its type, and
    both ICMPs their IP version. Protocols and ports that do not exist are refused.

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web:
          selector: all()
          inbound_rules:
          - action: allow
            dst_ports:
            - 80
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web:
          selector: all()
          inbound_rules:
          - action: allow
            protocol: tcp
            dst_ports:
            - 80
    Fix: set the protocol, or remove the ports or ICMP fields.
    Source: {_VALIDATOR} (validateRule, validateProtocol, validatePort, validateICMPFields).
    """,
    ),
    _d(
        "D054",
        "v3-rule-addresses",
        "error",
        f"""A rule mixes IPv4 and IPv6.

    All networks of a rule must be of one IP version, which is `ip_version` if that is set.

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web:
          selector: all()
          inbound_rules:
          - action: allow
            src_nets:
            - 10.0.0.0/8
            - fd00::/8
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web:
          selector: all()
          inbound_rules:
          - action: allow
            src_nets:
            - 10.0.0.0/8
          - action: allow
            src_nets:
            - fd00::/8
    Fix: make two rules of it.
    Source: {_VALIDATOR} (validateRule).
    """,
    ),
    _d(
        "D055",
        "v3-policy-flags",
        "error",
        f"""A policy's flags, types and rules do not go together.

    A policy is not both preDNAT and doNotTrack; a preDNAT policy has neither egress rules nor the type egress; no
    type stands there twice.

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {{selector: all(), pre_dnat: true, types: [ingress, egress]}}
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {{selector: all(), pre_dnat: true, types: [ingress]}}
    Fix: drop what contradicts, or make two policies of it.
    Source: {_VALIDATOR} (validateGlobalNetworkPolicy).
    """,
    ),
    _d(
        "D056",
        "v3-rule-action",
        "error",
        f"""A rule has an action that does not exist.

    v3 knows Allow, Deny, Log and Pass. v1's next-tier becomes Pass, no action Allow; upper and lower case do not
    matter.

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {{selector: all(), inbound_rules: [{{action: accept}}]}}
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web: {{selector: all(), inbound_rules: [{{action: allow}}]}}
    Fix: set the action to allow, deny, log or pass.
    Source: {_VALIDATOR} (validateAction); {_CONVERTERS}/rule.go (ruleActionV1ToV3API).
    """,
    ),
    _d(
        "D057",
        "v3-ip-pool",
        "error",
        f"""v3 does not take the IP pool.

    Its CIDR must be strictly masked and must not overlap the link-local ranges; an enabled pool must have room for a
    block (/26, for IPv6 /122), and an IPv6 pool no IPIP.

    Bad (kOps 1.12.10):
        /calico/v1/ipam/v4/pool/10.1.0.0-27: {{cidr: 10.1.0.0/27}}
    Good (kOps 1.12.10):
        /calico/v1/ipam/v4/pool/10.1.0.0-24: {{cidr: 10.1.0.0/24}}
    Fix: disable the pool, or replace it by one that v3 takes.
    Source: {_VALIDATOR} (validateIPPoolSpec).
    """,
    ),
    _d(
        "D058",
        "v3-host-endpoint",
        "error",
        f"""v3 does not take the host endpoint.

    It must have an interface (at most 15 characters) or expected addresses, and a node.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/endpoint/all: {{}}
    Good (kOps 1.12.10):
        /calico/v1/host/n1/endpoint/all: {{expected_ipv4_addrs: [10.0.0.1]}}
    Fix: set the interface's name or the expected addresses.
    Source: {_VALIDATOR} (validateHostEndpointSpec, validateInterface).
    """,
    ),
    _d(
        "D059",
        "v3-workload-endpoint",
        "error",
        f"""v3 does not take the workload endpoint.

    Its networks are single addresses (/32, /128), the inner address of a NAT is one of them, gateways are of
    their own IP version, the interface's name has 1 to 15 characters, and the names in it are DNS names.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/workload/k8s/shop.web/endpoint/eth0: {{name: cali1, ipv4_nets: [10.0.0.0/31]}}
    Good (kOps 1.12.10):
        /calico/v1/host/n1/workload/k8s/shop.web/endpoint/eth0: {{name: cali1, ipv4_nets: [10.0.0.0/32]}}
    Fix: re-create the workload, or delete the endpoint if the workload is gone.
    Source: {_VALIDATOR} (validateWorkloadEndpointSpec, validateIPNAT).
    """,
    ),
    _d(
        "D060",
        "v3-endpoint-port",
        "error",
        f"""v3 does not take a named port of an endpoint.

    Its name is one of Kubernetes (at most 15 lower-case letters, digits and -), its number is not 0, and its
    protocol TCP or UDP. calico-upgrade sets the protocol's case right for host endpoints only: a workload
    endpoint that has `tcp` fails.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/workload/k8s/shop.web/endpoint/eth0:
          name: cali1
          ports:
          - name: http
            protocol: tcp
            port: 80
    Good (kOps 1.12.10):
        /calico/v1/host/n1/workload/k8s/shop.web/endpoint/eth0:
          name: cali1
          ports:
          - name: http
            protocol: TCP
            port: 80
    Fix: correct the port; for a workload endpoint store the protocol in capitals.
    Source: {_VALIDATOR} (validateEndpointPort); {_CONVERTERS}/{{hostendpoint,workloadendpoint}}.go.
    """,
    ),
    _d(
        "D061",
        "v3-bgp-address",
        "error",
        f"""v3 does not take the address of a node or of a BGP peer.

    A peer must have an address, and a node's addresses must be of the IP version of their field and of their network.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/metadata: {{}}
        /calico/bgp/v1/host/n1/ip_addr_v4: fd00::1
    Good (kOps 1.12.10):
        /calico/v1/host/n1/metadata: {{}}
        /calico/bgp/v1/host/n1/ip_addr_v6: fd00::1
    Fix: set the address and the network that belong together.
    Source: {_VALIDATOR} (validateCIDRv4, validateCIDRv6); {_CONVERTERS}/{{node,bgppeer}}.go.
    """,
    ),
    _d(
        "D070",
        "v1-rule-namespace",
        "warning",
        f"""A rule asks for `calico/k8s_ns`, which no endpoint has in v3.

    calico/upgrade v1.0.5, which kOps runs, renames this label to `projectcalico.org/namespace` on endpoints and in a
    policy's selector, but not in the selectors of rules and profiles. They parse, and match nothing: an allow rule no
    longer allows; a negated test matches everything. calico-upgrade's master renames it there too.

    Bad (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web:
          selector: all()
          inbound_rules:
          - action: allow
            src_selector: calico/k8s_ns == 'shop'
    Good (kOps 1.12.10):
        /calico/v1/policy/tier/default/policy/web:
          selector: calico/k8s_ns == 'shop'
          inbound_rules:
          - action: allow
    Fix: replace the label in the v3 policies after the migration and before `calico-upgrade complete`.
    Source: {_CONVERTERS}/rule.go@9047dcb0, fixed @bd77a00a.
    """,
    ),
    _d(
        "D071",
        "v1-negated-tag",
        "warning",
        f"""A rule with a negated tag and a negated selector means something else in v3.

    In v1 the rule leaves out endpoints with the tag, and endpoints that the selector matches. calico-upgrade
    joins the two to one negated selector with `&&`, which leaves out only endpoints that are both. An allow rule
    so allows more.

    Bad (kOps 1.12.10):
        /calico/v1/policy/profile/web/rules:
          inbound_rules:
          - action: allow
            '!src_tag': old
            '!src_selector': has(legacy)
    Good (kOps 1.12.10):
        /calico/v1/policy/profile/web/rules:
          inbound_rules:
          - action: allow
            '!src_selector': has(old) || has(legacy)
    Fix: use labels instead of the tag, joined by `||`.
    Source: {_CONVERTERS}/rule.go@9047dcb0 (mergeTagsAndSelectors).
    """,
    ),
    _d(
        "D072",
        "v1-log-level",
        "warning",
        f"""A log level becomes Info.

    v3 has Debug, Info, Warning, Error and Fatal (panic becomes Fatal). Anything else, such as `none`, becomes Info.

    Bad (kOps 1.12.10):
        /calico/v1/config/LogSeveritySys: none
    Good (kOps 1.12.10):
        /calico/v1/config/LogSeveritySys: fatal
    Fix: choose one of v3's levels.
    Source: {_MIGRATE} (convertLogLevel).
    """,
    ),
    _d(
        "D073",
        "v1-node-mesh",
        "error",
        """The node-to-node mesh is turned off by the migration.

    calico-upgrade reads the setting as a JSON object and takes false for what it cannot read. Without the mesh, and
    without peers to replace it, nodes have no routes to each other's pods.

    Bad (kOps 1.12.10):
        /calico/bgp/v1/global/node_mesh: 'true'
    Good (kOps 1.12.10):
        /calico/bgp/v1/global/node_mesh: {enabled: true}
    Fix: store `{"enabled": true}` or `{"enabled": false}`.
    Source: libcalico-go lib/upgrade/migrator/clients/v1/compat/compat.go@9047dcb0 (fromDatastoreGlobalBGPConfig).
    """,
    ),
    _d(
        "D074",
        "v1-felix-merged",
        "warning",
        """The Felix configurations of two nodes become one.

    Their names are the same in v3. Unlike other clashes, calico-upgrade says nothing of this one and merges them.

    Bad (kOps 1.12.10):
        /calico/v1/host/Node_A/config/LogSeverityScreen: debug
        /calico/v1/host/node-a/config/LogSeverityScreen: info
    Good (kOps 1.12.10):
        /calico/v1/host/Node_A/config/LogSeverityScreen: debug
    Also: D040
    Fix: delete the configuration of the node that is gone.
    Source: libcalico-go lib/upgrade/migrator/felixconfig.go@9047dcb0.
    """,
    ),
    _d(
        "D075",
        "v1-namespace-label-kept",
        "warning",
        f"""A host endpoint or a profile keeps the label `calico/k8s_ns`.

    calico-upgrade renames it to `projectcalico.org/namespace` on workload endpoints and in the selectors of
    policies, but not on host endpoints and in profiles. A policy that has matched them by this label does not any
    more.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/endpoint/eth0: {{name: eth0, labels: {{calico/k8s_ns: shop}}}}
    Good (kOps 1.12.10):
        /calico/v1/host/n1/endpoint/eth0: {{name: eth0, labels: {{projectcalico.org/namespace: shop}}}}
    Fix: add the new label with the same value.
    Source: {_CONVERTERS}/{{hostendpoint,profile,selectors}}.go@9047dcb0.
    """,
    ),
    _d(
        "D076",
        "v1-as-number-lost",
        "warning",
        f"""A node loses its AS number.

    A node without an address has no BGP section in v3, and its AS number goes with it. When its calico-node starts it
    finds its address, and takes the default AS number.

    Bad (kOps 1.12.10):
        /calico/v1/host/n1/metadata: {{}}
        /calico/bgp/v1/host/n1/as_num: '64513'
    Good (kOps 1.12.10):
        /calico/v1/host/n1/metadata: {{}}
        /calico/bgp/v1/host/n1/ip_addr_v4: 10.0.0.1
        /calico/bgp/v1/host/n1/as_num: '64513'
    Fix: set the node's address before the migration, or its AS number again in v3.
    Source: {_CONVERTERS}/node.go@9047dcb0.
    """,
    ),
]
