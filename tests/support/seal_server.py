"""A server of nothing but a seal, a barrier and a root token, for the tests of sealing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from strongroom.api.context import Caller, MountInfo
from strongroom.api.messages import Operation, Request, Response
from strongroom.clock import ManualClock, random_text
from strongroom.core.context import SystemContext
from strongroom.core.generate_root import GenerateRoot
from strongroom.core.rekey import Rekey
from strongroom.core.seal import Initialised, SealManager
from strongroom.storage.barrier import Barrier
from strongroom.storage.base import Batch
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.transaction import Transaction
from strongroom.system import generate_root, health, init, rekey, rotate, seal  # noqa: F401 - they declare routes
from strongroom.system.engine import system


class FakeTokens:
    def __init__(self, live: FakeLive) -> None:
        self.live = live

    async def create_root(self) -> str:
        token = "hvs." + random_text(24)
        await self.live.barrier.commit(Batch({f"sys/token/{token}": b"root"}))
        return token


class FakeLive:
    def __init__(self, core: FakeCore) -> None:
        self.core, self.barrier, self.clock = core, core.barrier, core.clock
        self.cluster = SimpleNamespace(name="vault-cluster-1", id="an-id")
        self.tokens = FakeTokens(self)
        self.rekey = Rekey(self)  # type: ignore[arg-type]
        self.generate_root = GenerateRoot(self)  # type: ignore[arg-type]


class FakeCore:
    def __init__(self, storage: Any = None) -> None:
        self.config = SimpleNamespace(storage_type="inmem")
        self.clock = ManualClock()
        self.storage = storage or MemoryStorage()
        self.barrier = Barrier(self.storage, self.clock)
        self.live: FakeLive | None = None
        self.seal = SealManager(self)  # type: ignore[arg-type]
        self.fail: Exception | None = None

    async def unsealed_with(self, root_key: bytes) -> None:
        await self.barrier.unseal(root_key)
        if self.fail:
            self.barrier.seal()
            raise self.fail
        if await self.barrier.get("core/mount/1") is None:
            await self.barrier.commit(Batch({"core/mount/1": b"first state"}))
        self.live = FakeLive(self)

    async def seal_now(self, *, within_request: bool = False) -> None:
        self.live = None
        if not self.barrier.sealed:
            await self.barrier.save()
            self.barrier.seal()

    async def init(self, shares: int = 3, threshold: int = 2) -> Initialised:
        return await self.seal.init(shares, threshold)

    async def unsealed(self, shares: int = 3, threshold: int = 2) -> Initialised:
        """Initialise and unseal."""
        made = await self.init(shares, threshold)
        await self.unseal(made.shares[:threshold])
        return made

    async def unseal(self, shares: list[bytes]) -> None:
        for share in shares:
            await self.seal.unseal(share)

    async def has_token(self, token: str) -> bool:
        return await self.barrier.get(f"sys/token/{token}") is not None


async def call(
    core: FakeCore, operation: Operation, path: str, data: dict[str, Any] | None = None
) -> tuple[Response, dict[str, Any]]:
    """What a `sys/` endpoint answers, without the pipeline before and after its handler; and its body."""
    request = Request(id="1", operation=operation, path=f"sys/{path}", data=data or {})
    route, params = system.match(path, operation)
    transaction = Transaction(core.barrier) if core.live else None

    async def lock(_: str) -> None:
        return None

    context = SystemContext(
        request=request,
        mount=MountInfo(path="sys/", type="system", uuid="u", accessor="a"),
        storage=None,
        caller=Caller(),
        clock=core.clock,
        lock=lock,
    )
    context.core = core  # type: ignore[assignment]
    if core.live is not None:
        context.within(core.live, transaction, None, None)  # type: ignore[arg-type]
    arguments = route.args.parse(params, request.data, {})[0] if route.args else None
    result = await (route.handler(context) if arguments is None else route.handler(context, arguments))
    if transaction is not None and transaction.pending:
        await transaction.commit()
    for action in context.after:
        waiting = action()
        if waiting is not None:
            await waiting
    response = result or Response()
    body: Any = response.bare if response.bare is not None else response.data
    return response, dict(body or {})


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run an async test."""
    asyncio.run(test())  # type: ignore[arg-type]
