"""KV version 2: reading, writing, patching and deleting data."""

import asyncio

import pytest
from tests.unit.engines.harness import UUID, run, with_data

from strongroom.engines.kv import BACKEND
from strongroom.engines.kv.v2.model import Key
from strongroom.errors import CorruptEntry
from strongroom.storage.base import Batch

V2 = {"version": "2"}
DIGITS = '{"big":12345678901234567890123,"f":1.50,"e":1E+3,"z":0,"a":{"n":-0.0}}'
MISMATCH = "check-and-set parameter did not match the current version"
REQUIRED = "check-and-set parameter required for this call"


def kv2(work):
    return run(work, BACKEND, V2)


def test_each_write_makes_a_version_and_a_read_gives_the_newest_or_the_one_asked_for():
    async def work(m):
        first = await m("POST", "data/app/a", {"data": {"n": 1}})
        assert first.data == {
            "created_time": "2023-11-14T22:13:20Z",
            "custom_metadata": None,
            "deletion_time": "",
            "destroyed": False,
            "version": 1,
        }
        m.clock.advance(0.5)
        assert (await m("PUT", "data/app/a", {"data": {"n": 2}})).data["created_time"] == "2023-11-14T22:13:20.5Z"
        for version, number in ((None, 2), ("0", 2), ("-1", 2), ("", 2), ("1", 1), ("2", 2)):
            answer = await m("GET", "data/app/a", query={} if version is None else {"version": version})
            assert (answer.status, answer.data["data"]) == (200, {"n": number})
            assert answer.data["metadata"]["version"] == number
        assert (await m("GET", "data/app/a", query={"version": "3"})).errors == []
        assert (await m("GET", "data/app/a", query={"version": "two"})).status == 400
        assert (await m("GET", "data/app", query={})).errors == []

    kv2(work)


@pytest.mark.parametrize(
    ("body", "back"),
    [
        (with_data(DIGITS), DIGITS),
        ('{"data": {"k": "first", "k": "second"}}', '{"k": "first", "k": "second"}'),
        ('{"data":null}', "null"),
        ('{"data":[]}', "{}"),
        ('{"data":{}}', "{}"),
        ('{"data":{"path":1,"\\u043a":"\\ud83d\\udd10"}}', '{"path":1,"\\u043a":"\\ud83d\\udd10"}'),
    ],
)
def test_data_comes_back_as_it_was_written(body, back):
    async def work(m):
        assert (await m("POST", "data/v", body)).status == 200
        assert f'"data":{back},' in (await m("GET", "data/v")).text

    kv2(work)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "no data provided"),
        (None, "no data provided"),
        ({"Data": {"a": 1}}, "no data provided"),
        ({"options": {"cas": 9}}, "no data provided"),
        ({"data": "text"}, 'error converting input for field "data"'),
        ({"data": [1, 2]}, 'error converting input for field "data"'),
        ({"data": 7}, 'error converting input for field "data"'),
        ({"data": True}, 'error converting input for field "data"'),
        ({"data": {"a": 1}, "options": "cas"}, 'error converting input for field "options"'),
        ({"data": {"a": 1}, "options": {"cas": "three"}}, "error parsing check-and-set parameter"),
        ({"data": {"a": 1}, "options": {"cas": "1x"}}, "error parsing check-and-set parameter"),
        ({"data": {"a": 1}, "options": {"cas": ""}}, "error parsing check-and-set parameter"),
        ({"data": {"a": 1}, "options": {"cas": 1.0}}, "error parsing check-and-set parameter"),
        ({"data": {"a": 1}, "options": {"cas": [3]}}, "error parsing check-and-set parameter"),
        ({"data": {"a": 1}, "options": {"cas": 1}}, MISMATCH),
        ({"data": {"a": 1}, "options": {"cas": -1}}, MISMATCH),
        ({"data": {"a": 1}, "options": {"cas": True}}, MISMATCH),
    ],
)
def test_a_refused_write_leaves_nothing(body, error):
    async def work(m):
        answer = await m("POST", "data/b", body)
        assert answer.status == 400
        assert error in answer.errors[0]
        assert m.stored() == []

    kv2(work)


@pytest.mark.parametrize("options", [None, {}, {"unknown": 1}, {"CAS": 0}, {"cas": 0}, {"cas": None}, {"cas": "0"}])
def test_options_that_let_a_first_write_pass(options):
    async def work(m):
        assert (await m("POST", "data/b", {"data": {"a": 1}, "options": options})).data["version"] == 1

    kv2(work)


def test_check_and_set_compares_with_the_newest_version_whatever_became_of_it():
    async def work(m):
        def write(cas):
            return m("POST", "data/z", {"data": {"a": 1}, "options": {"cas": cas}})

        assert (await write(0)).status == 200
        assert (await write(0)).errors == [MISMATCH]
        await m("DELETE", "data/z")
        assert (await write(0)).errors == [MISMATCH]
        assert (await write("1")).data["version"] == 2
        await m("POST", "destroy/z", {"versions": [2]})
        assert (await write(2)).data["version"] == 3
        await m("DELETE", "metadata/z")
        assert (await write(3)).errors == [MISMATCH]
        assert (await write(0)).data["version"] == 1

    kv2(work)


@pytest.mark.parametrize("where", ["config", "metadata/k"])
def test_check_and_set_is_demanded_by_the_mount_or_by_the_key(where):
    async def work(m):
        await m("POST", where, {"cas_required": True})
        assert (await m("POST", "data/k", {"data": {}})).errors == [REQUIRED]
        assert (await m("POST", "data/k", {"data": {}, "options": {"cas": 0}})).status == 200
        assert (await m("PATCH", "data/k", {"data": {}})).errors == [REQUIRED]
        assert (await m("DELETE", "data/k")).status == 204
        assert (await m("POST", "undelete/k", {"versions": [1]})).status == 204

    kv2(work)


def test_a_version_that_is_gone_answers_404_with_its_metadata():
    async def work(m):
        for n in (1, 2):
            await m("POST", "data/d", {"data": {"n": n}})
        m.clock.advance(60)
        await m("DELETE", "data/d")
        answer = await m("GET", "data/d")
        assert (answer.status, answer.errors, answer.data["data"]) == (404, None, None)
        assert answer.data["metadata"]["deletion_time"] == "2023-11-14T22:14:20Z"
        assert (await m("GET", "data/d", query={"version": "1"})).status == 200
        await m("POST", "destroy/d", {"versions": "1,2"})
        for version, deleted in (("1", ""), ("2", "2023-11-14T22:14:20Z")):
            answer = await m("GET", "data/d", query={"version": version})
            assert (answer.status, answer.data["data"]) == (404, None)
            assert answer.data["metadata"]["destroyed"] is True
            assert answer.data["metadata"]["deletion_time"] == deleted
        assert [key for key in m.stored() if key.startswith("data/")] == []

    kv2(work)


def test_deleting_again_keeps_the_first_time():
    async def work(m):
        await m("POST", "data/d", {"data": {}})
        await m("DELETE", "data/d")
        m.clock.advance(60)
        await m("DELETE", "data/d")
        await m("POST", "delete/d", {"versions": [1]})
        assert (await m("GET", "data/d")).data["metadata"]["deletion_time"] == "2023-11-14T22:13:20Z"

    kv2(work)


def test_a_key_that_is_removed_and_written_again_shares_nothing_with_the_former():
    async def work(m):
        await m("POST", "data/k", {"data": {"old": 1}})
        await m("POST", "data/k", {"data": {"old": 2}})
        before = m.stored()
        await m("DELETE", "metadata/k")
        assert m.stored() == []
        await m("POST", "data/k", {"data": {"new": 1}})
        assert (await m("GET", "data/k")).data["metadata"]["version"] == 1
        assert set(before) & set(m.stored()) == {"meta/k"}

    kv2(work)


@pytest.mark.parametrize(
    ("start", "patch", "end"),
    [
        ('{"a":1,"b":{"c":2,"d":3}}', '{"a":10,"e":"new"}', '{"a":10,"b":{"c":2,"d":3},"e":"new"}'),
        ('{"b":{"c":2,"d":3},"l":[1]}', '{"b":{"c":null},"l":[9]}', '{"b":{"d":3},"l":[9]}'),
        ('{"a":1}', '{"nothere":null,"x":{"deep":{"y":null,"z":1}}}', '{"a":1,"x":{"deep":{"z":1}}}'),
        ('{"a":1}', "{}", '{"a":1}'),
        ('{"a":1}', "null", '{"a":1}'),
        ("null", '{"a":1}', '{"a":1}'),
        (DIGITS, '{"a":{"m":2.50}}', DIGITS.replace('{"n":-0.0}', '{"n":-0.0,"m":2.50}')),
    ],
)
def test_a_patch_merges_into_the_newest_version_and_keeps_every_digit(start, patch, end):
    async def work(m):
        await m("POST", "data/p", with_data(start))
        assert (await m("PATCH", "data/p", with_data(patch))).data["version"] == 2
        assert f'"data":{end},' in (await m("GET", "data/p")).text
        assert f'"data":{start},' in (await m("GET", "data/p", query={"version": "1"})).text

    kv2(work)


def test_what_a_patch_needs_is_checked_in_order():
    async def work(m):
        assert (await m("PATCH", "data/none", {})).errors == ["no data provided"]
        missing = await m("PATCH", "data/none", {"data": {}, "options": {"cas": 5}})
        assert (missing.status, missing.data, missing.errors) == (404, None, None)
        await m("POST", "metadata/q", {"max_versions": 3})
        assert (await m("PATCH", "data/q", {"data": {}, "options": {"cas": 5}})).errors == [MISMATCH]
        empty = await m("PATCH", "data/q", {"data": {}})
        assert (empty.status, empty.data, empty.errors) == (404, None, None)
        await m("POST", "data/p", {"data": {}})
        assert (await m("PATCH", "data/p", {"data": {}, "options": {"cas": 0}})).errors == [MISMATCH]
        await m("DELETE", "data/p")
        deleted = await m("PATCH", "data/p", {"data": {}})
        assert (deleted.status, deleted.data["version"]) == (404, 1)
        assert deleted.data["deletion_time"] != ""

    kv2(work)


def test_create_and_update_are_told_apart_by_the_keys_metadata():
    async def work(m):
        assert (await m("POST", "data/a", {"data": {}})).created
        await m("DELETE", "data/a")
        assert not (await m("POST", "data/a", {"data": {}})).created
        await m("POST", "destroy/a", {"versions": [1, 2]})
        assert not (await m("POST", "data/a", {"data": {}})).created
        await m("DELETE", "metadata/a")
        assert (await m("POST", "metadata/a", {"max_versions": 2})).created
        assert not (await m("POST", "data/a", {"data": {}})).created

    kv2(work)


def test_concurrent_writes_of_a_key_each_get_a_version_of_their_own():
    async def work(m):
        await m("POST", "config", {"max_versions": 100})
        answers = await asyncio.gather(*(m("POST", "data/k", {"data": {"n": n}}) for n in range(50)))
        assert sorted(a.data["version"] for a in answers) == list(range(1, 51))
        assert sum(a.created for a in answers) == 1
        cas = await asyncio.gather(*(m("POST", "data/k", {"data": {}, "options": {"cas": 50}}) for _ in range(20)))
        assert sorted(a.status for a in cas) == [200] + [400] * 19

    kv2(work)


def test_a_version_that_goes_between_a_readers_two_looks_is_no_failure():
    async def work(m):
        await m("POST", "data/k", {"data": {"n": 1}})
        load = m.barrier.load
        stale = await load(f"logical/{UUID}/meta/k", Key)
        await m("POST", "destroy/k", {"versions": [1]})
        seen = []

        async def load_stale_first(key, kind):
            if kind is Key and not seen:
                seen.append(key)
                return stale
            return await load(key, kind)

        m.barrier.load = load_stale_first
        answer = await m("GET", "data/k")
        assert (answer.status, answer.data["metadata"]["destroyed"]) == (404, True)

    kv2(work)


def test_data_that_is_missing_is_reported_and_not_taken_for_an_absent_version():
    async def work(m):
        await m("POST", "data/k", {"data": {"n": 1}})
        (data,) = (key for key in m.stored() if key.startswith("data/"))
        await m.barrier.commit(Batch(deletes={f"logical/{UUID}/{data}"}))
        with pytest.raises(CorruptEntry):
            await m("GET", "data/k")

    kv2(work)


INVALID = "Invalid path for a versioned K/V secrets engine."
ROOT = "Non-listing operations on the root of a K/V v2 mount are not supported."


@pytest.mark.parametrize(
    ("method", "path", "text", "word"),
    [
        ("GET", "", INVALID, "get"),
        ("GET", "foo", INVALID, "get"),
        ("POST", "foo", INVALID, "put"),
        ("DELETE", "foo", INVALID, "delete"),
        ("PATCH", "foo", INVALID, "patch"),
        ("LIST", "", INVALID, "list"),
        ("LIST", "foo", INVALID, "list"),
        ("LIST", "config", INVALID, "list"),
        ("GET", "configs", INVALID, "get"),
        ("GET", "config/a", INVALID, "get"),
        ("GET", "Data/foo", INVALID, "get"),
        ("GET", "data", ROOT, ""),
        ("POST", "data", ROOT, ""),
        ("GET", "metadata", ROOT, ""),
        ("POST", "metadata", ROOT, ""),
        ("POST", "undelete", ROOT, ""),
    ],
)
def test_a_path_of_version_1_is_404_with_a_hint(method, path, text, word):
    async def work(m):
        answer = await m(method, path, {"a": 1} if method in ("POST", "PATCH") else None)
        assert (answer.status, answer.data, answer.errors) == (404, None, None)
        (warning,) = answer.warnings
        assert warning.startswith(text)
        assert not word or f"'vault kv {word}'" in warning

    kv2(work)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "delete/a"),
        ("LIST", "undelete/a"),
        ("DELETE", "destroy/a"),
        ("LIST", "data"),
        ("LIST", "data/x"),
        ("DELETE", "config"),
        ("PATCH", "config"),
        ("POST", "subkeys/a"),
    ],
)
def test_an_endpoint_without_the_operation_is_405(method, path):
    async def work(m):
        answer = await m(method, path, {"a": 1} if method in ("POST", "PATCH") else None)
        assert (answer.status, answer.errors) == (405, ["1 error occurred:\n\t* unsupported operation\n\n"])

    kv2(work)


@pytest.mark.parametrize("endpoint", ["data", "metadata", "delete", "undelete", "destroy"])
@pytest.mark.parametrize("path", ["", "a/", "dir/sub/"])
def test_nothing_is_written_at_a_path_that_ends_in_a_slash(endpoint, path):
    async def work(m):
        body = {"data": {}, "versions": [1], "max_versions": 1}
        assert (await m("POST", f"{endpoint}/{path}", body)).errors == ["cannot write to a path ending in '/'"]

    kv2(work)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "data/", 404),
        ("GET", "metadata/a/", 404),
        ("GET", "subkeys/", 404),
        ("DELETE", "data/", 204),
        ("DELETE", "metadata/a/", 204),
        ("POST", "delete/none", 204),
        ("POST", "undelete/none", 204),
        ("POST", "destroy/none", 204),
    ],
)
def test_what_is_not_there(method, path, status):
    async def work(m):
        await m("POST", "data/a", {"data": {}})
        answer = await m(method, path, {"versions": [1]} if method == "POST" else None)
        assert (answer.status, answer.errors or []) == (status, [])
        assert (await m("GET", "data/a")).status == 200

    kv2(work)
