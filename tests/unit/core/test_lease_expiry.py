"""The expiration with much to do, and with what may go wrong meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.core.fake_live import FailingStorage, FakeLive, played
from tests.unit.core.test_leases import Database, with_database

from strongroom.core import lease_expiry, lease_index
from strongroom.core.lease_expiry import CALLS_PER_MOUNT
from strongroom.core.slices import Slices

NANO = 1_000_000_000


@pytest.fixture
def short_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_expiry, "QUEUE_PER_MOUNT", 16)


async def leases(live: FakeLive, db: Database, count: int) -> None:
    for number in range(count):
        await db.lease(live, f"{db.mount.path}{number}", ttl=5)


@pytest.mark.usefixtures("short_queues")
def test_one_look_is_enough_for_more_than_a_queue_holds() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        await leases(live, db, 300)
        live.clock.advance(5)
        await live.leases.run_due()
        assert sorted(db.revoked) == sorted(f"database/{n}" for n in range(300))
        assert await live.keys("sys/lease/") == []
        assert live.leases._expiration._queues == {}

    with_database(scenario)


@pytest.mark.usefixtures("short_queues")
def test_what_a_mount_that_hangs_piles_up_is_not_read_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(live: FakeLive) -> None:
        stuck, fine = Database(live, "stuck/"), Database(live, "fine/")
        stuck.gate = asyncio.Event()
        for number in range(100):
            await stuck.lease(live, f"s{number}", ttl=5)
            await fine.lease(live, f"f{number}", ttl=5)
        live.clock.advance(5)
        read: list[str] = []
        of_row = live.leases._store.of_row

        async def watched(row: Any) -> Any:
            lease = await of_row(row)
            if lease is not None:
                read.append(lease.mount_path)
            return lease

        monkeypatch.setattr(live.leases._store, "of_row", watched)
        await live.leases._expiration.run()
        await fine.all_of(100)
        for _ in range(3):
            await live.leases._expiration.run()
        assert stuck.revoked == []
        assert read.count("stuck/") <= 24
        assert read.count("fine/") == 100
        stuck.gate.set()
        await live.leases._expiration.idle()
        assert len(stuck.revoked) == 100
        assert await live.keys("sys/lease/") == []

    played(scenario)


def test_an_engine_has_no_more_calls_at_once_than_it_may() -> None:
    async def scenario(live: FakeLive) -> None:
        mount = live.mount("busy/")
        now, most = [0], [0]

        @mount.engine.revoke("creds")
        async def revoke(_: Any, data: dict[str, Any]) -> None:
            now[0] += 1
            most[0] = max(most[0], now[0])
            await asyncio.sleep(0)
            now[0] -= 1

        for _ in range(60):
            made = await live.leases.create(mount, "busy/creds", None, "creds", {}, ttl=5)  # type: ignore[arg-type]
            tx = live.transaction()
            live.leases.confirm(tx, made.id)
            await tx.commit()
        live.clock.advance(5)
        await live.leases.run_due()
        assert most[0] == CALLS_PER_MOUNT
        assert await live.keys("sys/lease/") == []

    played(scenario)


@pytest.mark.usefixtures("short_queues")
def test_when_our_own_storage_fails_the_work_rests_until_the_next_look() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        assert isinstance(live.storage, FailingStorage)
        await leases(live, db, 60)
        live.clock.advance(5)
        live.storage.commits_left = 5
        await live.leases.run_due()
        tried = live.storage.commits
        await asyncio.sleep(0)
        assert live.storage.commits == tried
        left = await live.keys(lease_index.PREFIX)
        assert len(left) >= 50
        live.storage.commits_left = None
        await live.leases._expiration.run()
        await live.leases._expiration.idle()
        assert await live.keys("sys/lease/") == []
        assert set(db.revoked) == {f"database/{n}" for n in range(60)}

    with_database(scenario)


@pytest.mark.parametrize("seconds", [9, 300])
def test_a_row_that_is_committed_after_it_was_passed_is_found(seconds: int) -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        live.clock.advance(1000)
        late = live.clock.now_ns()
        live.clock.advance(seconds)
        await live.leases._expiration.run()
        made = await db.lease(live, ttl=HOUR_AND_MORE)
        lease = await live.leases.lookup(made.id)
        assert lease is not None
        await live.leases._store.change(lease, due_ns=late)
        looks = 1 if seconds < 10 else 2
        for _ in range(looks):
            await live.leases._expiration.run()
            await live.leases._expiration.idle()
            live.clock.advance(lease_expiry.INTERVAL)
        assert db.revoked == ["u"]

    with_database(scenario)


HOUR_AND_MORE = 100_000


def test_a_clock_that_is_set_back_loses_nothing() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        live.clock.advance(100_000)
        await live.leases._expiration.run()
        live.clock.advance(-90_000)
        await db.lease(live, ttl=5)
        live.clock.advance(5)
        await live.leases._expiration.run()
        await live.leases._expiration.idle()
        assert db.revoked == ["u"]

    with_database(scenario)


def test_stopping_in_the_middle_leaves_the_rest_for_the_next_start() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        db.gate = asyncio.Event()
        await leases(live, db, 40)
        live.clock.advance(5)
        await live.leases._expiration.run()
        await asyncio.sleep(0)
        again = await live.restarted()
        db.gate.set()
        await again.leases.run_due()
        assert len(set(db.revoked)) == 40
        assert await again.keys("sys/lease/") == []
        await again.stop()

    with_database(scenario)


def test_long_work_lets_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> int:
        times = iter(range(100))
        monkeypatch.setattr("strongroom.core.slices.time.perf_counter", lambda: next(times) * 0.0015)
        ran = 0

        async def other() -> None:
            nonlocal ran
            while True:
                ran += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        slices = Slices()
        for _ in range(4):
            await slices.end()
        task.cancel()
        return ran

    assert asyncio.run(play()) >= 1
