"""Notes that are written together."""

import asyncio
import operator

import pytest

from strongroom.api.gathered import Gathered


def test_notes_of_one_key_are_joined_and_written_in_parts():
    async def work():
        notes = Gathered(operator.add, 10)
        for key in ("a", "b", "a", "c"):
            assert notes.add(key, 1)
        written = []

        async def write(part):
            written.append(dict(part))
            assert notes.get("c") == 1, "what is being written is still known"

        await notes.flush(write, chunk=2)
        assert written == [{"a": 2, "b": 1}, {"c": 1}]
        assert len(notes) == 0

    asyncio.run(work())


def test_what_comes_while_others_are_written_is_written_later_and_once():
    async def work():
        notes = Gathered(operator.add, 10)
        notes.add("a", 1)
        written = []

        async def write(part):
            notes.add("a", 5)
            written.append(dict(part))

        await notes.flush(write)
        assert (written, notes.get("a"), notes.pending()) == ([{"a": 1}], 5, {"a"})

    asyncio.run(work())


def test_what_could_not_be_written_waits_again():
    async def work():
        notes = Gathered(operator.add, 10)
        notes.add("a", 1)

        async def fail(part):
            notes.add("a", 2)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await notes.flush(fail)
        assert notes.get("a") == 3

    asyncio.run(work())


def test_of_too_many_keys_the_later_ones_are_not_taken():
    notes = Gathered(operator.add, 1)
    assert [notes.add(key, 1) for key in "aba"] == [True, False, True]
    notes.forget("a".__eq__)
    assert notes.get("a") is None


def test_where_only_the_latest_counts_it_takes_the_place_of_the_others():
    notes = Gathered(operator.add, 2)
    assert [notes.put(key, n) for n, key in enumerate("abac")] == [True, True, True, False]
    assert (notes.get("a"), notes.get("b"), notes.get("c")) == (2, 1, None)


def test_a_part_is_written_of_what_has_waited_longest():
    async def work():
        notes = Gathered(operator.add, 10)
        for key in "abcde":
            notes.put(key, 1)
        written = []

        async def write(part):
            written.append("".join(part))

        await notes.flush(write, chunk=2, most=3)
        assert (written, notes.pending()) == (["ab", "cd"], {"e"})

    asyncio.run(work())
