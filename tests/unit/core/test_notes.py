"""What engines note of requests is settled with others, in the end or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from strongroom.clock import ManualClock
from strongroom.core import notes as module
from strongroom.core.engine_work import EngineHost
from strongroom.core.notes import Notes
from strongroom.core.scheduler import Scheduler
from strongroom.errors import CorruptEntry, NoRoute, StorageError


class Mounts(list[Any]):
    """A mount table."""

    def by_uuid(self, uuid: str) -> Any:
        return next((mount for mount in self if mount.entry.uuid == uuid), None)


class Engine:
    """An engine that writes down what it is to settle, and fails when told to."""

    def __init__(self) -> None:
        self.settled: list[dict[Any, Any]] = []
        self.error: Exception | None = None

    async def settle(self, ctx: Any, notes: Mapping[Any, Any]) -> None:
        if self.error is not None:
            raise self.error
        self.settled.append(dict(notes))


def mount(uuid: str) -> Any:
    return SimpleNamespace(entry=SimpleNamespace(uuid=uuid), path=f"{uuid}/", engine=Engine())


class World:
    """As much of the unsealed server as notes need."""

    def __init__(self, *mounts: Any) -> None:
        self.clock = ManualClock()
        self.mounts = Mounts(mounts)
        self.tasks = Scheduler(self, 1)  # type: ignore[arg-type]
        self.notes = Notes(self)  # type: ignore[arg-type]

    def note(self, mount: Any, key: Any, note: Any) -> None:
        EngineHost(self, mount, None, None).note(key, note)  # type: ignore[arg-type]

    async def on_behalf(self, mount: Any, action: Callable[[Any], Awaitable[Any]]) -> Any:
        return await action(mount)


def played(*mounts: Any) -> Callable[[Callable[[World], Awaitable[None]]], None]:
    return lambda scenario: asyncio.run(scenario(World(*mounts)))  # type: ignore[arg-type, return-value]


def test_each_engine_gets_its_own_notes_the_latest_of_each_key() -> None:
    a, b = mount("a"), mount("b")

    async def scenario(world: World) -> None:
        for number, (where, key) in enumerate([(a, "x"), (b, "x"), (a, "y"), (a, "x")]):
            world.note(where, key, number)
        assert (world.notes.get(a, "x"), world.notes.get(b, "y")) == (3, None)
        await world.notes.flush()
        assert (a.engine.settled, b.engine.settled) == ([{"x": 3, "y": 2}], [{"x": 1}])
        assert world.notes.get(a, "x") is None

    played(a, b)(scenario)


def test_every_engine_is_asked_once_without_notes_and_another_that_takes_over_too() -> None:
    a = mount("a")

    async def scenario(world: World) -> None:
        await world.notes.run()
        await world.notes.run()
        former, a.engine = a.engine, Engine()
        await world.notes.run()
        assert (former.settled, a.engine.settled) == ([{}], [{}])

    played(a)(scenario)


def test_without_storage_notes_wait_and_are_joined_with_later_ones() -> None:
    a = mount("a")

    async def scenario(world: World) -> None:
        world.note(a, "x", 1)
        world.note(a, "y", 1)
        a.engine.error = StorageError("full")
        with pytest.raises(StorageError):
            await world.notes.flush()
        world.note(a, "x", 2)
        await world.notes.stop()  # says so, and nothing more
        a.engine.error = None
        await world.notes.flush()
        assert a.engine.settled == [{"x": 2, "y": 1}]

    played(a)(scenario)


@pytest.mark.parametrize("error", [CorruptEntry("damaged"), ValueError("a bug"), NoRoute("gone")])
def test_what_would_fail_again_holds_up_nobody_else(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    a, b = mount("a"), mount("b")

    async def scenario(world: World) -> None:
        a.engine.error = error
        world.note(a, "x", 1)
        world.note(b, "x", 2)
        await world.notes.flush()
        assert b.engine.settled == [{"x": 2}]
        a.engine.error = None
        await world.notes.flush()
        assert a.engine.settled == []

    played(a, b)(scenario)
    assert ("notes at a/ were lost" in caplog.text) is not isinstance(error, NoRoute)


def test_notes_of_an_unmounted_engine_are_dropped() -> None:
    a = mount("a")

    async def scenario(world: World) -> None:
        world.note(a, "x", 1)
        world.mounts.clear()
        await world.notes.run()
        assert (a.engine.settled, world.notes.get(a, "x")) == ([], None)

    played(a)(scenario)


def test_there_is_a_bound_to_what_waits_and_to_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PENDING", 4)
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(module, "CHUNK", 1)
    a = mount("a")

    async def scenario(world: World) -> None:
        await world.notes.run()
        for key in range(6):
            world.note(a, key, "note")
        world.note(a, 0, "later")
        await world.notes.run()
        assert a.engine.settled[1:] == [{0: "later"}, {1: "note"}]
        await world.notes.stop()  # all that is left
        assert a.engine.settled[3:] == [{2: "note"}, {3: "note"}]

    played(a)(scenario)
