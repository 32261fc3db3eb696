"""HCL and JSON under random input: nothing but `HCLError`, nothing lost, formatting changes no meaning."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from strongroom import hcl
from strongroom.errors import HCLError
from strongroom.hcl import Body, Item, List, Literal, Value

WORDS = r"""path "a" { } [ ] = , 1 -0x1f 1.5e3 true "${x }" E # // /* */ \ \u12 " é null : - 0 9"""
BLANKS = ["<<EOF\n", "<<-E\n", "\nEOF\n", "\n", " ", "\t", "\0", "\ufeff", "\r\n"]
FRAGMENTS = st.sampled_from(WORDS.split() + BLANKS)
TEXTS = st.lists(FRAGMENTS, max_size=40).map("".join) | st.text(max_size=60)


@given(TEXTS)
def test_any_text_parses_or_is_an_hcl_error(text: str) -> None:
    for form in (text, "{" + text, f"a = {text}"):
        try:
            hcl.plain(hcl.parse(form))
        except HCLError as error:
            place = error.line, error.column
            assert min(place) >= 1


@given(TEXTS)
def test_formatting_keeps_meaning_and_comments_and_is_stable(text: str) -> None:
    try:
        body = hcl.parse(text)
    except HCLError:
        return
    formatted = hcl.format(text)
    assert hcl.parse(formatted) == body
    assert hcl.format(formatted) == formatted


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
).map(Literal)
KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(["path", "a", "b-c.d"])


def bodies(labels: int) -> st.SearchStrategy[Body]:
    def extend(inner: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
        assignments = st.builds(lambda key, value: Item((key,), value), KEYS, inner)
        blocks = st.builds(
            lambda keys, items: Item(tuple(keys), Body(tuple(items)), assigned=False),
            st.lists(KEYS, min_size=1, max_size=labels),
            st.lists(assignments, max_size=3),
        )
        body = st.lists(assignments | blocks, max_size=4).map(lambda items: Body(tuple(items)))
        return st.lists(inner, max_size=3).map(lambda items: List(tuple(items))) | body

    values = st.recursive(SCALARS, extend, max_leaves=12)
    return st.lists(st.builds(lambda key, value: Item((key,), value), KEYS, values), max_size=5).map(
        lambda items: Body(tuple(items))
    )


def quoted(text: str) -> str:
    out = (
        text.replace("\\", "\\\\")
        .replace('"', '\\"')
        .replace("\n", "\\n")
        .replace("\0", "\\u0000")
        .replace("${", "\\u0024{")
    )
    return f'"{out}"'


def rendered(value: Value, draw: Any) -> str:
    """The value as HCL, with blanks, commas and comments strewn in."""
    gap = draw(st.sampled_from([" ", "\n", " /* c } */ ", ' # c "\n', "\t// c [\n"]))
    if isinstance(value, Literal):
        if isinstance(value.value, str):
            return quoted(value.value)
        return str(value.value).lower() if isinstance(value.value, bool) else repr(value.value)
    if isinstance(value, List):
        end = draw(st.sampled_from(["", ","])) if value.items else ""
        return "[" + gap + ("," + gap).join(rendered(item, draw) for item in value.items) + end + gap + "]"
    return "{" + gap + rendered_items(value, draw) + gap + "}"


def rendered_items(body: Body, draw: Any) -> str:
    out = ""
    for item in body.items:
        keys = " ".join(
            key if re.fullmatch(r"(?!true$|false$)[a-z][a-z.-]*", key) else quoted(key) for key in item.keys
        )
        sign = draw(st.sampled_from(["=", " = "])) if item.assigned else " "
        out += keys + sign + rendered(item.value, draw) + draw(st.sampled_from(["\n", ",", " , ", " \n"]))
    return out


@given(st.data(), bodies(3))
def test_hcl_round_trip(data: st.DataObject, body: Body) -> None:
    text = rendered_items(body, data.draw)
    assert hcl.parse(text) == body
    assert hcl.parse(hcl.format(text)) == body
    assert hcl.format(hcl.format(text)) == hcl.format(text)


def as_json(value: Value) -> str:
    if isinstance(value, Literal):
        return json.dumps(value.value)
    if isinstance(value, List):
        return "[" + ", ".join(map(as_json, value.items)) + "]"
    return "{" + ", ".join(f"{json.dumps(item.keys[0])}: {as_json(item.value)}" for item in value.items) + "}"


@given(bodies(1))
def test_json_round_trip_with_duplicates(body: Body) -> None:
    assert hcl.parse(as_json(body)) == body


LABELS = st.text("abc/*+", min_size=1, max_size=5)


@given(st.lists(st.tuples(LABELS, st.integers(0, 9)), max_size=8))
def test_no_block_is_dropped(blocks: list[tuple[str, int]]) -> None:
    as_hcl = "\n".join(f'path "{label}" {{ n = {n} }}' for label, n in blocks)
    as_list = json.dumps({"path": [{label: {"n": n}} for label, n in blocks]})
    as_object = '{"path": {' + ", ".join(f'"{label}": {{"n": {n}}}' for label, n in blocks) + "}}"
    for text in (as_hcl, as_list, as_object):
        assert [(b.labels[0], hcl.plain(b.body)["n"]) for b in hcl.parse(text).blocks("path")] == blocks


@given(st.lists(st.tuples(LABELS, st.text("abc #/*", max_size=6)), max_size=6))
def test_formatting_keeps_every_comment(blocks: list[tuple[str, str]]) -> None:
    text = "".join(
        f'# {i}-{c}\npath "{label}" {{ // {i}+{c}\n a = [ # {i}={c}\n 1] # {i}!\n}} # {i}?\n'
        for i, (label, c) in enumerate(blocks)
    )
    formatted = hcl.format(text)
    for i, (_, comment) in enumerate(blocks):
        for wanted in (f"# {i}-{comment}", f"// {i}+{comment}", f"# {i}={comment}", f"# {i}!", f"# {i}?"):
            assert wanted.rstrip() in formatted
