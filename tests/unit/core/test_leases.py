"""Leases: durable first, undone in the end, whatever fails or crashes in between."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.fake_live import HOUR, FailingStorage, FakeLive, FakeMount, played

from strongroom.api.messages import Lease
from strongroom.core import lease_index
from strongroom.core.lease_undo import ATTEMPTS
from strongroom.core.lease_walk import walk
from strongroom.core.token_model import TokenEntry
from strongroom.errors import BadRequest, BadToken, StorageError
from strongroom.storage.memory import MemoryStorage

NANO = 1_000_000_000


class Database:
    """An engine whose credentials exist outside."""

    def __init__(self, live: FakeLive, path: str = "database/", **ttls: int) -> None:
        self.mount: FakeMount = live.mount(path, **ttls)
        self.revoked: list[str] = []
        self.progress = asyncio.Event()
        self.called = asyncio.Event()
        self.failing: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.terms: tuple[int, int] | None = None

        @self.mount.engine.revoke("creds")
        async def revoke(_: Any, data: dict[str, Any]) -> None:
            self.called.set()
            if self.gate is not None:
                await self.gate.wait()
            if self.failing is not None:
                raise self.failing
            self.revoked.append(data["user"])
            self.progress.set()

        @self.mount.engine.renew("creds")
        async def renew(_: Any, data: dict[str, Any]) -> tuple[int, int] | None:
            return self.terms

    async def all_of(self, number: int) -> None:
        """Wait until that many have been revoked."""
        while len(self.revoked) < number:
            self.progress.clear()
            await self.progress.wait()

    async def lease(
        self, live: FakeLive, user: str = "u", *, token: TokenEntry | None = None, role: str = "ro", **terms: Any
    ) -> Lease:
        path = f"{self.mount.path}creds/{role}"
        made = await live.leases.create(self.mount, path, token, "creds", {"user": user}, **terms)  # type: ignore[arg-type]
        tx = live.transaction()
        live.leases.confirm(tx, made.id)
        await tx.commit()
        return made


def with_database(scenario: Any, **ttls: int) -> None:
    async def play(live: FakeLive) -> None:
        await scenario(live, Database(live, **ttls))

    played(play)


def test_a_lease_is_looked_up_listed_and_ends_in_time() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await db.lease(live, ttl=10, max_ttl=20)
        assert made.duration == 10
        found = await live.leases.lookup(made.id)
        assert found is not None
        assert (found.path, found.expire_ns) == ("database/creds/ro", live.clock.now_ns() + 10 * NANO)
        assert await live.leases.list("database/creds/") == ["ro/"]
        assert await live.leases.list("") == ["database/"]
        live.clock.advance(9.9)
        await live.leases.run_due()
        assert db.revoked == []
        live.clock.advance(0.1)
        await live.leases.run_due()
        assert db.revoked == ["u"]
        assert await live.keys("sys/lease/") == []

    with_database(scenario)


def test_a_lease_is_durable_before_its_request_ends_and_a_crash_undoes_it() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        kept = await db.lease(live, "kept")
        await live.leases.create(db.mount, "database/creds/ro", None, "creds", {"user": "lost"})  # type: ignore[arg-type]
        again = await live.restarted()
        await again.leases.run_due()
        assert db.revoked == ["lost"]
        assert await again.leases.lookup(kept.id) is not None
        assert await again.keys("sys/lease/pending/") == []
        await again.stop()

    with_database(scenario)


def test_a_failed_requests_lease_is_undone_at_once() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await live.leases.create(db.mount, "database/creds/ro", None, "creds", {"user": "u"})  # type: ignore[arg-type]
        await live.leases.abandon(made.id)
        await live.leases.run_due()
        assert db.revoked == ["u"]
        assert await live.keys("sys/lease/") == []

    with_database(scenario)


def test_a_lease_that_cannot_be_stored_is_not_granted() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        assert isinstance(live.storage, FailingStorage)
        live.storage.commits_left = 0
        with pytest.raises(StorageError):
            await db.lease(live)

    with_database(scenario)


def test_ttls_are_capped_by_the_mount_the_engine_and_a_batch_tokens_own_end() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        _, batch = await live.token(type="batch", ttl=30)
        assert (await db.lease(live, ttl=99999)).duration == 100
        assert (await db.lease(live)).duration == 50
        assert (await db.lease(live, ttl=90, max_ttl=70)).duration == 70
        made = await db.lease(live, token=batch, ttl=90)
        assert made.duration == 30
        live.clock.advance(10)
        renewed, warnings = await live.leases.renew(made.id, 90)
        assert (renewed.duration, warnings) == (20, [])

    with_database(scenario, max_ttl=100, default_ttl=50)


def test_a_token_in_its_last_use_takes_no_lease() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        _, entry = await live.token(num_uses=1)
        last = await live.tokens.use(entry)
        with pytest.raises(BadRequest, match="token had one use left"):
            await db.lease(live, token=last)
        assert await live.keys("sys/lease/pending/") == []

    with_database(scenario)


# -- Renewing ----------------------------------------------------------------------------------------------------------


def test_a_renewal_counts_from_now_and_stops_at_the_maximum() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await db.lease(live, ttl=HOUR, max_ttl=2 * HOUR)
        live.clock.advance(600)
        for increment, duration, capped in [(0, HOUR, 0), (120, 120, 0), (86400, 6600, 1), (60, 60, 0)]:
            lease, warnings = await live.leases.renew(made.id, increment)
            assert (lease.duration, lease.renewable, len(warnings)) == (duration, True, capped)
        db.terms = (100, 700)  # the role has changed
        assert (await live.leases.renew(made.id, 0))[0].duration == 100
        assert (await live.leases.renew(made.id, HOUR))[0].duration == 100
        db.terms = (100, 500)
        with pytest.raises(BadRequest, match="past the max TTL"):
            await live.leases.renew(made.id, 0)

    with_database(scenario)


def test_what_cannot_be_renewed() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        fixed = await db.lease(live, renewable=False)
        ended = await db.lease(live, ttl=5)
        _, token = await live.token(ttl=HOUR)
        root = await live.root()
        live.clock.advance(6)
        for lease_id, text in [
            ("no/such", "lease not found"),
            ("..", "lease not found"),
            (fixed.id, "lease is not renewable"),
            (ended.id, "lease expired"),
            (token.lease_id, "tokens cannot be renewed through this endpoint"),
            (root.lease_id, "lease is not renewable"),
        ]:
            with pytest.raises(BadRequest) as refused:
                await live.leases.renew(lease_id, 0)
            assert str(refused.value) == text

    with_database(scenario)


def test_a_renewal_that_meets_a_revocation_does_not_bring_the_lease_back() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        for order in range(8):
            made = await db.lease(live, f"u{order}")

            async def renew(lease_id: str = made.id, steps: int = order) -> None:
                for _ in range(steps):
                    await asyncio.sleep(0)
                try:
                    await live.leases.renew(lease_id, 60)
                except BadRequest:
                    return

            await asyncio.gather(renew(), live.leases.revoke(made.id))
            assert await live.leases.lookup(made.id) is None
        assert await live.keys("sys/lease/") == []

    with_database(scenario)


# -- Revoking ----------------------------------------------------------------------------------------------------------


def test_revoking_is_done_once_and_again_is_no_error() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await db.lease(live)
        await asyncio.gather(*(live.leases.revoke(made.id) for _ in range(5)))
        await live.leases.revoke(made.id)
        assert db.revoked == ["u"]
        assert await live.keys("sys/lease/") == []

    with_database(scenario)


def test_without_waiting_it_is_durably_due() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await db.lease(live)
        await live.leases.revoke(made.id, sync=False)
        again = await live.restarted()
        await again.leases.run_due()
        assert db.revoked == ["u"]
        await again.stop()

    with_database(scenario)


def test_what_the_engine_cannot_undo_stays_until_it_is_forced() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await db.lease(live)
        db.failing = BadRequest("no connection")
        with pytest.raises(BadRequest, match="failed to revoke entry: no connection"):
            await live.leases.revoke(made.id)
        with pytest.raises(BadRequest, match=r'failed to revoke "database/creds/ro/\w+" \(1 / 1\): .*no connection'):
            await live.leases.revoke_prefix("database/creds/ro")
        assert await live.leases.lookup(made.id) is not None
        await live.leases.revoke_prefix("database", force=True)
        assert await live.leases.lookup(made.id) is None
        assert await live.keys("sys/lease/") == []

    with_database(scenario)


def test_an_engines_own_failure_is_not_told_in_its_words() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await db.lease(live)
        db.failing = ValueError("password=hunter2")
        with pytest.raises(BadRequest) as refused:
            await live.leases.revoke(made.id)
        assert str(refused.value) == "failed to revoke entry: ValueError"

    with_database(scenario)


def test_a_prefix_is_whole_segments_and_takes_tokens_along() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        for role in ("ro", "ro2", "ro-x"):
            await db.lease(live, role, role=role)
        _, token = await live.token(ttl=HOUR)
        await live.leases.revoke_prefix("database/creds/ro")
        assert db.revoked == ["ro"]
        await live.leases.revoke_prefix("auth/token/create/")
        assert await live.tokens.by_key(token.key) is None
        await live.leases.revoke_prefix("database/", sync=False)
        await live.leases.run_due()
        assert sorted(db.revoked) == ["ro", "ro-x", "ro2"]

    with_database(scenario)


def test_a_failing_revocation_is_tried_again_with_growing_pauses_and_then_parked() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await db.lease(live, ttl=5)
        db.failing = BadRequest("down")
        live.clock.advance(5)
        pauses = []
        for attempt in range(1, ATTEMPTS + 1):
            await live.leases.run_due()
            lease = await live.leases.lookup(made.id)
            assert lease is not None
            assert lease.attempts == attempt
            if attempt < ATTEMPTS:
                pauses.append((lease.due_ns - live.clock.now_ns()) / NANO)
                live.clock.advance(pauses[-1])
        assert all(2 * a * 0.8 < b < 2 * a * 1.25 for a, b in itertools.pairwise(pauses))
        assert [lease.irrevocable for lease in await live.leases.irrevocable()] == ["down"]
        assert await live.keys(lease_index.PREFIX) == []
        with pytest.raises(BadRequest, match="lease expired"):
            await live.leases.renew(made.id, 1)
        db.failing = None
        await live.leases.revoke(made.id)
        assert db.revoked == ["u"]
        assert await live.keys("sys/lease/") == []

    with_database(scenario)


def test_a_parked_lease_can_be_queued_again() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await db.lease(live, ttl=5)
        db.failing = BadRequest("down")
        for _ in range(ATTEMPTS):
            live.clock.advance(1000)
            await live.leases.run_due()
        assert len(await live.leases.irrevocable()) == 1
        db.failing = None
        await live.leases.revoke(made.id, sync=False)
        assert await live.leases.irrevocable() == []
        await live.leases.run_due()
        assert await live.keys("sys/lease/") == []

    with_database(scenario)


def test_an_engine_that_hangs_holds_up_no_other() -> None:
    async def scenario(live: FakeLive) -> None:
        stuck, fine = Database(live, "stuck/"), Database(live, "fine/")
        stuck.gate = asyncio.Event()
        for number in range(40):
            await stuck.lease(live, f"s{number}", ttl=5)
            await fine.lease(live, f"f{number}", ttl=5)
        live.clock.advance(5)
        expiration = live.leases._expiration
        await expiration.run()
        await fine.all_of(40)
        assert stuck.revoked == []
        stuck.gate.set()
        await expiration.idle()
        assert len(stuck.revoked) == 40

    played(scenario)


def test_more_leases_than_a_queue_holds_all_end() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        await asyncio.gather(*(db.lease(live, str(number), ttl=5) for number in range(1500)))
        live.clock.advance(5)
        for _ in range(3):
            await live.leases.run_due()
        assert len(db.revoked) == len(set(db.revoked)) == 1500
        assert await live.keys("sys/lease/") == []

    with_database(scenario)


# -- Tokens ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["revoked", "orphaned", "expired", "tree", "last use"])
def test_a_tokens_end_ends_its_leases(end: str) -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        root = await live.root()
        _, top = await live.token(root, policies=["root"], ttl=100)
        _, token = await live.token(top, policies=["root"], ttl=50, **({"num_uses": 2} if end == "last use" else {}))
        await db.lease(live, "own", token=token, ttl=HOUR)
        await db.lease(live, "roots", token=root, ttl=HOUR)
        if end == "revoked":
            await live.tokens.revoke_tree(token.key)
        elif end == "orphaned":
            await live.tokens.revoke_orphan(token.key)
        elif end == "tree":
            await live.tokens.revoke_tree(top.key)
        elif end == "expired":
            live.clock.advance(50)
            await live.leases.run_due()
        else:
            used = token
            for _ in range(2):
                used = await live.tokens.use(used)  # type: ignore[assignment]
            await live.tokens.after_last_use(used)
        await live.leases.run_due()
        assert db.revoked == ["own"]
        assert await live.keys("sys/lease/token/" + token.key) == []

    with_database(scenario)


def test_a_batch_tokens_leases_hang_on_its_parent() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        _, top = await live.token(policies=["root"])
        _, batch = await live.token(top, type="batch", ttl=HOUR)
        await db.lease(live, token=batch)
        await live.tokens.revoke_tree(top.key)
        await live.leases.run_due()
        assert db.revoked == ["u"]

    with_database(scenario)


def test_a_lease_taken_while_its_token_is_revoked_does_not_survive() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        for delay in range(10):
            _, token = await live.token(ttl=HOUR)

            async def take(steps: int, token: TokenEntry = token) -> int:
                for _ in range(steps):
                    await asyncio.sleep(0)
                try:
                    await db.lease(live, token=token)
                except BadToken:
                    return 0
                return 1

            takers = [asyncio.create_task(take(steps)) for steps in range(16)]
            for _ in range(delay):
                await asyncio.sleep(0)
            db.revoked.clear()
            await live.tokens.revoke_tree(token.key)
            taken = sum(await asyncio.gather(*takers))
            await live.leases.run_due()
            assert len(db.revoked) == taken
        assert await live.keys("sys/lease/token/") == []

    with_database(scenario)


def test_a_tokens_lease_shows_the_tokens_own_times() -> None:
    async def scenario(live: FakeLive) -> None:
        _, token = await live.token(ttl=HOUR)
        live.clock.advance(60)
        await live.tokens.renew(token, 120)
        lease = await live.leases.lookup(token.lease_id)
        assert lease is not None
        assert (lease.issue_ns, lease.expire_ns) == (token.creation_ns, live.clock.now_ns() + 120 * NANO)
        assert lease.last_renewal_ns == live.clock.now_ns()
        assert lease.renewable
        await live.leases.revoke(token.lease_id)
        assert await live.leases.lookup(token.lease_id) is None
        assert await live.tokens.by_key(token.key) is None

    played(scenario)


def test_starting_reads_no_lease_and_no_token() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        root = await live.root()
        for _ in range(20):
            await db.lease(live)
            await live.token(root)
        read: list[str] = []

        class Watched(MemoryStorage):
            async def get(self, key: str) -> bytes | None:
                read.append(key)
                return await live.storage.get(key)

            async def list(self, prefix: str, after: str = "", limit: int = 0) -> Any:
                return await live.storage.list(prefix, after, limit)

        again = await FakeLive(Watched(), live.clock).start()
        await again.leases.run_due()
        assert set(read) == {"core/keyring", "sys/token/salt"}
        await again.stop()

    with_database(scenario)


# -- The expiry index and walking --------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.integers(1, 2**62), max_size=60, unique=True), st.integers(0, 2**62))
def test_what_is_due_comes_in_order_and_the_next_is_known(times: list[int], now: int) -> None:
    async def scenario(live: FakeLive) -> None:
        tx = live.transaction()
        for at in times:
            lease_index.move(tx, lease_index.TOKEN, f"{at:x}", 0, at)
        await tx.commit()
        due = [row.at_ns async for rows in lease_index.due(live.barrier, now) for row in rows]
        assert due == sorted(at for at in times if at <= now)
        assert await lease_index.next_ns(live.barrier, now) == min((at for at in times if at > now), default=0)
        for at in times:
            lease_index.move(tx, lease_index.TOKEN, f"{at:x}", at, 0)
        await tx.commit()
        assert await live.keys(lease_index.PREFIX) == []

    played(scenario)


def test_a_row_that_leads_nowhere_is_removed() -> None:
    async def scenario(live: FakeLive, db: Database) -> None:
        made = await db.lease(live)
        tx = live.transaction()
        lease_index.move(tx, lease_index.LEASE, "nothing", 0, 5, b"no/such/lease")
        lease_index.move(tx, lease_index.LEASE, "stale", 0, 6, made.id.encode())
        lease_index.move(tx, lease_index.TOKEN, "nobody", 0, 7)
        await tx.commit()
        await live.leases.run_due()
        assert len(await live.keys(lease_index.PREFIX)) == 1
        assert db.revoked == []

    with_database(scenario)


segments = st.sampled_from(["a", "ab", "b", "a0", "a-"])
paths = st.lists(segments, min_size=1, max_size=4).map("/".join)


@settings(deadline=None)
@given(st.sets(paths, max_size=20), st.one_of(st.just(""), paths), st.integers(1, 5))
def test_walking_finds_what_is_at_and_beneath_a_path(keys: set[str], path: str, together: int) -> None:
    async def scenario(live: FakeLive) -> None:
        tx = live.transaction()
        for key in keys:
            tx.put("w/" + key, b"")
        await tx.commit()
        pages = [page async for page in walk(live.barrier, "w/", path, together)]
        found = [key for page in pages for key in page]
        assert sorted(found) == sorted(k for k in keys if not path or k == path or k.startswith(path + "/"))
        assert all(len(page) <= together for page in pages)

    played(scenario)


# -- What is being revoked is durable ----------------------------------------------------------------------------


def test_a_revocation_that_a_crash_broke_off_is_finished_by_the_next_start() -> None:
    async def scenario(live: FakeLive) -> None:
        db = Database(live)
        made = await db.lease(live)
        db.gate = asyncio.Event()  # the engine never answers
        revoking = asyncio.create_task(live.leases.revoke(made.id))
        await db.called.wait()
        lease = await live.leases.lookup(made.id)
        assert lease is not None
        assert lease.due_ns
        with pytest.raises(BadRequest, match="lease expired"):
            await live.leases.renew(made.id, 0)
        again = await live.restarted()
        await asyncio.gather(revoking, return_exceptions=True)
        assert db.revoked == []
        db.gate = None
        await again.leases.run_due()
        assert db.revoked == ["u"]
        assert await again.leases.lookup(made.id) is None
        await again.stop()

    played(scenario)


def test_a_revocation_that_failed_leaves_the_lease_as_it_was() -> None:
    async def scenario(live: FakeLive) -> None:
        db = Database(live)
        made = await db.lease(live)
        before = await live.leases.lookup(made.id)
        db.failing = BadRequest("down")
        with pytest.raises(BadRequest, match="down"):
            await live.leases.revoke(made.id)
        assert await live.leases.lookup(made.id) == before
        await live.leases.renew(made.id, 0)
        await live.leases.run_due()
        assert db.revoked == []

    played(scenario)
