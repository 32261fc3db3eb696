"""What is hidden and what stays readable."""

from __future__ import annotations

import datetime
import enum
import hashlib
import hmac
import json
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.messages import Auth, Operation, Request, Response, Timestamp, WrapInfo, encode_hook
from strongroom.audit.entry import Exchange, Identity
from strongroom.audit.formatter import Formatter
from strongroom.audit.hashing import NO_KEYS, REMEMBERED, Salt, conceal, expose, fields_of

SALT = "0b2f6c1e-2f2b-4f3e-9a39-1d2c3b4a5f6e"


def h(text: str, salt: str = SALT) -> str:
    return "hmac-sha256:" + hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()


def hide(value: Any, *keys: str, **more: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(conceal(value, Salt(SALT), keys, **more)))


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Inner(msgspec.Struct, rename="camel"):
    some_name: str
    when: Timestamp
    n: int = 3


class Sparse(msgspec.Struct, omit_defaults=True):
    a: str = ""
    b: str | None = None
    c: msgspec.Raw = msgspec.Raw(b"null")


class Partial(msgspec.Struct):
    a: str | msgspec.UnsetType = msgspec.UNSET
    b: str = "x"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", h("text")),
        ("", h("")),
        (7, 7),
        (1.5, 1.5),
        (True, True),
        (None, None),
        ({"key": "v"}, {"key": h("v")}),
        (["a", 2, ["b"]], [h("a"), 2, [h("b")]]),
        (("a", 1), [h("a"), 1]),
        ({"a"}, [h("a")]),
        (MappingProxyType({"k": "v"}), {"k": h("v")}),
        (Timestamp(1_500_000_000), "1970-01-01T00:00:01.5Z"),
        (datetime.datetime(2025, 1, 7, tzinfo=datetime.UTC), "2025-01-07T00:00:00+00:00"),
        (Colour.RED, h("red")),
        (Level.LOW, 1),
        (b"\x00\xff", h("AP8=")),
        (3 + 4j, h("(3+4j)")),
        (Inner("x", Timestamp(0)), {"someName": h("x"), "when": "1970-01-01T00:00:00Z", "n": 3}),
        (Sparse(a="x"), {"a": h("x")}),
        (Sparse(c=msgspec.Raw(b"[1]")), {"c": [h("1")]}),
        (Partial(), {"b": h("x")}),
        (
            msgspec.Raw(
                b'{"n": 7, "f": 1.50, "big": 12345678901234567890123, "e": 1e3, "s": "x", "b": true, "z": null}'
            ),
            {
                "n": h("7"),
                "f": h("1.50"),
                "big": h("12345678901234567890123"),
                "e": h("1e3"),
                "s": h("x"),
                "b": True,
                "z": None,
            },
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_texts_are_hashed_and_what_the_server_computed_is_not(value: Any, expected: Any) -> None:
    assert hide(value) == expected


def test_a_requests_numbers_are_hashed_as_they_were_written() -> None:
    asked = Request(
        id="r",
        operation=Operation.UPDATE,
        path="p",
        data={"f": 1.5, "deep": {"n": [7]}, "plain": 8, "user": 9},
        raw={"f": msgspec.Raw(b"1.50"), "deep": msgspec.Raw(b'{"n": [7.0]}')},
    )
    line = Formatter(Salt(SALT)).request(Exchange(asked, non_hmac_request_keys={"user"}), {}, b"now")
    assert json.loads(line)["request"]["data"] == {
        "f": h("1.50"),
        "deep": {"n": [h("7.0")]},
        "plain": h("8"),
        "user": 9,
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"user": "ann", "password": "pw"}, {"user": "ann", "password": h("pw")}),
        ({"nested": {"user": "bob", "other": "x"}}, {"nested": {"user": "bob", "other": h("x")}}),
        ({"user": {"other": "x"}}, {"user": {"other": h("x")}}),
        ({"user": ["a", ["b"]]}, {"user": ["a", ["b"]]}),
        ({"user": [{"x": "y"}]}, {"user": [{"x": h("y")}]}),
        ({"user": msgspec.Raw(b'["a", 1.50]')}, {"user": ["a", 1.5]}),
        (msgspec.Raw(b'{"user": 12345678901234567890123}'), {"user": 12345678901234567890123}),
        ({"user": Colour.RED}, {"user": "red"}),
    ],
)
def test_the_nearest_key_decides_what_a_mount_leaves_readable(value: Any, expected: Any) -> None:
    assert hide(value, "user") == expected


def test_every_device_hashes_differently() -> None:
    assert Salt(SALT)("x") == h("x")
    assert Salt("other")("x") == h("x", "other")
    assert Salt("s" * 100)("x") == h("x", "s" * 100)


def test_remembered_hashes_are_the_same_bounded_and_forgotten() -> None:
    salt = Salt(SALT)
    assert [salt.lasting(f"token-{n % (REMEMBERED + 10)}") for n in range(2 * REMEMBERED)][-1] == salt(
        f"token-{(2 * REMEMBERED - 1) % (REMEMBERED + 10)}"
    )
    assert len(salt._known) == REMEMBERED
    salt.forget()
    assert not salt._known


@given(st.text(max_size=200), st.text(min_size=1, max_size=100))
def test_hashing_is_hmac_sha256(text: str, salt: str) -> None:
    expected = hmac.new(salt.encode("utf-8"), text.encode("utf-8"), hashlib.sha256).hexdigest()
    assert Salt(salt)(text) == "hmac-sha256:" + expected


def test_exposed_json_is_on_one_line() -> None:
    assert bytes(expose({"a": msgspec.Raw(b'[1.50,\r\n "x\\ny"]')})) == b'{"a":[1.50,"x\\ny"]}'


def test_fields_are_named_as_they_are_sent() -> None:
    assert fields_of(Inner("x", Timestamp(0), 1)) == {"someName": "x", "when": Timestamp(0), "n": 1}


SECRET = st.integers(0, 10**9).map(lambda n: f"s3cr3t-{n}")
NUMBER = st.integers(10**15, 10**30)
JSON = st.recursive(
    SECRET | NUMBER | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=3),
    max_leaves=10,
)


def rich(value: Any, draw: st.DrawFn) -> Any:
    """The same value in one of the forms in which an engine may hold it."""
    if isinstance(value, dict):
        value = {k: rich(v, draw) for k, v in value.items()}
    elif isinstance(value, list):
        value = [rich(v, draw) for v in value]
    form = draw(st.integers(0, 4))
    if form == 0:
        return msgspec.Raw(msgspec.json.encode(value, enc_hook=encode_hook))
    if form == 1 and isinstance(value, list):
        return tuple(value)
    if form == 2 and isinstance(value, dict):
        return MappingProxyType(value)
    if form == 3 and isinstance(value, dict):
        return Partial(a=value, b="s3cr3t-struct")  # type: ignore[arg-type]
    return value


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    body = draw(st.dictionaries(st.sampled_from("abcdef"), JSON, max_size=4))
    answer = rich(draw(st.dictionaries(st.sampled_from("abcdef"), JSON, max_size=4)), draw)
    response = Response(
        data=answer,
        auth=draw(st.none() | st.just(Auth(client_token="s3cr3t-new-token", accessor="s3cr3t-new-accessor"))),
        wrap=draw(st.none() | st.just(WrapInfo("s3cr3t-wrap", "s3cr3t-acc", 60, 0, "path", "s3cr3t-inner"))),
    )
    if draw(st.booleans()):
        response = Response(bare=draw(st.sampled_from([answer, b"s3cr3t-bytes"])) or {})
    return Exchange(
        Request(
            id="r",
            operation=draw(st.sampled_from(list(Operation))),
            path="some/path",
            data=body,
            raw={key: msgspec.Raw(msgspec.json.encode(value)) for key, value in body.items() if draw(st.booleans())},
            token="s3cr3t-token",
            headers={"x-secret": "s3cr3t-header", "x-other": "s3cr3t-other"},
        ),
        identity=draw(st.none() | st.just(Identity(accessor="s3cr3t-accessor"))),
        response=response,
    )


@given(exchanges(), st.booleans(), st.booleans())
def test_no_secret_is_in_a_line(exchange: Exchange, elide: bool, jsonx: bool) -> None:
    form = Formatter(Salt(SALT), elide_list_responses=elide, jsonx=jsonx)
    for make in (form.request, form.response):
        line = make(exchange, {"x-secret": True}, b"2025-01-07T10:30:00Z")
        assert line.count(b"\n") == 1
        assert b"s3cr3t" not in line
        if not jsonx:
            json.loads(line)


@given(exchanges())
def test_a_requests_numbers_are_not_in_a_line(exchange: Exchange) -> None:
    line = Formatter(Salt(SALT)).request(exchange, {}, b"2025-01-07T10:30:00Z")
    numbers = [n for n in json.loads(line)["request"].get("data", {}).values() if isinstance(n, int)]
    assert [n for n in numbers if not isinstance(n, bool)] == []


@given(exchanges())
def test_log_raw_is_json_on_one_line(exchange: Exchange) -> None:
    form = Formatter(Salt(SALT), log_raw=True)
    for make in (form.request, form.response):
        line = make(exchange, {}, b"2025-01-07T10:30:00Z")
        assert line.count(b"\n") == 1
        json.loads(line)
        assert b"hmac-sha256" not in line


@pytest.mark.parametrize(
    ("stored", "hidden"),
    [
        (b'{"n": -0}', "-0"),
        (b'{"n": 1.50}', "1.50"),
        (b'{"n": 1E+2}', "1E+2"),
        (b'{"n": 123456789012345678901234567890}', "123456789012345678901234567890"),
    ],
)
def test_a_stored_number_is_hashed_in_the_digits_of_its_author(stored: bytes, hidden: str) -> None:
    salt = Salt(SALT)
    assert conceal(msgspec.Raw(stored), salt, NO_KEYS) == {"n": salt(hidden)}
