"""A mount without a server: requests go through an engine's routes as the pipeline sends them, over real storage."""

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from strongroom.api.backend import Backend
from strongroom.api.context import Caller, Context, MountInfo
from strongroom.api.messages import Operation, Request, Response, encode_hook
from strongroom.api.status import status_of
from strongroom.clock import ManualClock
from strongroom.core.locks import HeldLocks, Locks
from strongroom.errors import RequestError
from strongroom.storage.barrier import Barrier
from strongroom.storage.base import Batch
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.transaction import Transaction, View

OPERATIONS = {
    "GET": Operation.READ,
    "POST": Operation.UPDATE,
    "PUT": Operation.UPDATE,
    "PATCH": Operation.PATCH,
    "DELETE": Operation.DELETE,
    "LIST": Operation.LIST,
}
ROOT_KEY = bytes(32)
UUID = "00000000-0000-4000-8000-000000000000"


class YieldingStorage(MemoryStorage):
    """Storage in memory that lets others run around each access, as one on disk does."""

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(0)
        value = await super().get(key)
        await asyncio.sleep(0)
        return value

    async def commit(self, batch: Batch) -> None:
        await asyncio.sleep(0)
        await super().commit(batch)
        await asyncio.sleep(0)


@dataclasses.dataclass
class Answer:
    """What a client would get. `text` is `data` as it goes over the wire."""

    status: int
    data: Any = None
    errors: list[str] | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)
    lease_duration: int = 0
    text: str = ""
    created: bool = False


class NotingHost:
    """Of what the server does for engines, the keeping of notes."""

    def __init__(self) -> None:
        self.notes: dict[Any, Any] = {}

    def note(self, key: Any, note: Any) -> None:
        self.notes[key] = note

    def noted(self, key: Any) -> Any:
        return self.notes.get(key)

    def hashed(self, text: str) -> str:
        return f"hashed {text}"


class Mount:
    """One mount of a backend in a storage of its own."""

    def __init__(self, backend: Backend, options: Mapping[str, str] | None = None) -> None:
        self.backend = backend
        self.options = backend.prepare(options or {})
        self.clock = ManualClock()
        self.storage = YieldingStorage()
        self.barrier = Barrier(self.storage, self.clock)
        self.locks = Locks()
        self.caller = Caller(key="own")
        self.default_ttl = 2764800
        #: Whether the edge would call the requests large.
        self.large = False
        self.host = NotingHost()

    async def open(self) -> "Mount":
        await self.barrier.initialise(ROOT_KEY)
        await self.barrier.unseal(ROOT_KEY)
        return self

    def context(self, request: Request, tx: Transaction, held: HeldLocks, caller: Caller | None = None) -> Context:
        info = MountInfo("m/", self.backend.type, UUID, "a", options=self.options, default_lease_ttl=self.default_ttl)
        return Context(
            request=request,
            mount=info,
            storage=View(tx, f"logical/{UUID}/"),
            caller=caller or self.caller,
            clock=self.clock,
            lock=held.take,
            host=self.host,  # type: ignore[arg-type]
        )

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        caller: Caller | None = None,
        engine: Any = None,
    ) -> Answer:
        """Make a request; a body may be text, sent as it is. `engine` stands for one that was chosen earlier."""
        operation = OPERATIONS[method]
        raw = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        if operation is Operation.LIST and not path.endswith("/"):
            path += "/"
        request = Request(id="r", operation=operation, path="m/" + path, large=self.large)
        if operation.writes:
            request.data = msgspec.json.decode(raw, type=dict[str, Any]) if raw else {}
            request.raw = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]) if raw else {}
        else:
            request.data = dict(query or {})
        tx, held = Transaction(self.barrier), HeldLocks(self.locks)
        try:
            answer = await self._run(engine or self.backend.choose(self.options), path, request, tx, held, caller)
            await tx.commit()
        except RequestError as e:
            if e.data is None and not e.warnings:
                return Answer(status_of(e), errors=e.errors)
            return Answer(status_of(e), data=e.data, warnings=e.warnings or [])
        finally:
            held.release()
        answer.created = request.operation is Operation.CREATE
        return answer

    async def _run(
        self, engine: Any, path: str, request: Request, tx: Transaction, held: HeldLocks, caller: Caller | None
    ) -> Answer:
        route, params = engine.match(path, request.operation)
        ctx = self.context(request, tx, held, caller)
        args = () if route.args is None else route.args.parse(params, request.data, request.raw)[:1]
        if route.exists is not None and not await route.exists(ctx, *args):
            request.operation = Operation.CREATE
        result = await route.handler(ctx, *args)
        response = result if isinstance(result, Response) else Response(data=result)
        response.warnings += ctx.warnings
        encoded = msgspec.json.encode(response.data, enc_hook=encode_hook)
        return Answer(
            response.status or (204 if response.empty else 200),
            data=json.loads(encoded),
            warnings=response.warnings,
            lease_duration=response.lease.duration if response.lease else 0,
            text=encoded.decode(),
        )

    async def tune(self, options: Mapping[str, str]) -> list[str]:
        """Change options as tuning does; returns the warnings."""
        new = self.backend.prepare({**self.options, **options})
        tx, held = Transaction(self.barrier), HeldLocks(self.locks)
        ctx = self.context(Request(id="r", operation=Operation.UPDATE, path="sys/mounts/m/tune"), tx, held)
        assert self.backend.upgrade is not None
        try:
            await self.backend.upgrade(ctx, self.options, new)
            await tx.commit()
        finally:
            held.release()
        self.options = new
        return ctx.warnings

    def stored(self) -> list[str]:
        """The storage keys of the mount, relative to it."""
        prefix = f"logical/{UUID}/"
        return [key.removeprefix(prefix) for key in sorted(self.storage._data) if key.startswith(prefix)]


def run(work: Any, backend: Backend, options: Mapping[str, str] | None = None) -> Any:
    """Run a coroutine function with a fresh mount."""

    async def main() -> Any:
        return await work(await Mount(backend, options).open())

    return asyncio.run(main())


def with_data(text: str, field: str = "data") -> str:
    """A body whose one field is this JSON text."""
    return f'{{"{field}":{text}}}'
