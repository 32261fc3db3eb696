"""`Tokens`: who may come in. Making, finding, using up, renewing and revoking tokens.

The layout is drawn in core/token_model.py, the rules are in core/token_create.py, core/token_renew.py and
core/token_revoke.py. Nothing of the tokens is kept in memory here: what a request needs of its token is in the
barrier's cache, under the same key as in storage, and follows every commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from strongroom.api.cidrs import within
from strongroom.api.messages import Auth
from strongroom.core.lease_ttl import Terms, grant
from strongroom.core.token_create import CreateArgs, Draft, Maker, draft
from strongroom.core.token_model import (
    ORPHAN,
    ROOT_POLICY,
    WRAPPING_POLICY,
    AccessorEntry,
    TokenEntry,
    sanitize,
)
from strongroom.core.token_renew import renew
from strongroom.core.token_revoke import Revocation
from strongroom.core.token_store import TokenStore
from strongroom.core.token_tidy import tidy
from strongroom.errors import BadRequest, BadToken

if TYPE_CHECKING:
    from strongroom.core.lease_index import Due
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount
    from strongroom.storage.transaction import Transaction

__all__ = ["TokenEntry", "Tokens", "auth_of"]

TIDY = "token tidy"


class Tokens:
    """The token store. Changes to a token that exists are durable commits of their own."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._clock = live.clock
        self.store = TokenStore(live)
        self.revocation = Revocation(live, self.store)
        #: Gives the entity of an alias of the token method, by its name; the identity store sets it.
        self.entity_of_alias: Callable[[str], Awaitable[str]] = _no_entities
        #: Asked before a service token is made, with its mount's UUID and the request's path; quotas set it.
        self.admit: Callable[[str, str], Awaitable[None]] | None = None

    async def load(self) -> None:
        """Read the salt; no token is read."""
        await self.store.load()

    async def stop(self) -> None:
        """Nothing runs on its own here."""

    # -- Finding ----------------------------------------------------------------------------------------------------

    def lookup(self, token: str) -> Coroutine[Any, Any, TokenEntry | None]:
        """The entry of a token; None for one that is unknown, expired, revoked or used up.

        Awaiting it does not suspend while the entry is in the barrier's cache.
        """
        return self.store.lookup(token)

    async def by_accessor(self, accessor: str) -> TokenEntry | None:
        """The entry that an accessor stands for, or None."""
        return await self.store.by_accessor(accessor)

    async def by_key(self, key: str) -> TokenEntry | None:
        """The living token with this key, or None."""
        return await self.store.living(key)

    def key_of(self, token: str) -> str:
        """The key of a token, which need not exist."""
        return self.store.key_of(token)

    def accessors(self) -> AsyncIterator[AccessorEntry]:
        """All accessors, streamed from storage."""
        return self.store.accessors()

    def permits(self, entry: TokenEntry, address: str) -> bool:
        """Whether the token may be used from an address."""
        return within(entry.bound_cidrs, address)

    # -- Limited uses -----------------------------------------------------------------------------------------------

    async def use(self, entry: TokenEntry) -> TokenEntry | None:
        """Pay for a request with one use, durably; the entry as it is after that, None when no use was left.

        The last use leaves -1: the request it pays for is served, then comes `after_last_use`.
        """
        if entry.num_uses == 0:
            return entry
        now = self._clock.now_ns()

        def spend(current: TokenEntry) -> TokenEntry | None:
            if current.num_uses <= 0 or not current.lives(now):
                return None
            return replace(current, num_uses=current.num_uses - 1 or -1)

        return await self.store.update(entry.key, spend)

    async def after_last_use(self, entry: TokenEntry) -> None:
        """Revoke a token whose last use has been served."""
        await self.revocation.revoke(entry.key)

    # -- Making -----------------------------------------------------------------------------------------------------

    async def create(self, tx: Transaction, args: CreateArgs, maker: Maker) -> tuple[Auth, list[str]]:
        """Make a token as a token asks for it; it is durable, with all that `tx` holds, when this returns.

        Raises:
            BadRequest: the first rule that the request breaks.
            BadToken: the parent has ended meanwhile.
            TooManyRequests: a quota does not let it.
        """
        made = await draft(args, maker, self._clock.now_ns(), self.entity_of_alias)
        warnings = made.warnings + [
            f'Policy "{name}" does not exist'
            for name in made.entry.policies
            if not await self._live.policies.exists(name)
        ]
        if self.admit is not None and not made.entry.batch:
            await self.admit(maker.mount.uuid, maker.path)
        async with AsyncExitStack() as stack:
            if made.id:
                await self._claim(stack, made)
            if made.entry.parent:
                # From here to the commit the parent's revocation waits for us, or we see it.
                stack.enter_context(self.store.gate.enter(made.entry.parent))
                if await self.store.living(made.entry.parent) is None:
                    raise BadToken(reason="the parent token has been revoked")
            token, entry = self.store.issue(tx, made.entry, made.id)
            await tx.commit()
        self._live.leases.due_at(entry.expire_ns)
        return auth_of(entry, token), warnings

    async def _claim(self, stack: AsyncExitStack, made: Draft) -> None:
        key = self.store.key_of(made.id)
        current = await self.store.get(key)
        if current is not None and not current.lives(self._clock.now_ns()):
            await self.revocation.revoke(key)
        await self.store.hold(stack, [key])
        if await self.store.get(key) is not None:
            raise BadRequest("cannot create a token with a duplicate ID")

    async def register_login(self, tx: Transaction, auth: Auth, mount: Mount, path: str) -> list[str]:
        """Make the token that a login asks for, in its transaction, and fill in `auth`; returns warnings.

        Raises:
            BadRequest: the method asked for a root token.
            TooManyRequests: a quota does not let it.
        """
        now = self._clock.now_ns()
        info = mount.info
        policies = sanitize(auth.policies, not auth.no_default_policy)
        if ROOT_POLICY in policies or WRAPPING_POLICY in policies:
            raise BadRequest("auth methods cannot create root tokens")
        terms = Terms(
            info.default_lease_ttl,
            info.max_lease_ttl,
            default=auth.ttl,
            max_ttl=auth.max_ttl,
            explicit_max_ttl=auth.explicit_max_ttl,
            period=auth.period,
        )
        granted = grant(terms, now, now)
        kind = _login_type(info.token_type, auth.token_type)
        if self.admit is not None and kind != "batch":
            await self.admit(info.uuid, path)
        source = info.path.removeprefix("auth/").replace("/", "-")
        token, entry = self.store.issue(
            tx,
            TokenEntry(
                key="",
                accessor="",
                path=path,
                policies=policies,
                creation_ns=now,
                display_name=(source + auth.display_name).removesuffix("-"),
                type=kind,
                meta=auth.metadata,
                ttl=granted.ttl,
                last_ttl=granted.ttl,
                max_ttl=auth.max_ttl,
                explicit_max_ttl=auth.explicit_max_ttl,
                period=auth.period,
                expire_ns=granted.expire_ns,
                num_uses=0 if kind == "batch" else auth.num_uses,
                renewable=auth.renewable and kind != "batch",
                entity_id=auth.entity_id,
                bound_cidrs=tuple(auth.bound_cidrs),
                mount=info.path,
                internal=auth.internal,
            ),
        )
        _fill(auth, entry, token)
        self._live.leases.due_at(entry.expire_ns)
        return granted.warnings

    async def create_root(self, token: str = "") -> str:
        """Make a root token that never ends, durably, and return it; a chosen `token` is for development servers."""
        tx = self._live.transaction()
        entry = TokenEntry(
            key="",
            accessor="",
            path="auth/token/create" if token else "auth/token/root",
            policies=(ROOT_POLICY,),
            creation_ns=self._clock.now_ns(),
            display_name="token" if token else "root",
        )
        if token and (current := await self.store.get(self.store.key_of(token))) is not None:
            if not current.lives(self._clock.now_ns()):
                raise BadRequest("cannot create a token with a duplicate ID")
            return token
        token, _ = self.store.issue(tx, entry, token)
        await tx.commit()
        return token

    def issue_wrapping(self, tx: Transaction, path: str, ttl: int) -> tuple[str, TokenEntry]:
        """Make a token, in a transaction, that can do nothing but fetch one wrapped answer."""
        now = self._clock.now_ns()
        token, entry = self.store.issue(
            tx,
            TokenEntry(
                key="",
                accessor="",
                path=path,
                policies=(WRAPPING_POLICY,),
                creation_ns=now,
                ttl=ttl,
                last_ttl=ttl,
                explicit_max_ttl=ttl,
                expire_ns=now + ttl * 1_000_000_000,
                num_uses=1,
            ),
        )
        self._live.leases.due_at(entry.expire_ns)
        return token, entry

    # -- Renewing and revoking --------------------------------------------------------------------------------------

    async def renew(
        self, entry: TokenEntry, increment: int, token: str = "", *, certificates: tuple[bytes, ...] | None = None
    ) -> tuple[Auth, list[str]]:
        """Renew a token, durably; the auth block has `token` as the client's token.

        `certificates` are what the client that asks showed of itself, for methods that bind tokens to them.

        Raises:
            BadRequest: it cannot be renewed.
        """
        renewed, warnings = await renew(self._live, self.store, entry, increment, certificates)
        self._live.leases.due_at(renewed.expire_ns)
        auth = auth_of(renewed, token)
        auth.lease_duration = renewed.last_ttl
        auth.issue_time = renewed.creation_ns
        return auth, warnings

    async def revoke_tree(self, key: str) -> bool:
        """Revoke a token and its descendants; False when there is none. Its leases follow in the background."""
        return await self.revocation.revoke(key)

    async def revoke_orphan(self, key: str) -> bool:
        """Revoke a token alone: its children live on as orphans."""
        return await self.revocation.revoke(key, ORPHAN)

    async def sweep(self, rows: list[Due]) -> None:
        """Take down what a page of the expiry index says is due."""
        await self.revocation.sweep(rows)

    def tidy(self) -> bool:
        """Start removing what crashes and errors may have left behind; False when that is under way already."""
        if self._live.tasks.running(TIDY):
            return False
        self._live.tasks.spawn(TIDY, lambda: tidy(self._live, self.store, self.revocation))
        return True


async def _no_entities(_: str) -> str:
    raise BadRequest("'entity_alias' needs the identity store, which this server does not have yet")


def _login_type(tuned: str, asked: str) -> str:
    """What a mount's tuning makes of the type that a method asks for."""
    if tuned in ("service", "batch"):
        return tuned
    batch = {"batch", "default-batch"} | ({"", "default"} if tuned == "default-batch" else set())
    return "batch" if asked in batch else "service"


def _fill(auth: Auth, entry: TokenEntry, token: str) -> None:
    auth.client_token = token
    auth.accessor = entry.accessor
    auth.token_policies = list(entry.policies)
    auth.policies = sorted({*entry.policies, *auth.identity_policies})
    auth.metadata = entry.meta
    auth.display_name = entry.display_name
    auth.lease_duration = entry.ttl
    auth.renewable = entry.renewable
    auth.entity_id = entry.entity_id
    auth.token_type = entry.type
    auth.orphan = entry.orphan
    auth.num_uses = entry.num_uses


def auth_of(entry: TokenEntry, token: str = "") -> Auth:
    """The auth block of a token."""
    auth = Auth(bound_cidrs=list(entry.bound_cidrs), period=entry.period, explicit_max_ttl=entry.explicit_max_ttl)
    _fill(auth, entry, token)
    return auth
