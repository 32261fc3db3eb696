"""Lease count quotas: how many leases, and tokens, there may be in all or beneath one mount.

core/quota/lease-count/<name>    LeaseCountEntry, JSON: v (1), name, max_leases, mount (UUID, "" for all), suffix (path
                                 below it, may end in "*")

Nothing is counted while leases come and go. A rule knows a number that there cannot be more than: what a count found,
and one for every lease since. Only when that reaches the maximum it counts again, so that the work is shared by as many
leases as are left; at the maximum it counts once a second at most, and no further than the maximum.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec

from strongroom.core.lease_model import ID
from strongroom.core.lease_walk import walk
from strongroom.core.quota_rules import RuleTable
from strongroom.errors import TooManyRequests

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.storage.transaction import Transaction

PREFIX: Final = "core/quota/lease-count/"
PAGE: Final = 512
RECOUNT_SECONDS: Final = 1.0


class LeaseCountEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One rule, as it is stored. `role` is there for the table's sake: a lease does not know its role."""

    name: str
    max_leases: int
    mount: str = ""
    suffix: str = ""
    inheritable: bool = False
    v: int = 1

    @property
    def role(self) -> str:
        """No role."""
        return ""


class LeaseRule:
    """A rule in use. `most` is a number that there are no more leases than; None before the first count."""

    __slots__ = ("counted_at", "entry", "lock", "most")

    def __init__(self, entry: LeaseCountEntry) -> None:
        self.entry = entry
        self.most: int | None = None
        self.counted_at = 0.0
        self.lock = asyncio.Lock()


class LeaseQuotas:
    """The rules. Changes are written in a request's transaction; `apply` and `remove` follow its commit."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.table: RuleTable[LeaseRule] = RuleTable()

    async def load(self) -> None:
        """Read the rules, leaving out those of mounts that are gone."""
        tx = self._live.transaction()
        mounts = {mount.entry.uuid for mount in self._live.mounts}
        for name in await tx.list(PREFIX):
            entry = await tx.load(PREFIX + name, LeaseCountEntry)
            if entry is not None and (not entry.mount or entry.mount in mounts):
                self.apply(entry)
            else:
                tx.delete(PREFIX + name)
        await tx.commit()

    def store(self, tx: Transaction, entry: LeaseCountEntry) -> None:
        """Write a rule in a request's transaction."""
        tx.store(PREFIX + entry.name, entry)

    def discard(self, tx: Transaction, name: str) -> None:
        """Remove a rule in a request's transaction."""
        tx.delete(PREFIX + name)

    def apply(self, entry: LeaseCountEntry) -> None:
        """Put a durable rule to use."""
        self.table.put(LeaseRule(entry))
        self._hook()

    def remove(self, name: str) -> None:
        """Forget a rule."""
        self.table.drop(name)
        self._hook()

    def _hook(self) -> None:
        # Without rules whoever makes a lease has nothing to ask.
        self._live.leases.admit = self._live.tokens.admit = self.admit if self.table.rules else None

    async def admit(self, mount: str, path: str) -> None:
        """Let a lease be made at a request's path, for the mount with this UUID.

        Raises:
            TooManyRequests: there are as many as there may be.
        """
        rule = self.table.find(mount, self._below(mount, path))
        if rule is None:
            return
        most = rule.entry.max_leases
        if rule.most is None or rule.most >= most:
            async with rule.lock:
                await self._count_anew(rule)
        if rule.most is None or rule.most >= most:
            raise TooManyRequests(
                f'request path "{path}": lease count quota exceeded', kind="lease count quota exceeded"
            )
        rule.most += 1

    async def _count_anew(self, rule: LeaseRule) -> None:
        now = self._live.clock.monotonic()
        full = rule.most is not None and rule.most >= rule.entry.max_leases
        if rule.most is not None and not (full and now - rule.counted_at >= RECOUNT_SECONDS):
            return  # somebody else has counted while we waited, or just before
        before = rule.most or 0
        counted = await self.count(rule.entry, rule.entry.max_leases)
        # What was let through while we counted may have been seen or not.
        rule.most = counted + max((rule.most or 0) - before, 0)
        rule.counted_at = now

    async def count(self, entry: LeaseCountEntry, limit: int = 0) -> int:
        """How many leases a rule is about; counting ends at `limit`, unless that is 0."""
        mount = self._live.mounts.by_uuid(entry.mount) if entry.mount else None
        if entry.mount and mount is None:
            return 0
        base = mount.path if mount else ""
        glob = entry.suffix.endswith("*")
        start = base + entry.suffix.removesuffix("*")
        # A walk goes by whole segments; a glob may end within one.
        folder = start.rpartition("/")[0] if glob else start.rstrip("/")
        total = 0
        async for page in walk(self._live.barrier, ID, folder, PAGE):
            total += sum(lease.startswith(start) for lease in page) if glob else len(page)
            if limit and total >= limit:
                break
        return total

    def _below(self, mount: str, path: str) -> str:
        found = self._live.mounts.by_uuid(mount)
        return path.removeprefix(found.path) if found else path
