"""Rate limit quotas: how often a client address may come, in all or at one mount.

core/quota/rate-limit/<name>    RateLimitEntry, JSON: v (1), name, rate, interval and block_interval (seconds), mount
                                (UUID, "" for all), suffix (path below it, may end in "*"), role, inheritable
core/config/quotas              QuotaConfig, JSON: v (1), exempt_paths, audit, headers

A rule names its mount by UUID: it moves with the mount, and is gone with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from strongroom.core.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction

PREFIX: Final = "core/quota/rate-limit/"
CONFIG: Final = "core/config/quotas"
#: What a server must always answer, however busy its clients are.
EXEMPT: Final = (
    "sys/generate-recovery-token/attempt",
    "sys/generate-recovery-token/update",
    "sys/generate-root/attempt",
    "sys/generate-root/update",
    "sys/health",
    "sys/seal-status",
    "sys/unseal",
)


class RateLimitEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule, as it is stored."""

    name: str
    rate: float
    interval: int = 1
    block_interval: int = 0
    mount: str = ""
    suffix: str = ""
    role: str = ""
    inheritable: bool = False
    v: int = 1

    @property
    def scope(self) -> tuple[str, str, str]:
        """What it applies to; no two rules share one."""
        return self.mount, self.suffix, self.role


class QuotaConfig(msgspec.Struct, frozen=True):
    """What all rules share: paths without a limit, and whether refusals are audited and answers carry headers."""

    exempt_paths: tuple[str, ...] = EXEMPT
    audit: bool = False
    headers: bool = False
    v: int = 1


class Rule:
    """A rule in use."""

    __slots__ = ("entry", "limiter")

    def __init__(self, entry: RateLimitEntry) -> None:
        self.entry = entry
        self.limiter = RateLimiter(entry.rate, entry.interval, entry.block_interval)

    def fits(self, path: str, role: str) -> bool:
        """Whether it is about a path below its mount, and the role of a login there."""
        entry = self.entry
        if entry.role:
            return entry.role == role
        if entry.suffix.endswith("*"):
            return path.startswith(entry.suffix[:-1])
        return not entry.suffix or entry.suffix == path.rstrip("/")


class Quotas:
    """The rules. Changes are written in a request's transaction; `apply`, `remove`, `configure` follow its commit."""

    def __init__(self, live: Live) -> None:
        self._live = live
        #: By name. Empty, requests pass without a look.
        self.rules: dict[str, Rule] = {}
        self.config = QuotaConfig()
        self._everywhere: Rule | None = None
        #: By the mount's UUID, the most specific first.
        self._of_mount: dict[str, list[Rule]] = {}
        self._exempt: frozenset[str] = frozenset()
        self._exempt_below: tuple[str, ...] = ()

    async def load(self) -> None:
        """Read the rules, leaving out those of mounts that are gone."""
        tx = self._live.transaction()
        self.configure(await tx.load(CONFIG, QuotaConfig) or QuotaConfig())
        mounts = {mount.entry.uuid for mount in self._live.mounts}
        for name in await tx.list(PREFIX):
            entry = await tx.load(PREFIX + name, RateLimitEntry)
            if entry is not None and (not entry.mount or entry.mount in mounts):
                self.rules[name] = Rule(entry)
            else:
                tx.delete(PREFIX + name)
        await tx.commit()
        self._arrange()

    # -- Changing ---------------------------------------------------------------------------------------------------

    def store(self, tx: Transaction, entry: RateLimitEntry) -> None:
        """Write a rule in a request's transaction."""
        tx.store(PREFIX + entry.name, entry)

    def discard(self, tx: Transaction, name: str) -> None:
        """Remove a rule in a request's transaction."""
        tx.delete(PREFIX + name)

    def store_config(self, tx: Transaction, config: QuotaConfig) -> None:
        """Write what all rules share in a request's transaction."""
        tx.store(CONFIG, config)

    def apply(self, entry: RateLimitEntry) -> None:
        """Put a durable rule to use; it starts to count anew."""
        self.rules[entry.name] = Rule(entry)
        self._arrange()

    def remove(self, name: str) -> None:
        """Forget a rule."""
        self.rules.pop(name, None)
        self._arrange()

    def configure(self, config: QuotaConfig) -> None:
        """Go by these settings."""
        self.config = config
        # Whole segments, unless a path ends in "*"; leading slashes mean nothing.
        paths = [path.lstrip("/") for path in config.exempt_paths]
        self._exempt = frozenset(path.rstrip("/") for path in paths if path and not path.endswith("*"))
        below = [path.removesuffix("*") if path.endswith("*") else path.rstrip("/") + "/" for path in paths if path]
        self._exempt_below = tuple(below)

    def _arrange(self) -> None:
        self._everywhere = None
        self._of_mount = {}
        for rule in sorted(self.rules.values(), key=_rank):
            if rule.entry.mount:
                self._of_mount.setdefault(rule.entry.mount, []).append(rule)
            else:
                self._everywhere = rule

    # -- Asking -----------------------------------------------------------------------------------------------------

    def same_scope(self, entry: RateLimitEntry) -> str | None:
        """The name of another rule for the same thing."""
        return next(
            (name for name, rule in self.rules.items() if name != entry.name and rule.entry.scope == entry.scope), None
        )

    def exempt(self, path: str) -> bool:
        """Whether a path has no limit."""
        return path.rstrip("/") in self._exempt or path.startswith(self._exempt_below)

    def by_role(self, mount: str) -> bool:
        """Whether any rule of a mount is about a role."""
        return any(rule.entry.role for rule in self._of_mount.get(mount, ()))

    def find(self, mount: str, path: str, role: str = "") -> Rule | None:
        """The rule for a path below a mount ("" for none): one for the role, the path, the mount, or everything."""
        for rule in self._of_mount.get(mount, ()):
            if rule.fits(path, role):
                return rule
        return self._everywhere

    def living(self) -> Iterable[RateLimitEntry]:
        """The rules whose mounts are there."""
        mounts = {mount.entry.uuid for mount in self._live.mounts}
        return [rule.entry for rule in self.rules.values() if not rule.entry.mount or rule.entry.mount in mounts]


def _rank(rule: Rule) -> tuple[bool, bool, int]:
    entry = rule.entry
    return not entry.role, not entry.suffix or entry.suffix.endswith("*"), -len(entry.suffix)
