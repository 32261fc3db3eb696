"""KV version 2: which versions there are, and until when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.engines.harness import run

from strongroom.engines.kv import BACKEND
from strongroom.engines.kv.v2 import model
from strongroom.engines.kv.v2.model import Config

V2 = {"version": "2"}
NOW = 1_700_000_000_000_000_000


def written(count: int, config: Config = Config(), **settings: object) -> model.Key:  # noqa: B008 - frozen
    key = model.msgspec.structs.replace(model.new_key(NOW), **settings)
    for _ in range(count):
        key, _ = model.add_version(key, config, NOW)
    return key


@pytest.mark.parametrize(
    ("count", "mount", "own", "oldest", "numbers"),
    [
        (1, 0, 0, 0, [1]),
        (9, 0, 0, 0, range(1, 10)),
        (10, 0, 0, 1, range(1, 11)),
        (11, 0, 0, 2, range(2, 12)),
        (3, 0, 2, 2, [2, 3]),
        (3, 2, 0, 2, [2, 3]),
        (3, 3, 1, 1, [1, 2, 3]),
        (3, 1, 3, 1, [1, 2, 3]),
        (2, 0, 1, 2, [2]),
    ],
)
def test_the_greater_of_both_numbers_of_versions_is_kept(count, mount, own, oldest, numbers):
    key = written(count, Config(max_versions=mount), max_versions=own)
    assert list(key.versions) == list(numbers)
    assert (key.current_version, key.oldest_version) == (count, oldest)


def test_a_lower_number_trims_at_the_next_write_and_tells_which():
    key = written(5)
    key, trimmed = model.add_version(key, Config(max_versions=2), NOW)
    assert (trimmed, list(key.versions), key.oldest_version) == ([1, 2, 3, 4], [5, 6], 5)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40))
def test_what_is_trimmed_was_there_and_what_is_kept_is_the_newest(settings):
    key = model.new_key(NOW)
    for own, mount in settings:
        config = Config(max_versions=mount)
        before = model.msgspec.structs.replace(key, max_versions=own)
        key, trimmed = model.add_version(before, config, NOW)
        assert set(trimmed) == set(before.versions) - set(key.versions)
        assert list(key.versions) == list(range(min(key.versions), key.current_version + 1))
        assert len(key.versions) <= model.versions_kept(before, config)


@pytest.mark.parametrize(
    ("own", "mount", "seconds"),
    [(0, 0, None), (5, 0, 5), (0, 5, 5), (5, 3, 3), (3, 5, 3), (5, -1, None), (0, -1, None)],
)
def test_the_shorter_delay_wins_and_the_mount_can_turn_delays_off(own, mount, seconds):
    due = model.deletion_ns(written(0, delete_version_after=own), Config(delete_version_after=mount), NOW)
    assert due == (0 if seconds is None else NOW + seconds * 10**9)


def test_a_version_is_readable_until_its_delay_is_over_and_undeleting_starts_it_again():
    async def work(m):
        await m("POST", "metadata/e", {"delete_version_after": "2s"})
        await m("POST", "data/e", {"data": {"a": 1}})
        answer = await m("GET", "data/e")
        assert (answer.status, answer.data["metadata"]["deletion_time"]) == (200, "2023-11-14T22:13:22Z")
        m.clock.advance(1.9)
        assert (await m("GET", "data/e")).status == 200
        m.clock.advance(0.1)
        assert (await m("GET", "data/e")).status == 404
        assert (await m("GET", "subkeys/e")).status == 404
        await m("POST", "undelete/e", {"versions": [1]})
        assert (await m("GET", "data/e")).data["metadata"]["deletion_time"] == "2023-11-14T22:13:24Z"
        await m("POST", "config", {"delete_version_after": "-1s"})
        await m("POST", "undelete/e", {"versions": [1]})
        assert (await m("GET", "data/e")).data["metadata"]["deletion_time"] == ""

    run(work, BACKEND, V2)


def test_a_version_that_is_due_later_can_be_deleted_now():
    async def work(m):
        await m("POST", "config", {"delete_version_after": "1h"})
        await m("POST", "data/k", {"data": {}})
        await m("DELETE", "data/k")
        answer = await m("GET", "data/k")
        assert (answer.status, answer.data["metadata"]["deletion_time"]) == (404, "2023-11-14T22:13:20Z")

    run(work, BACKEND, V2)


def test_versions_are_deleted_brought_back_and_destroyed_by_number():
    async def work(m):
        for n in (1, 2, 3):
            await m("POST", "data/u", {"data": {"n": n}})

        async def statuses():
            return [(await m("GET", "data/u", query={"version": str(n)})).status for n in (1, 2, 3)]

        await m("POST", "delete/u", {"versions": ["1", 2, 0, 7]})
        assert await statuses() == [404, 404, 200]
        await m("POST", "undelete/u", {"versions": "1, 3,99"})
        assert await statuses() == [200, 404, 200]
        await m("POST", "destroy/u", {"versions": [2]})
        await m("POST", "undelete/u", {"versions": [2]})
        await m("POST", "destroy/u", {"versions": [2]})
        assert await statuses() == [200, 404, 200]
        assert sum(key.startswith("data/") for key in m.stored()) == 2

    run(work, BACKEND, V2)


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("delete", "No version number provided"),
        ("undelete", "No version number provided"),
        ("destroy", "no version number provided"),
    ],
)
def test_versions_have_to_be_named(endpoint, text):
    async def work(m):
        for body in ({}, {"versions": []}, {"versions": None}, {"versions": ""}):
            assert (await m("POST", f"{endpoint}/a", body)).errors == [text]
        for body in ({"versions": "x"}, {"versions": [{}]}, {"versions": {"a": 1}}):
            assert (await m("POST", f"{endpoint}/a", body)).status == 400

    run(work, BACKEND, V2)


def test_trimming_removes_the_data():
    async def work(m):
        await m("POST", "metadata/t", {"max_versions": 2})
        for n in range(5):
            await m("POST", "data/t", {"data": {"n": n}})
        await m("POST", "destroy/t", {"versions": [4]})
        assert [key.rpartition("/")[2] for key in m.stored() if key.startswith("data/")] == ["5"]

    run(work, BACKEND, V2)
