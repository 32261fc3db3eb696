"""Who made a key and its versions is told in full, and stored once."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from strongroom.engines.kv.v2.model import (
    FORMAT,
    Config,
    Key,
    Version,
    Who,
    add_version,
    delete_versions,
    destroy_versions,
    new_key,
)

PEOPLE = [Who(f"token-{n}", "", f"hmac-sha256:{n:064x}") for n in range(4)]
#: As earlier releases stored it.
FORMER = (
    b'{"id":"00000000000000000000000000000001","created_time":"2026-01-01T00:00:00Z",'
    b'"updated_time":"2026-01-03T00:00:00Z","current_version":3,"versions":{'
    b'"1":["2026-01-01T00:00:00Z",0,false,["ann","e1","hmac-sha256:1"]],'
    b'"2":["2026-01-02T00:00:00Z",0,false,null],"3":["2026-01-03T00:00:00Z",0,false,["bob","",""]]},'
    b'"created_by":["ann","e1","hmac-sha256:1"],"v":1}'
)
ANN, BOB = Who("ann", "e1", "hmac-sha256:1"), Who("bob")


def stored(key: Key) -> Key:
    return msgspec.json.decode(msgspec.json.encode(key), type=Key)


@given(st.lists(st.sampled_from([None, *PEOPLE]), min_size=1, max_size=30), st.integers(1, 6))
def test_every_version_has_the_creator_that_wrote_it_and_people_stay_few(writers: list[Who | None], most: int) -> None:
    key = new_key(0, writers[0])
    for at, who in enumerate(writers):
        key, _ = add_version(key, Config(max_versions=most), at, who)
        key = stored(key)
    assert key.creator(key) == writers[0]
    assert {n: key.creator(version) for n, version in key.versions.items()} == {n: writers[n - 1] for n in key.versions}
    assert len(set(key.people)) == len(key.people) <= len(key.versions) + 2


def test_a_key_of_one_writer_names_it_once() -> None:
    key = new_key(0, PEOPLE[0])
    for at in range(10):
        key, _ = add_version(key, Config(), at, PEOPLE[0])
    assert (key.people, key.v) == ((PEOPLE[0],), FORMAT)
    assert msgspec.json.encode(key).count(b"hmac-sha256:") == 1


def test_the_former_format_reads_as_it_did() -> None:
    key = msgspec.json.decode(FORMER, type=Key)
    assert key.creator(key) == ANN
    assert [key.creator(version) for version in key.versions.values()] == [ANN, None, BOB]
    changed = stored(destroy_versions(delete_versions(key, [1], 5), [3])[0])
    assert [changed.creator(version) for version in changed.versions.values()] == [ANN, None, BOB]


def test_the_former_format_becomes_todays_when_somebody_writes() -> None:
    key = stored(add_version(msgspec.json.decode(FORMER, type=Key), Config(), 0, BOB)[0])
    assert (key.v, key.people) == (FORMAT, (ANN, BOB))
    assert [key.creator(version) for version in key.versions.values()] == [ANN, None, BOB, BOB]
    assert key.versions[1] == Version("2026-01-01T00:00:00Z", created_by=0)


def test_a_write_that_is_not_noted_leaves_the_former_format_alone() -> None:
    key = stored(add_version(msgspec.json.decode(FORMER, type=Key), Config(), 0)[0])
    assert key.v == 1
    assert [key.creator(version) for version in key.versions.values()] == [ANN, None, BOB, None]
