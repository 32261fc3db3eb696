"""A whole server behind the edge, in memory, for the tests of the token method and of what it shows of leases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from strongroom.api.messages import Operation, Request, Response
from strongroom.app.compose import build_core
from strongroom.clock import ManualClock, new_uuid
from strongroom.config import ServerConfig
from strongroom.core.core import Core
from strongroom.core.live import Live
from strongroom.errors import RequestError
from strongroom.pipeline import handle

Answer = Response | RequestError


class Server:
    """Requests go in at the pipeline; a refusal comes back as the error that says so."""

    def __init__(self, core: Core, clock: ManualClock) -> None:
        self.core, self.clock = core, clock

    @property
    def live(self) -> Live:
        assert self.core.live is not None
        return self.core.live

    async def ask(
        self,
        operation: Operation,
        path: str,
        by: str = "root",
        wrap_ttl: int = 0,
        address: str = "127.0.0.1",
        shown: tuple[bytes, ...] | None = None,
        **data: Any,
    ) -> Answer:
        request = Request(
            id=new_uuid(),
            operation=operation,
            path=path,
            data=data,
            raw={name: msgspec.Raw(msgspec.json.encode(value)) for name, value in data.items()},
            token=by,
            wrap_ttl=wrap_ttl,
            remote_address=address,
            certificates=shown,
        )
        try:
            return await handle(self.core, request)
        except RequestError as e:
            return e

    async def read(self, path: str, by: str = "root", **more: Any) -> Answer:
        return await self.ask(Operation.READ, path, by, **more)

    async def list(self, path: str, by: str = "root", **more: Any) -> Answer:
        return await self.ask(Operation.LIST, path.rstrip("/") + "/", by, **more)

    async def write(self, path: str, by: str = "root", **data: Any) -> Answer:
        return await self.ask(Operation.UPDATE, path, by, **data)

    async def delete(self, path: str, by: str = "root") -> Answer:
        return await self.ask(Operation.DELETE, path, by)

    async def token(self, by: str = "root", **asked: Any) -> str:
        asked.setdefault("policies", ["default"])
        answer = ok(await self.write("auth/token/create", by, **asked))
        assert answer.auth is not None
        return answer.auth.client_token

    async def policy(self, name: str, text: str) -> None:
        ok(await self.write(f"sys/policies/acl/{name}", policy=text))


def ok(answer: Answer) -> Response:
    assert isinstance(answer, Response), f"refused: {answer!r}"
    return answer


def data(answer: Answer) -> Any:
    return msgspec.to_builtins(ok(answer).data, enc_hook=str)


def refused(answer: Answer) -> tuple[str, str]:
    """The class of a refusal and its text."""
    assert isinstance(answer, RequestError), f"not refused: {answer!r}"
    return type(answer).__name__, "".join(answer.errors)


async def idle(server: Server) -> None:
    """Wait until the work that requests have left for later is done."""
    tasks = server.live.tasks
    for record in tasks.records():
        if " at " in record.name and record.running:
            await asyncio.wait_for(_done(server, record.name), 10)


async def _done(server: Server, name: str) -> None:
    running = True
    while running:
        await asyncio.sleep(0)
        running = server.live.tasks.running(name)


def played(scenario: Callable[[Server], Awaitable[Any]]) -> Any:
    async def play() -> Any:
        clock = ManualClock()
        core = build_core(ServerConfig(), clock=clock)
        await core.barrier.initialise(bytes(32))
        await core.unsealed_with(bytes(32))
        server = Server(core, clock)
        await server.live.tokens.create_root("root")
        try:
            return await scenario(server)
        finally:
            await core.close()

    return asyncio.run(play())
