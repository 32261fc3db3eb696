"""Arguments: names, aliases, defaults, what was given, and refusals that name the field alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.args import Args, field
from strongroom.api.fields import (
    Base64,
    CommaList,
    Duration,
    IntList,
    LowerName,
    Name,
    Pairs,
    RawObject,
    SignedDuration,
)
from strongroom.errors import BadRequest


class Everything(Args):
    name: Name = field("A name.")
    text: str = field("A text.", aliases=("old_text", "older_text"))
    lower: LowerName = field("A text in lower case.")
    number: int = field("A number.", default=7)
    ratio: float = field("A ratio.")
    flag: bool = field("A flag.", default=True)
    ttl: Duration = field("A duration.")
    increment: SignedDuration = field("A duration of either sign.")
    data: Base64 = field("Bytes.")
    policies: CommaList = field("Names.")
    versions: IntList = field("Numbers.")
    labels: list[str] = field("Texts.", default=["x"])
    meta: Pairs = field("Pairs.")
    options: dict[str, Any] = field("A map.")
    secret: RawObject = field("An object.")
    anything: Any = field("Anything.")
    maybe: Base64 | None = field("Bytes or nothing.")
    shape: str = field("A choice.", default="round", choices=("round", "square"))


class Needy(Args):
    plaintext: str = field("What is needed.", required="missing plaintext")
    context: str = field("What is not.")


def parse(
    data: dict[str, Any], params: dict[str, str] | None = None, args: type[Args] = Everything
) -> tuple[Any, list[str]]:
    raw = msgspec.json.decode(msgspec.json.encode(data), type=dict[str, msgspec.Raw])
    return args.parse(params or {}, data, raw)


def test_without_parameters_everything_is_its_default() -> None:
    args, unknown = parse({})
    assert unknown == []
    assert args.given == frozenset()
    assert (args.name, args.text, args.lower, args.number, args.ratio, args.flag) == ("", "", "", 7, 0, True)
    assert (args.ttl, args.increment, args.data, args.policies, args.versions) == (0, 0, b"", [], [])
    assert (args.labels, args.meta, args.options, args.secret, args.anything, args.maybe) == (
        ["x"],
        {},
        {},
        None,
        None,
        None,
    )
    assert args.shape == "round"


def test_null_stands_for_the_default_and_counts_as_given() -> None:
    args, _ = parse(dict.fromkeys(Everything.fields))
    assert args.given == frozenset(Everything.fields)
    assert (args.number, args.flag, args.labels, args.shape) == (7, True, ["x"], "round")


def test_parameters_are_read_by_their_kinds() -> None:
    args, unknown = parse(
        {"text": 5, "number": "6", "flag": "false", "ttl": "1h", "data": "aGk=", "policies": "a,b", "maybe": "aGk="}
    )
    assert unknown == []
    assert (args.text, args.number, args.flag, args.ttl, args.data) == ("5", 6, False, 3600, b"hi")
    assert (args.policies, args.maybe) == (["a", "b"], b"hi")
    assert args.given == {"text", "number", "flag", "ttl", "data", "policies", "maybe"}


def test_what_a_handler_changes_is_not_the_next_requests_default() -> None:
    for data in ({}, {"labels": None, "options": None}):
        first, _ = parse(data)
        first.labels.append("leak")
        first.options["leak"] = 1
        second, _ = parse(data)
        assert (second.labels, second.options) == (["x"], {})
    assert Everything.fields["labels"].default == ["x"]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"old_text": "o"}, "o"),
        ({"older_text": "oo"}, "oo"),
        ({"old_text": "o", "older_text": "oo"}, "o"),
        ({"older_text": "oo", "old_text": "o"}, "o"),
        ({"old_text": "o", "text": "t"}, "t"),
        ({"text": "", "old_text": "o"}, ""),
        ({"text": None, "old_text": "o"}, ""),
    ],
)
def test_an_alias_counts_only_where_no_earlier_name_is_given(data: dict[str, Any], text: str) -> None:
    args, unknown = parse(data)
    assert args.text == text
    assert args.given == {"text"}
    assert unknown == []


def test_unknown_names_come_sorted() -> None:
    assert parse({"zz": 1, "text": "t", "aa": None})[1] == ["aa", "zz"]


def test_the_path_wins_over_the_body() -> None:
    args, unknown = parse({"name": "body", "text": "t"}, {"name": "path"})
    assert (args.name, args.text, unknown) == ("path", "t", [])


def test_a_path_parameter_that_is_not_declared_is_left_out() -> None:
    args, unknown = parse({}, {"elsewhere": "x"})
    assert not hasattr(args, "elsewhere")
    assert unknown == []


def test_a_text_keeps_the_digits_that_were_written() -> None:
    raw = {"text": msgspec.Raw(b" 123456789012345678901234567890 "), "lower": msgspec.Raw(b"1E3")}
    args, _ = Everything.parse({}, {"text": 1.2345678901234568e29, "lower": 1000.0}, raw)
    assert (args.text, args.lower) == ("123456789012345678901234567890", "1e3")


def test_a_raw_object_is_kept_as_it_was_written() -> None:
    written = b'{ "big": 123456789012345678901234567890,\n "z": 1.0, "a": 1e2 }'
    args, _ = Everything.parse({}, {"secret": {"big": 1e29, "z": 1.0, "a": 100.0}}, {"secret": msgspec.Raw(written)})
    assert bytes(args.secret) == written
    assert bytes(Everything.parse({}, {"secret": []}, {"secret": msgspec.Raw(b"[]")})[0].secret) == b"{}"
    assert bytes(Everything.parse({}, {"secret": {"a": 1}}, {})[0].secret) == b'{"a":1}'


def test_what_is_required_must_be_named() -> None:
    with pytest.raises(BadRequest) as caught:
        parse({"context": "x"}, args=Needy)
    assert caught.value.errors == ["missing plaintext"]
    assert parse({"plaintext": ""}, args=Needy)[0].plaintext == ""
    assert Needy.parse({}, {}, {}, complete=False)[0].plaintext == ""


@pytest.mark.parametrize("value", ["triangle-of-secrets", 7, ""])
def test_a_choice_outside_the_choices_is_refused_without_being_repeated(value: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        parse({"shape": value})
    assert caught.value.errors == ['Field validation failed: field "shape" must be one of round, square']


@pytest.mark.parametrize(
    "field_name", ["number", "ttl", "flag", "data", "versions", "meta", "options", "secret", "ratio", "name"]
)
def test_a_refusal_names_the_field_and_not_the_value(field_name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse({field_name: "hunter2 !"})
    (text,) = caught.value.errors
    assert f'field "{field_name}"' in text
    assert "hunter2" not in text


def test_a_refusal_names_the_alias_that_was_used() -> None:
    with pytest.raises(BadRequest, match='field "old_text"'):
        parse({"old_text": ["a"]})


def test_arguments_are_inherited_and_overridden() -> None:
    class Base(Args):
        name: Name = field("A name.")
        other: int = field("A number.")

    class Derived(Base):
        other: str = field("A text now.")
        more: bool = field("More.")

    assert set(Derived.fields) == {"name", "other", "more"}
    assert set(Base.fields) == {"name", "other"}
    assert parse({"other": "x", "more": 1}, args=Derived)[0].other == "x"
    assert parse({"other": "5", "more": 1}, args=Base)[1] == ["more"]


def test_a_type_that_no_kind_reads_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="no field kind"):

        class Wrong(Args):
            odd: set[str] = field("Nothing reads this.")


def test_a_name_that_args_need_themselves_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="for itself"):

        class Wrong(Args):
            fields: str = field("Taken.")  # type: ignore[assignment]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*Everything.fields, "old_text", "older_text"]) | st.text(max_size=8)


@given(st.dictionaries(NAMES, JSON, max_size=6))
def test_whatever_comes_is_parsed_or_a_bad_request(data: dict[str, Any]) -> None:
    try:
        args, unknown = Everything.parse({}, data, {})
    except BadRequest:
        return
    assert args.given <= frozenset(Everything.fields)
    assert unknown == sorted(set(data) - set(Everything.fields) - {"old_text", "older_text"})
