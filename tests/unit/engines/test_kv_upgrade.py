"""A mount of version 1 becomes version 2."""

import asyncio

import pytest
from tests.unit.engines.harness import run

from strongroom.engines.kv import BACKEND
from strongroom.engines.kv.upgrade import REFUSAL
from strongroom.engines.kv.v1 import kv1
from strongroom.errors import BadRequest

EXACT = '{"n":12345678901234567890123,"ttl":"1h"}'


async def filled(m):
    await m("POST", "a", {"foo": "bar"})
    await m("POST", "dir/b", EXACT)
    m.clock.advance(60)
    (notice,) = await m.tune({"version": "2"})
    assert "from version 1 to version 2" in notice
    m.clock.advance(60)


def upgraded(work):
    async def whole(m):
        await filled(m)
        await work(m)

    return run(whole, BACKEND, {"version": "1"})


def test_every_value_is_version_1_of_its_key():
    async def work(m):
        for path, text in (("a", '{"foo":"bar"}'), ("dir/b", EXACT)):
            for version in ("0", "1"):
                answer = await m("GET", f"data/{path}", query={"version": version})
                assert f'"data":{text},' in answer.text
                assert answer.data["metadata"] == {
                    "created_time": "2023-11-14T22:14:20Z",
                    "custom_metadata": None,
                    "deletion_time": "",
                    "destroyed": False,
                    "version": 1,
                }
        data = (await m("GET", "metadata/a")).data
        assert (data["current_version"], data["oldest_version"], list(data["versions"])) == (1, 1, ["1"])
        assert (await m("GET", "subkeys/a")).data["subkeys"] == {"foo": None}
        assert (await m("GET", "a")).status == 404
        assert m.stored() == ["upgrade", "values/a", "values/dir/b"]

    upgraded(work)


def test_the_first_change_moves_a_value_and_keeps_it():
    async def work(m):
        answer = await m("POST", "data/a", {"data": {"foo": "two"}, "options": {"cas": 1}})
        assert (answer.data["version"], answer.created) == (2, False)
        assert "values/a" not in m.stored()
        assert (await m("GET", "data/a", query={"version": "1"})).data["data"] == {"foo": "bar"}
        assert (await m("GET", "data/a")).data["data"] == {"foo": "two"}
        await m("PATCH", "data/dir/b", '{"data":{"ttl":null}}')
        assert '"data":{"n":12345678901234567890123},' in (await m("GET", "data/dir/b")).text
        assert not any(key.startswith("values/") for key in m.stored())

    upgraded(work)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("DELETE", "data/a", None, 404),
        ("POST", "delete/a", {"versions": [1]}, 404),
        ("POST", "destroy/a", {"versions": [1]}, 404),
        ("DELETE", "metadata/a", None, 404),
        ("POST", "metadata/a", {"max_versions": 2}, 200),
        ("PATCH", "metadata/a", {"custom_metadata": {"k": "v"}}, 200),
        ("POST", "undelete/a", {"versions": [1]}, 200),
    ],
)
def test_every_kind_of_change_works_on_a_value_of_version_1(method, path, body, status):
    async def work(m):
        assert (await m(method, path, body)).status == 204
        assert (await m("GET", "data/a")).status == status
        assert "values/a" not in m.stored()

    upgraded(work)


def test_lists_show_what_was_moved_beside_what_was_not():
    async def work(m):
        await m("POST", "data/a", {"data": {}})
        await m("POST", "data/dir/c", {"data": {}})
        await m("POST", "data/z", {"data": {}})
        assert (await m("LIST", "metadata")).data == {"keys": ["a", "dir/", "z"]}
        assert (await m("LIST", "metadata/dir")).data == {"keys": ["b", "c"]}
        assert (await m("LIST", "metadata", query={"limit": "2"})).data == {"keys": ["a", "dir/"]}
        assert (await m("LIST", "metadata", query={"after": "a", "limit": "1"})).data == {"keys": ["dir/"]}
        await m("DELETE", "metadata/dir/b")
        assert (await m("LIST", "metadata/dir")).data == {"keys": ["c"]}

    upgraded(work)


def test_there_is_no_way_back():
    async def work(m):
        with pytest.raises(BadRequest, match="cannot downgrade mount from version 2"):
            await m.tune({"version": "1"})
        assert (await m("GET", "data/a")).status == 200

    upgraded(work)


def test_a_request_of_version_1_that_was_overtaken_is_refused():
    async def work(m):
        for method, path in (("POST", "a"), ("DELETE", "a"), ("POST", "new"), ("GET", "new")):
            answer = await m(method, path, {"late": 1} if method == "POST" else None, engine=kv1)
            assert answer.errors == [REFUSAL]
        assert (await m("GET", "data/a")).data["data"] == {"foo": "bar"}

    upgraded(work)


@pytest.mark.parametrize("after", range(0, 60, 3))
def test_no_acknowledged_write_is_lost_while_a_mount_is_upgraded(after):
    async def work(m):
        acknowledged = []

        async def pause(times):
            for _ in range(times):
                await asyncio.sleep(0)

        async def write_1(n):
            await pause(n)
            if (await m("POST", "k", {"v": n}, engine=kv1)).status == 204:
                acknowledged.append({"v": n})

        async def upgrade_and_write_2():
            await pause(after)
            await m.tune({"version": "2"})
            await m("POST", "data/k", {"data": {"v": "two"}})
            acknowledged.append({"v": "two"})

        await asyncio.gather(*(write_1(n) for n in range(60, 0, -4)), upgrade_and_write_2())
        versions = (await m("GET", "metadata/k")).data["versions"]
        found = [(await m("GET", "data/k", query={"version": n})).data["data"] for n in versions]
        assert found == acknowledged[-len(found) :]
        assert len(found) == min(len(acknowledged), 2)

    run(work, BACKEND, {"version": "1"})


def test_tuning_to_the_same_version_does_nothing():
    async def work(m):
        await m("POST", "a", {"v": 1})
        assert await m.tune({"version": "1"}) == []
        assert (await m("GET", "a")).status == 200

    run(work, BACKEND)
