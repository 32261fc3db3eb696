"""The lenient coercion of parameters: tables of what each kind takes, and fuzzing of what it must survive."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api import fields
from strongroom.api.fields import KINDS, MAX_SECONDS, Invalid

LONG = "9" * 400
NAN, INF = float("nan"), float("inf")

ACCEPTED: list[tuple[str, Any, Any]] = [
    ("signed duration", "", 0),
    ("signed duration", 0, 0),
    ("signed duration", 3600, 3600),
    ("signed duration", 1.9, 1),
    ("signed duration", "3600", 3600),
    ("signed duration", " 60 ", 60),
    ("signed duration", "-60", -60),
    ("signed duration", "+60", 60),
    ("signed duration", "1h30m", 5400),
    ("signed duration", "1.5h", 5400),
    ("signed duration", "-1.5h", -5400),
    ("signed duration", ".5h", 1800),
    ("signed duration", "1.h", 3600),
    ("signed duration", "1h1m1s", 3661),
    ("signed duration", "999ms1ms", 1),
    ("signed duration", "1999999us1\u00b5s", 2),
    ("signed duration", "1999999us1\u03bcs", 2),
    ("signed duration", "999999999ns1ns", 1),
    ("signed duration", "30d", 2592000),
    ("signed duration", "-2d", -172800),
    ("signed duration", MAX_SECONDS, MAX_SECONDS),
    ("duration", "90m", 5400),
    ("duration", "-0s", 0),
    ("bool", True, True),
    ("bool", False, False),
    ("bool", "", False),
    *(("bool", word, True) for word in ("1", "t", "T", "TRUE", "true", "True")),
    *(("bool", word, False) for word in ("0", "f", "F", "FALSE", "false", "False")),
    ("bool", 2, True),
    ("bool", 0.0, False),
    ("int", 7, 7),
    ("int", "7", 7),
    ("int", " -7 ", -7),
    ("int", "+7", 7),
    ("int", "", 0),
    ("int", True, 1),
    ("int", 7.0, 7),
    ("int", 2**63 - 1, 2**63 - 1),
    ("int", str(-(2**63)), -(2**63)),
    ("float", 1, 1.0),
    ("float", "1.5", 1.5),
    ("float", "-.5e3", -500.0),
    ("float", "", 0.0),
    ("float", True, 1.0),
    ("str", "text", "text"),
    ("str", 7, "7"),
    ("str", 1.5, "1.5"),
    ("str", True, "1"),
    ("str", False, "0"),
    ("lower", "MiXed", "mixed"),
    ("name", "a.b-c_d", "a.b-c_d"),
    ("name", "a", "a"),
    ("name", 7, "7"),
    ("list[str]", "a,b", ["a,b"]),
    ("list[str]", "", []),
    ("list[str]", ["a", 1, True, None], ["a", "1", "1", ""]),
    ("comma list", "a, b ,,c", ["a", "b", "c"]),
    ("comma list", "", []),
    ("comma list", ["a,b", " c ", None], ["a,b", "c"]),
    ("comma list", [""], [""]),
    ("comma list", 7, ["7"]),
    ("int list", "1, 2,,3", [1, 2, 3]),
    ("int list", [1, "2"], [1, 2]),
    ("int list", 5, [5]),
    ("int list", "", []),
    ("pairs", {"a": "b", "n": 1, "t": True, "z": None}, {"a": "b", "n": "1", "t": "1", "z": ""}),
    ("pairs", ["a=b", "c=d=e", "f="], {"a": "b", "c": "d=e", "f": ""}),
    ("pairs", "a=b", {"a": "b"}),
    ("pairs", "", {}),
    ("dict[str, Any]", {"a": [1]}, {"a": [1]}),
    ("dict[str, Any]", [], {}),
    ("raw", {"a": 1}, {"a": 1}),
    ("base64", "", b""),
    ("base64", "aGVsbG8=", b"hello"),
    ("base64", "aGVs\nbG8=\r\n", b"hello"),
    ("Any", [1, "x"], [1, "x"]),
]


@pytest.mark.parametrize(("kind", "value", "result"), ACCEPTED)
def test_what_a_kind_takes(kind: str, value: Any, result: Any) -> None:
    parsed = KINDS[kind].parse(value)
    assert parsed == result
    assert type(parsed) is type(result)


REFUSED: list[tuple[str, Any]] = [
    *(("signed duration", text) for text in ("soon", "h", "1x", "1 h", "--1h", "1h-1m", "1.5d", "1d12h", ".", ".h")),
    *(
        ("signed duration", text)
        for text in ("1e3s", "\u0661h", "\u0661", "\u0661d", "1h\n2", LONG, LONG + "h", LONG + "d")
    ),
    *(("signed duration", value) for value in (True, False, [], {}, MAX_SECONDS + 1, -MAX_SECONDS - 1, NAN, INF)),
    ("signed duration", 10**400),
    ("duration", "-1s"),
    ("duration", -1),
    *(("bool", value) for value in ("yes", "TrUe", " true", "2", [], {}, None)),
    *(("int", value) for value in ("7.0", "0x10", "1_000", "\u0661", "seven", 1.5, NAN, INF, 1e300, [], {}, None)),
    *(("int", value) for value in (2**63, -(2**63) - 1, LONG)),
    *(("float", value) for value in ("nan", "inf", "1_000", "0x1p3", "e3", "\u0661", [], {}, None, NAN, INF, "1e999")),
    ("float", 10**400),
    *(("str", value) for value in ([], {}, None, ["a"])),
    *(("name", value) for value in ("", "-a", "a-", ".a", "a.", "a/b", "a b", "\u00e9", "a\n", [], {})),
    *(("list[str]", value) for value in ({}, [[]], [{}])),
    *(("comma list", value) for value in ({}, [[]], [{}])),
    *(("int list", value) for value in ({}, ["x"], "1,x", [[1]])),
    *(("pairs", value) for value in (["ab"], "ab", 7, [[]], {"a": {}}, {"a": []})),
    *(("dict[str, Any]", value) for value in ("text", 7, ["a"], True)),
    *(("raw", value) for value in ("text", 7, ["a"])),
    *(("base64", value) for value in ("a", "aGVsbG8", "aGVsbG8==", "=", "==", "aGVs bG8=", "-_-_", "\u00e9", [], None)),
]


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_what_a_kind_refuses(kind: str, value: Any) -> None:
    with pytest.raises(Invalid):
        KINDS[kind].parse(value)


SECRET = "hunter2-0123456789"
BAD = [SECRET, [SECRET], {SECRET: SECRET}, [[SECRET]], {"a": [SECRET]}, SECRET + "\u00e9"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", BAD)
def test_no_refusal_repeats_the_value(kind: str, value: Any) -> None:
    refusal: Invalid | None = None
    try:
        KINDS[kind].parse(value)
    except Invalid as e:
        refusal = e
    assert "hunter2" not in str(refusal)
    if refusal is not None:
        assert refusal.__suppress_context__ or refusal.__context__ is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.from_regex(r"[-+0-9.dhmnsu=,/]*"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", KINDS)
@given(value=JSON)
def test_whatever_comes_is_taken_or_invalid(kind: str, value: Any) -> None:
    try:
        result = KINDS[kind].parse(value)
    except Invalid:
        return
    if kind in ("int", "duration", "signed duration"):
        assert -(2**63) <= result < 2**63
    if kind == "float":
        json.dumps(result, allow_nan=False)


@given(st.binary())
def test_base64_is_read_as_it_is_written(data: bytes) -> None:
    assert fields.parse_base64(base64.b64encode(data).decode()) == data
    assert fields.parse_base64(base64.encodebytes(data).decode()) == data


@pytest.mark.parametrize(
    ("seconds", "text", "short"),
    [
        (0, "0s", "0s"),
        (59, "59s", "59s"),
        (60, "1m0s", "1m"),
        (90, "1m30s", "1m30s"),
        (3600, "1h0m0s", "1h"),
        (5400, "1h30m0s", "1h30m"),
        (3601, "1h0m1s", "1h0m1s"),
        (2764800, "768h0m0s", "768h"),
        (-90, "-1m30s", "-1m30s"),
    ],
)
def test_durations_are_written_as_go_does(seconds: int, text: str, short: str) -> None:
    assert fields.format_duration(seconds) == fields.format_duration(float(seconds)) == text
    assert fields.short_duration(seconds) == short


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "500ms"),
        (0.0015, "1.5ms"),
        (1.5e-6, "1.5\u00b5s"),
        (7e-9, "7ns"),
        (1e-12, "0s"),
        (1.5, "1.5s"),
        (61.25, "1m1.25s"),
        (0.9999999999, "1s"),
        (-0.25, "-250ms"),
    ],
)
def test_fractions_are_written_as_go_does(seconds: float, text: str) -> None:
    assert fields.format_duration(seconds) == text


@given(st.integers(-MAX_SECONDS, MAX_SECONDS))
def test_a_written_duration_reads_back(seconds: int) -> None:
    for text in (fields.format_duration(seconds), fields.short_duration(seconds)):
        assert fields.parse_duration(text) == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize(
    ("value", "name"),
    [("x", "string"), (True, "bool"), (1, "json.Number"), (1.5, "json.Number"), ([], "[]interface {}"), (None, "nil")],
)
def test_values_are_named_as_go_names_them(value: Any, name: str) -> None:
    assert fields.type_name(value) == name


def test_timedelta_is_a_duration() -> None:
    assert fields.parse_duration(timedelta(minutes=2)) == 120
