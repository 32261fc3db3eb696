import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.storage.base import Batch
from strongroom.storage.cache import OVERHEAD, Cache, CoherentCache


def test_the_least_recently_used_goes_first():
    cache = Cache(1 << 20, 3)
    for key in "abc":
        cache.put(key, b"")
    cache.get("a")
    cache.put("d", b"")
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]


def test_an_absent_key_is_known_as_absent():
    cache = Cache(1 << 20, 10)
    cache.put("a", None)
    assert cache.get("a").value is None
    assert cache.get("b") is None


def test_a_cache_of_no_bytes_keeps_nothing():
    cache = Cache(0, 10)
    assert cache.put("a", b"1").value == b"1"
    assert cache.get("a") is None


def test_an_entry_too_large_to_share_the_cache_is_not_kept():
    cache = Cache(80_000, 10)
    cache.put("small", b"")
    cache.put("large", bytes(10_001))
    assert cache.get("large") is None
    assert cache.get("small") is not None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "get", "drop", "decode", "prefix"]), st.text("ab/", max_size=3), st.integers(0, 500)
        )
    )
)
def test_the_bounds_hold_and_the_cost_is_the_sum_of_its_entries(steps):
    cache = Cache(12 * OVERHEAD, 6)
    for step, key, size in steps:
        entry = cache.get(key)
        match step:
            case "put":
                cache.put(key, bytes(size))
            case "drop":
                cache.drop(key)
            case "prefix":
                cache.drop_prefix(key)
            case "decode" if entry is not None:
                cache.decoded(key, entry, int, size)
        assert cache.cost <= cache.max_bytes
        assert len(cache) <= cache.max_entries
        assert cache.cost == sum(entry.cost for entry in cache._entries.values())
    cache.clear()
    assert (len(cache), cache.cost) == (0, 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Batch({"a/k": b"1"}), Batch({"a/k": b"2"})),
        (Batch({"a/k": b"1"}), Batch(deletes={"a/k"})),
        (Batch({"a/k": b"1"}), Batch(delete_prefixes={"a/"})),
        (Batch(delete_prefixes={"a/"}), Batch({"a/k": b"1"})),
    ],
)
@pytest.mark.parametrize("order", ["one first", "other first"])
def test_of_two_overlapping_commits_nothing_is_kept(one, other, order):
    cache = CoherentCache(1 << 20, 10)
    cache.begin(one)
    cache.begin(other)
    for batch in (one, other) if order == "one first" else (other, one):
        cache.finish(batch, committed=True)
    entry = cache.get("a/k")
    assert entry is None or not other.delete_prefixes
    if not (one.delete_prefixes or other.delete_prefixes):
        assert entry is None


def test_a_commit_that_overlaps_no_other_is_kept():
    cache = CoherentCache(1 << 20, 10)
    for value in (b"1", b"2"):
        cache.begin(batch := Batch({"k": value}, {"gone"}))
        cache.finish(batch, committed=True)
    assert cache.get("k").value == b"2"
    assert cache.get("gone").value is None


def test_a_commit_of_unknown_outcome_leaves_nothing():
    cache = CoherentCache(1 << 20, 10)
    cache.put("k", b"old")
    cache.begin(batch := Batch({"k": b"new"}))
    cache.finish(batch, committed=False)
    assert cache.get("k") is None


@pytest.mark.parametrize("batch", [Batch({"a/k": b"1"}), Batch(deletes={"a/k"}), Batch(delete_prefixes={"a/"})])
def test_a_read_that_a_commit_overtook_fills_nothing(batch):
    cache = CoherentCache(1 << 20, 10)
    token = cache.begin_fill("a/k")
    cache.begin(batch)
    cache.finish(batch, committed=True)
    assert not cache.end_fill("a/k", token)


def test_of_two_reads_one_fills():
    cache = CoherentCache(1 << 20, 10)
    first, second = cache.begin_fill("k"), cache.begin_fill("k")
    assert not cache.end_fill("k", first)
    assert cache.end_fill("k", second)


@pytest.mark.parametrize(("key", "left"), [("a/k", ["a", "b"]), ("a/", ["a", "b"]), ("a", ["a/k", "b"]), ("", [])])
def test_forgetting_a_key_or_what_is_beneath(key, left):
    cache = CoherentCache(1 << 20, 10)
    for name in ("a", "a/k", "b"):
        cache.put(name, b"")
    token = cache.begin_fill("a/k")
    cache.forget(key)
    assert [name for name in ("a", "a/k", "b") if cache.get(name)] == left
    assert cache.end_fill("a/k", token) is (key == "a")
