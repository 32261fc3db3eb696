"""Rate limit quotas: how often a client address may come, in all or at one mount.

core/quota/rate-limit/<name>    RateLimitEntry, JSON: v (1), name, rate, interval and block_interval (seconds), mount
                                (UUID, "" for all), suffix (path below it, may end in "*"), role, inheritable
core/config/quotas              QuotaConfig, JSON: v (1), exempt_paths, audit, headers
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from strongroom.core.quota_rules import RuleTable
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


class QuotaConfig(msgspec.Struct, frozen=True):
    """What all rules share: paths without a limit, and whether refusals are audited and answers carry headers."""

    exempt_paths: tuple[str, ...] = EXEMPT
    audit: bool = False
    headers: bool = False
    v: int = 1


class RateRule:
    """A rule in use."""

    __slots__ = ("entry", "limiter")

    def __init__(self, entry: RateLimitEntry) -> None:
        self.entry = entry
        self.limiter = RateLimiter(entry.rate, entry.interval, entry.block_interval)


class Quotas:
    """The rules. Changes are written in a request's transaction; `apply`, `remove`, `configure` follow its commit."""

    def __init__(self, live: Live) -> None:
        self._live = live
        #: While it has no rules, requests pass without a look.
        self.table: RuleTable[RateRule] = RuleTable()
        self.config = QuotaConfig()
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
                self.apply(entry)
            else:
                tx.delete(PREFIX + name)
        await tx.commit()

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
        self.table.put(RateRule(entry))

    def remove(self, name: str) -> None:
        """Forget a rule."""
        self.table.drop(name)

    def configure(self, config: QuotaConfig) -> None:
        """Go by these settings."""
        self.config = config
        # Whole segments, unless a path ends in "*"; leading slashes mean nothing.
        paths = [path.lstrip("/") for path in config.exempt_paths]
        self._exempt = frozenset(path.rstrip("/") for path in paths if path and not path.endswith("*"))
        below = [path.removesuffix("*") if path.endswith("*") else path.rstrip("/") + "/" for path in paths if path]
        self._exempt_below = tuple(below)

    def exempt(self, path: str) -> bool:
        """Whether a path has no limit."""
        return path.rstrip("/") in self._exempt or path.startswith(self._exempt_below)
