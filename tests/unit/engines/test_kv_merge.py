"""JSON merge patch: the test cases of RFC 7396, appendix A, and what must hold of any patch."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.engines.kv.v2.merge import members, merge_patch


def merged(target: str, patch: str) -> str:
    return bytes(merge_patch(msgspec.Raw(target.encode()), msgspec.Raw(patch.encode()))).decode()


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
        ('["a","b"]', '["c","d"]', '["c","d"]'),
        ('{"a":"b"}', '["c"]', '["c"]'),
        ('{"a":"foo"}', "null", "null"),
        ('{"a":"foo"}', '"bar"', '"bar"'),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
    ],
)
def test_rfc_7396(target, patch, result):
    assert merged(target, patch) == result


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def reference(target, patch):
    """The RFC's own pseudocode."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = reference(target.get(name), value)
    return target


@given(JSON, JSON)
def test_any_patch_does_what_the_rfc_says(target, patch):
    text = merged(json.dumps(target), json.dumps(patch))
    assert json.loads(text) == reference(target, patch)


@given(JSON, JSON)
def test_a_patch_applied_twice_changes_nothing_more(target, patch):
    once = merged(json.dumps(target), json.dumps(patch))
    assert json.loads(merged(once, json.dumps(patch))) == json.loads(once)


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True))
def test_no_number_loses_a_digit(number):
    target = '{"kept":N,"o":{"in":N}}'.replace("N", number)
    patch = '{"new":N,"o":{"x":1}}'.replace("N", number)
    assert merged(target, patch) == '{"kept":N,"o":{"in":N,"x":1},"new":N}'.replace("N", number)


@pytest.mark.parametrize("value", ["null", "1", '"{"', "[{}]", "true"])
def test_only_objects_have_members(value):
    assert members(msgspec.Raw(value.encode())) is None
