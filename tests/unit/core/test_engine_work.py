"""What the server does for engines that deal with the outside world."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.core.fake_live import FakeLive, played

from strongroom.api.messages import Lease
from strongroom.clock import ManualClock
from strongroom.core import password_policies
from strongroom.core.engine_work import EngineHost, EngineWork
from strongroom.core.scheduler import Scheduler
from strongroom.errors import NoRoute
from strongroom.storage.transaction import Transaction


class Closeable:
    """Something an engine keeps open."""

    def __init__(self, fails: bool = False) -> None:
        self.open, self.fails = True, fails

    async def aclose(self) -> None:
        self.open = False
        if self.fails:
            raise OSError("gone already")


class Mounts(list[Any]):
    """A mount table."""

    def by_uuid(self, uuid: str) -> Any:
        return next((mount for mount in self if mount.entry.uuid == uuid), None)


def mount(uuid: str, tick: Callable[[Any], Awaitable[None]] | None = None) -> Any:
    return SimpleNamespace(entry=SimpleNamespace(uuid=uuid), path=f"{uuid}/", engine=SimpleNamespace(tick=tick))


class World:
    """As much of the unsealed server as engines' work needs."""

    def __init__(self, *mounts: Any) -> None:
        self.clock = ManualClock()
        self.mounts = Mounts(mounts)
        self.tasks = Scheduler(self, 1)  # type: ignore[arg-type]
        self.engines = EngineWork(self)  # type: ignore[arg-type]

    async def on_behalf(self, mount: Any, action: Callable[[Any], Awaitable[Any]]) -> Any:
        return await action(mount)


def run(world: World, scenario: Callable[[World], Awaitable[Any]]) -> None:
    async def play() -> None:
        try:
            await asyncio.wait_for(scenario(world), 10)
        finally:
            await world.tasks.stop()

    asyncio.run(play())


def test_memory_is_a_mounts_own_and_is_closed_with_it() -> None:
    async def scenario(world: World) -> None:
        kept = {uuid: world.engines.memory(uuid) for uuid in "ab"}
        kept["a"]["x"], kept["b"]["x"], kept["b"]["number"] = Closeable(), Closeable(fails=True), 7
        assert world.engines.memory("a") is kept["a"]
        world.mounts.pop()  # b is unmounted
        await world.engines.run()
        assert (kept["a"]["x"].open, kept["b"]["x"].open) == (True, False)
        await world.engines.stop()
        assert not kept["a"]["x"].open
        assert world.engines.memory("a") == {}

    run(World(mount("a"), mount("b")), scenario)


def test_recurring_work_of_one_mount_never_overlaps_and_holds_up_nobody() -> None:
    hangs, began = asyncio.Event(), {"slow": 0, "quick": 0}

    async def slow(_: Any) -> None:
        began["slow"] += 1
        await hangs.wait()

    async def quick(_: Any) -> None:
        began["quick"] += 1

    async def scenario(world: World) -> None:
        for _ in range(3):
            await world.engines.run()
            await asyncio.sleep(0.01)
        assert began == {"slow": 1, "quick": 3}  # though there is one worker only

    run(World(mount("a", slow), mount("b", quick)), scenario)


def test_what_is_unmounted_writes_nothing_any_more() -> None:
    async def scenario(world: World) -> None:
        host = EngineHost(world, mount("gone"), SimpleNamespace(), None)  # type: ignore[arg-type]
        with pytest.raises(NoRoute):
            await host.commit()
        with pytest.raises(NoRoute):
            await host.apart(lambda _: asyncio.sleep(0))

    run(World(), scenario)


def test_a_lease_for_which_nothing_was_made_is_withdrawn() -> None:
    async def scenario(live: FakeLive) -> None:
        made = live.mount("database/")
        made.entry = SimpleNamespace(uuid="u")  # type: ignore[attr-defined]
        lease = await live.leases.create(made, "database/creds/x", None, "creds", {})  # type: ignore[arg-type]
        other = Lease(1, "another")
        taken = [lease, other]
        host = EngineHost(live, made, live.transaction(), taken)  # type: ignore[arg-type]
        await host.withdraw(lease)
        assert taken == [other]
        assert await live.leases.lookup(lease.id) is None
        assert not await live.keys("sys/lease/")

    played(scenario)


def test_a_password_without_a_policy_has_all_kinds_of_characters() -> None:
    async def scenario(live: FakeLive) -> None:
        tx: Transaction = live.transaction()
        for _ in range(50):
            password = await password_policies.generate(tx, "") or ""
            assert re.fullmatch(r"[A-Za-z0-9-]{20}", password)
            assert all(re.search(kind, password) for kind in ("[A-Z]", "[a-z]", "[0-9]", "-"))
        assert await password_policies.generate(tx, "missing") is None

    played(scenario)
