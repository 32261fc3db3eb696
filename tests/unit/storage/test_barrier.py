import asyncio

import msgspec
import pytest

from strongroom.clock import ManualClock
from strongroom.crypto.aead import new_key
from strongroom.errors import BadRequest, CorruptEntry, CryptoError, FenceLost, Sealed, StorageError, StorageFull
from strongroom.storage.barrier import KEYRING_KEY, MISS, THREAD_BYTES, Barrier, KeyStatus
from strongroom.storage.base import FENCE_KEY, Batch
from strongroom.storage.memory import MemoryStorage

ROOT = new_key()


class Item(msgspec.Struct, frozen=True):
    name: str
    count: int = 0


class Gated(MemoryStorage):
    """Memory that counts, and on demand fails or holds back its answers (not their effects)."""

    def __init__(self):
        super().__init__()
        self.gets = 0
        self.gate: asyncio.Event | None = None
        self.fail: Exception | None = None

    async def get(self, key):
        self.gets += 1
        value = await super().get(key)
        if self.gate:
            await self.gate.wait()
        return value

    async def commit(self, batch):
        if self.fail:
            raise self.fail
        await super().commit(batch)
        if gate := self.gate:
            # As the protocol says: a cancelled caller hears when the outcome is settled.
            try:
                await asyncio.shield(gate.wait())
            finally:
                await gate.wait()


def with_barrier(work, **options):
    async def main():
        storage = Gated()
        barrier = Barrier(storage, ManualClock(1000), **options)
        await barrier.initialise(ROOT)
        await barrier.unseal(ROOT)
        await work(barrier, storage)

    asyncio.run(main())


def test_what_lies_in_storage_is_encrypted_and_what_is_read_is_not():
    async def work(b, s):
        await b.commit(Batch({"a/b": b"a plain secret"}))
        assert b"plain" not in await s.get("a/b")
        b.invalidate("a/b")
        assert await b.get("a/b") == b"a plain secret"
        assert [entry async for entry in b.scan("a/")] == [("a/b", b"a plain secret")]
        assert await b.list("") == ["a/", "core/"]

    with_barrier(work)


def test_sealed_everything_is_refused_and_no_key_is_left():
    async def work(b, s):
        await b.commit(Batch({"a": b"1"}))
        b.seal()
        b.seal()
        assert b.sealed
        for use in (
            lambda: b.get("a"),
            lambda: b.load("a", Item),
            lambda: b.list(""),
            lambda: anext(b.scan("")),
            lambda: b.commit(Batch({"a": b"2"})),
            b.rotate,
            b.save,
            b.reload,
            lambda: b.rekey(ROOT),
        ):
            with pytest.raises(Sealed):
                await use()
        for call in (b.key_status, lambda: b.cached("a"), lambda: b.encrypt_blob("", b""), lambda: b.fits(ROOT)):
            with pytest.raises(Sealed):
                call()
        await b.unseal(ROOT)
        assert await b.get("a") == b"1"

    with_barrier(work)


def test_a_sealing_while_a_read_is_under_way_leaves_no_plaintext():
    async def work(b, s):
        await b.commit(Batch({"a": b"1"}))
        b.invalidate("a")
        s.gate = asyncio.Event()
        read = asyncio.ensure_future(b.get("a"))
        write = asyncio.ensure_future(b.commit(Batch({"c": b"2"})))
        await asyncio.sleep(0)
        b.seal()
        s.gate.set()
        assert await read == b"1"
        await write
        await b.unseal(ROOT)
        assert b.cached("a") is MISS
        assert b.cached("c") is MISS

    with_barrier(work)


def test_the_wrong_root_key_is_told_from_damage_and_nothing_is_written():
    async def work(b, s):
        b.seal()
        before = dict(s._data)
        for wrong in (new_key(), b"", ROOT[:16]):
            with pytest.raises(CryptoError):
                await b.unseal(wrong)
        s._data[KEYRING_KEY] = before[KEYRING_KEY][:-1] + b"\0"
        with pytest.raises(CorruptEntry):
            await b.unseal(ROOT)
        s._data[KEYRING_KEY] = before[KEYRING_KEY]
        assert b.sealed
        assert s._data == before
        await b.unseal(ROOT)

    with_barrier(work)


def test_a_failed_unsealing_keeps_an_open_barrier_open():
    async def work(b, _):
        with pytest.raises(CryptoError):
            await b.unseal(new_key())
        assert not b.sealed

    with_barrier(work)


def test_a_keyring_is_never_overwritten():
    async def work(b, s):
        before = dict(s._data)
        with pytest.raises(StorageError, match="already"):
            await b.initialise(new_key())
        assert s._data == before
        with pytest.raises(StorageError, match="not initialised"):
            await Barrier(MemoryStorage()).unseal(ROOT)

    with_barrier(work)


def test_what_belongs_beside_the_keyring_is_written_with_it():
    async def main():
        s = Gated()
        b = Barrier(s)
        assert not await b.initialised()
        await b.initialise(ROOT, {"core/seal-config": b"plain"})
        assert await b.initialised()
        assert await s.get("core/seal-config") == b"plain"
        await b.unseal(ROOT)
        s.fail = StorageFull("full")
        with pytest.raises(StorageFull):
            await b.rekey(new_key(), {"core/seal-config": b"new"})
        s.fail = None
        assert b.fits(ROOT)
        assert await s.get("core/seal-config") == b"plain"

    asyncio.run(main())


@pytest.mark.parametrize("change", ["bit", "cut", "swap", "foreign", "term"])
def test_a_damaged_or_moved_entry_is_refused_by_name(change):
    async def work(b, s):
        await b.commit(Batch({"a/one": b"1", "a/two": b"2"}))
        entry = s._data["a/one"]
        s._data["a/one"] = {
            "bit": entry[:20] + bytes([entry[20] ^ 1]) + entry[21:],
            "cut": entry[:-1],
            "swap": s._data["a/two"],
            "foreign": b"something else",
            "term": entry[:4] + b"\7" + entry[5:],
        }[change]
        b.invalidate("a/one")
        with pytest.raises(CorruptEntry, match="a/one"):
            await b.get("a/one")
        with pytest.raises(CorruptEntry, match="a/one"):
            [entry async for entry in b.scan("a/")]
        assert await b.get("a/two") == b"2"

    with_barrier(work)


def test_rotation_adds_a_term_and_the_old_entries_stay_readable():
    async def work(b, s):
        await b.commit(Batch({"old": b"1"}))
        assert b.key_status() == KeyStatus(1, 1000 * 10**9, 1)
        b._clock.advance(5)
        assert await b.rotate() == 2
        assert b.key_status() == KeyStatus(2, 1005 * 10**9, 0)
        await b.commit(Batch({"new": b"2"}))
        assert (await s.get("old"))[1:5] == b"\0\0\0\1"
        assert (await s.get("new"))[1:5] == b"\0\0\0\2"
        b.seal()
        await b.unseal(ROOT)
        assert [await b.get("old"), await b.get("new")] == [b"1", b"2"]

    with_barrier(work)


def test_a_rotation_that_cannot_be_stored_does_not_happen():
    async def work(b, s):
        s.fail = StorageFull("full")
        with pytest.raises(StorageFull):
            await b.rotate()
        s.fail = None
        await b.commit(Batch({"a": b"1"}))
        assert b.key_status().term == 1
        assert await b.rotate() == 2

    with_barrier(work)


@pytest.mark.parametrize("step", ["rotate", "rekey"])
def test_a_cancelled_change_of_keys_ends_as_one_thing_in_memory_and_storage(step):
    async def work(b, s):
        new = new_key()
        s.gate = asyncio.Event()
        task = asyncio.ensure_future(b.rotate() if step == "rotate" else b.rekey(new))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        s.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await b.commit(Batch({"a": b"1"}))
        await b.save()
        b.seal()
        await b.unseal(ROOT if step == "rotate" else new)
        assert await b.get("a") == b"1"
        assert b.key_status().term == (2 if step == "rotate" else 1)

    with_barrier(work)


def test_after_a_rekey_only_the_new_root_key_fits():
    async def work(b, s):
        new = new_key()
        await b.commit(Batch({"a": b"1"}))
        await b.rekey(new, {"core/seal-config": b"config"})
        assert b.fits(new)
        assert not b.fits(ROOT)
        assert await s.get("core/seal-config") == b"config"
        await b.rotate()
        b.seal()
        with pytest.raises(CryptoError):
            await b.unseal(ROOT)
        await b.unseal(new)
        assert await b.get("a") == b"1"

    with_barrier(work)


def test_encryptions_are_counted_and_kept_by_save():
    async def work(b, s):
        await b.commit(Batch({"a": b"", "b": b""}))
        b.encrypt_blob("x", b"")
        assert b.unsaved_encryptions == 3
        await b.save()
        assert b.unsaved_encryptions == 0
        saved = s._data[KEYRING_KEY]
        await b.save()
        assert s._data[KEYRING_KEY] is saved
        await b.commit(Batch({"c": b""}))
        b.seal()
        await b.unseal(ROOT)
        assert b.key_status().encryptions == 3

    with_barrier(work)


def test_a_rotation_is_due_by_use_or_age():
    async def work(b, _):
        await b.commit(Batch({"a": b"", "b": b""}))
        assert b.rotation_due(2)
        assert not b.rotation_due(3)
        b._clock.advance(60)
        assert b.rotation_due(3, 60 * 10**9)
        assert not b.rotation_due(3, 61 * 10**9)

    with_barrier(work)


def test_a_standby_follows_a_rotation():
    async def work(b, s):
        standby = Barrier(s)
        await standby.unseal(ROOT)
        await b.rotate()
        await b.commit(Batch({"a": b"1"}))
        with pytest.raises(CorruptEntry):
            await standby.get("a")
        await standby.reload()
        assert await standby.get("a") == b"1"

    with_barrier(work)


def test_the_fence_goes_with_every_commit():
    async def work(b, s):
        await s.commit(Batch({FENCE_KEY: b"mine"}))
        b.fence = b"mine"
        await b.commit(Batch({"a": b"1"}))
        await s.commit(Batch({FENCE_KEY: b"theirs"}))
        for write in (lambda: b.commit(Batch({"a": b"2"})), b.rotate, b.save):
            with pytest.raises(FenceLost):
                await write()
        assert await b.get("a") == b"1"

    with_barrier(work)


@pytest.mark.parametrize("key", [KEYRING_KEY, FENCE_KEY])
def test_the_keyring_and_the_fence_are_out_of_reach(key):
    async def work(b, s):
        before = dict(s._data)
        for batch in (Batch({key: b""}), Batch(deletes={key}), Batch(delete_prefixes={"core/"})):
            with pytest.raises(StorageError):
                await b.commit(batch)
        assert s._data == before

    with_barrier(work)


def test_a_second_read_asks_nobody():
    async def work(b, s):
        await b.commit(Batch({"a": b"1"}))
        b.invalidate("")
        s.gets = 0
        for _ in range(3):
            assert await b.get("a") == b"1"
            assert await b.get("none") is None
        assert s.gets == 2
        assert b.cached("a") == b"1"
        assert b.cached("none") is None
        assert b.cached("unknown") is MISS

    with_barrier(work)


def test_a_hit_does_not_suspend():
    async def work(b, _):
        await b.commit(Batch({"a": b'{"name":"x"}'}))
        for call in (b.get("a"), b.load("a", Item), b.load("a", Item)):
            with pytest.raises(StopIteration):
                call.send(None)

    with_barrier(work)


def test_a_write_is_in_the_cache_and_a_failed_one_is_not():
    async def work(b, s):
        await b.commit(Batch({"a": b"1"}))
        s.gets = 0
        assert await b.get("a") == b"1"
        assert s.gets == 0
        s.fail = StorageFull("full")
        with pytest.raises(StorageFull):
            await b.commit(Batch({"a": b"2"}))
        s.fail = None
        assert await b.get("a") == b"1"

    with_barrier(work)


def test_nobody_reads_a_write_before_it_is_durable_and_a_read_meanwhile_stays_out_of_the_cache():
    async def work(b, s):
        await b.commit(Batch({"a": b"1"}))
        s.gate = asyncio.Event()
        write = asyncio.ensure_future(b.commit(Batch({"a": b"2"})))
        await asyncio.sleep(0)
        assert b.cached("a") == b"1"
        s.gate.set()
        await write
        assert await b.get("a") == b"2"

    with_barrier(work)


def test_a_read_that_a_write_overtook_does_not_stay():
    async def work(b, s):
        await b.commit(Batch({"a": b"1"}))
        b.invalidate("a")
        s.gate = gate = asyncio.Event()
        read = asyncio.ensure_future(b.get("a"))
        await asyncio.sleep(0)
        s.gate = None
        await b.commit(Batch({"a": b"2"}))
        gate.set()
        assert await read == b"1"
        assert await b.get("a") == b"2"

    with_barrier(work)


def test_a_cancelled_write_leaves_no_stale_cache():
    async def work(b, s):
        await b.commit(Batch({"a": b"1"}))
        s.gate = asyncio.Event()
        write = asyncio.ensure_future(b.commit(Batch({"a": b"2"})))
        await asyncio.sleep(0)
        write.cancel()
        s.gate.set()
        with pytest.raises(asyncio.CancelledError):
            await write
        assert await b.get("a") == b"2"

    with_barrier(work)


def test_a_struct_is_decoded_once_and_by_its_kind():
    async def work(b, _):
        await b.commit(Batch({"a": b'{"name":"x","count":3}'}))
        first = await b.load("a", Item)
        assert first == Item("x", 3)
        assert await b.load("a", Item) is first
        assert b.cached_load("a", Item) is first
        assert await b.load("a", dict) == {"name": "x", "count": 3}
        assert await b.load("none", Item) is None
        assert b.cached_load("none", Item) is None
        assert b.cached_load("unknown", Item) is MISS
        await b.commit(Batch({"a": b'{"name":"y"}'}))
        assert await b.load("a", Item) == Item("y")

    with_barrier(work)


@pytest.mark.parametrize("value", [b"", b"{", b'{"name":7}', b'{"count":1}', b"\xff\xfe", b'"s3cret"', b"[" * 100_000])
def test_an_entry_that_does_not_decode_names_its_key_and_not_its_value(value):
    async def work(b, _):
        await b.commit(Batch({"a/b": value}))
        with pytest.raises(CorruptEntry, match="a/b does not decode as Item") as caught:
            await b.load("a/b", Item)
        assert "s3cret" not in str(caught.value)
        assert await b.get("a/b") == value

    with_barrier(work)


@pytest.mark.parametrize("options", [{"cache_bytes": 0}, {"cache_entries": 0}, {"cache_bytes": 20_000}])
def test_without_room_in_the_cache_everything_works(options):
    async def work(b, _):
        for i in range(50):
            await b.commit(Batch({f"k{i}": b'{"name":"%d"}' % i, f"b{i}": bytes(2000)}))
        for i in range(50):
            assert await b.load(f"k{i}", Item) == Item(str(i))
            assert await b.get(f"b{i}") == bytes(2000)

    with_barrier(work, **options)


def test_large_values_go_by_a_thread_and_come_back_whole():
    async def work(b, _):
        value = bytes(range(256)) * (THREAD_BYTES // 256) + b"end"
        await b.commit(Batch({"large": value, "small": b"s"}))
        b.invalidate("")
        assert await b.get("large") == value
        assert await b.get("small") == b"s"

    with_barrier(work)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (Batch({"p/a": b"", "q/b": b""}), ["p/a"]),
        (Batch(deletes={"p/x/y"}), ["p/x/y"]),
        (Batch(delete_prefixes={"p/x/"}), ["p/x/"]),
        (Batch(delete_prefixes={"pp/"}), []),
    ],
)
def test_listeners_hear_of_the_keys_beneath_their_prefix(told, expected):
    async def work(b, s):
        heard: list[str] = []
        leave = b.subscribe("p/", heard.append)
        await b.commit(told)
        assert heard == expected
        s.fail = StorageError("unknown outcome")
        with pytest.raises(StorageError):
            await b.commit(told)
        assert heard == expected * 2
        leave()
        b.invalidate("p/a")
        assert heard == expected * 2

    with_barrier(work)


def test_a_listener_beneath_a_deleted_folder_hears_of_it():
    async def work(b, _):
        heard: list[str] = []
        b.subscribe("p/x/", heard.append)
        await b.commit(Batch(delete_prefixes={"p/"}))
        b.invalidate("")
        b.invalidate("p/x/1")
        assert heard == ["p/", "", "p/x/1"]

    with_barrier(work)


def test_a_blob_is_bound_to_its_context_and_survives_a_rotation():
    async def work(b, s):
        blob = b.encrypt_blob("batch-token", b"data")
        await b.rotate()
        assert b.decrypt_blob("batch-token", blob) == b"data"
        await s.commit(Batch({"batch-token": blob}))
        with pytest.raises(CorruptEntry):
            await b.get("batch-token")
        for context, changed in (("other", blob), ("batch-token", blob[:-1]), ("batch-token", b"")):
            with pytest.raises(CryptoError):
                b.decrypt_blob(context, changed)

    with_barrier(work)


@pytest.mark.parametrize("key", ["", "a/", "a\0", "a/../b", "..", "\ud800"], ids=ascii)
def test_a_key_that_cannot_be_is_refused(key):
    async def work(b, _):
        with pytest.raises(BadRequest):
            await b.get(key)

    with_barrier(work)
