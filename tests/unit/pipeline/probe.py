"""A whole server in memory with an engine of the tests' own mounted at `probe/`, and an audit device that remembers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.unit.auth.own_server import Answer, Server, data, ok, refused

from strongroom.api.args import Args, field
from strongroom.api.backend import backend
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.api.messages import Auth, Operation, Response
from strongroom.api.routes import Engine
from strongroom.app.compose import DEFAULT_MOUNTS, OWN
from strongroom.audit.device import Device
from strongroom.clock import ManualClock
from strongroom.config import ServerConfig
from strongroom.core.catalog import Catalog
from strongroom.core.context import SystemContext
from strongroom.core.core import Core
from strongroom.core.mounts import Mount, new_entry
from strongroom.core.unbroken import to_the_end
from strongroom.engines import BACKENDS
from strongroom.errors import BadRequest, StorageError
from strongroom.storage.base import Batch
from strongroom.storage.memory import MemoryStorage
from strongroom.system import system

__all__ = ["Answer", "Gate", "Probe", "Recorder", "Storage", "data", "ok", "played", "refused"]

SECRET = "hunter2"


class Gate:
    """Where a handler or a commit waits to be let on."""

    def __init__(self) -> None:
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self.open.wait()


class Storage(MemoryStorage):
    """Storage that can refuse commits, or hold them up."""

    def __init__(self) -> None:
        super().__init__()
        self.refuse = False
        self.gate: Gate | None = None

    async def commit(self, batch: Batch) -> None:
        if self.gate is None:
            await self._commit(batch)
        else:
            gate, self.gate = self.gate, None
            # As every storage, it lets nobody go before the outcome is there.
            await to_the_end(self._commit(batch, gate))

    async def _commit(self, batch: Batch, gate: Gate | None = None) -> None:
        if gate is not None:
            await gate()
        if self.refuse:
            raise StorageError("the disk is gone")
        await super().commit(batch)


class Recorder(Device):
    """An audit device in memory; `refuse` names the types of lines that it does not take."""

    type = "recorder"

    def __init__(self) -> None:
        super().__init__("recorder/", "salt", {"log_raw": "true"})
        self.lines: list[dict[str, Any]] = []
        self.refuse: tuple[str, ...] = ()
        #: Where the recording of an answer waits.
        self.gate: Gate | None = None

    @property
    def target(self) -> str:
        return "memory"

    async def open(self) -> None:
        return None

    async def write(self, line: bytes) -> None:
        decoded = json.loads(line)
        if self.gate is not None and decoded["type"] == "response":
            await self.gate()
        if decoded["type"] in self.refuse:
            raise OSError(28, "no space left on device")
        self.lines.append(decoded)

    def of(self, kind: str, path: str) -> list[dict[str, Any]]:
        """The lines of a type about a path."""
        return [line for line in self.lines if line["type"] == kind and line["request"]["path"] == path]


class NameArgs(Args):
    name: Name = field("Which thing.")


class PutArgs(NameArgs):
    value: str = field("Its value.", required="missing value")
    fail: str = field("How to fail after writing.")


class Probe(Server):
    """The server, with what its engine was asked."""

    def __init__(self, core: Core, clock: ManualClock, storage: Storage, share: bytes) -> None:
        super().__init__(core, clock)
        self.storage, self.share = storage, share
        self.asked: list[str] = []
        self.gate: Gate | None = None
        self.after: list[str] = []
        self.revoked: list[Any] = []
        #: Names of things that cannot be revoked.
        self.stuck: set[str] = set()

    @property
    def mount(self) -> Mount:
        found = self.live.mounts.by_path("probe/")
        assert found is not None
        return found

    async def stored(self, name: str) -> bytes | None:
        """What is durable, past every cache."""
        found = [v async for k, v in self.live.barrier.scan(self.mount.prefix) if k == self.mount.prefix + name]
        return found[0] if found else None

    async def tokens(self) -> list[str]:
        """The keys of all stored tokens."""
        return [key async for key, _ in self.storage.scan("sys/token/id/")]

    async def unseal(self) -> None:
        await self.core.seal.unseal(self.share)

    def idle(self) -> bool:
        """Whether no request is under way and no lock is held."""
        return not self.live.in_flight and not self.live.locks._locks

    def record(self) -> Recorder:
        device = Recorder()
        self.live.audits.broker.add(device)
        return device

    async def granted(self, name: str, **rules: str) -> str:
        """A token with nothing but these rules: `probe_put_a="create"` grants create on `probe/put/a`."""
        lines = [
            f'path "{path.replace("_", "/")}" {{ capabilities = ["{words.replace(",", chr(34) + "," + chr(34))}"] }}'
            for path, words in rules.items()
        ]
        await self.policy(name, "\n".join(lines))
        return await self.token(policies=[name], no_default_policy=True)


def engine_of(server: Callable[[], Probe]) -> Engine[Context]:
    """The engine; its handlers note what they do in the server of the test."""
    engine: Engine[Context] = Engine("probe", help="The engine of the tests.")

    async def exists(ctx: Context, args: PutArgs) -> bool:
        server().asked.append(f"exists {args.name}")
        await ctx.lock("thing", args.name)
        return await ctx.storage.get(args.name) is not None

    @engine.read("get/{name}")
    async def get(ctx: Context, args: NameArgs) -> Any:
        """Read a thing."""
        server().asked.append(f"get {args.name}")
        return {"value": ((await ctx.storage.get(args.name)) or b"").decode()}

    @engine.write("put/{name}", exists=exists)
    async def put(ctx: Context, args: PutArgs) -> Any:
        """Write a thing."""
        probe = server()
        probe.asked.append(f"put {args.name}")
        await ctx.lock("thing", args.name)
        await ctx.lock("other", args.name)
        ctx.storage.put(args.name, args.value.encode())
        if probe.gate is not None:
            await probe.gate()
        match args.fail:
            case "refusal":
                raise BadRequest("refused")
            case "bug":
                raise RuntimeError(f"{SECRET} is in the way")
            case "nested":
                try:
                    raise KeyError(SECRET)
                except KeyError as e:
                    raise StorageError("the disk is gone") from e
        return {"operation": ctx.request.operation.value} if args.fail == "tell" else None

    _add_leases(engine, server)
    _add_answers(engine)
    _add_headers(engine)
    return engine


def _add_leases(engine: Engine[Context], server: Callable[[], Probe]) -> None:
    """An endpoint that takes leases."""

    @engine.write("lease/{name}")
    async def lease(ctx: Context, args: PutArgs) -> Any:
        """Take a lease."""
        made = await ctx.lease("thing", {"name": args.name})
        if server().gate is not None:
            await server().gate()  # type: ignore[misc]
        if args.fail:
            raise BadRequest("refused")
        return Response(data={"name": args.name}, lease=made)

    @engine.revoke("thing")
    async def revoke(ctx: Context, lease: dict[str, Any]) -> None:
        if lease["name"] in server().stuck:
            raise BadRequest("the world is down")
        server().revoked.append(lease["name"])


def _add_answers(engine: Engine[Context]) -> None:
    """Endpoints of every sort of flag and answer."""

    @engine.read("open", unauthenticated=True)
    async def opened(ctx: Context) -> Any:
        """Say who asks."""
        return {"accessor": ctx.caller.accessor, "policies": list(ctx.caller.policies), "root": ctx.caller.root}

    @engine.write("login/{name}", unauthenticated=True)
    async def login(ctx: Context, args: NameArgs) -> Response:
        """Log in."""
        return Response(auth=Auth(policies=["default"], display_name=args.name, ttl=99999999, renewable=True))

    @engine.read("rooted", root_only=True)
    async def rooted(ctx: Context) -> Any:
        """For root alone."""
        return {}

    @engine.read("raised", sudo=True)
    async def raised(ctx: Context) -> Any:
        """For those with sudo."""
        return {"sudo": ctx.caller.sudo}

    @engine.read("terse", terse=True, unauthenticated=True)
    async def terse(ctx: Context) -> Any:
        """A status."""
        return {}

    @engine.read("plain", no_wrap=True)
    async def plain(ctx: Context) -> Any:
        """Never wrapped."""
        return {"plain": True}

    @engine.read("bare")
    async def bare(ctx: Context) -> Any:
        """Outside the envelope."""
        return Response(bare={"bare": SECRET, "count": 3})

    @engine.write("seldom/{name}", effectless=True)
    async def seldom(ctx: Context, args: PutArgs) -> Any:
        """Store something, if it is not empty."""
        if args.value:
            ctx.storage.put(args.name, args.value.encode())
        return {"value": args.value}

    @engine.read("nothing")
    async def nothing(ctx: Context) -> None:
        """Nothing."""


def _add_headers(engine: Engine[Context]) -> None:
    """Endpoints that set and see headers."""

    @engine.read("headed")
    async def headed(ctx: Context) -> Any:
        """With headers."""
        return Response(data={"headed": True}, headers={"X-One": "1", "Set-Cookie": SECRET})

    @engine.read("seen")
    async def seen(ctx: Context) -> Any:
        """The headers that can be seen."""
        return {name: ctx.header(name) for name in ("X-One", "authorization", "X-Vault-Token")}


def own_of(server: Callable[[], Probe]) -> Engine[SystemContext]:
    """An engine that reaches the core, as the server's own do."""
    engine: Engine[SystemContext] = Engine("own")

    @engine.write("after/{name}")
    async def after(ctx: SystemContext, args: PutArgs) -> None:
        """Do things after the commit."""
        probe = server()
        ctx.storage.put(args.name, args.value.encode())

        def first() -> None:
            probe.after.append("first")
            if args.fail:
                raise RuntimeError(SECRET)

        async def second() -> None:
            await asyncio.sleep(0)
            probe.after.append("second")

        ctx.after_commit(first)
        ctx.after_commit(second)

    @engine.read("after")
    async def without_writing(ctx: SystemContext) -> Any:
        """Do something after nothing was written."""
        ctx.after_commit(lambda: server().after.append("alone"))
        return {}

    @engine.write("refuse")
    async def refuse(ctx: SystemContext) -> None:
        """Refuse."""
        raise BadRequest("no")

    return engine


def played(scenario: Callable[[Probe], Awaitable[Any]]) -> Any:
    """Run a scenario on a fresh server."""

    async def play() -> Any:
        clock, storage = ManualClock(), Storage()
        servers: list[Probe] = []
        mine = (
            backend(engine_of(lambda: servers[0])),
            backend(own_of(lambda: servers[0]), privileged=True),
        )
        core = Core(
            config=ServerConfig(),
            storage=storage,
            catalog=Catalog((*BACKENDS, *OWN, *mine)),
            default_mounts=DEFAULT_MOUNTS,
            always={"sys/": system},
            clock=clock,
        )
        share = (await core.seal.init(1, 1)).shares[0]
        await core.seal.unseal(share)
        server = Probe(core, clock, storage, share)
        servers.append(server)
        await server.live.tokens.create_root("root")
        tx = server.live.transaction()
        for name in ("probe", "own"):
            entry = new_entry(f"{name}/", name, "secret")
            server.live.mounts.store(tx, entry)
            server.live.mounts.apply(entry)
        await tx.commit()
        try:
            return await scenario(server)
        finally:
            storage.refuse, storage.gate = False, None
            await server.core.close()

    return asyncio.run(play())


READ, UPDATE, DELETE, LIST, HELP = (
    Operation.READ,
    Operation.UPDATE,
    Operation.DELETE,
    Operation.LIST,
    Operation.HELP,
)
