from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import BadRequest
from strongroom.server.bodies import MAX_DEPTH, parse_body

FORM = "application/x-www-form-urlencoded"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def nested(depth: int) -> bytes:
    """An object whose deepest container is that many levels down."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize("body", [b"", b"  \n", b"null", b"{}", b" { } "])
@pytest.mark.parametrize("kind", ["", "application/json", FORM])
def test_nothing_and_null_are_an_empty_object(body: bytes, kind: str) -> None:
    if body == b"null" and kind == FORM:
        return  # a form with one field
    assert parse_body(body, kind) == ({}, {})


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[1, 2]", "expected an object, got an array"),
        (b'"text"', "expected an object, got a string"),
        (b"5", "expected an object, got a number"),
        (b"5.5", "expected an object, got a number"),
        (b"true", "expected an object, got a boolean"),
        (b'{"data": {"v": 1}', "unexpected end of JSON input"),
        (b"{'a': 1}", "JSON is malformed: object keys must be strings (byte 1)"),
        (b'{"a": 1} x', "JSON is malformed: trailing characters (byte 10)"),
        (b'{"a": NaN}', "JSON is malformed: invalid character (byte 6)"),
        (b'{"a": "\xff"}', "invalid UTF-8"),
        (b'{"\xff": 1}', "invalid UTF-8"),
        (nested(MAX_DEPTH + 1), "nested deeper than 300 levels"),
        (nested(100_000), "nested deeper than 300 levels"),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(BadRequest) as e:
        parse_body(body, "application/json")
    assert e.value.errors == [f"failed to decode JSON input: {text}"]


@pytest.mark.parametrize("body", [b'{"a": 1e999}', b'{"a": ' + b"1" * 5000 + b"}", b'{"a": "\\ud800"}'])
def test_values_that_no_type_holds_are_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_body(body, "")


def test_depth_is_not_breadth() -> None:
    assert len(parse_body(b'{"a":[' + b",".join([b"{}"] * 5000) + b"]}", "")[0]["a"]) == 5000
    assert parse_body(nested(MAX_DEPTH), "")


def test_brackets_in_strings_are_text() -> None:
    assert parse_body(b'{"a": "' + b"[{" * 1000 + b'"}', "")[0] == {"a": "[{" * 1000}


def test_of_equal_keys_the_last_wins() -> None:
    data, raw = parse_body(b'{"a": 1, "a": 2}', "")
    assert data == {"a": 2}
    assert bytes(raw["a"]) == b"2"


@pytest.mark.parametrize("text", ["123456789012345678901234567890", "1.10", "-0", "1E5", '{"b":1,"a":2}', '"\\u0061"'])
def test_values_stay_as_they_were_written(text: str) -> None:
    assert bytes(parse_body(b'{"x": ' + text.encode() + b" }", "")[1]["x"]).strip() == text.encode()


def test_raw_values_do_not_hold_on_to_the_body() -> None:
    body = b'{"a": "b", "padding": "' + b"x" * 10_000 + b'"}'
    assert bytes(msgspec.json.encode(parse_body(body, "")[1]["a"])) == b'"b"'
    assert len(memoryview(parse_body(body, "")[1]["a"]).obj) < 100


@pytest.mark.parametrize(
    ("body", "kind", "data"),
    [
        (b"input=YWJj", FORM, {"input": "YWJj"}),
        (b"a=1&a=2&b=x+y", FORM + "; charset=utf-8", {"a": ["1", "2"], "b": "x y"}),
        (b'{"input": "YWJj"}', FORM, {"input": "YWJj"}),  # what curl -d sends
        (b'{"input": "YWJj"}', "text/plain", {"input": "YWJj"}),
    ],
)
def test_forms_and_what_only_claims_to_be_one(body: bytes, kind: str, data: dict[str, Any]) -> None:
    got, raw = parse_body(body, kind)
    assert got == data
    assert {name: json.loads(bytes(value)) for name, value in raw.items()} == data


def test_a_form_of_broken_text_is_refused() -> None:
    with pytest.raises(BadRequest):
        parse_body(b"a=\xff", FORM)


@given(st.binary(), st.sampled_from(["", FORM]))
def test_bytes_are_parameters_or_refused(body: bytes, kind: str) -> None:
    try:
        data, raw = parse_body(body, kind)
    except BadRequest:
        return
    assert set(data) == set(raw)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_json_comes_through(value: dict[str, Any]) -> None:
    body = json.dumps(value).encode("utf-8", "surrogatepass")
    try:
        data, raw = parse_body(body, "application/json")
    except BadRequest:
        assert any("\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False))
        return
    assert data == value
    assert {name: json.loads(bytes(text)) for name, text in raw.items()} == value


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"]), min_size=12, max_size=40))
def test_errors_do_not_repeat_what_was_sent(secret: str) -> None:
    for body in (f'{{"key": "{secret}"', f'{{"key": !{secret}}}', f'["{secret}"]'):
        with pytest.raises(BadRequest) as e:
            parse_body(body.encode(), "application/json")
        assert secret not in e.value.errors[0]
