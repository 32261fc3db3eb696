import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.crypto.aead import new_key
from strongroom.errors import BadRequest, CorruptEntry, StorageFull
from strongroom.storage.barrier import Barrier
from strongroom.storage.base import MAX_KEY_BYTES, Batch
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.transaction import Transaction, View


class Item(msgspec.Struct, frozen=True):
    name: str


class Counting(MemoryStorage):
    def __init__(self):
        super().__init__()
        self.batches: list[Batch] = []
        self.fail = False

    async def commit(self, batch):
        if self.fail:
            raise StorageFull("full")
        self.batches.append(batch)
        await super().commit(batch)


def with_barrier(work, **entries):
    async def main():
        storage = Counting()
        barrier = Barrier(storage)
        root = new_key()
        await barrier.initialise(root)
        await barrier.unseal(root)
        if entries:
            await barrier.commit(Batch(entries))
        storage.batches.clear()
        await work(barrier, storage)

    asyncio.run(main())


def test_a_transaction_sees_its_own_writes_and_others_do_not():
    async def work(b, s):
        mine, theirs = Transaction(b), Transaction(b)
        mine.put("a", b"new")
        mine.delete("b")
        mine.store("c", Item("x"))
        assert [await mine.get(key) for key in "abc"] == [b"new", None, b'{"name":"x"}']
        assert await mine.load("c", Item) == Item("x")
        assert await mine.load("b", Item) is None
        assert [await theirs.get(key) for key in "abc"] == [b"1", b"2", None]
        assert mine.pending
        assert not theirs.pending
        await mine.commit()
        assert not mine.pending
        assert [await theirs.get(key) for key in "abc"] == [b"new", None, b'{"name":"x"}']

    with_barrier(work, a=b"1", b=b"2")


def test_all_writes_are_one_batch_and_none_are_none():
    async def work(b, s):
        t = Transaction(b)
        await t.commit()
        assert s.batches == []
        t.put("a", b"1")
        t.put("b", b"2")
        t.delete("c")
        t.delete_prefix("d/")
        t.put("d/e", b"3")
        await t.commit()
        (batch,) = s.batches
        assert (set(batch.puts), batch.deletes, batch.delete_prefixes) == ({"a", "b", "d/e"}, {"c"}, {"d/"})
        await t.commit()
        assert len(s.batches) == 1

    with_barrier(work)


def test_a_failed_commit_leaves_all_pending_and_a_discard_nothing():
    async def work(b, s):
        t = Transaction(b)
        t.put("a", b"2")
        t.delete_prefix("f/")
        s.fail = True
        with pytest.raises(StorageFull):
            await t.commit()
        assert t.pending
        assert await t.get("a") == b"2"
        t.discard()
        assert not t.pending
        assert await t.get("a") == b"1"

    with_barrier(work, a=b"1")


def test_a_stored_struct_is_as_it_was_at_that_moment():
    async def work(b, _):
        t = Transaction(b)
        value = {"n": 1}
        t.store("a", value)
        value["n"] = 2
        assert await t.load("a", dict) == {"n": 1}

    with_barrier(work)


def test_the_last_write_of_a_key_counts():
    async def work(b, _):
        t = Transaction(b)
        t.put("a/b", b"1")
        t.delete("a/b")
        assert await t.get("a/b") is None
        t.put("a/b", b"2")
        t.delete_prefix("a/")
        assert await t.get("a/b") is None
        assert await t.load("a/b", Item) is None
        t.put("a/b", b"3")
        assert await t.get("a/b") == b"3"
        await t.commit()
        assert await b.get("a/b") == b"3"

    with_barrier(work, **{"a/b": b"0"})


def test_a_pending_value_that_does_not_decode_names_its_key():
    async def work(b, _):
        t = Transaction(b)
        t.put("a", b"{")
        with pytest.raises(CorruptEntry, match="entry a "):
            await t.load("a", Item)

    with_barrier(work)


BAD = ["", "a/", "a\0b", "..", "../a", "a/../b", "a/..", "\ud800", "k" * (MAX_KEY_BYTES + 1)]


@pytest.mark.parametrize("key", BAD, ids=ascii)
def test_a_key_that_cannot_be_is_refused(key):
    async def work(b, _):
        t = Transaction(b)
        view = t.view("m/")
        for target in (t, view):
            for write, *value in ((target.put, b""), (target.store, {}), (target.delete,)):
                with pytest.raises(BadRequest):
                    write(key, *value)
            with pytest.raises(BadRequest):
                await target.get(key)
            with pytest.raises(BadRequest):
                await target.load(key, Item)
        assert not t.pending

    with_barrier(work)


@pytest.mark.parametrize("key", ["a..b", "...", "a/.../b", ".", "a//b", "/a", "a b", "%2e%2e", "é"])
def test_other_keys_are_taken(key):
    async def work(b, _):
        view = Transaction(b).view("m/")
        view.put(key, b"1")
        assert await view.get(key) == b"1"

    with_barrier(work)


def test_a_view_sees_its_folder_and_nothing_else():
    async def work(b, s):
        t = Transaction(b)
        view = t.view("m/1/")
        view.put("a", b"1")
        view.store("b/c", Item("x"))
        inner = view.view("b/")
        assert await t.get("m/1/a") == b"1"
        assert await inner.load("c", Item) == Item("x")
        assert await view.list() == ["a", "b/"]
        assert await view.list("b") == await view.list("b/") == await inner.list() == ["c"]
        inner.delete("c")
        assert await view.list() == ["a"]
        view.delete_prefix()
        assert await view.list() == []
        assert await t.get("m/2/z") == b"9"
        assert repr(inner) == "View('m/1/b/')"

    with_barrier(work, **{"m/2/z": b"9"})


@pytest.mark.parametrize("prefix", ["m", "a/b"])
def test_a_folder_ends_in_a_slash(prefix):
    async def work(b, _):
        t = Transaction(b)
        with pytest.raises(ValueError, match="slash"):
            View(t, prefix)
        with pytest.raises(ValueError, match="slash"):
            t.delete_prefix(prefix)

    with_barrier(work)


@pytest.mark.parametrize("prefix", ["/", "../", "a/../", "a\0/"])
def test_a_folder_that_cannot_be_is_not_deleted(prefix):
    async def work(b, _):
        with pytest.raises(BadRequest):
            Transaction(b).delete_prefix(prefix)

    with_barrier(work)


segments = st.sampled_from(["a", "b", "b-", "b0", "é"])
keys = st.lists(segments, min_size=1, max_size=3).map("/".join)
folders = st.lists(segments, min_size=1, max_size=2).map(lambda names: "/".join(names) + "/")
writes = st.lists(
    st.tuples(st.just("put"), keys) | st.tuples(st.just("delete"), keys) | st.tuples(st.just("delete_prefix"), folders),
    max_size=8,
)


@settings(deadline=None)
@given(st.sets(keys, max_size=12), writes, folders | st.just(""), keys | folders | st.just(""), st.integers(0, 4))
def test_reads_and_lists_are_the_same_before_and_after_the_commit(stored, steps, prefix, after, limit):
    async def work(b, _):
        model = set(stored)
        t = Transaction(b)
        view = t.view("m/")
        for step, key in steps:
            if step == "put":
                view.put(key, b"new")
                model.add(key)
            else:
                getattr(view, step)(key)
                model = {name for name in model if not (name == key or (key[-1] == "/" and name.startswith(key)))}
        rests = [key[len(prefix) :] for key in model if key.startswith(prefix)]
        names = sorted({rest[: rest.find("/") + 1] or rest for rest in rests})
        expected = [name for name in names if name > after][: limit or None]
        for _ in range(2):
            assert await view.list(prefix, after, limit) == expected
            for key in stored | {key for step, key in steps if step != "delete_prefix"}:
                assert (await view.get(key) is not None) == (key in model)
            await t.commit()

    with_barrier(work, **{f"m/{key}": b"old" for key in stored})
