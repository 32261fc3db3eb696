"""`Leases`: what has been handed out for a time, durable before the outside world is touched, and undone in the end.

The layout is drawn in core/lease_model.py and core/lease_index.py. A lease's life:

1. `create` makes it durable, marked as pending, before the engine acts.
2. `confirm` lifts the mark in the commit of the request that took it. If that request fails, `abandon` makes the lease
   due at once; if the process dies, the next start does so for every lease still pending.
3. `renew` moves its end, `revoke` or the expiration undo what the engine made and remove it.
4. An undoing that fails is tried again after growing pauses; in the end the lease is kept as irrevocable, for an
   operator to see, and to revoke once the cause is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import json
from msgspec.structs import replace

from strongroom.api.messages import Lease
from strongroom.clock import random_text
from strongroom.core.lease_expiry import Expiration
from strongroom.core.lease_model import BY_TOKEN, ID, IRREVOCABLE, PENDING, TOKEN_KIND, LeaseEntry
from strongroom.core.lease_store import LeaseStore
from strongroom.core.lease_ttl import Terms, grant
from strongroom.core.lease_undo import Undoing, words
from strongroom.core.lease_walk import walk
from strongroom.core.slices import Slices
from strongroom.core.token_model import TokenEntry
from strongroom.errors import BadRequest, BadToken, RequestError

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount
    from strongroom.storage.transaction import Transaction

log = logging.getLogger("strongroom.leases")

ID_LENGTH: Final = 24
PAGE: Final = 256

#: Leases revoked at the same time by one request for a prefix.
TOGETHER: Final = 16

TIDY: Final = "lease tidy"

LAST_USE: Final = "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked."

_NANO: Final = 1_000_000_000

_decode = json.Decoder(LeaseEntry).decode

# Inside a class with a method `list`, the type of that name has to go by another.
Names = list[str]
Entries = list[LeaseEntry]
Failures = list[tuple[str, RequestError]]


class Leases:
    """The lease manager. Every change to a lease is a durable commit of its own, but for `confirm`."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._barrier = live.barrier
        self._clock = live.clock
        self._store = LeaseStore(live)
        self._undoing = Undoing(live, self._store)
        self._expiration = Expiration(live, self._undoing.expire)
        #: Asked before a lease is made, with its mount's UUID and the request's path; quotas set it.
        self.admit: Callable[[str, str], Awaitable[None]] | None = None

    async def load(self) -> None:
        """Give up what requests of an earlier process had pending, and start the expiration. No lease is read."""
        while names := await self._barrier.list(PENDING, "", PAGE):
            await self._give_up(PENDING, names)
        self._expiration.start()

    async def stop(self) -> None:
        """End the work under way; the next start does it again."""
        await self._expiration.stop()
        await self._undoing.stop()

    def due_at(self, at_ns: int) -> None:
        """Tell the expiration that something will fall due, in Unix nanoseconds; 0 is never."""
        self._expiration.due_at(at_ns)

    async def run_due(self) -> None:
        """Take down everything that is due now, and wait for it."""
        await self._expiration.run(complete=True)
        await self._expiration.idle()

    # -- Taking a lease ---------------------------------------------------------------------------------------------

    async def create(
        self,
        mount: Mount,
        path: str,
        token: TokenEntry | None,
        kind: str,
        data: Mapping[str, Any],
        *,
        ttl: int = 0,
        max_ttl: int = 0,
        renewable: bool = True,
    ) -> Lease:
        """Make a lease durable, pending until `confirm`; TTLs in seconds, 0 for the mount's own.

        Raises:
            BadRequest: the token is in its last use, so its leases would end at once.
            BadToken: the token has ended meanwhile.
            TooManyRequests: a quota does not let it.
        """
        if token is not None and token.num_uses < 0:
            raise BadRequest(LAST_USE)
        if self.admit is not None:
            await self.admit(mount.info.uuid, path)
        now = self._clock.now_ns()
        granted = grant(_terms(mount, 0, ttl, max_ttl), now, now)
        last_ns = token.expire_ns if token is not None and token.batch else 0
        expire_ns, seconds = _within(last_ns, granted.expire_ns, granted.ttl, now)
        lease = LeaseEntry(
            id=f"{path.rstrip('/')}/{random_text(ID_LENGTH)}",
            kind=kind,
            # What a batch token takes hangs on its parent, for the token itself is stored nowhere.
            token="" if token is None else token.parent if token.batch else token.key,
            mount=mount.info.uuid,
            mount_path=mount.info.path,
            path=path,
            issue_ns=now,
            expire_ns=expire_ns,
            ttl=seconds,
            max_ttl=max_ttl,
            renewable=renewable,
            data=dict(data),
            last_ns=last_ns,
        )
        tx = self._live.transaction()
        self._store.add(tx, lease)
        # From here to the commit the token's revocation waits for us, or we see it.
        with self._live.tokens.store.gate.enter(lease.token):
            if lease.token and await self._live.tokens.store.living(lease.token) is None:
                raise BadToken(reason="the token has been revoked")
            await tx.commit()
        self.due_at(lease.expire_ns)
        return Lease(duration=seconds, id=lease.id, renewable=renewable, warnings=granted.warnings)

    def confirm(self, tx: Transaction, lease_id: str) -> None:
        """Let a lease stand, with the commit of the request that took it."""
        self._store.confirm(tx, lease_id)

    async def withdraw(self, lease_id: str) -> None:
        """Remove a lease of the request under way for which its engine has made nothing: there is nothing to undo."""
        await self._store.remove(lease_id)

    async def abandon(self, lease_id: str) -> None:
        """Have a lease undone in the background; durable when it returns."""
        await self._make_due([lease_id])

    # -- Finding ----------------------------------------------------------------------------------------------------

    async def lookup(self, lease_id: str) -> LeaseEntry | None:
        """A lease, that of a token with the token's own times; None when there is none."""
        lease = await self._store.get(lease_id)
        if lease is None or lease.kind != TOKEN_KIND:
            return lease
        token = await self._live.tokens.by_key(lease.token)
        if token is None:
            return None
        return replace(
            lease,
            path=token.path,
            issue_ns=token.creation_ns,
            expire_ns=token.expire_ns,
            last_renewal_ns=token.last_renewal_ns,
            ttl=token.last_ttl,
            renewable=token.renewable,
        )

    async def list(self, prefix: str) -> Names:
        """The names one level below a prefix; folders end in "/"."""
        folder = prefix.strip("/")
        return await self._barrier.list(f"{ID}{folder}/" if folder else ID)

    async def irrevocable(self, limit: int = 0) -> Entries:
        """Leases whose undoing was given up, at most `limit` of them (0: all)."""
        found = []
        for name in await self._barrier.list(IRREVOCABLE, "", limit):
            lease_id = await self._barrier.get(IRREVOCABLE + name)
            lease = await self._store.get(lease_id.decode()) if lease_id else None
            if lease is not None:
                found.append(lease)
        return found

    # -- Renewing ---------------------------------------------------------------------------------------------------

    async def renew(self, lease_id: str, increment: int) -> tuple[Lease, Names]:
        """Renew a lease by `increment` seconds, 0 for its default; returns it and warnings.

        The engine's renewer gets a context whose request has `increment` and `issue_time` (Unix nanoseconds) in its
        data, and the lease's own data; it may return the default and the maximum TTL as they are now, in seconds.

        Raises:
            BadRequest: unknown, not renewable, expired, or at its maximum.
        """
        lease = await self.lookup(lease_id)
        if lease is None:
            raise BadRequest("lease not found")
        if not lease.renewable or not lease.expire_ns:
            raise BadRequest("lease is not renewable")
        if lease.kind == TOKEN_KIND:
            raise BadRequest("tokens cannot be renewed through this endpoint")
        self._check_current(lease)
        mount = self._undoing.mount_of(lease)
        if mount is None:
            raise BadRequest("lease is not renewable")
        default, max_ttl = await self._ask_renewer(mount, lease, increment)
        async with self._store.lock(lease_id):
            current = await self._store.get(lease_id)
            if current is None or lease_id in self._undoing:
                raise BadRequest("lease not found")
            self._check_current(current)
            now = self._clock.now_ns()
            granted = grant(_terms(mount, increment, default, max_ttl), current.issue_ns, now)
            end, seconds = _within(current.last_ns, granted.expire_ns, granted.ttl, now)
            tx = self._live.transaction()
            self._store.put(tx, current, replace(current, expire_ns=end, last_renewal_ns=now, max_ttl=max_ttl))
            await tx.commit()
        self.due_at(end)
        return Lease(duration=seconds, id=lease_id, renewable=True), granted.warnings

    def _check_current(self, lease: LeaseEntry) -> None:
        if lease.irrevocable or lease.due_ns or lease.expire_ns <= self._clock.now_ns():
            raise BadRequest("lease expired")

    async def _ask_renewer(self, mount: Mount, lease: LeaseEntry, increment: int) -> tuple[int, int]:
        renewer = mount.engine.renewers.get(lease.kind)
        if renewer is None:
            return lease.ttl, lease.max_ttl

        async def ask(ctx: Any) -> Any:
            ctx.request.data = {"increment": increment, "issue_time": lease.issue_ns}
            return await renewer(ctx, dict(lease.data))

        answer = await self._live.on_behalf(mount, ask)
        return (lease.ttl, lease.max_ttl) if answer is None else (answer[0], answer[1])

    # -- Undoing ----------------------------------------------------------------------------------------------------

    async def revoke(self, lease_id: str, *, sync: bool = True, force: bool = False) -> None:
        """Revoke a lease, or the token that it stands for; one that does not exist is no error.

        With `sync` false it is durably due, and undone in the background. With `force` it is removed whatever the
        engine says.

        Raises:
            BadRequest: the engine could not undo it; the lease stays.
        """
        lease = await self._store.get(lease_id)
        if lease is None:
            return
        if lease.kind == TOKEN_KIND:
            await self._live.tokens.revoke_tree(lease.token)
        elif not sync:
            await self._make_due([lease_id])
        else:
            try:
                await self._undoing.undo(lease_id)
            except Exception as error:
                if not force:
                    raise BadRequest(f"failed to revoke entry: {words(error)}") from error
                log.warning("the lease %s is dropped although its revocation failed: %s", lease_id, words(error))
                await self._store.remove(lease_id)

    async def revoke_prefix(self, prefix: str, *, force: bool = False, sync: bool = True) -> None:
        """Revoke all leases and tokens beneath a path, by whole segments.

        Raises:
            BadRequest: some could not be undone; those stay, the others are gone.
        """
        done = 0
        failures: Failures = []
        async for page in walk(self._barrier, ID, prefix.strip("/"), TOGETHER):
            results = await asyncio.gather(
                *(self.revoke(lease_id, sync=sync, force=force) for lease_id in page), return_exceptions=True
            )
            done += len(page)
            for lease_id, result in zip(page, results, strict=True):
                if isinstance(result, RequestError):
                    failures.append((lease_id, result))
                elif result is not None:
                    raise result
        if failures:
            lease_id, first = failures[0]
            raise BadRequest(f'failed to revoke "{lease_id}" ({len(failures)} / {done}): {first}')

    async def let_go(self, prefix: str) -> int:
        """Revoke all leases and tokens beneath a path, and park what cannot be; returns how many leases that are.

        Where not one of several can be revoked, the rest are parked untried: an engine that hangs costs one attempt.
        """
        parked, hopeless = 0, ""
        async for page in walk(self._barrier, ID, prefix.strip("/"), TOGETHER):
            reasons = await asyncio.gather(*(self._let_go(lease_id, hopeless) for lease_id in page))
            failed = {lease_id: reason for lease_id, reason in zip(page, reasons, strict=True) if reason}
            await self._store.park(failed)
            parked += len(failed)
            if len(failed) == len(page):
                hopeless = reasons[0]
        return parked

    async def _let_go(self, lease_id: str, hopeless: str) -> str:
        """Revoke one; returns why that could not be, or ""."""
        lease = await self._store.get(lease_id)
        if lease is None:
            return ""
        if lease.kind == TOKEN_KIND:
            await self._live.tokens.revoke_tree(lease.token)
            return ""
        if hopeless:
            return hopeless
        try:
            await self._undoing.undo(lease_id)
        except Exception as error:
            reason = words(error) or type(error).__name__
            log.error("the lease %s could not be revoked and is kept as irrevocable: %s", lease_id, reason)
            return reason
        return ""

    async def release(self, token_key: str) -> None:
        """Hand all leases of a token that ends to the expiration, durably."""
        folder = f"{BY_TOKEN}{token_key}/"
        while names := await self._barrier.list(folder, "", PAGE):
            await self._give_up(folder, names)

    def tidy(self) -> bool:
        """Start removing notes that lead to no lease; False when that is under way already."""
        if self._live.tasks.running(TIDY):
            return False
        self._live.tasks.spawn(TIDY, self.run_tidy)
        return True

    async def run_tidy(self) -> None:
        """Remove notes that lead to no lease, and leases of tokens that are not there."""
        tx = self._live.transaction()
        removed = 0
        slices = Slices()
        for folder in (ID, PENDING, IRREVOCABLE, BY_TOKEN):
            async for key, value in self._barrier.scan(folder):
                await slices.end()
                if await self._is_stray(folder, value):
                    tx.delete(key)
                    removed += 1
                    if removed % PAGE == 0:
                        await tx.commit()
        await tx.commit()
        log.info("tidied leases: removed %d entries that led nowhere", removed)

    async def _is_stray(self, folder: str, value: bytes) -> bool:
        if folder != ID:
            return await self._store.get(value.decode()) is None
        lease = _decode(value)
        return lease.kind == TOKEN_KIND and await self._live.tokens.store.get(lease.token) is None

    async def _give_up(self, folder: str, names: Names) -> None:
        """Remove notes of leases, and in the same commit let those leases be due."""
        notes = [await self._barrier.get(folder + name) for name in names]
        tx = self._live.transaction()
        for name in names:
            tx.delete(folder + name)
        await self._make_due([note.decode() for note in notes if note is not None], tx)

    async def _make_due(self, lease_ids: Names, tx: Transaction | None = None) -> None:
        now = self._clock.now_ns()
        await self._store.make_due(lease_ids, now, tx)
        self.due_at(now)


def _terms(mount: Mount, asked: int, default: int, max_ttl: int) -> Terms:
    return Terms(mount.info.default_lease_ttl, mount.info.max_lease_ttl, asked, default, max_ttl)


def _within(last_ns: int, end: int, seconds: int, now: int) -> tuple[int, int]:
    """The end and duration of a grant that must not go beyond `last_ns`, unless that is 0."""
    return (end, seconds) if not last_ns or last_ns >= end else (last_ns, max(0, (last_ns - now) // _NANO))
