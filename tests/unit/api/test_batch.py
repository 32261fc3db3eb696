"""Batches: each item for itself, one answer for all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.args import Args, field
from strongroom.api.batch import TOGETHER, Batch
from strongroom.api.context import Caller, Context, MountInfo
from strongroom.api.fields import Base64, Name, RawObject
from strongroom.api.messages import Operation, Request, Response
from strongroom.api.routes import Engine
from strongroom.clock import ManualClock
from strongroom.errors import BadRequest, InternalError, NotFound, PermissionDenied, RequestError


class EncryptArgs(Args):
    name: Name = field("Which key.")
    plaintext: Base64 = field("What to encrypt.", required="missing plaintext")
    key_version: int = field("Which version.")
    extra: RawObject = field("An object.")


class Ciphertext(msgspec.Struct, rename={"key_version": "version"}):
    ciphertext: str
    key_version: int
    note: str | msgspec.UnsetType = msgspec.UNSET


async def _nothing(*_: Any, **__: Any) -> Any:
    raise AssertionError("not here")


def context(request: Request) -> Context:
    return Context(
        request=request,
        mount=MountInfo("t/", "t", "u", "a"),
        storage=None,  # type: ignore[arg-type]
        caller=Caller(),
        clock=ManualClock(),
        lock=_nothing,
    )


async def encrypt(ctx: Context, args: EncryptArgs) -> Any:
    """Encrypt."""
    match args.plaintext:
        case b"bad":
            raise BadRequest("one", "two")
        case b"gone":
            raise NotFound
        case b"denied":
            raise PermissionDenied
        case b"nothing":
            return None
        case b"struct":
            return Ciphertext("c", args.key_version)
        case b"response":
            ctx.warn("mind this")
            return Response(data={"ciphertext": "r"})
    return {"ciphertext": f"{args.name}:{args.plaintext.decode()}", "key_version": args.key_version}


def same_context(items: Sequence[Mapping[str, Any]]) -> None:
    if len({"context" in item for item in items}) > 1:
        raise BadRequest("all or none")


async def there(ctx: Context, args: EncryptArgs) -> bool:
    return args.name == "known" and args.plaintext == b""


def play(body: Any, batch: Batch | str = "batch_input", name: str = "k") -> tuple[Response, Context]:
    engine: Engine[Context] = Engine("t")
    engine.write("encrypt/{name}", batch=batch, exists=there)(encrypt)

    async def run() -> tuple[Response, Context]:
        route, params = engine.match(f"encrypt/{name}", Operation.UPDATE)
        raw = json.dumps(body).encode()
        request = Request(id="1", operation=Operation.UPDATE, path=f"t/encrypt/{name}")
        request.data = msgspec.json.decode(raw)
        request.raw = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        ctx = context(request)
        arguments, unknown = route.parse(params, request)
        assert unknown == []
        assert await route.there(ctx, arguments) is (name == "known")
        result = await route.run(ctx, arguments)
        return (result if isinstance(result, Response) else Response(data=result)), ctx

    return asyncio.run(run())


def results(body: Any, batch: Batch | str = "batch_input", name: str = "k") -> list[Any]:
    data = play(body, batch, name)[0].data
    assert isinstance(data, Mapping)
    return json.loads(msgspec.json.encode(data["batch_results"]))  # type: ignore[no-any-return]


def test_without_a_list_the_endpoint_is_its_plain_self() -> None:
    for more in ({}, {"batch_input": None}):
        assert play({"plaintext": "YQ==", **more})[0].data == {"ciphertext": "k:a", "key_version": 0}
    with pytest.raises(BadRequest, match="missing plaintext"):
        play({})


def test_each_item_is_answered_in_its_place() -> None:
    assert results(
        {
            "plaintext": "aWdub3JlZA==",
            "key_version": 9,
            "batch_input": [
                {"plaintext": "YQ==", "key_version": "2"},
                {"plaintext": "YmFk"},
                {"plaintext": "Z29uZQ=="},
                {"plaintext": "%%"},
                {},
                {"plaintext": "bm90aGluZw=="},
                {"plaintext": "c3RydWN0"},
            ],
        }
    ) == [
        {"ciphertext": "k:a", "key_version": 2},
        {"error": "one; two"},
        {"error": "not found"},
        {"error": 'Field validation failed: error converting input for field "plaintext": illegal base64 data'},
        {"error": "missing plaintext"},
        {},
        {"ciphertext": "c", "version": 0},
    ]


def test_an_item_cannot_name_another_path() -> None:
    assert results({"batch_input": [{"plaintext": "YQ==", "name": "other"}]}, name="known") == [
        {"ciphertext": "known:a", "key_version": 0}
    ]


def test_a_reference_comes_back_with_its_result() -> None:
    items = [
        {"plaintext": "YQ==", "reference": "r1"},
        {"plaintext": "%", "reference": "r2"},
        {"plaintext": "", "reference": 3},
    ]
    assert [r.get("reference") for r in results({"batch_input": items})] == ["r1", "r2", None]


def test_a_failed_item_shows_what_the_endpoint_wants_beside_the_error() -> None:
    assert results({"batch_input": [{"plaintext": "YmFk"}]}, Batch(failed={"valid": False})) == [
        {"valid": False, "error": "one; two"}
    ]


def test_warnings_of_items_are_those_of_the_answer() -> None:
    response, ctx = play({"batch_input": [{"plaintext": "cmVzcG9uc2U="}]})
    assert response.data == {"batch_results": [{"ciphertext": "r"}]}
    assert ctx.warnings == ["mind this"]


def test_what_is_not_about_an_item_ends_the_request() -> None:
    with pytest.raises(PermissionDenied):
        play({"batch_input": [{"plaintext": "YQ=="}, {"plaintext": "ZGVuaWVk"}]})


GOOD, WRONG = {"plaintext": "YQ=="}, {"plaintext": "%"}


@pytest.mark.parametrize(
    ("items", "code", "status", "warned"),
    [
        ([GOOD], None, 0, False),
        ([GOOD], 207, 0, False),
        ([GOOD, WRONG], None, 400, False),
        ([WRONG], None, 400, False),
        ([GOOD, WRONG], 207, 207, False),
        ([GOOD, WRONG], 200, 200, False),
        ([WRONG], 200, 400, False),
        ([GOOD, WRONG], 700, 400, True),
        ([GOOD, WRONG], "207", 400, True),
        ([GOOD, WRONG], True, 400, True),
    ],
)
def test_partial_failure_has_the_status_that_was_chosen(items: list[Any], code: Any, status: int, warned: bool) -> None:
    body = {"batch_input": items} if code is None else {"batch_input": items, "partial_failure_response_code": code}
    response, ctx = play(body, Batch(partial=True))
    assert response.status == status
    assert bool(ctx.warnings) is warned


def test_without_partial_a_failed_item_does_not_change_the_status() -> None:
    assert play({"batch_input": [GOOD, WRONG]})[0].status == 0


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(BadRequest, match="missing batch input to process"):
        play({"batch_input": []})


@pytest.mark.parametrize("value", ["text", 7, True, {"plaintext": "YQ=="}, ["YQ=="], [7], [{}, None], [[]]])
def test_what_is_no_list_of_objects_is_refused(value: Any) -> None:
    with pytest.raises(InternalError) as caught:
        play({"batch_input": value})
    assert "failed to parse batch input" in caught.value.errors[0]
    assert "YQ==" not in caught.value.errors[0]


def test_a_check_sees_all_items_before_the_first_runs() -> None:
    with pytest.raises(BadRequest, match="all or none"):
        play({"batch_input": [{"plaintext": "YQ==", "context": "x"}, GOOD]}, Batch(check=same_context))


class EchoArgs(Args):
    value: RawObject = field("An object.")


async def echo(ctx: Context, args: EchoArgs) -> Any:
    """Echo."""
    return {"value": args.value}


def test_items_keep_the_numbers_that_were_written() -> None:
    engine: Engine[Context] = Engine("t")
    engine.write("echo", batch="batch_input")(echo)

    async def run() -> Any:
        raw = b'{"batch_input": [{"value": {"n": 123456789012345678901234567890}}]}'
        request = Request(id="1", operation=Operation.UPDATE, path="t/echo")
        request.data, request.raw = msgspec.json.decode(raw), msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        route, params = engine.match("echo", Operation.UPDATE)
        return await route.run(context(request), route.parse(params, request)[0])

    assert b'{"n": 123456789012345678901234567890}' in msgspec.json.encode(asyncio.run(run()).data)


def test_others_get_their_turn_in_a_long_batch() -> None:
    turns = 0

    async def slow() -> None:
        nonlocal turns
        engine: Engine[Context] = Engine("t")
        engine.write("encrypt/{name}", batch="batch_input")(encrypt)
        request = Request(id="1", operation=Operation.UPDATE, path="t/encrypt/k")
        request.data = {"batch_input": [GOOD] * (TOGETHER * 3)}
        route, params = engine.match("encrypt/k", Operation.UPDATE)
        task = asyncio.ensure_future(route.run(context(request), route.parse(params, request)[0]))
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        assert len(task.result().data["batch_results"]) == TOGETHER * 3

    asyncio.run(slow())
    assert turns >= 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["plaintext", "reference", "x"]), inner)
    ),
    max_leaves=10,
)


@given(JSON)
def test_whatever_comes_is_answered_or_refused(value: Any) -> None:
    try:
        response, _ = play({"batch_input": value, "plaintext": "YQ=="}, Batch(partial=True))
    except RequestError:
        return
    assert isinstance(response.data, Mapping)
    msgspec.json.encode(response.data)
