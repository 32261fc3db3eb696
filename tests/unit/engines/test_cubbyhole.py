"""The cubbyhole: each token's own."""

import pytest
from tests.unit.engines.harness import run

from strongroom.api.context import Caller
from strongroom.engines.cubbyhole import BACKEND, DEPRECATED

OTHER = Caller(key="other", root=True)


def test_a_value_is_kept_as_it_was_written_and_carries_no_lease():
    async def work(m):
        text = '{"foo":"bar","n":12345678901234567890123,"ttl":"1h","path":{"p":[1]}}'
        assert (await m("POST", "a", text)).status == 204
        answer = await m("GET", "a")
        assert (answer.text, answer.lease_duration) == (text, 0)
        await m("PUT", "a", {"other": 1})
        assert (await m("GET", "a")).data == {"other": 1}
        assert (await m("DELETE", "a")).status == 204
        assert (await m("GET", "a")).errors == []
        assert (await m("DELETE", "a")).status == 204

    run(work, BACKEND)


def test_no_token_sees_anothers():
    async def work(m):
        await m("POST", "dir/mine", {"v": "one"})
        assert (await m("GET", "dir/mine", caller=OTHER)).errors == []
        assert (await m("LIST", "", caller=OTHER)).errors == []
        await m("DELETE", "dir/mine", caller=OTHER)
        assert (await m("POST", "dir/mine", {"v": "two"}, caller=OTHER)).created
        assert (await m("GET", "dir/mine")).data == {"v": "one"}
        assert (await m("LIST", "")).data == {"keys": ["dir/"]}
        assert (await m("LIST", "dir")).data == {"keys": ["mine"]}

    run(work, BACKEND)


@pytest.mark.parametrize("path", ["../other/mine", "a/../../other/mine", "..", "../other"])
def test_no_path_leads_out(path):
    async def work(m):
        await m("POST", "mine", {"v": "two"}, caller=OTHER)
        for method in ("GET", "POST", "DELETE"):
            assert (await m(method, path, {"v": 1} if method == "POST" else None)).status == 400
        assert (await m("LIST", path)).errors == []
        assert (await m("GET", "mine", caller=OTHER)).data == {"v": "two"}

    run(work, BACKEND)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "LIST"])
def test_batch_tokens_have_none(method):
    async def work(m):
        answer = await m(method, "x", {"v": 1} if method == "POST" else None, caller=Caller(key="b", type="batch"))
        assert answer.errors == ['cubbyhole operations are only supported by "service" type tokens']

    run(work, BACKEND)


def test_a_caller_without_a_token_has_none():
    async def work(m):
        assert (await m("GET", "x", caller=Caller())).status == 403

    run(work, BACKEND)


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("a", {}, "missing data fields"),
        ("", {"a": 1}, "missing path"),
        ("a/", {"a": 1}, "cannot write to a path ending in '/'"),
    ],
)
def test_refused_writes(path, body, error):
    async def work(m):
        assert (await m("POST", path, body)).errors == [error]

    run(work, BACKEND)


def test_reading_a_wrapped_answer_here_is_deprecated():
    async def work(m):
        wrapping = Caller(key="w", policies=("response-wrapping",))
        await m("POST", "response", {"response": "{}"}, caller=wrapping)
        answer = await m("GET", "response", caller=wrapping)
        assert (answer.data, answer.warnings) == ({"response": "{}"}, [DEPRECATED])
        await m("POST", "response", {"v": 1})
        assert (await m("GET", "response")).warnings == []

    run(work, BACKEND)
