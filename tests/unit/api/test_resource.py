"""Stored resources: list, read, partial writes, delete; races on one name."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from strongroom.api.args import Args, field
from strongroom.api.context import Caller, Context, MountInfo
from strongroom.api.fields import CommaList, Duration, Name
from strongroom.api.messages import Operation, Request
from strongroom.api.resource import Resource
from strongroom.api.routes import Engine
from strongroom.clock import ManualClock
from strongroom.core.locks import HeldLocks, Locks
from strongroom.errors import BadRequest, NotFound
from strongroom.storage.barrier import Barrier
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.transaction import Transaction, View


class Role(msgspec.Struct, frozen=True):
    name: str
    ttl: int = 60
    policies: tuple[str, ...] = ()
    internal: str = "kept"
    v: int = 1


class RoleArgs(Args):
    name: Name = field("Which role.")
    ttl: Duration = field("How long.")
    policies: CommaList = field("Which policies.")
    not_stored: str = field("Read by the check alone.")


async def finish(ctx: Context, role: Role, args: RoleArgs) -> Role:
    if role.ttl > 3600:
        raise BadRequest("ttl is too long")
    if args.not_stored:
        ctx.warn(args.not_stored)
    return msgspec.structs.replace(role, policies=tuple(sorted(role.policies)))


async def guard(_: Context, name: str) -> None:
    if name == "used":
        raise BadRequest("it is in use")


class Server:
    """An engine of nothing but roles."""

    def __init__(self, *, lower: bool = False) -> None:
        self.roles = Resource(Role, "role/", lower=lower)
        self.engine: Engine[Context] = Engine("t")
        self.roles.serve(
            self.engine,
            "roles",
            RoleArgs,
            show=lambda r: {"ttl": r.ttl, "policies": r.policies},
            finish=finish,
            guard=guard,
            then=", its tokens live on.",
        )
        self.barrier = Barrier(MemoryStorage())
        self.locks = Locks()

    async def open(self) -> Server:
        await self.barrier.initialise(bytes(32))
        await self.barrier.unseal(bytes(32))
        return self

    async def __call__(self, operation: Operation, path: str, **data: Any) -> Any:
        tx, held = Transaction(self.barrier), HeldLocks(self.locks)
        request = Request(id="1", operation=operation, path=f"t/{path}", data=data)
        ctx = Context(
            request=request,
            mount=MountInfo("t/", "t", "u", "a"),
            storage=View(tx, "logical/u/"),
            caller=Caller(),
            clock=ManualClock(),
            lock=held.take,
        )
        route, params = self.engine.match(path, operation)
        try:
            arguments, _ = route.parse(params, request)
            created = route.exists is not None and not await route.there(ctx, arguments)
            result = await route.run(ctx, arguments)
            await tx.commit()
        finally:
            held.release()
        return "created" if created else (result if result is not None else ctx.warnings)


def play(scenario: Any, **options: Any) -> None:
    async def run() -> None:
        await scenario(await Server(**options).open())

    asyncio.run(run())


READ, WRITE, LIST, DELETE = Operation.READ, Operation.UPDATE, Operation.LIST, Operation.DELETE


def test_a_write_changes_what_it_names_and_leaves_the_rest() -> None:
    async def scenario(call: Server) -> None:
        assert await call(WRITE, "roles/a", policies="y,x") == "created"
        assert await call(READ, "roles/a") == {"ttl": 60, "policies": ("x", "y")}
        assert await call(WRITE, "roles/a", ttl="10m") == []
        assert await call(READ, "roles/a") == {"ttl": 600, "policies": ("x", "y")}
        assert await call(WRITE, "roles/a", policies=[], not_stored="careful") == ["careful"]
        stored = await call.barrier.load("logical/u/role/a", Role)
        assert stored == Role("a", 600, (), "kept")

    play(scenario)


def test_lists_and_deletes() -> None:
    async def scenario(call: Server) -> None:
        with pytest.raises(NotFound):
            await call(LIST, "roles/")
        for name in ("b", "a"):
            await call(WRITE, f"roles/{name}")
        assert await call(LIST, "roles/") == {"keys": ["a", "b"]}
        await call(DELETE, "roles/a")
        await call(DELETE, "roles/a")
        with pytest.raises(NotFound):
            await call(READ, "roles/a")
        assert await call(LIST, "roles") == {"keys": ["b"]}

    play(scenario)


def test_what_is_in_use_is_not_deleted() -> None:
    async def scenario(call: Server) -> None:
        await call(WRITE, "roles/used")
        with pytest.raises(BadRequest, match="in use"):
            await call(DELETE, "roles/used")
        assert await call(LIST, "roles") == {"keys": ["used"]}

    play(scenario)


def test_what_the_check_refuses_is_not_stored() -> None:
    async def scenario(call: Server) -> None:
        await call(WRITE, "roles/a", ttl=10)
        with pytest.raises(BadRequest, match="too long"):
            await call(WRITE, "roles/a", ttl="2h", policies="x")
        assert await call(READ, "roles/a") == {"ttl": 10, "policies": ()}
        assert not call.locks._locks

    play(scenario)


def test_names_fold_where_that_is_wanted() -> None:
    async def scenario(call: Server) -> None:
        await call(WRITE, "roles/MiXed", ttl=5)
        assert await call(WRITE, "roles/mixed", policies="x") == []
        assert await call(READ, "roles/MIXED") == {"ttl": 5, "policies": ("x",)}
        stored = await call.barrier.load("logical/u/role/mixed", Role)
        assert stored is not None
        assert stored.name == "mixed"

    play(scenario, lower=True)


def test_of_two_writers_at_once_one_creates_and_neither_loses_a_field() -> None:
    async def scenario(call: Server) -> None:
        answers = await asyncio.gather(call(WRITE, "roles/a", ttl=5), call(WRITE, "roles/a", policies="x"))
        assert sorted(map(str, answers)) == ["[]", "created"]
        assert await call(READ, "roles/a") == {"ttl": 5, "policies": ("x",)}

    play(scenario)


def test_a_prefix_is_a_folder() -> None:
    with pytest.raises(ValueError, match="slash"):
        Resource(Role, "role")


def test_some_endpoints_can_be_served_alone() -> None:
    engine: Engine[Context] = Engine("t")
    things = Resource(Role, "thing/", noun="an old thing", lower=True)
    things.serve_list(engine, "things")
    things.serve_read(engine, "things", lambda role: role.ttl)
    assert [(r.operation, r.summary) for r in engine.routes] == [
        (LIST, "List the old things."),
        (READ, "Read an old thing."),
    ]
    assert engine.routes[1].args is not None
    assert engine.routes[1].args.fields["name"].help == "The old thing; upper case counts as lower case."


def test_without_exists_all_writes_are_updates() -> None:
    engine: Engine[Context] = Engine("t")
    Resource(Role, "role/").serve_write(engine, "roles", RoleArgs, exists=False)
    assert engine.routes[0].exists is None


def test_the_endpoints_say_what_they_are() -> None:
    summaries = {(r.operation, r.pattern): r.summary for r in Server().engine.routes}
    assert summaries == {
        (LIST, "roles"): "List the roles.",
        (READ, "roles/{name}"): "Read a role.",
        (WRITE, "roles/{name}"): "Create or change a role.",
        (DELETE, "roles/{name}"): "Delete a role, its tokens live on.",
    }
