"""KV version 1."""

import asyncio

import pytest
from tests.unit.engines.harness import run

from strongroom.engines.kv import BACKEND
from strongroom.engines.kv.v1 import lease_duration

DEFAULT = 2764800


def test_a_write_replaces_everything_and_a_read_gives_the_body_itself():
    async def work(m):
        assert (await m("POST", "a", {"foo": "bar", "o": {"p": [1]}})).status == 204
        assert (await m("PUT", "a", {"other": None})).status == 204
        answer = await m("GET", "a")
        assert (answer.status, answer.data, answer.lease_duration) == (200, {"other": None}, DEFAULT)
        assert (await m("DELETE", "a")).status == 204
        assert (await m("GET", "a")).errors == []
        assert (await m("DELETE", "a")).status == 204

    run(work, BACKEND)


@pytest.mark.parametrize(
    "text",
    [
        '{"big":123456789012345678901234567890,"f":1.50,"e":1e3,"neg":-0.250}',
        '{"z":1,"a":2,"":3,"a/b":4}',
        '{"k":"\\u00e9\\u0000<&>"}',
        '{"path":{"not":"a text"},"after":[1],"limit":"x","data":{"data":1}}',
    ],
)
def test_a_value_comes_back_as_it_was_written(text):
    async def work(m):
        assert (await m("POST", "v", text)).status == 204
        assert (await m("GET", "v")).text == text

    run(work, BACKEND)


def test_of_a_repeated_name_the_last_wins():
    async def work(m):
        await m("POST", "v", '{"k": 1, "k": 2}')
        assert (await m("GET", "v")).text == '{"k":2}'

    run(work, BACKEND)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "errors"),
    [
        ("POST", "a", {}, 400, ["missing data fields"]),
        ("POST", "a", None, 400, ["missing data fields"]),
        ("POST", "", {"a": 1}, 400, ["missing path"]),
        ("POST", "a/", {"a": 1}, 400, ["cannot write to a path ending in '/'"]),
        ("GET", "", None, 404, []),
        ("GET", "a", None, 404, []),
        ("GET", "a/", None, 404, []),
        ("LIST", "", None, 404, []),
        ("LIST", "a", None, 404, []),
        ("POST", "a/../b", {"a": 1}, 400, ["the path contains a parent reference"]),
        ("PATCH", "a", {"a": 1}, 405, ["1 error occurred:\n\t* unsupported operation\n\n"]),
    ],
)
def test_refusals(method, path, body, status, errors):
    async def work(m):
        answer = await m(method, path, body)
        assert (answer.status, answer.errors) == (status, errors)
        assert m.stored() == []

    run(work, BACKEND)


def test_lists_show_one_level_and_come_in_pages():
    async def work(m):
        for path in ("z", "dir/a", "dir/b/c", "dir", "data/x"):
            await m("POST", path, {"v": 1})
        assert (await m("LIST", "")).data == {"keys": ["data/", "dir", "dir/", "z"]}
        assert (await m("LIST", "dir")).data == {"keys": ["a", "b/"]}
        assert (await m("LIST", "", query={"after": "dir", "limit": "1"})).data == {"keys": ["dir/"]}
        await m("DELETE", "dir/b/c")
        assert (await m("LIST", "dir/")).data == {"keys": ["a"]}

    run(work, BACKEND)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ('{"v":1}', 7),
        ('{"ttl":"1h"}', 3600),
        ('{"ttl":90}', 90),
        ('{"ttl":"120"}', 120),
        ('{"lease":"5m"}', 300),
        ('{"ttl":"10m","lease":"5m"}', 600),
        ('{"ttl":"soon"}', 7),
        ('{"ttl":"soon","lease":"5m"}', 7),
        ('{"ttl":0}', 0),
        ('{"ttl":""}', 0),
        ('{"ttl":{"a":1}}', 7),
        ('{"ttl":"-1h"}', 0),
        ('{"TTL":"1h"}', 7),
        ('{"ttl":123456789012345678901234567890}', 7),
    ],
)
def test_a_field_says_how_long_a_reader_may_keep_the_value(value, seconds):
    assert lease_duration(value.encode(), 7) == seconds


def test_create_and_update_are_told_apart_by_existence():
    async def work(m):
        assert (await m("POST", "a", {"v": 1})).created
        assert not (await m("POST", "a", {"v": 2})).created
        await m("DELETE", "a")
        assert (await m("POST", "a", {"v": 3})).created

    run(work, BACKEND)


def test_of_concurrent_first_writes_one_creates():
    async def work(m):
        answers = await asyncio.gather(*(m("POST", "a", {"v": n}) for n in range(10)))
        assert sum(a.created for a in answers) == 1

    run(work, BACKEND)
