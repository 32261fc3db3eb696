"""What holds for every input: round trips, and no crash on what others send or type."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from strongroom.cli import output
from strongroom.cli import yaml as own_yaml
from strongroom.cli.command import Refused
from strongroom.cli.data import parse_words
from strongroom.cli.flags import KINDS, Flag, FlagError, parse, parse_int
from strongroom.cli.main import execute
from strongroom.cli.ui import UI
from strongroom.client import jsontext
from strongroom.client.durations import go_duration, human_seconds, parse_duration
from strongroom.client.secret import parse_secret

TEXT = st.text(st.characters(blacklist_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers() | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


# ------------------------------------------------------------------------------------------------ JSON
@given(VALUES)
def test_json_round_trip(value: Any) -> None:
    assert json.loads(jsontext.dumps(value)) == value
    assert json.loads(jsontext.dumps(value, indent=2)) == value
    assert jsontext.dumps(jsontext.loads(jsontext.dumps(value))) == jsontext.dumps(value)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,60})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True))
def test_numbers_come_back_letter_for_letter(number: str) -> None:
    assert jsontext.dumps(jsontext.loads(f"[{number}]")) == f"[{number}]"
    assert output.go_value(jsontext.loads(number)) == number


@given(st.text())
def test_json_takes_or_refuses_any_text(text: str) -> None:
    try:
        value = jsontext.loads(text)
    except ValueError:
        return
    assert jsontext.loads(jsontext.dumps(value)) == value


def test_a_lone_surrogate_is_escaped() -> None:
    assert jsontext.dumps("\ud800") == '"\\ud800"'


@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_a_secret_or_refused(body: bytes) -> None:
    try:
        secret = parse_secret(body)
    except ValueError:
        return
    if secret is not None:
        jsontext.dumps(secret.document())


KEYS = ("request_id", "lease_id", "lease_duration", "renewable", "data", "warnings", "auth", "wrap_info")
ODD_ENVELOPES = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, VALUES))


@given(
    ODD_ENVELOPES
    | st.fixed_dictionaries(
        {"auth": st.dictionaries(st.sampled_from(["metadata", "policies", "lease_duration"]), VALUES)}
    )
)
def test_any_envelope_can_be_printed(body: dict[str, Any]) -> None:
    secret = parse_secret(jsontext.dumps(body).encode())
    if secret is not None:
        own_yaml.dumps(secret.document())
        output.rows_of(secret)


# ------------------------------------------------------------------------------------------------ YAML
@example("0\n")
@example("a\nb")
@given(VALUES)
def test_yaml_round_trip(value: Any) -> None:
    assert yaml.safe_load(own_yaml.dumps(value)) == value


@pytest.mark.parametrize(
    "word",
    [
        *("yes", "No", "ON", "off", "y", "N", "true", "null", "~", "", "<<", "="),
        *(
            "1",
            "-1",
            "0x1F",
            "0o17",
            "017",
            "0b1",
            "1_000",
            "1.5",
            "1e3",
            ".5",
            ".inf",
            "-.INF",
            ".nan",
            "1:30",
            "190:20:30.15",
        ),
        *("2026-01-02", "2026-01-02T03:04:05Z", "2026-1-2 03:04:05"),
        *(
            "- a",
            "-",
            "a: b",
            "a #b",
            "#a",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "{a",
            "[a",
            "a]",
            "'a",
            '"a',
            "?",
            "? a",
        ),
        *(
            " a",
            "a ",
            "a:",
            ":a",
            "a\tb",
            "\ta",
            "a\nb",
            "a\n",
            "\na",
            " a\nb",
            "a\n\n",
            "a\n b",
            "\n",
            "a\r\nb",
            "\x00",
            "\x85",
            "é",
        ),
    ],
)
def test_yaml_words_stay_text(word: str) -> None:
    assert yaml.safe_load(own_yaml.dumps({"k": word, word: [word]})) == {"k": word, word: [word]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"n": 5, "a": []}, 'a: []\n"n": 5\n'),
        ({"l": ["x", {"a": 1, "b": [1]}, []]}, "l:\n- x\n- a: 1\n  b:\n  - 1\n- []\n"),
        ({"m": "a\nb\n"}, "m: |\n  a\n  b\n"),
        ({"m": "a\nb"}, "m: |-\n  a\n  b\n"),
        ([["a"], ["b"]], "- - a\n- - b\n"),
        ({"t": "2026-01-02T03:04:05Z", "port": "5432"}, 'port: "5432"\nt: "2026-01-02T03:04:05Z"\n'),
        ({}, "{}\n"),
    ],
)
def test_yaml_layout(value: Any, text: str) -> None:
    assert own_yaml.dumps(value) == text


# ------------------------------------------------------------------------------------------------ durations
@given(st.integers(0, 2**62))
def test_durations_round_trip(nanoseconds: int) -> None:
    assert parse_duration(go_duration(nanoseconds)) == nanoseconds
    assert parse_duration(go_duration(-nanoseconds)) == -nanoseconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("60", 60),
        ("1h", 3600),
        ("1.5h", 5400),
        ("3h25m19s", 12319),
        ("30d", 2592000),
        ("-5s", -5),
        ("0", 0),
        (".5s", 0.5),
        ("2µs", 2e-6),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert math.isclose(parse_duration(text) / 1e9, seconds)


@pytest.mark.parametrize("text", ["", "h", "1x", "soon", "1h ", "1..5s", "--1s", "9" * 30, "1" * 19 + "h", "٣s"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time: invalid duration"):
        parse_duration(text)


@given(st.text(max_size=40))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        assert str(error) == f'time: invalid duration "{text}"'  # noqa: PT017


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (3600, "1h"), (5400, "1h30m"), (3601, "1h0m1s"), (2764800, "768h")],
)
def test_human_durations(seconds: int, shown: str) -> None:
    assert human_seconds(seconds) == shown


# ------------------------------------------------------------------------------------------------ flags and words
FLAGS = tuple(Flag(kind, "", kind) for kind in KINDS)
WORDS = st.lists(
    st.text(max_size=8)
    | st.sampled_from(
        [f"{dash}{kind}{value}" for dash in ("-", "--") for kind in KINDS for value in ("", "=", "=1", "=x", "=a=b")]
    ),
    max_size=6,
)


@given(WORDS)
def test_any_words_are_flags_or_refused(words: list[str]) -> None:
    try:
        values, rest = parse(FLAGS, words)
    except FlagError as error:
        assert str(error)  # noqa: PT017
        return
    assert rest == words[len(words) - len(rest) :]
    for read, kind in ((values.text, "string"), (values.bool, "bool"), (values.int, "int"), (values.int, "duration")):
        read(kind)
    values.list("list")
    values.map("map")


@given(TEXT, TEXT.filter(lambda text: "=" not in text), st.sampled_from(["-", "--"]))
def test_a_value_is_taken_whole(value: str, name: str, dash: str) -> None:
    assert parse(FLAGS, [f"{dash}string={value}", "rest"])[0].text("string") == value
    assert parse(FLAGS, [f"{dash}string", value])[0].text("string") == value


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("-5", -5), ("+5", 5), ("0x1f", 31), ("0o17", 15), ("017", 15), ("0b11", 3), ("1_000", 1000), ("0", 0)],
)
def test_numbers_as_go_reads_them(text: str, number: int) -> None:
    assert parse_int(text) == number


@given(st.lists(TEXT, max_size=5), TEXT)
def test_any_words_are_data_or_refused(words: list[str], stdin: str) -> None:
    try:
        data = parse_words(words, lambda: stdin)
    except Refused as refused:
        assert refused.code == 1  # noqa: PT017
        return
    jsontext.dumps(data)


@given(
    st.lists(
        st.text(max_size=10) | st.sampled_from(["read", "kv", "get", "-format=json", "-h", "token", "status"]),
        max_size=5,
    )
)
def test_any_command_line_ends_with_a_code(words: list[str]) -> None:
    if "server" in words:
        return
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace") for _ in range(3)]
    env = {"VAULT_ADDR": "http://127.0.0.1:1", "HOME": "/nonexistent", "VAULT_MAX_RETRIES": "0"}
    assert execute(words, UI(*streams, env), env, "vault") in (0, 1, 2, 127)
