"""Response wrapping: the answer comes back as it was, at most once."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.fake_live import HOUR, FailingStorage, FakeLive, played

from strongroom.api.messages import Auth, Lease, Operation, Request, Response, WrapInfo
from strongroom.clock import rfc3339
from strongroom.errors import BadRequest, StorageError

INVALID = "wrapping token is not valid or does not exist"


def asking(**more: Any) -> Request:
    return Request(id="the-request", operation=Operation.READ, path="secret/data/x", **more)


async def wrapped(live: FakeLive, response: Response, ttl: int = 60) -> WrapInfo:
    tx = live.transaction()
    info = await live.wrapping.wrap(tx, asking(), response, ttl)
    await tx.commit()
    return info


def test_an_answer_comes_back_once() -> None:
    async def scenario(live: FakeLive) -> None:
        before = await live.keys("")
        info = await wrapped(live, Response(data={"a": 1}, warnings=["w"], lease=Lease(5, "l/1", True)))
        assert (info.ttl, info.creation_path, info.wrapped_accessor) == (60, "secret/data/x", "")
        answer = await live.wrapping.unwrap(info.token, None)
        assert bytes(answer.data) == b'{"a":1}'  # type: ignore[arg-type]
        assert (answer.warnings, answer.lease) == (["w"], Lease(5, "l/1", True))
        with pytest.raises(BadRequest, match=INVALID):
            await live.wrapping.unwrap(info.token, None)
        assert await live.keys("") == before

    played(scenario)


def test_of_many_at_once_one_gets_the_answer() -> None:
    async def scenario(live: FakeLive) -> None:
        info = await wrapped(live, Response(data={"a": 1}))
        tries = [live.wrapping.unwrap(info.token, None) for _ in range(10)]
        tries += [live.wrapping.rewrap(info.token, None) for _ in range(10)]  # type: ignore[list-item]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert len([r for r in results if not isinstance(r, BaseException)]) == 1
        assert {str(r) for r in results if isinstance(r, BaseException)} == {INVALID}

    played(scenario)


def test_the_answer_is_not_given_before_its_removal_is_durable() -> None:
    async def scenario(live: FakeLive) -> None:
        assert isinstance(live.storage, FailingStorage)
        info = await wrapped(live, Response(data={"a": 1}))
        live.storage.commits_left = 0
        with pytest.raises(StorageError):
            await live.wrapping.unwrap(info.token, None)
        again = await live.restarted()
        assert bytes((await again.wrapping.unwrap(info.token, None)).data) == b'{"a":1}'  # type: ignore[arg-type]
        last = await again.restarted()
        with pytest.raises(BadRequest):
            await last.wrapping.unwrap(info.token, None)
        await last.stop()

    played(scenario)


def test_nothing_of_an_answer_is_left_when_its_time_is_over() -> None:
    async def scenario(live: FakeLive) -> None:
        before = await live.keys("")
        info = await wrapped(live, Response(data={"a": 1}), ttl=2)
        live.clock.advance(2)
        for use in (live.wrapping.unwrap, live.wrapping.rewrap, live.wrapping.lookup):
            with pytest.raises(BadRequest, match=INVALID):
                await use(info.token, None)
        await live.leases.run_due()
        assert await live.keys("") == before

    played(scenario)


def test_a_wrapping_token_of_the_requests_own_is_used_though_counted_down() -> None:
    async def scenario(live: FakeLive) -> None:
        info = await wrapped(live, Response(data={"a": 1}))
        entry = await live.tokens.lookup(info.token)
        assert entry is not None
        used = await live.tokens.use(entry)
        with pytest.raises(BadRequest, match=INVALID):
            await live.wrapping.unwrap(info.token, None)
        assert bytes((await live.wrapping.unwrap("", used)).data) == b'{"a":1}'  # type: ignore[arg-type]
        assert used is not None
        await live.tokens.after_last_use(used)

    played(scenario)


def test_rewrapping_keeps_answer_path_and_time_and_ends_the_old_token() -> None:
    async def scenario(live: FakeLive) -> None:
        auth = Auth(client_token="hvs.inner", accessor="inner", policies=["p"], token_policies=["p"])
        info = await wrapped(live, Response(auth=auth), ttl=90)
        assert info.wrapped_accessor == "inner"
        live.clock.advance(30)
        again = await live.wrapping.rewrap(info.token, None)
        assert (again.ttl, again.creation_path, again.wrapped_accessor) == (90, "secret/data/x", "inner")
        assert again.token != info.token
        assert await live.tokens.lookup(info.token) is None
        assert await live.wrapping.lookup(again.token, None) == {
            "creation_path": "secret/data/x",
            "creation_time": rfc3339(live.clock.now_ns()),
            "creation_ttl": 90,
        }
        answer = await live.wrapping.unwrap(again.token, None)
        assert answer.auth is not None
        assert (answer.auth.client_token, answer.auth.policies) == ("hvs.inner", ["p"])

    played(scenario)


def test_looking_does_not_spend() -> None:
    async def scenario(live: FakeLive) -> None:
        info = await wrapped(live, Response(data={}))
        for _ in range(3):
            await live.wrapping.lookup(info.token, None)
        await live.wrapping.unwrap(info.token, None)

    played(scenario)


@pytest.mark.parametrize(
    ("body", "own", "text"),
    [
        ({}, "", "error validating wrapping token: token is empty"),
        ({"token": ""}, "", "error validating wrapping token: token is empty"),
        ({"token": 5}, "WRAP", "error validating wrapping token: could not decode token in request body"),
        ({"token": "nosuch"}, "WRAP", INVALID),
        ({"token": "PLAIN"}, "WRAP", INVALID),
        ({}, "PLAIN", INVALID),
        ({}, "WRAP", ""),
        ({"token": "WRAP"}, "", ""),
        ({"token": None}, "WRAP", ""),
    ],
)
def test_which_token_is_meant_and_whether_it_wraps(body: dict[str, Any], own: str, text: str) -> None:
    async def scenario(live: FakeLive) -> None:
        tokens = {"WRAP": (await wrapped(live, Response(data={}))).token, "PLAIN": (await live.token(ttl=HOUR))[0]}
        data = {name: tokens.get(value, value) if isinstance(value, str) else value for name, value in body.items()}
        wrong = await live.wrapping.verify(asking(data=data, token=tokens.get(own, own)))
        assert (str(wrong) if wrong else "") == text

    played(scenario)


def test_the_cubbyhole_holds_the_answer_as_text() -> None:
    async def scenario(live: FakeLive) -> None:
        info = await wrapped(live, Response(data={"a": "ü"}))
        raw = await live.barrier.get(live.cubbyhole(live.tokens.key_of(info.token)) + "response")
        assert raw is not None
        envelope = msgspec.json.decode(msgspec.json.decode(raw)["response"])
        assert list(envelope) == [
            *("request_id", "lease_id", "renewable", "lease_duration", "data", "wrap_info", "warnings", "auth")
        ]
        assert (envelope["request_id"], envelope["data"]) == ("the-request", {"a": "ü"})

    played(scenario)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_data_comes_back_to_the_letter(data: dict[str, Any]) -> None:
    import json

    async def scenario(live: FakeLive) -> None:
        text = json.dumps(data).encode()
        info = await wrapped(live, Response(data=msgspec.Raw(text)))
        assert bytes((await live.wrapping.unwrap(info.token, None)).data) == text  # type: ignore[arg-type]

    played(scenario)
