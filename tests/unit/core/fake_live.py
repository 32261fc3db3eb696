"""An unsealed server with real tokens, leases and wrapping over storage in memory, and fakes around them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from strongroom.api.context import MountInfo
from strongroom.api.messages import Operation, Request
from strongroom.api.routes import Engine
from strongroom.clock import ManualClock
from strongroom.core.leases import Leases
from strongroom.core.locks import Locks
from strongroom.core.scheduler import Scheduler
from strongroom.core.token_create import CreateArgs, Maker
from strongroom.core.token_model import TokenEntry
from strongroom.core.tokens import Tokens
from strongroom.core.wrapping import Wrapping
from strongroom.errors import StorageError
from strongroom.storage.barrier import Barrier
from strongroom.storage.base import Batch
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.transaction import Transaction

ROOT_KEY = bytes(32)
HOUR = 3600


class FailingStorage(MemoryStorage):
    """Storage that refuses commits once `commits_left` have passed; None for never."""

    def __init__(self) -> None:
        super().__init__()
        self.commits_left: int | None = None
        self.commits = 0

    async def commit(self, batch: Batch) -> None:
        if self.commits_left is not None:
            if self.commits_left <= 0:
                raise StorageError("the disk is gone")
            self.commits_left -= 1
        self.commits += 1
        await asyncio.sleep(0)  # as real engines do
        await super().commit(batch)


class FakeMount:
    """A mount: an engine and what is told of it."""

    def __init__(
        self, path: str, engine: Engine[Any], max_ttl: int = 768 * HOUR, default_ttl: int = 768 * HOUR
    ) -> None:
        self.path = path
        self.engine = engine
        self.prefix = f"logical/{path.strip('/')}/"
        self.info = MountInfo(
            path=path,
            type=engine.type,
            uuid=f"uuid-of-{path}",
            accessor=f"{engine.type}_1",
            default_lease_ttl=default_ttl,
            max_lease_ttl=max_ttl,
        )


class FakeLive:
    """As much of the unsealed server as tokens, leases and wrapping need."""

    def __init__(self, storage: MemoryStorage, clock: ManualClock) -> None:
        self.storage = storage
        self.clock = clock
        self.barrier = Barrier(storage, clock)
        self.locks = Locks()
        self.known_policies = {"root", "default"}
        self.policies = SimpleNamespace(exists=self._policy_exists)
        self.table = {"auth/token/": FakeMount("auth/token/", Engine("token", kind="auth"))}
        self.mounts = SimpleNamespace(by_path=lambda path: self.table.get(path))
        self.tasks = Scheduler(self)  # type: ignore[arg-type]
        self.tokens = Tokens(self)  # type: ignore[arg-type]
        self.leases = Leases(self)  # type: ignore[arg-type]
        self.wrapping = Wrapping(self)  # type: ignore[arg-type]

    async def _policy_exists(self, name: str) -> bool:
        return name in self.known_policies

    def transaction(self) -> Transaction:
        return Transaction(self.barrier)

    def cubbyhole(self, token_key: str) -> str:
        return f"logical/cubbyhole/{token_key}/"

    async def on_behalf(
        self, mount: FakeMount, action: Callable[[Any], Awaitable[Any]], tx: Transaction | None = None
    ) -> Any:
        request = Request(id="r", operation=Operation.UPDATE, path=mount.path)
        tx = tx or self.transaction()
        result = await action(SimpleNamespace(request=request, mount=mount.info))
        await tx.commit()
        return result

    def mount(self, path: str, **ttls: int) -> FakeMount:
        made = FakeMount(path, Engine(path.strip("/").replace("/", "-")), **ttls)
        self.table[path] = made
        return made

    async def start(self) -> FakeLive:
        if not await self.barrier.initialised():
            await self.barrier.initialise(ROOT_KEY)
        await self.barrier.unseal(ROOT_KEY)
        for part in (self.tokens, self.leases, self.wrapping):
            await part.load()
        return self

    async def stop(self) -> None:
        for part in (self.tasks, self.leases, self.tokens, self.wrapping):
            await part.stop()

    async def restarted(self) -> FakeLive:
        """The same server after a crash: nothing but its storage is left."""
        await self.stop()
        if isinstance(self.storage, FailingStorage):
            self.storage.commits_left = None
        again = FakeLive(self.storage, self.clock)
        again.table = self.table
        return await again.start()

    # -- Shorthands -------------------------------------------------------------------------------------------------

    async def root(self) -> TokenEntry:
        entry = await self.tokens.lookup(await self.tokens.create_root())
        assert entry is not None
        return entry

    async def token(
        self, parent: TokenEntry | None = None, *, orphan: bool = False, **asked: Any
    ) -> tuple[str, TokenEntry]:
        """A token, made by `parent` or a new root token, with sudo."""
        parent = parent or await self.root()
        asked.setdefault("policies", ["default"])
        maker = Maker(parent, "auth/token/create", self.table["auth/token/"].info, sudo=True, orphan=orphan)
        auth, _ = await self.tokens.create(self.transaction(), CreateArgs(**asked), maker)
        entry = await self.tokens.lookup(auth.client_token)
        assert entry is not None
        return auth.client_token, entry

    async def keys(self, prefix: str) -> list[str]:
        """All storage keys beneath a prefix."""
        return [key async for key, _ in self.storage.scan(prefix)]


def played(scenario: Callable[[FakeLive], Awaitable[Any]], storage: MemoryStorage | None = None) -> Any:
    """Run a scenario on a fresh server."""

    async def play() -> Any:
        live = await FakeLive(storage or FailingStorage(), ManualClock()).start()
        try:
            return await scenario(live)
        finally:
            await live.stop()

    return asyncio.run(play())
