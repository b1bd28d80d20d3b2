"""What calico-upgrade asks before it looks at any object: the version, the Ready flag, the v3 store.

Source: calico-upgrade pkg/commands/{dryrun,start}.go@v1.0.5; libcalico-go lib/upgrade/migrator/migrate.go@9047dcb0
(CanMigrate, clearReadyV1, versionRequiresMigration) and lib/backend/etcdv3 (IsClean).
"""

from __future__ import annotations

from calico_lint.v1data.objects import Problem, V1Object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MINIMUM = (2, 6, 5)
V3_PREFIX = "/calico/"


def version_fault(version: str) -> str | None:
    """Why calico-upgrade does not migrate from this Calico version; None if it does.

    A pre-release counts as its release (`v2.6.5-rc1`, `v2.6.5-15-g0123abc`).
    """
    text = version.removeprefix("v").partition("+")[0].partition("-")[0]
    numbers = text.split(".", 2)
    if len(numbers) != 3 or not all(number.isascii() and number.isdigit() and len(number) < 19 for number in numbers):
        return f"{version!r} is no version"
    release = tuple(int(number) for number in numbers)
    if release[0] >= 3:
        return f"{version} is v3 already, which v1 data cannot have"
    return None if release >= MINIMUM else f"{version} is older than v2.6.5"


def version_problem(object: V1Object | None, version: str | None) -> Problem | None:
    """The problem with the Calico version in the store; None if there is none."""
    if version is None:
        return Problem(
            "D001",
            "gate",
            None,
            "there is no /calico/v1/config/CalicoVersion, so that calico-upgrade does not know what it migrates from",
            "check that this is the store of the cluster, and that Calico v2.6.5 or newer has started in it",
        )
    fault = version_fault(version)
    if fault is None:
        return None
    fix = "upgrade to the newest Calico v2.6 first; its nodes write their version when they start"
    return Problem("D001", "gate", object, fault, fix)


def ready_problem(object: V1Object | None, text: str | None) -> Problem | None:
    """The problem with the Ready flag; None if there is none."""
    if text == "true":
        return None
    if text is None:
        message = "there is no /calico/v1/Ready, and calico-upgrade start stops without it"
        return Problem("D002", "gate", None, message, "run `calico-upgrade abort`, which sets it to true")
    return Problem(
        "D002",
        "gate",
        object,
        "the Ready flag is not true: Calico is paused, by a migration that runs or by one that was interrupted",
        "if none runs, remove what it left in the v3 store and run `calico-upgrade abort`",
    )


def is_clean(v3_keys: Iterable[str]) -> list[Problem]:
    """One problem if keys are left in the v3 store, none if it is clean."""
    left = [key for key in v3_keys if key.startswith(V3_PREFIX)]
    if not left:
        return []
    first = min(left)
    message = f"{len(left)} keys below {V3_PREFIX} are left in the v3 store, such as {first}"
    if len(left) == 1:
        message = f"the key {first} is left in the v3 store"
    return [
        Problem(
            "D003",
            "gate",
            None,
            message,
            "if no migration runs and no component of Calico v3 does: delete them (`ETCDCTL_API=3 etcdctl del --prefix "
            f"{V3_PREFIX}`), then run `calico-upgrade abort`, because a Ready flag that is still false stops the next "
            "start as well",
        )
    ]
