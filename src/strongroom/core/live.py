"""`Live`: what exists only while the server is unsealed. Unsealing makes it, sealing drops it whole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from strongroom.api.context import Caller, Context, MountInfo
from strongroom.api.messages import Lease, Operation, Request
from strongroom.clock import new_uuid
from strongroom.core.activity import Activity
from strongroom.core.audits import Audits
from strongroom.core.context import SystemContext
from strongroom.core.cors import Cors
from strongroom.core.engine_work import EngineHost, EngineWork
from strongroom.core.generate_root import GenerateRoot
from strongroom.core.identity import Identity
from strongroom.core.lease_quotas import LeaseQuotas
from strongroom.core.leases import Leases
from strongroom.core.lockouts import Lockouts
from strongroom.core.locks import HeldLocks, Locks
from strongroom.core.logins import Logins
from strongroom.core.metrics import Metrics
from strongroom.core.mfa import LoginMFA
from strongroom.core.mounts import Mount, Mounts, new_entry
from strongroom.core.notes import Notes
from strongroom.core.policies import Policies
from strongroom.core.quotas import Quotas
from strongroom.core.rekey import Rekey
from strongroom.core.rotation import CHECK_SECONDS, check
from strongroom.core.scheduler import Scheduler
from strongroom.core.tokens import TokenEntry, Tokens
from strongroom.core.ui_headers import UIHeaders
from strongroom.core.versions import Versions
from strongroom.core.wrapping import Wrapping
from strongroom.errors import Sealed
from strongroom.storage.transaction import Transaction, View

if TYPE_CHECKING:
    from strongroom.core.core import Core
    from strongroom.policy.match import ACL

log = logging.getLogger("strongroom.core")

CLUSTER = "core/cluster"


class Cluster(msgspec.Struct, frozen=True):
    """The names that tell one installation from another."""

    name: str
    id: str
    v: int = 1


class Flight(Protocol):
    """A request under way, as far as others may see it."""

    request: Request
    caller: Caller
    mount: Mount | None


class Live:
    """The unsealed server's parts. Nothing outside keeps a part beyond a request."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.barrier = core.barrier
        self.clock = core.clock
        self.cluster = Cluster("", "")
        #: When it was made: since then this node is active.
        self.since_ns = core.clock.now_ns()
        self.locks = Locks()
        self.tasks = Scheduler(self)
        self.policies = Policies(self)
        self.mounts = Mounts(self)
        self.tokens = Tokens(self)
        self.identity = Identity(self)
        self.mfa = LoginMFA(self)
        self.lockouts = Lockouts(self)
        self.logins = Logins(self)
        self.leases = Leases(self)
        self.wrapping = Wrapping(self)
        self.audits = Audits(self)
        self.metrics = Metrics(self)
        self.quotas = Quotas(self)
        self.lease_quotas = LeaseQuotas(self)
        self.cors = Cors(self)
        self.ui_headers = UIHeaders(self)
        self.versions = Versions(self)
        self.rekey = Rekey(self)
        self.generate_root = GenerateRoot(self)
        self.engines = EngineWork(self)
        self.activity = Activity(self)
        self.notes = Notes(self)
        #: Requests under way, and since when (Unix nanoseconds); sealing waits for them.
        self.in_flight: dict[Flight, int] = {}
        self._idle = asyncio.Event()

    def transaction(self) -> Transaction:
        """A new transaction over the whole barrier."""
        return Transaction(self.barrier)

    def cubbyhole(self, token_key: str) -> str:
        """The folder of storage that is a token's own cubbyhole; it goes with the token."""
        return f"{self.mounts.only('cubbyhole').prefix}{token_key}/"

    async def load(self) -> None:
        """Read what the parts need to serve; whatever grows with use is read later, when it is asked for."""
        await self._load_cluster()
        await self._mount_defaults()
        for part in (
            self.policies,
            self.mounts,
            self.tokens,
            self.identity,
            self.mfa,
            self.leases,
            self.wrapping,
            self.audits,
            self.quotas,
            self.lease_quotas,
            self.cors,
            self.ui_headers,
            self.versions,
            self.engines,
            self.activity,
            self.logins,
            self.notes,
        ):
            await part.load()
        self.tasks.every("barrier key rotation", CHECK_SECONDS, lambda: check(self.barrier), first=CHECK_SECONDS)

    async def _load_cluster(self) -> None:
        tx = self.transaction()
        stored = await tx.load(CLUSTER, Cluster)
        if stored is None:
            name = self.core.config.cluster_name or f"vault-cluster-{new_uuid()[:8]}"
            stored = Cluster(name, new_uuid())
            tx.store(CLUSTER, stored)
            await tx.commit()
        self.cluster = stored

    async def _mount_defaults(self) -> None:
        """Mount what every server has, in one commit, the first time."""
        tx = self.transaction()
        if await tx.list("core/mount/"):
            return
        for default in self.core.default_mounts:
            self.mounts.store(tx, new_entry(**default))
        await tx.commit()

    async def stop(self) -> None:
        """End background work and close what is open."""
        parts = (self.tasks, self.activity, self.logins, self.notes, self.leases, self.engines, self.tokens)
        for part in (*parts, self.identity, self.wrapping, self.audits, self.policies):
            await part.stop()

    # -- Requests under way --------------------------------------------------------------------------------------------

    @property
    def under_way(self) -> int:
        """How many requests are under way."""
        return len(self.in_flight)

    def enter(self, flight: Flight) -> None:
        """A request begins."""
        self.in_flight[flight] = self.clock.now_ns()

    def leave(self, flight: Flight) -> None:
        """A request is done."""
        del self.in_flight[flight]
        self._idle.set()

    async def drain(self, but: int, seconds: float) -> bool:
        """Wait until no more than `but` requests are under way; False when that took too long."""
        return await self._until(lambda: self.under_way <= but, seconds)

    async def quiet(self, concerned: Callable[[Flight], bool], seconds: float) -> bool:
        """Wait until no request that is `concerned` is under way; False when that took too long."""
        return await self._until(lambda: not any(map(concerned, self.in_flight)), seconds)

    async def _until(self, reached: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not reached():
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    # -- Contexts ------------------------------------------------------------------------------------------------------

    def context(
        self,
        mount: Mount,
        request: Request,
        tx: Transaction,
        held: HeldLocks,
        *,
        caller: Caller,
        token: TokenEntry | None = None,
        leases: list[Lease] | None = None,
        acl: ACL | None = None,
    ) -> Context:
        """What a handler of this mount gets for a request. Leases that it takes are added to `leases`.

        `acl` is what it may ask by what else its caller may do; without one that is nothing.
        """

        host = EngineHost(self, mount, tx, leases, request.path, token)
        view = View(tx, mount.prefix)
        decide = acl.decide if acl is not None else None
        kind = SystemContext if mount.backend.privileged else Context
        context = kind(
            request=request,
            mount=mount.info,
            storage=view,
            caller=caller,
            clock=self.clock,
            lock=held.take,
            decide=decide,
            host=host,
        )
        if isinstance(context, SystemContext):
            context.core, context.token_entry, context.acl = self.core, token, acl
            context.within(self, tx, held, leases)
        return context

    async def on_behalf(
        self, mount: Mount, action: Callable[[Any], Awaitable[Any]], tx: Transaction | None = None
    ) -> Any:
        """Run an engine's own work (a revocation, an upgrade) in a transaction of its own or in `tx`, and commit it."""
        tx = tx or self.transaction()
        held = HeldLocks(self.locks)
        request = Request(id=new_uuid(), operation=Operation.UPDATE, path=mount.path)
        try:
            result = await action(self.context(mount, request, tx, held, caller=Caller()))
            await tx.commit()
        finally:
            held.release()
        return result


async def _nothing(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a status endpoint holds no locks")


def sealed_context(core: Core, request: Request, info: MountInfo) -> SystemContext:
    """What a status endpoint gets: nothing of what exists only while unsealed."""
    context = SystemContext(
        request=request, mount=info, storage=_NO_STORAGE, caller=Caller(), clock=core.clock, lock=_nothing
    )
    context.core = core
    return context


class _NoStorage(View):
    """The storage of a sealed server: whoever asks is told that it is sealed."""

    def __init__(self) -> None:
        pass

    def __getattribute__(self, name: str) -> Any:
        raise Sealed


_NO_STORAGE = _NoStorage()
