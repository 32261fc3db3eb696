"""What is SQLite's own beside the contract of `test_contract.py`: the file, its lock, damage, and a full disk."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.crypto.aead import new_key
from strongroom.errors import CryptoError, FenceLost, StorageError, StorageFull
from strongroom.storage import sqlite_writer
from strongroom.storage.barrier import Barrier
from strongroom.storage.base import FENCE_KEY, Batch
from strongroom.storage.sqlite import SQLiteStorage


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "strongroom.db"


def written(path: Path, **entries: bytes) -> None:
    async def work(s):
        await s.commit(Batch(entries))

    use(path, work)


def use(path: Path, work) -> None:
    async def main():
        storage = SQLiteStorage(path)
        try:
            await work(storage)
        finally:
            await storage.close()

    asyncio.run(main())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_was_committed_is_there_after_reopening(path):
    written(path, a=b"1", b=b"2")

    async def work(s):
        assert [entry async for entry in s.scan("")] == [("a", b"1"), ("b", b"2")]

    use(path, work)


def test_only_the_owner_may_look(path):
    async def work(s):
        await s.commit(Batch({"a": b"1"}))
        assert {file.name: mode(file) for file in path.parent.iterdir()} == {
            "strongroom.db": 0o600,
            "strongroom.db-wal": 0o600,
            "strongroom.db-shm": 0o600,
            "strongroom.db.lock": 0o600,
        }
        assert mode(path.parent) == 0o700

    old = os.umask(0)
    try:
        use(path, work)
        path.chmod(0o644)
        use(path, work)
    finally:
        os.umask(old)


def test_a_commit_is_synced_before_it_is_acknowledged(path):
    async def work(s):
        assert s._writer.connection.pragma("journal_mode") == "wal"
        assert s._writer.connection.pragma("synchronous") == 2

    use(path, work)


def test_a_database_left_in_another_journal_mode_is_put_right(path):
    written(path, a=b"1")
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "delete")
    connection.close()
    use(path, lambda s: _assert_wal(s))


async def _assert_wal(s):
    assert s._writer.connection.pragma("journal_mode") == "wal"
    assert await s.get("a") == b"1"


def test_a_second_opening_is_refused(path):
    async def work(s):
        with pytest.raises(StorageError, match=f"in use by another process \\({os.getpid()}\\)"):
            SQLiteStorage(path)
        code = (
            "import sys, pathlib\n"
            "from strongroom.errors import StorageError\n"
            "from strongroom.storage.sqlite import SQLiteStorage\n"
            "try: SQLiteStorage(pathlib.Path(sys.argv[1]))\n"
            "except StorageError as error: print(error)\n"
        )
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", code, path, stdout=subprocess.PIPE)
        assert b"in use by another process" in (await other.communicate())[0]
        await s.commit(Batch({"a": b"1"}))

    use(path, work)
    use(path, work)


def damage_empty(path):
    path.write_bytes(b"")


def damage_foreign(path):
    path.write_bytes(b"this is no database, but long enough to look like a file of some kind\n" * 100)


def damage_other_database(path):
    path.unlink()
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE entries (key, value)")
    connection.close()


def damage_newer(path):
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 2)
    connection.close()


def damage_cut(path):
    os.truncate(path, path.stat().st_size // 2)


def damage_last_byte(path):
    os.truncate(path, path.stat().st_size - 1)


def damage_header(path):
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])


def damage_table(path):
    connection = apsw.Connection(str(path))
    connection.execute("DROP TABLE entries")
    connection.close()


def damage_first_page(path):
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 3996 + path.read_bytes()[4096:])


def damage_folder(path):
    path.unlink()
    path.mkdir()


def damage_link(path):
    other = path.with_name("other.db")
    path.rename(other)
    path.symlink_to(other)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_empty, "is empty"),
        (damage_foreign, "is damaged"),
        (damage_other_database, "not a Strongroom storage"),
        (damage_newer, "format 2, written by a newer version; this one reads up to 1"),
        (damage_cut, "is damaged"),
        (damage_last_byte, "cut short"),
        (damage_header, "is damaged"),
        (damage_table, "no such table"),
        (damage_first_page, "is damaged"),
        (damage_folder, "strongroom.db"),
        (damage_link, "strongroom.db"),
    ],
)
def test_what_is_not_in_order_is_refused_and_left_as_it_is(path, damage, message):
    written(path, **{f"k{i}": bytes(500) for i in range(200)})
    damage(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StorageError, match=message):
        SQLiteStorage(path)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_a_lost_database_beside_its_log_is_not_replaced(path):
    written(path, a=b"1")
    path.rename(path.with_name("strongroom.db-wal"))
    with pytest.raises(StorageError, match="is gone but its log"):
        SQLiteStorage(path)
    assert not path.exists()


def test_a_creation_that_was_cut_off_is_begun_anew(path):
    path.parent.mkdir()
    path.with_name("strongroom.db.new").write_bytes(b"half")
    path.with_name("strongroom.db.new-journal").write_bytes(b"half")
    written(path, a=b"1")
    assert sorted(file.name for file in path.parent.iterdir()) == ["strongroom.db", "strongroom.db.lock"]


@pytest.mark.parametrize("place", ["file/strongroom.db", "missing\0/strongroom.db"])
def test_a_place_that_cannot_be_is_a_storage_error(tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises((StorageError, ValueError)):
        SQLiteStorage(tmp_path / place)


ROOT = new_key()
KEYS = [f"folder/{i:03}" for i in range(60)]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """A whole database of sixty encrypted entries, some of them long."""
    path = tmp_path_factory.mktemp("image") / "strongroom.db"

    async def work(s):
        b = Barrier(s)
        await b.initialise(ROOT)
        await b.unseal(ROOT)
        await b.commit(Batch({key: key.encode() * 40 for key in KEYS}))

    use(path, work)
    return path


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.sampled_from([1, 8, 600])), min_size=1, max_size=5))
def test_a_damaged_database_never_gives_a_wrong_value(image, places):
    damaged = bytearray(image.read_bytes())
    for start, length in places:
        for place in range(start % len(damaged), min(start % len(damaged) + length, len(damaged))):
            damaged[place] ^= 0x55

    async def work(s):
        b = Barrier(s)
        await b.unseal(ROOT)
        for key in KEYS:
            with contextlib.suppress(StorageError):
                assert await b.get(key) in (None, key.encode() * 40)
        with contextlib.suppress(StorageError):
            await b.list("folder/")
        with contextlib.suppress(StorageError):
            assert all([value == key.encode() * 40 async for key, value in b.scan("folder/")])

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "strongroom.db"
        path.write_bytes(damaged)
        with contextlib.suppress(StorageError, CryptoError):
            use(path, work)


def test_a_full_disk_fails_the_request_and_the_store_goes_on(path):
    async def work(s):
        s._writer.connection.pragma("max_page_count", 64)
        stored = {}

        async def fill():
            for i in range(1000):
                await s.commit(Batch({f"k{i}": bytes(3000)}))
                stored[f"k{i}"] = bytes(3000)

        with pytest.raises(StorageFull, match="no room"):
            await fill()
        assert len(stored) > 20
        # A small one beside a large one goes through: they share a group, not a fate.
        results = await asyncio.gather(
            s.commit(Batch({"large": bytes(1 << 20)})),
            s.commit(Batch({"k0": b"small"})),
            s.commit(Batch({"large2": bytes(1 << 20)})),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [StorageFull, type(None), StorageFull]
        assert [key async for key, _ in s.scan("")] == sorted(stored)
        assert await s.get("k0") == b"small"
        s._writer.connection.pragma("max_page_count", 1 << 30)
        await s.commit(Batch({"large": bytes(1 << 20)}))

    use(path, work)


@pytest.fixture
def transactions(monkeypatch):
    """How many batches each of the writer's transactions has."""
    sizes, attempt = [], sqlite_writer.Writer._attempt

    def counting(self, group):
        sizes.append(len(group))
        return attempt(self, group)

    monkeypatch.setattr(sqlite_writer.Writer, "_attempt", counting)
    return sizes


def test_what_a_turn_of_the_loop_brings_is_one_transaction(path, transactions):
    async def work(s):
        for n in (100, 1, 7):
            await asyncio.gather(*(s.commit(Batch({f"k{i}": b"x"})) for i in range(n)))
        assert len(await s.list("")) == 100

    use(path, work)
    assert transactions == [100, 1, 7]


def test_commits_that_wait_share_a_transaction(path, transactions):
    async def work(s):
        blocker = apsw.Connection(str(path))
        blocker.execute("BEGIN IMMEDIATE")
        commits = []
        for i in range(100):
            commits.append(asyncio.ensure_future(s.commit(Batch({f"k{i}": b"x"}))))
            await asyncio.sleep(0)
        # The writer waits with what it has taken so far; the rest joins the next group.
        blocker.execute("COMMIT")
        blocker.close()
        await asyncio.gather(*commits)
        assert len(await s.list("")) == 100

    use(path, work)
    assert sum(transactions) == 100
    assert len(transactions) <= 10


def test_a_closing_finishes_what_was_begun(path):
    async def main():
        s = SQLiteStorage(path)
        commits = [asyncio.ensure_future(s.commit(Batch({f"k{i}": b"x"}))) for i in range(20)]
        await asyncio.sleep(0)
        await s.close()
        await asyncio.gather(*commits)

    asyncio.run(main())
    use(path, lambda s: _assert_count(s, 20))


async def _assert_count(s, count):
    assert len(await s.list("")) == count


def test_a_closed_database_is_one_file_again(path):
    written(path, a=b"1")
    assert sorted(file.name for file in path.parent.iterdir()) == ["strongroom.db", "strongroom.db.lock"]


def test_the_log_stays_bounded_under_writes_without_pause(path, monkeypatch):
    monkeypatch.setattr(sqlite_writer, "LOG_PAGES", 64)
    monkeypatch.setattr(sqlite_writer, "LOG_LIMIT", 256)

    async def writer(s, name):
        for turn in range(150):
            await s.commit(Batch({f"{name}/{turn}": bytes(3000)}))

    sizes = []

    async def work(s):
        s._writer._log_limit = 256
        await asyncio.gather(*(writer(s, name) for name in range(8)))
        sizes.append(path.with_name("strongroom.db-wal").stat().st_size)
        assert len([key async for key, _ in s.scan("")]) == 1200

    use(path, work)
    # 1,200 entries of a page and more, and still the log is not much above its limit.
    assert 0 < sizes[0] < 2 * 256 * 4096


def test_a_scan_under_way_holds_back_the_log_but_not_the_writers(path, monkeypatch):
    monkeypatch.setattr(sqlite_writer, "LOG_LIMIT", 64)

    async def work(s):
        s._writer._log_limit = 64
        await s.commit(Batch({f"k{i:04}": bytes(100) for i in range(1000)}))
        scan = s.scan("k")
        first = await anext(scan)
        for turn in range(300):
            await s.commit(Batch({"other": bytes(3000), f"k{turn:04}": b"changed"}))
        rest = [entry async for entry in scan]
        assert [first, *rest] == [(f"k{i:04}", bytes(100)) for i in range(1000)]

    use(path, work)


def test_a_fence_holds_against_a_group(path):
    async def work(s):
        await s.commit(Batch({FENCE_KEY: b"1"}))
        results = await asyncio.gather(
            s.commit(Batch({"a": b""}, fence=b"1")),
            s.commit(Batch({FENCE_KEY: b"2"}, fence=b"1")),
            s.commit(Batch({"b": b""}, fence=b"1")),
            return_exceptions=True,
        )
        assert [type(result).__name__ for result in results] == ["NoneType", "NoneType", "FenceLost"]
        assert await s.list("") == ["a", "core/"]

    use(path, work)


CHANGES = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=2), max_size=3),
        st.sets(st.sampled_from("abcd"), max_size=3),
        st.sampled_from([None, b"1", b"2"]),
    ),
    max_size=8,
)


@given(CHANGES)
@settings(max_examples=60, deadline=None)
def test_a_group_leaves_what_its_batches_would_have_left_one_after_the_other(changes):
    async def work(s):
        await s.commit(Batch({FENCE_KEY: b"1", "a": b"old", "b": b"old"}))
        batches = [Batch(dict(puts), set(deletes) - set(puts), fence=fence) for puts, deletes, fence in changes]
        results = await asyncio.gather(*(s.commit(batch) for batch in batches), return_exceptions=True)
        want = {"a": b"old", "b": b"old"}
        for batch, result in zip(batches, results, strict=True):
            assert isinstance(result, FenceLost) is (batch.fence == b"2")
            if batch.fence != b"2":
                want = {key: value for key, value in want.items() if key not in batch.deletes} | batch.puts
        assert {key: await s.get(key) for key in await s.list("") if key != "core/"} == want

    with tempfile.TemporaryDirectory() as folder:
        use(Path(folder) / "strongroom.db", work)


def test_storages_in_several_loops_do_not_mix(tmp_path):
    """The threads wake only the loop that asked."""
    for turn in range(3):
        written(tmp_path / "strongroom.db", **{f"k{turn}": b"x"})
    use(tmp_path / "strongroom.db", lambda s: _assert_count(s, 3))
