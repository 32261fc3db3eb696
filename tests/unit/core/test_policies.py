"""Policies: stored to the letter, compiled once, and never served stale once a change is durable."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.core.fake_live import ROOT_KEY, FailingStorage

from strongroom.clock import ManualClock
from strongroom.core import policies as module
from strongroom.core.policies import PREFIX, Policies, StoredPolicy
from strongroom.errors import BadRequest, PolicyError, StorageError
from strongroom.policy import builtin
from strongroom.storage.barrier import Barrier
from strongroom.storage.base import Batch
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.transaction import Transaction


class SlowStorage(MemoryStorage):
    """Storage whose reads and commits wait at a gate when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: asyncio.Event | None = None
        self.waiting = asyncio.Event()

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)  # read now, handed over later
        await self._wait(key)
        return value

    async def commit(self, batch: Batch) -> None:
        await super().commit(batch)
        await self._wait(*batch.puts, *batch.deletes)

    async def _wait(self, *keys: str) -> None:
        if self.gate is not None and any(key.startswith(PREFIX) for key in keys):
            self.waiting.set()
            await self.gate.wait()


class Live:
    def __init__(self, storage: MemoryStorage) -> None:
        self.barrier = Barrier(storage, ManualClock(), cache_bytes=0)
        self.policies = Policies(self)  # type: ignore[arg-type]

    def transaction(self) -> Transaction:
        return Transaction(self.barrier)

    async def open(self) -> Live:
        await self.barrier.initialise(ROOT_KEY)
        await self.barrier.unseal(ROOT_KEY)
        await self.policies.load()
        return self

    async def put(self, name: str, text: str) -> None:
        tx = self.transaction()
        self.policies.put(tx, name, text)
        await tx.commit()

    async def remove(self, name: str) -> None:
        tx = self.transaction()
        self.policies.remove(tx, name)
        await tx.commit()

    async def may(self, path: str, *names: str) -> bool:
        return (await self.policies.acl(names)).decide(path, "read").allowed


def played(scenario: Callable[[Live], Awaitable[None]], storage: MemoryStorage | None = None) -> None:
    async def play() -> None:
        await scenario(await Live(storage or MemoryStorage()).open())

    asyncio.run(play())


def rule(path: str, word: str = "read") -> str:
    return f'path "{path}" {{ capabilities = ["{word}"] }}'


def test_a_server_is_born_with_its_own_policies() -> None:
    async def scenario(live: Live) -> None:
        tx = live.transaction()
        assert await live.policies.names(tx) == ["default", "root"]
        assert await live.policies.text(tx, "default") == builtin.TEXTS["default"]
        assert await live.policies.text(tx, "root") == ""
        assert await live.policies.text(tx, builtin.RESPONSE_WRAPPING)

    played(scenario)


def test_what_was_made_of_the_default_policy_stays_after_a_restart() -> None:
    async def scenario(live: Live) -> None:
        await live.put("default", rule("own"))
        await live.policies.load()
        assert await live.policies.text(live.transaction(), "default") == rule("own")

    played(scenario)


def test_names_of_all_folders_are_listed_in_order() -> None:
    async def scenario(live: Live) -> None:
        names = ("team/b", "z", "team/a/x", "-", "team")
        for name in names:
            await live.put(name, rule("a"))
        assert await live.policies.names(live.transaction()) == [
            "-",
            "default",
            "team",
            "team/a/x",
            "team/b",
            "z",
            "root",
        ]

    played(scenario)


@pytest.mark.parametrize("name", ["", "nothing", "team/", "Root"])
def test_what_is_not_there_has_no_text(name: str) -> None:
    async def scenario(live: Live) -> None:
        assert await live.policies.text(live.transaction(), name) is None
        assert not await live.policies.exists(name)

    played(scenario)


@pytest.mark.parametrize(("name", "folded"), [("A", "a"), (" Team/X ", "team/x"), ("a.b", "a.b")])
def test_names_fold(name: str, folded: str) -> None:
    assert Policies.fold(name) == folded


def test_a_text_that_does_not_parse_is_refused_and_not_stored() -> None:
    async def scenario(live: Live) -> None:
        with pytest.raises(BadRequest, match="failed to parse policy"):
            await live.put("p", 'path "a" {')
        assert await live.policies.text(live.transaction(), "p") is None

    played(scenario)


def test_policies_that_do_not_exist_grant_nothing_until_they_do() -> None:
    async def scenario(live: Live) -> None:
        assert not await live.may("a", "later")
        await live.put("later", rule("a"))
        assert await live.may("a", "later")

    played(scenario)


def test_the_same_set_is_compiled_once() -> None:
    async def scenario(live: Live) -> None:
        await live.put("p", rule("a"))
        assert await live.policies.acl(("default", "p")) is await live.policies.acl(("default", "p"))

    played(scenario)


def test_a_change_counts_at_once() -> None:
    async def scenario(live: Live) -> None:
        await live.put("p", rule("a"))
        await live.put("q", rule("b"))
        assert await live.may("a", "p", "q")
        await live.put("p", rule("c"))
        assert not await live.may("a", "p", "q")
        assert await live.may("c", "p", "q")
        await live.remove("p")
        assert not await live.may("c", "p", "q")
        assert await live.may("b", "p", "q")

    played(scenario)


def test_what_another_process_writes_counts_when_it_is_invalidated() -> None:
    async def scenario(live: Live) -> None:
        await live.put("p", rule("a"))
        assert await live.may("a", "p")
        other = Live(live.barrier.storage)  # type: ignore[arg-type]
        await other.barrier.unseal(ROOT_KEY)
        await other.put("p", rule("b"))
        for key in (PREFIX + "p", PREFIX, ""):
            live.barrier.invalidate(key)
            assert not await live.may("a", "p")
        assert await live.may("b", "p")

    played(scenario)


def test_a_request_that_reads_while_a_policy_changes_leaves_nothing_stale_behind() -> None:
    storage = SlowStorage()

    async def scenario(live: Live) -> None:
        await live.put("p", rule("old"))
        live.policies._changed("")
        storage.gate = asyncio.Event()
        reading = asyncio.create_task(live.policies.acl(("p",)))
        await storage.waiting.wait()
        gate, storage.gate = storage.gate, None
        await live.put("p", rule("new"))  # overtakes the reader, who has the old bytes in hand
        gate.set()
        await reading
        assert not await live.may("old", "p")
        assert await live.may("new", "p")

    played(scenario, storage)


def test_what_is_compiled_while_a_change_is_being_committed_is_not_kept() -> None:
    storage = SlowStorage()

    async def scenario(live: Live) -> None:
        await live.put("p", rule("old"))
        storage.gate = asyncio.Event()
        writing = asyncio.create_task(live.put("p", rule("new")))
        await storage.waiting.wait()
        reading = asyncio.create_task(live.policies.acl(("p",)))
        await asyncio.sleep(0)
        storage.gate.set()
        await asyncio.gather(writing, reading)
        assert await live.may("new", "p")
        assert not await live.may("old", "p")

    played(scenario, storage)


def test_a_change_that_fails_changes_nothing() -> None:
    storage = FailingStorage()

    async def scenario(live: Live) -> None:
        await live.put("p", rule("a"))
        storage.commits_left = 0
        with pytest.raises(StorageError):
            await live.put("p", rule("b"))
        assert await live.may("a", "p")
        assert not await live.may("b", "p")

    played(scenario, storage)


def test_a_stored_policy_that_does_not_parse_fails_closed() -> None:
    async def scenario(live: Live) -> None:
        tx = live.transaction()
        tx.store(PREFIX + "broken", StoredPolicy("broken", 'path "a" {'))
        await tx.commit()
        await live.put("p", rule("*"))
        for _ in range(2):
            with pytest.raises(PolicyError):
                await live.policies.acl(("broken", "p"))
        await live.put("broken", rule("a", "deny"))
        assert not await live.may("a", "broken", "p")

    played(scenario)


def test_the_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE", 5)

    async def scenario(live: Live) -> None:
        for number in range(20):
            await live.policies.acl((f"p{number}",))
        assert len(live.policies._acls) == len(live.policies._parsed) == 5

    played(scenario)


def test_after_the_sealing_nothing_is_followed_or_kept() -> None:
    async def scenario(live: Live) -> None:
        await live.put("p", rule("a"))
        assert await live.may("a", "p")
        await live.policies.stop()
        await live.policies.stop()
        assert not live.policies._acls
        assert not live.policies._parsed
        before: Any = live.barrier._listeners
        assert before == []

    played(scenario)
