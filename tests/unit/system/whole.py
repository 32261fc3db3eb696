"""A whole server with a configuration of its own, that can be stopped and started, for the tests of `sys/`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.unit.auth.own_server import Answer, Server

from strongroom.api.messages import Operation, Request
from strongroom.app.compose import build_core
from strongroom.clock import ManualClock, new_uuid
from strongroom.config import ServerConfig
from strongroom.errors import RequestError
from strongroom.pipeline import handle
from strongroom.storage.memory import MemoryStorage

ROOT_KEY = bytes(32)


class WholeServer(Server):
    """A server whose storage outlives it."""

    storage: MemoryStorage

    async def post(self, path: str, body: dict[str, Any], by: str = "root") -> Answer:
        """Write a body whose names may be anything."""
        request = Request(
            id=new_uuid(), operation=Operation.UPDATE, path=path, data=body, token=by, remote_address="127.0.0.1"
        )
        try:
            return await handle(self.core, request)
        except RequestError as e:
            return e

    async def restart(self) -> None:
        """Stop, and start again over the same storage."""
        config = self.core.config
        await self.core.seal_now()
        self.core = build_core(config, clock=self.clock, storage=self.storage)
        await self.core.unsealed_with(ROOT_KEY)


def served(scenario: Callable[[WholeServer], Awaitable[Any]], **config: Any) -> Any:
    """Run a scenario on a fresh server with these settings."""

    async def play() -> Any:
        clock, storage = ManualClock(), MemoryStorage()
        core = build_core(ServerConfig(**config), clock=clock, storage=storage)
        await core.barrier.initialise(ROOT_KEY)
        await core.unsealed_with(ROOT_KEY)
        server = WholeServer(core, clock)
        server.storage = storage
        await server.live.tokens.create_root("root")
        try:
            return await scenario(server)
        finally:
            await server.core.close()

    return asyncio.run(play())


async def limited(server: Server, *capabilities: str, path: str = "sys/*") -> str:
    """A token that has these capabilities below a path, and no others."""
    words = ", ".join(f'"{word}"' for word in capabilities)
    name = "-".join(capabilities)
    await server.policy(name, f'path "{path}" {{ capabilities = [{words}] }}')
    return await server.token(policies=[name], no_default_policy=True)
