"""Timing profiles: how long each thing takes, how sure we are, and who says so.

Every number of a plan comes from here (or from the spec). A parameter carries its distribution, its unit
and its source; where nobody has published a number the source says *assumption*. Most do: nobody has
measured a kOps migration in public. `--set` and `--profile` replace any of them.

Abbreviations in sources: `calico-upgrade` is projectcalico/calico-upgrade v1.0.5, `migrate.go` is
`lib/upgrade/migrator/migrate.go` of libcalico-go 9047dcb0 (with which calico-upgrade v1.0.5 is built), `manifest`
is `k8s-1.7-v3.yaml.template` of kOps release-1.12, `kube_boot.go` is `protokube/pkg/protokube/kube_boot.go` there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from calico_lint.kops.releases import Version
from simulator.scenario import V2_TO_V3
from simulator.timing import TIMINGS

if TYPE_CHECKING:
    from pathlib import Path

Floats = npt.NDArray[np.float64]

# A timing above this is a slip of the pen (milliseconds for seconds), not a cluster: 1000 h.
LONGEST = 3_600_000.0


class Doubt(NamedTuple):
    """What each run takes to be true instead of a distribution's own statement: arrays with one entry a run.

    `scale` multiplies every value, `spread` the standard deviation of a logarithm. `CERTAIN` changes nothing.
    """

    scale: Floats | float
    spread: Floats | float


CERTAIN: Final = Doubt(1.0, 1.0)


class ProfileError(ValueError):
    """A distribution, a parameter or a profile that cannot be used; the message says what can."""


# --- distributions --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same value."""

    value: float

    log_spread: ClassVar[float] = 0.0

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...], doubt: Doubt = CERTAIN) -> Floats:
        """The value, `shape` times. There is no doubt about it."""
        return np.full(shape, self.value)

    @property
    def median(self) -> float:
        """The value."""
        return self.value

    def __str__(self) -> str:
        return f"{self.value:.6g}"


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything between `low` and `high`, all alike."""

    low: float
    high: float

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...], doubt: Doubt = CERTAIN) -> Floats:
        """Independent draws; a doubt about the scale moves both ends (`shape` ends with the runs)."""
        drawn = doubt.scale * (self.low + (self.high - self.low) * generator.random(shape))
        return np.minimum(drawn, LONGEST)

    @property
    def log_spread(self) -> float:
        """The standard deviation of the logarithm."""
        if self.high <= self.low:
            return 0.0
        if self.low <= 0:
            return 1.0
        # With r = low/high: 1 - r (ln r / (1 - r))², from the moments of ln U over [r, 1].
        ratio = self.low / self.high
        return math.sqrt(max(0.0, 1.0 - ratio * (math.log(ratio) / (1.0 - ratio)) ** 2))

    @property
    def median(self) -> float:
        """The middle."""
        return (self.low + self.high) / 2

    def __str__(self) -> str:
        return f"uniform({self.low:.6g}, {self.high:.6g})"


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The smallest of `count` independent uniform draws: the first of several timers that run out."""

    count: int
    low: float
    high: float

    log_spread: ClassVar[float] = 0.0

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...], doubt: Doubt = CERTAIN) -> Floats:
        """Independent draws, one random number each. There is no doubt about timers."""
        return self.low + (self.high - self.low) * (1.0 - (1.0 - generator.random(shape)) ** (1.0 / self.count))

    @property
    def median(self) -> float:
        """Half of all draws are below."""
        return float(self.low + (self.high - self.low) * (1.0 - 0.5 ** (1.0 / self.count)))

    def __str__(self) -> str:
        return f"first_of({self.count}, {self.low:.6g}, {self.high:.6g})"


@dataclass(frozen=True, slots=True)
class Lognormal:
    """`median` times exp(`sigma` x standard normal), cut to [`low`, `high`]."""

    centre: float
    sigma: float
    low: float = 0.0
    high: float = math.inf

    def sample(self, generator: np.random.Generator, shape: tuple[int, ...], doubt: Doubt = CERTAIN) -> Floats:
        """Independent draws (`shape` ends with the runs), never longer than `LONGEST`."""
        with np.errstate(over="ignore"):  # what is infinite is cut
            drawn = self.centre * doubt.scale * np.exp(self.sigma * doubt.spread * generator.standard_normal(shape))
        return np.clip(drawn, self.low, min(self.high, LONGEST))

    @property
    def log_spread(self) -> float:
        """The standard deviation of the logarithm, cuts aside."""
        return self.sigma

    @property
    def median(self) -> float:
        """The median, cut like a draw."""
        return min(max(self.centre, self.low), self.high)

    def __str__(self) -> str:
        cut = f", {self.low:.6g}, {self.high:.6g}" if self.low > 0 or math.isfinite(self.high) else ""
        return f"lognormal({self.centre:.6g}, {self.sigma:.6g}{cut})"


Distribution = Fixed | Uniform | FirstOf | Lognormal

_CALL = re.compile(r"\s*([a-z_]+)\s*\(([^()]*)\)\s*\Z")
FORMS = "8, uniform(1, 4), lognormal(MEDIAN, SIGMA), lognormal(MEDIAN, SIGMA, LOW, HIGH), first_of(COUNT, LOW, HIGH)"


def parse(text: str) -> Distribution:
    """A distribution as `--set` and profiles write it (FORMS). Raises ProfileError that says what is wrong."""
    match = _CALL.match(text.lower())
    if match is None:
        return Fixed(_number(text, text))
    name = match[1]
    numbers = [_number(part, text) for part in match[2].split(",")] if match[2].strip() else []
    if name == "fixed" and len(numbers) == 1:
        return Fixed(numbers[0])
    if name == "uniform" and len(numbers) == 2:
        _ordered(numbers[0], numbers[1], text)
        return Uniform(*numbers)
    if name == "lognormal" and len(numbers) in (2, 4):
        if numbers[0] <= 0:
            raise ProfileError(f"{text!r}: the median of a lognormal distribution must be above 0")
        if len(numbers) == 4:
            _ordered(numbers[2], numbers[3], text)
        return Lognormal(*numbers)
    if name == "first_of" and len(numbers) == 3:
        _ordered(numbers[1], numbers[2], text)
        if numbers[0] < 1 or numbers[0] != int(numbers[0]):
            raise ProfileError(f"{text!r}: COUNT must be a whole number from 1 on")
        return FirstOf(int(numbers[0]), numbers[1], numbers[2])
    if name in ("fixed", "uniform", "lognormal", "first_of"):
        raise ProfileError(f"{text!r} has {len(numbers)} numbers; the forms are {FORMS}")
    raise ProfileError(f"{text!r} is no known distribution; the forms are {FORMS}")


def _number(part: str, text: str) -> float:
    try:
        value = float(part)
    except ValueError:
        raise ProfileError(f"{text!r}: {part.strip()!r} is not a number; the forms are {FORMS}") from None
    if not 0 <= value <= LONGEST:  # refuses nan as well
        raise ProfileError(f"{text!r}: {part.strip()} is outside 0 to {LONGEST:,.0f}")
    return value


def _ordered(low: float, high: float, text: str) -> None:
    if low > high:
        raise ProfileError(f"{text!r}: the lower end {low:.6g} is above the upper end {high:.6g}")


# --- parameters -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number of the model.

    `scope`: "node" is drawn for every node of every run, "run" once a run, "input" is a plain number that
    other parameters are computed from. `observations` says how many observed durations the distribution rests on:
    so uncertain is it itself (`doubt`). None: it is taken as certain.
    """

    name: str
    distribution: Distribution
    unit: str
    source: str
    scope: str = "run"
    observations: int | None = None

    @property
    def uncertain(self) -> bool:
        """Whether there is any doubt about the distribution itself."""
        return self.observations is not None and self.distribution.log_spread > 0

    def doubt(self, generator: np.random.Generator, runs: int) -> Doubt:
        """Draw what is true, once for each run, from what the observations support.

        The logarithm is taken as normal, its mean and variance as unknown. The posterior that is conjugate to that
        (Normal-Inverse-Gamma; Gelman et al., *Bayesian Data Analysis*, 3.3) with n observations that say (ln median,
        sigma): sigma'² ~ InverseGamma(1 + n/2, n sigma²/2), whose mean is sigma², and then ln median' ~
        Normal(ln median, sigma'²/n). Adding m observations to n makes n + m of both, so a guess that is worth two
        (kappa = alpha = 2) is a prior like any other. A distribution that is not lognormal keeps its shape, ends
        included, and is only scaled: ln scale ~ Normal(0, sigma²/n) with sigma that of its own logarithm.
        """
        if self.observations is None or not self.uncertain:
            return CERTAIN
        sigma = self.distribution.log_spread
        normal = generator.standard_normal(runs)
        if not isinstance(self.distribution, Lognormal):
            return Doubt(np.exp(sigma / math.sqrt(self.observations) * normal), 1.0)
        spread = np.sqrt(self.observations / 2 / generator.standard_gamma(1 + self.observations / 2, runs))
        return Doubt(np.exp(sigma * spread * normal / math.sqrt(self.observations)), spread)

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {
            "name": self.name,
            "distribution": str(self.distribution),
            "unit": self.unit,
            "source": self.source,
            "observations": self.observations,
        }


class Setting(NamedTuple):
    """What a parameter is replaced with. `observations`: how many durations it rests on; None: it is certain."""

    distribution: Distribution
    source: str
    observations: int | None = None


Settings = Mapping[str, "Setting | tuple[Distribution, str]"]
"""By the parameter's name."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A name and the parameters, in the order in which things happen."""

    name: str
    parameters: tuple[Parameter, ...]

    def __getitem__(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)

    def __contains__(self, name: str) -> bool:
        return any(parameter.name == name for parameter in self.parameters)

    def of_scope(self, scope: str) -> tuple[Parameter, ...]:
        """The parameters of one scope."""
        return tuple(parameter for parameter in self.parameters if parameter.scope == scope)

    def to_dict(self) -> dict[str, Any]:
        """The shape of the plan's JSON."""
        return {"name": self.name, "parameters": [parameter.to_dict() for parameter in self.parameters]}


@dataclass(frozen=True, slots=True)
class Situation:
    """What of the cluster decides its timings.

    `control_plane` is the number of control-plane nodes. `bird` is whether calico-node's readiness asks
    BIRD (encapsulation IP-in-IP or none of its own); `upgrade_ipam` whether the manifest has that init
    container. `api_qps` and `api_burst` are what the spec says of kube-controller-manager; None: nothing. `objects` are
    the (resources, IPAM entries) to migrate where they were counted; what is None is estimated.
    """

    protocol: str
    nodes: int
    control_plane: int
    kubernetes: Version
    bird: bool = True
    upgrade_ipam: bool = True
    api_qps: float | None = None
    api_burst: int | None = None
    objects: tuple[int, int | None] | None = None


# What nobody measured is worth two observations: the prior weight that this project gives any guess (kappa = alpha = 2
# of a Normal-Inverse-Gamma). With sigma 0.5 the median is then uncertain by a factor between 0.5 and 2 at 95 %.
_GUESS = 2
_PULL_SOURCE = (
    "assumption; public points: 31 MB in 1.07 s (usernetes PR 287), fedora:32 in 19.1 s (kubernetes 91560), "
    "about 300 s in a slow CI network (kubean 658), where it is cut"
)
_PROCESS_SOURCE = "assumption: one calico-upgrade process, 2-3 etcd reads; cut at the etcd v2 client's 30 s"
_STUCK = 300.0  # a step that takes longer than the worst pull is a fault, not a duration: assumption
_KEY_READ = (0.002, 0.010)  # one quorum read or write of one etcd key, assumption
_STORE_RATE = 200.0

_PODS = Parameter("pods_per_node", Fixed(30), "pods", "assumption: pods with an address of their own", "input")
_NAMESPACES = Parameter("namespaces", Fixed(20), "namespaces", "assumption", "input")
_POLICIES = Parameter("network_policies", Fixed(20), "policies", "assumption", "input")


def _limits(situation: Situation) -> tuple[Parameter, ...]:
    """What the DaemonSet controller's client may do: plain numbers of the scenario, the same in all runs."""
    default = "kube-controller-manager's default (pkg/controller/apis/config/v1alpha1/defaults.go of Kubernetes)"
    return (
        Parameter(
            "api_qps",
            Fixed(20 if situation.api_qps is None else situation.api_qps),
            "calls/s",
            default if situation.api_qps is None else "spec.kubeControllerManager.kubeAPIQPS",
            "input",
        ),
        Parameter(
            "api_burst",
            Fixed(30 if situation.api_burst is None else situation.api_burst),
            "calls",
            default if situation.api_burst is None else "spec.kubeControllerManager.kubeAPIBurst",
            "input",
        ),
        Parameter("slow_start", Fixed(0), "s", "left out: some milliseconds for each doubling", "input"),
    )


def objects(situation: Situation, pods_per_node: float) -> tuple[int, int]:
    """(resources, IPAM entries) that the migration writes, estimated from the cluster's size.

    Resources: FelixConfiguration and ClusterInformation, BGPConfiguration, one IPPool, the nodes, one
    WorkloadEndpoint a pod; no Calico-native policies, profiles, peers or host endpoints (an assumption: the spec does
    not tell). IPAM: a block (/26) for each 64 addresses of a node, an affinity a block, a handle a pod.
    Source: the order of writes in migrate.go:408-512, 1059-1129.
    """
    pods = round(situation.nodes * pods_per_node)
    blocks = situation.nodes * max(1, math.ceil(pods_per_node / 64))
    resources, ipam = situation.objects or (None, None)
    return (
        4 + situation.nodes + pods if resources is None else resources,
        2 * blocks + pods if ipam is None else ipam,
    )


def build(
    situation: Situation,
    settings: Settings | None = None,
    name: str = "default",
) -> Profile:
    """The profile of a cluster: the defaults, with `settings` in their place.

    Raises ProfileError for a name that this plan has no use for, and for an input that is not one number.
    """
    settings = settings or {}
    wanted = (_PODS, _NAMESPACES, _POLICIES) if situation.protocol == V2_TO_V3 else (_PODS,)
    inputs = tuple(_replaced(parameter, settings) for parameter in wanted)
    limits = tuple(_replaced(parameter, settings) for parameter in _limits(situation))
    for parameter in (*inputs, *limits):
        if not isinstance(parameter.distribution, Fixed):
            raise ProfileError(f"{parameter.name} takes one number, not {parameter.distribution}")
        if parameter.name == "api_burst" and parameter.distribution.value % 1:
            raise ProfileError(f"api_burst takes a whole number, not {parameter.distribution}")
    timings = _timings(situation, *(parameter.distribution.median for parameter in inputs))
    parameters = (*inputs, *timings, *limits)
    known = sorted(parameter.name for parameter in parameters)
    for unknown in settings:
        if unknown not in known:
            from difflib import get_close_matches  # only a mistake pays for this import

            near = get_close_matches(unknown, known, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"these are: {', '.join(known)}"
            raise ProfileError(f"{unknown!r} is no parameter of a {situation.protocol} plan; {advice}")
    profile = Profile(name, tuple(_replaced(parameter, settings) for parameter in parameters))
    for parameter in profile.parameters:
        timing = TIMINGS.get(parameter.name)
        if timing is not None and timing.positive and _lowest(parameter.distribution) <= 0:
            raise ProfileError(f"{parameter.name} must always be above 0, not {parameter.distribution}")
    return profile


def _replaced(parameter: Parameter, settings: Settings) -> Parameter:
    if parameter.name not in settings:
        return parameter
    # What the user states is certain, unless it says how many observations it rests on.
    distribution, source, observations = Setting(*settings[parameter.name])
    return replace(parameter, distribution=distribution, source=source, observations=observations)


def _lowest(distribution: Distribution) -> float:
    match distribution:
        case Fixed(value):
            return value
        case Lognormal(low=low, high=high):
            return min(low or math.ulp(0.0), high)  # never reaches 0 unless it is cut there
        case _:
            return distribution.low


def _pull(name: str, median: float, scope: str = "node") -> Parameter:
    # What is drawn once a run is the cluster's own value: its spread is the uncertainty already.
    observations = _GUESS if scope == "node" else None
    return Parameter(name, Lognormal(median, 0.5, 0.0, _STUCK), "s", _PULL_SOURCE, scope, observations)


def _timings(
    situation: Situation, pods_per_node: float, namespaces: float = 0, network_policies: float = 0
) -> tuple[Parameter, ...]:
    """Every timing of the protocol, in the order in which things happen."""
    migration = situation.protocol == V2_TO_V3
    apply = Uniform(1, 8)
    loop = 60 + apply.median
    common_start = (
        Parameter(
            "channels_delay",
            FirstOf(situation.control_plane, 0, loop) if situation.control_plane > 1 else Uniform(0, loop),
            "s",
            f"kube_boot.go:102: each control-plane node ({situation.control_plane}) looks every 60 s + apply",
        ),
        Parameter("apply", apply, "s", "assumption: kubectl apply of 13 objects, one after the other"),
        Parameter("controller_reaction", Lognormal(0.15, 0.6), "s", "assumption: event-driven queue"),
        Parameter(
            "scheduler_latency",
            Uniform(0.05, 0.5) if situation.kubernetes >= Version(1, 12, 0) else Fixed(0),
            "s",
            "assumption; before Kubernetes 1.12 the DaemonSet controller places its pods itself",
        ),
        Parameter("kill", Uniform(0.2, 2), "s", "kubelet: SIGKILL at the latest after its 2 s minimum grace", "node"),
        Parameter(
            "sandbox", Lognormal(1, 0.4, 0.0, _STUCK), "s", "assumption: sandbox on the host's network", "node", _GUESS
        ),
    )
    # Readiness before Kubernetes 1.21 begins at a random moment of its period (kubernetes PR 97126, 101738).
    random_phase = situation.kubernetes < Version(1, 21, 0)
    common_end = (
        Parameter(
            "services", Uniform(2, 6), "s", "assumption: calico-node start until BIRD and Felix run", "node", _GUESS
        ),
        Parameter(
            "felix_sync",
            # Full list of endpoints, then iptables-restore for the local ones.
            Lognormal(2 + 0.0003 * pods_per_node * situation.nodes + 0.02 * pods_per_node, 0.4, 0.0, _STUCK),
            "s",
            "assumption: 2 s + 0.3 ms an endpoint of the cluster + 20 ms a local one",
            "node",
            _GUESS,
        ),
        Parameter(
            "bgp_session",
            Uniform(2, 8) if situation.bird else Fixed(0),
            "s",
            "bird.cfg.template: connect delay 2 s, retry 5 s; the spread is an assumption"
            if situation.bird
            else "readiness does not ask BIRD with this encapsulation",
        ),
        Parameter("readiness_period", Fixed(10), "s", "manifest:275-281"),
        Parameter(
            "probe_offset",
            Uniform(0, 10) if random_phase else Fixed(0),
            "s",
            "kubelet: first probe at a random moment of the period before Kubernetes 1.21, at once from then on",
            "node",
        ),
        Parameter(
            "bird_threshold",
            Fixed(30 if situation.bird else 0),
            "s",
            "main.go:48 of calico/node: the age from which one established peer is enough",
        ),
        Parameter("controllers_old_gone", Fixed(1), "s", "assumption: no finalizer, no open work"),
        _pull("pull_controllers", 3, "run"),
        Parameter(
            "controllers_sync",
            # A GET and a CREATE for each policy and namespace profile, one worker.
            Fixed(2 + (network_policies + namespaces) * 2 / _STORE_RATE) if migration else Fixed(2),
            "s",
            "assumption: 2 s start + 2 requests a policy and namespace at the rate of etcd writes"
            if migration
            else "assumption: start; nothing to copy with the Kubernetes datastore",
        ),
        Parameter("sandbox_retry", Uniform(10, 15), "s", "kubelet: backOffPeriod 10 s, jitter up to 50 %"),
    )
    if not migration:
        return (
            *common_start,
            _pull("pull_cni", 6),
            Parameter(
                "upgrade_ipam",
                Fixed(1 if situation.upgrade_ipam else 0),
                "s",
                "assumption: one process that finds nothing to do"
                if situation.upgrade_ipam
                else "this manifest has no such container",
                "node",
            ),
            Parameter("install_cni", Fixed(1), "s", "assumption: copies two binaries and a file", "node"),
            _pull("pull_node", 8),
            Parameter(
                "ebpf_bootstrap",
                Fixed(1),
                "s",
                "assumption: the last init container (flexvol-driver to 1.24, mount-bpffs from 1.24, ebpf-bootstrap)",
                "node",
            ),
            *common_end,
        )
    resources, ipam = objects(situation, pods_per_node)
    data = resources + ipam
    low, high = (0.15 + 6 * situation.nodes * read + 0.0003 * data for read in _KEY_READ)
    read_source = (
        "assumption: 0.15 s + 6 quorum reads a node of 2-10 ms (compat.go:162-192) + 0.1 ms to read and 0.2 ms to "
        "convert an object"
    )
    return (
        *common_start,
        _pull("pull_upgrade", 4),
        Parameter("needed", Lognormal(0.2, 0.5, 0.0, 30.0), "s", _PROCESS_SOURCE, "node", _GUESS),
        Parameter("inprogress", Lognormal(0.2, 0.5, 0.0, 30.0), "s", _PROCESS_SOURCE, "node", _GUESS),
        Parameter("validate", Uniform(0.2 + low, 0.2 + high), "s", f"{read_source}, after a process start of 0.2 s"),
        Parameter("clear", Uniform(*_KEY_READ), "s", "assumption: one etcd write of 2-10 ms"),
        Parameter("pause", Fixed(15), "s", "migrate.go:237-238"),
        Parameter("requery", Uniform(low, high), "s", read_source),
        Parameter(
            "store_rate",
            Lognormal(_STORE_RATE, 0.7, 50.0, 2000.0),
            "objects/s",
            "one etcd write at a time: 58-60/s (etcd 2.1 benchmark, GCE) to 2100/s (local NVMe); cut to 50-2000",
        ),
        _pull("pull_node", 8),
        Parameter(
            "ensure_initialized",
            Uniform(1, 4),
            "s",
            "assumption: about 10 etcd calls and address detection",
            "node",
            _GUESS,
        ),
        _pull("pull_cni", 6),
        Parameter("felix_ready", Fixed(1), "s", "daemon.go:222-228 of Felix v3.7.4: after its first look", "node"),
        *common_end,
        Parameter("felix_poll", Fixed(1), "s", "daemon.go:226 of Felix v3.7.4"),
        Parameter("script_poll", Fixed(5), "s", "node-init-container.sh:23, controller-init.sh:13 of calico-upgrade"),
        Parameter("job_ready", Lognormal(5, 0.5), "s", "assumption: sandbox and pull of the upgrade image"),
        Parameter("complete", Lognormal(0.2, 0.5), "s", _PROCESS_SOURCE),
    )


# --- files ----------------------------------------------------------------------------------------------


_ENTRY = ("distribution", "source", "observations")


def load(path: Path) -> tuple[str, dict[str, Setting]]:
    """(name, settings) of a profile file, TOML or JSON: `name`, and a table `parameters` of name -> distribution.

    A distribution is a number, a text as in `parse`, or a table of `distribution`, `source` (who says so) and
    `observations`: how many durations it was estimated from, a prior's worth included (see `Parameter.doubt`). Raises
    ProfileError with the place, OSError where the file cannot be read.
    """
    data = path.read_bytes()
    try:
        if path.suffix == ".json":
            import json

            content = json.loads(data)
        else:
            import tomllib

            content = tomllib.loads(data.decode("utf-8"))
    except ValueError as error:  # JSONDecodeError, TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ProfileError(f"{path}: {error}") from None
    parameters = content.get("parameters") if isinstance(content, dict) else None
    if not isinstance(parameters, dict):
        raise ProfileError(f"{path}: a profile has a table `parameters` of name = distribution")
    settings = {}
    for name, entry in parameters.items():
        try:
            settings[name] = _setting(entry, f"profile {path.name}")
        except ProfileError as error:
            raise ProfileError(f"{path}: parameters.{name}{error}") from None
    return str(content.get("name") or path.stem), settings


def _setting(entry: object, source: str) -> Setting:
    """One entry of a profile file; the error begins with what follows the entry's name."""
    table = entry if isinstance(entry, dict) else {"distribution": entry}
    for key in table:
        if key not in _ENTRY:
            raise ProfileError(f".{key} is no key of a parameter; these are: {', '.join(_ENTRY)}")
    written, observations = table.get("distribution"), table.get("observations")
    if isinstance(written, bool) or not isinstance(written, (int, float, str)):
        raise ProfileError(f" is no distribution; the forms are {FORMS}")
    if observations is not None and (
        isinstance(observations, bool) or not isinstance(observations, int) or observations < 1
    ):
        raise ProfileError(
            f".observations: {observations!r} is no number of observations; write a whole number from 1 on"
        )
    try:
        distribution = parse(str(written))
    except ProfileError as error:
        raise ProfileError(f": {error}") from None
    return Setting(distribution, str(table.get("source") or source), observations)
