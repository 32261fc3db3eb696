"""What every storage engine must do. A new engine is one more row of `BACKENDS`."""

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from strongroom.errors import FenceLost, StorageError
from strongroom.storage.base import FENCE_KEY, MAX_KEY_BYTES, MAX_VALUE_BYTES, Batch, Storage
from strongroom.storage.memory import MemoryStorage
from strongroom.storage.sqlite import SQLiteStorage

BACKENDS: dict[str, Callable[[Path], Storage]] = {
    "memory": lambda _: MemoryStorage(),
    "sqlite": lambda folder: SQLiteStorage(folder / "strongroom.db"),
}


@pytest.fixture(params=sorted(BACKENDS))
def run(request, tmp_path):
    """Runs a coroutine function with an open storage."""

    def runner(work: Callable[[Storage], Awaitable[None]]) -> None:
        async def main() -> None:
            storage = BACKENDS[request.param](tmp_path)
            try:
                await work(storage)
            finally:
                await storage.close()

        asyncio.run(main())

    return runner


def puts(*keys: str) -> Batch:
    return Batch({key: b"v:" + key.encode() for key in keys})


def test_a_key_has_the_value_last_put(run):
    async def work(s):
        assert await s.get("a/b") is None
        await s.commit(Batch({"a/b": b"1"}))
        await s.commit(Batch({"a/b": b"2"}))
        assert await s.get("a/b") == b"2"
        assert await s.get("a") is None
        assert await s.get("a/b/c") is None

    run(work)


def test_a_deleted_key_is_gone_and_an_absent_one_may_be_deleted(run):
    async def work(s):
        await s.commit(puts("a", "b"))
        await s.commit(Batch(deletes={"a", "c"}))
        assert [await s.get(key) for key in "abc"] == [None, b"v:b", None]
        assert await s.list("") == ["b"]

    run(work)


def test_values_are_any_bytes_of_any_length(run):
    values = {"empty": b"", "nul": b"\0", "text": b"NULL", "long": bytes(range(256)) * 20_000}

    async def work(s):
        await s.commit(Batch(dict(values)))
        assert {key: await s.get(key) for key in values} == values
        assert [entry async for entry in s.scan("")] == sorted(values.items())

    run(work)


LISTED = ["a", "b10", "b2", "deep", "deep-er", "deep/x", "deep/y/z", "deeper", "é", "日本/語", "😀"]


@pytest.mark.parametrize(
    ("prefix", "after", "limit", "names"),
    [
        ("", "", 0, ["a", "b10", "b2", "deep", "deep-er", "deep/", "deeper", "é", "日本/", "😀"]),
        ("deep/", "", 0, ["x", "y/"]),
        ("deep/y/", "", 0, ["z"]),
        ("日本/", "", 0, ["語"]),
        ("dee/", "", 0, []),
        ("nothing/", "", 0, []),
        ("", "", 3, ["a", "b10", "b2"]),
        ("", "b2", 3, ["deep", "deep-er", "deep/"]),
        ("", "deep", 2, ["deep-er", "deep/"]),
        ("", "deep-er", 1, ["deep/"]),
        ("", "deep/", 0, ["deeper", "é", "日本/", "😀"]),
        ("", "deep/x", 1, ["deeper"]),
        ("", "c", 1, ["deep"]),
        ("", "日", 0, ["日本/", "😀"]),
        ("", "😀", 5, []),
        ("deep/", "x", 5, ["y/"]),
    ],
)
def test_a_list_is_one_level_in_byte_order(run, prefix, after, limit, names):
    async def work(s):
        await s.commit(puts(*LISTED))
        assert await s.list(prefix, after, limit) == names

    run(work)


def test_a_long_list_is_complete_and_pages_join(run):
    keys = [f"f/{i}" for i in range(1000)] + [f"f/d{i}/x" for i in range(500)]
    names = sorted([f"{i}" for i in range(1000)] + [f"d{i}/" for i in range(500)])

    async def work(s):
        await s.commit(puts(*keys))
        assert await s.list("f/") == names
        pages, after = [], ""
        while page := await s.list("f/", after, 170):
            pages += page
            after = page[-1]
        assert pages == names

    run(work)


def test_a_prefix_ends_where_it_ends(run):
    async def work(s):
        await s.commit(puts("a/b", "a/b/c", "a0", "a-b"))
        assert [key async for key, _ in s.scan("a/")] == ["a/b", "a/b/c"]
        await s.commit(Batch(delete_prefixes={"a/"}))
        assert [key async for key, _ in s.scan("")] == ["a-b", "a0"]

    run(work)


def test_a_folder_can_be_replaced_in_one_batch(run):
    async def work(s):
        await s.commit(puts("a/1", "a/2", "b"))
        await s.commit(Batch({"a/2": b"new"}, {"b"}, {"a/"}))
        assert [entry async for entry in s.scan("")] == [("a/2", b"new")]

    run(work)


def test_the_empty_prefix_is_everything(run):
    async def work(s):
        await s.commit(puts("a", "z/z", "\U0010ffff"))
        assert [key async for key, _ in s.scan("")] == ["a", "z/z", "\U0010ffff"]
        assert [key async for key, _ in s.scan("\U0010ffff")] == ["\U0010ffff"]
        await s.commit(Batch(delete_prefixes={""}))
        assert await s.list("") == []

    run(work)


def test_a_scan_is_of_one_moment(run):
    keys = [f"k{i:04}" for i in range(1000)]

    async def work(s):
        await s.commit(puts(*keys))
        seen = []
        async for key, value in s.scan("k"):
            if not seen:
                await s.commit(Batch({"k0999": b"changed", "k9": b"added"}, {"k0500"}))
            seen.append((key, value))
        assert seen == [(key, b"v:" + key.encode()) for key in keys]

    run(work)


def test_an_abandoned_scan_leaves_the_storage_in_order(run):
    async def work(s):
        await s.commit(puts(*(f"k{i}" for i in range(600))))
        for _ in range(5):
            scan = s.scan("")
            assert (await anext(scan))[0] == "k0"
            await scan.aclose()
        await s.commit(puts("z"))
        assert await s.get("z") == b"v:z"

    run(work)


@pytest.mark.parametrize(
    "key", ["", "a/", "a\0b", "\ud800", "k" * (MAX_KEY_BYTES + 1), "é" * (MAX_KEY_BYTES // 2 + 1)], ids=ascii
)
def test_a_key_that_no_engine_takes_is_refused_with_its_batch(run, key):
    async def work(s):
        with pytest.raises(StorageError):
            await s.commit(Batch({"good": b"", key: b""}))
        assert await s.get("good") is None

    run(work)


def test_the_longest_key_is_taken_and_too_long_a_value_is_not(run):
    async def work(s):
        longest = "é" * (MAX_KEY_BYTES // 2)
        await s.commit(puts(longest))
        assert await s.list("") == [longest]
        with pytest.raises(StorageError, match="larger"):
            await s.commit(Batch({"big": bytes(MAX_VALUE_BYTES + 1)}))

    run(work)


def test_a_fence_is_compared_inside_the_commit(run):
    async def work(s):
        with pytest.raises(FenceLost):
            await s.commit(Batch({"a": b"1"}, fence=b"one"))
        await s.commit(Batch({FENCE_KEY: b"one"}))
        await s.commit(Batch({"a": b"2"}, fence=b"one"))
        await s.commit(Batch({FENCE_KEY: b"two"}, fence=b"one"))
        with pytest.raises(FenceLost):
            await s.commit(Batch({"a": b"3"}, {FENCE_KEY}, {""}, fence=b"one"))
        assert await s.get("a") == b"2"
        assert await s.get(FENCE_KEY) == b"two"

    run(work)


def test_of_commits_at_once_only_the_one_at_fault_fails(run):
    async def work(s):
        await s.commit(Batch({FENCE_KEY: b"f"}))
        batches = [Batch({f"k{i}": b"x"}, fence=b"wrong" if i % 5 == 0 else b"f") for i in range(50)]
        results = await asyncio.gather(*(s.commit(batch) for batch in batches), return_exceptions=True)
        assert [isinstance(result, FenceLost) for result in results] == [i % 5 == 0 for i in range(50)]
        assert len(await s.list("")) == 40 + 1

    run(work)


def test_commits_at_once_are_each_whole(run):
    """Sixteen writers overwrite the same ten keys; every moment shows one writer's ten."""

    async def writer(s, name):
        for turn in range(20):
            await s.commit(Batch({f"k{i}": f"{name}.{turn}".encode() for i in range(10)}))

    async def work(s):
        writers = [asyncio.ensure_future(writer(s, name)) for name in range(16)]
        while not all(task.done() for task in writers):
            assert len({value async for _, value in s.scan("k")}) <= 1
            await asyncio.sleep(0)
        await asyncio.gather(*writers)

    run(work)


def test_what_was_committed_is_read_by_the_next_line(run):
    async def work(s):
        async def one(name):
            for turn in range(50):
                await s.commit(Batch({name: b"%d" % turn}))
                assert await s.get(name) == b"%d" % turn

        await asyncio.gather(*(one(f"n{i}") for i in range(8)))

    run(work)


def test_a_cancelled_commit_returns_when_its_outcome_is_settled(run):
    async def work(s):
        for turn in range(20):
            task = asyncio.ensure_future(s.commit(Batch({f"k{turn}": b"x"})))
            await asyncio.sleep(0)
            before = task.done()
            task.cancel()
            done = await asyncio.gather(task, return_exceptions=True)
            assert before or isinstance(done[0], asyncio.CancelledError)
            # Settled: a fresh look finds it, and nothing comes later.
            assert await s.get(f"k{turn}") == b"x"

    run(work)


def test_an_empty_batch_is_no_error(run):
    async def work(s):
        await s.commit(Batch())
        assert await s.list("") == []

    run(work)


def test_a_closed_storage_refuses(run):
    async def work(s):
        await s.commit(puts("a"))
        await s.close()
        await s.close()
        for use in (s.get("a"), s.list(""), s.commit(puts("b")), anext(s.scan(""))):
            with pytest.raises(StorageError):
                await use

    run(work)


segments = st.sampled_from(["a", "b10", "b2", "deep", "deep-er", "deep0", "é", "\U0010ffff", " ", "%"])
keys = st.lists(segments, min_size=1, max_size=3).map("/".join)
batches = st.builds(
    Batch,
    st.dictionaries(keys, st.binary(max_size=8), max_size=4),
    st.sets(keys, max_size=2),
    st.sets(keys.map("{}/".format), max_size=1),
)


def machine(backend: str) -> type[RuleBasedStateMachine]:
    """A state machine that compares an engine with a dictionary."""

    class Engine(RuleBasedStateMachine):
        def __init__(self):
            super().__init__()
            self.model: dict[str, bytes] = {}
            self.runner = asyncio.Runner()
            self.folder = tempfile.TemporaryDirectory()
            self.storage = BACKENDS[backend](Path(self.folder.name))

        def teardown(self):
            self.runner.run(self.storage.close())
            self.runner.close()
            self.folder.cleanup()

        @rule(group=st.lists(batches, min_size=1, max_size=3))
        def commit(self, group):
            async def together():
                await asyncio.gather(*(self.storage.commit(batch) for batch in group))

            self.runner.run(together())
            for batch in group:
                gone = tuple(batch.delete_prefixes)
                self.model = {k: v for k, v in self.model.items() if k not in batch.deletes and not k.startswith(gone)}
                self.model |= batch.puts

        @rule(key=keys)
        def get(self, key):
            assert self.runner.run(self.storage.get(key)) == self.model.get(key)

        @rule(prefix=keys.map("{}/".format) | st.just(""), after=keys | st.just(""), limit=st.integers(0, 3))
        def list(self, prefix, after, limit):
            rests = [key[len(prefix) :] for key in self.model if key.startswith(prefix)]
            names = sorted({rest[: rest.find("/") + 1] or rest for rest in rests})
            expected = [name for name in names if name > after]
            assert self.runner.run(self.storage.list(prefix, after, limit)) == expected[: limit or None]

        @invariant()
        def scan(self):
            async def everything():
                return [entry async for entry in self.storage.scan("")]

            assert self.runner.run(everything()) == sorted(self.model.items())

    return Engine


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_an_engine_behaves_as_a_dictionary(backend):
    run_state_machine_as_test(
        machine(backend),
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_the_order_of_text_is_the_order_of_its_bytes():
    """What lets engines in memory sort keys as SQL engines sort their bytes."""
    points = ["a", "/", "0", "\x7f", "é", "\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0010ffff"]
    for one, other in itertools.product(points, points):
        assert (one < other) == (one.encode() < other.encode())
