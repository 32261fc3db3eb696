"""Policies as text: what is accepted, what it means, and the exact refusals."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import PolicyError
from strongroom.policy.match import ACL
from strongroom.policy.parse import PathRule, decode_policy_text, parse_policy


def rule(text: str) -> PathRule:
    (only,) = parse_policy(text, "p").rules
    return only


def capabilities(text: str, path: str) -> list[str]:
    return ACL.compile([parse_policy(text, "p")]).capabilities(path)


REFUSALS = [
    ('path "a" { capabilities = ["read"', "At 1:34: error parsing list, expected comma or list end, got: EOF"),
    ('path "a" {', "At 1:11: object expected closing RBRACE got: EOF"),
    ("just words", "At 1:11: key 'just words' expected start of object ('{') or assignment ('=')"),
    ("5", "At 1:1: expected: IDENT | STRING | ASSIGN | LBRACE got: NUMBER"),
    ('path "a" { capabilities = ["fly"] }', 'path "a": invalid capability "fly"'),
    ('path "a" { capabilities = ["READ"] }', 'path "a": invalid capability "READ"'),
    ('path "a" { capabilities = ["read", ""] }', 'path "a": invalid capability ""'),
    ('path "a" { capabilities = [1] }', 'path "a": invalid capability "1"'),
    ('path "a" { capabilities = [["read"]] }', 'path "a": invalid capability "[\'read\']"'),
    ('path "a" { capabilities = "read" }', 'path "a": At 1:27: unknown slice type: *ast.LiteralType'),
    ('path "a" { capabilities = {} }', 'path "a": At 1:27: unknown slice type: *ast.ObjectType'),
    ('path "a" { capabilities "x" { } }', 'path "a": At 1:29: unknown slice type: *ast.ObjectType'),
    ('path "a" { policy = "admin" }', 'path "a": invalid policy "admin"'),
    ('path "a" { policy = true }', 'path "a": invalid policy "true"'),
    ('path "a/+*" { capabilities = ["read"] }', "path \"a/+*\": invalid use of wildcards ('+*' is forbidden)"),
    ('path "a/b+*c" { }', "path \"a/b+*c\": invalid use of wildcards ('+*' is forbidden)"),
    (
        'path "a" { capability = ["read"] }',
        '1 error occurred:\n\t* path "a": invalid key "capability" on line 1\n\n',
    ),
    (
        'path "a" {\n one = 1\n capabilities = ["read"]\n two = 2 }',
        '2 errors occurred:\n\t* path "a": invalid key "one" on line 2\n\t* path "a": invalid key "two" on line 4\n\n',
    ),
    ('path "a" "b" { }', '1 error occurred:\n\t* path "a": invalid key "b" on line 1\n\n'),
    ('\npaths "a" { }', '1 error occurred:\n\t* invalid key "paths" on line 2\n\n'),
    ('{"paths": {"a": {}}}', '1 error occurred:\n\t* invalid key "paths" on line 1\n\n'),
    ('path = "a"', 'At 1:8: "path" must be a block'),
    ('path { capabilities = ["read"] }', 'At 1:24: "path capabilities" must be a block'),
    (
        'path "a" { allowed_parameters = "no" }',
        'path "a": At 1:33: root.allowed_parameters: not an object type for map (*ast.LiteralType)',
    ),
    (
        'path "a" { denied_parameters = ["no"] }',
        'path "a": At 1:33: root.denied_parameters: not an object type for map (*ast.LiteralType)',
    ),
    (
        'path "a" { allowed_parameters { x = "1" } }',
        'path "a": At 1:37: unknown slice type: *ast.LiteralType',
    ),
    ('path "a" { allowed_parameters "x" { y = [] } }', 'path "a": At 1:12: unknown slice type: *ast.ObjectType'),
    ('path "a" { required_parameters = "x" }', 'path "a": At 1:34: unknown slice type: *ast.LiteralType'),
    ('path "a" { required_parameters = [1] }', 'path "a": required_parameters must be a list of names'),
    (
        'path "a" { min_wrapping_ttl = "2h" max_wrapping_ttl = "1h" }',
        "max_wrapping_ttl cannot be less than min_wrapping_ttl",
    ),
    ('path "a" { min_wrapping_ttl = "soon" }', "error parsing min_wrapping_ttl: time: invalid duration"),
    ('path "a" { max_wrapping_ttl = "-1s" }', "error parsing max_wrapping_ttl: a duration cannot be negative"),
    ('path "kv/{{identity.entity.id" { }', "failed to validate policy templating: unbalanced templating characters"),
    ('path "kv/identity.entity.id}}" { }', "failed to validate policy templating: unbalanced templating characters"),
]


@pytest.mark.parametrize(("text", "message"), REFUSALS)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, "p")
    assert str(caught.value) == f"failed to parse policy: {message}"


@pytest.mark.parametrize(
    "text",
    [
        "# only a comment",
        " \n",
        "{}",
        'path "a" { }',
        'path "a" { capabilities = [] }',
        'path "" { capabilities = ["read"] }',
        'name = "other"\npath "a" { capabilities = ["read",] } // trailing comma',
        'path "a" { comment = "why", mfa_methods = ["x"] }',
        'path "kv/{{}}" { capabilities = ["read"] }',
        'path "kv/{{identity.nosuch}}" { capabilities = ["read"] }',
        'path "kv/{{ identity.entity.id }}{{identity.entity.name}}" { capabilities = ["read"] }',
        'path "a" { allowed_parameters = {} }',
        'path "a" { min_wrapping_ttl = 60, max_wrapping_ttl = "60s" }',
    ],
)
def test_odd_but_accepted(text: str) -> None:
    policy = parse_policy(text, "p")
    assert policy.raw == text
    assert policy.name == "p"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('policy = "read"', ["list", "read"]),
        ('policy = "write"', ["create", "delete", "list", "read", "update"]),
        ('policy = "sudo"', ["create", "delete", "list", "read", "sudo", "update"]),
        ('policy = "deny"', ["deny"]),
        ('policy = ""', ["deny"]),
        ('policy = "read" capabilities = ["delete"]', ["delete", "list", "read"]),
        ('capabilities = ["read"] policy = "deny"', ["deny"]),
        ('capabilities = ["read", "deny", "update"]', ["deny"]),
        ('capabilities = ["read"] capabilities = ["update"]', ["read", "update"]),
        ('capabilities = ["read"] capabilities = ["deny"]', ["deny"]),
        ('capabilities = ["sudo", "patch", "read", "read"]', ["patch", "read", "sudo"]),
        ("capabilities = []", ["deny"]),
        ("", ["deny"]),
    ],
)
def test_capabilities(body: str, expected: list[str]) -> None:
    assert capabilities(f'path "a" {{ {body} }}', "a") == expected


READ, LISTS, DENIES = '{"capabilities": ["read"]}', '{"capabilities": ["list"]}', '{"capabilities": ["deny"]}'
FORMS = [
    f'{{"path": {{"kv/a": {READ}, "kv/b": {LISTS}, "kv/a": {DENIES}}}}}',
    f'{{"path": [{{"kv/a": {READ}}}, {{"kv/b": {LISTS}}}, {{"kv/a": {DENIES}}}]}}',
    f'{{"path": {{"kv/a": [{READ}, {DENIES}], "kv/b": {LISTS}}}}}',
    f'{{"path": {{"kv/a": {DENIES}}}, "path": {{"kv/b": {LISTS}, "kv/a": {READ}}}}}',
    """path = { "kv/a" = { policy = "read" }, "kv/b" { capabilities = ["list"] } }
       path "kv/a" { policy = "deny" }""",
]


@pytest.mark.parametrize("text", FORMS)
def test_no_form_loses_a_deny(text: str) -> None:
    assert capabilities(text, "kv/a") == ["deny"]
    assert capabilities(text, "kv/b") == ["list"]


@pytest.mark.parametrize(("written", "path"), [("/kv/a", "kv/a"), ("//kv/b", "/kv/b"), ("kv//c", "kv//c")])
def test_one_leading_slash_is_dropped(written: str, path: str) -> None:
    assert rule(f'path "{written}" {{}}').path == path


def test_parameters_and_limits() -> None:
    parsed = rule(
        """path "a" {
          capabilities = ["create"]
          allowed_parameters = { "A" = ["x", 1, true, ["l"]], a = ["y"], "b" = ["z"], B = [], "*" = [] }
          denied_parameters { c = [] }
          denied_parameters { d = ["1"] }
          required_parameters = ["Team", "team", "x"]
          min_wrapping_ttl = "1m"
          max_wrapping_ttl = 90
        }"""
    )
    assert parsed.allowed == {"a": ("x", 1, True, ["l"], "y"), "b": (), "*": ()}
    assert parsed.denied == {"c": (), "d": ("1",)}
    assert parsed.required == ("team", "x")
    assert (parsed.min_wrapping_ttl, parsed.max_wrapping_ttl) == (60, 90)
    assert parsed.constrained
    assert not rule('path "a" { capabilities = ["read"] allowed_parameters = {} }').constrained


def test_rules_know_their_lines_and_templates() -> None:
    policy = parse_policy('path "a" {}\n\npath "b/{{identity.entity.id}}" {}\n', "p")
    assert [(r.path, r.line, r.templated) for r in policy.rules] == [
        ("a", 1, False),
        ("b/{{identity.entity.id}}", 3, True),
    ]
    assert policy.templated
    assert not parse_policy('path "a" {}', "p").templated


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (
            base64.b64encode(b'path "kv/a" { capabilities = ["read"] }').decode(),
            'path "kv/a" { capabilities = ["read"] }',
        ),
        ("cGF0aCA\niYSIge30=\r\n", 'path "a" {}'),
        ('path "a" {}', 'path "a" {}'),
        ("just words", "just words"),
        ("5", "5"),
        ("", ""),
    ],
)
def test_base64_is_decoded(sent: str, text: str) -> None:
    assert decode_policy_text(sent) == text


def test_a_word_that_happens_to_be_base64_is_refused_as_vault_does() -> None:
    with pytest.raises(PolicyError, match=r"^failed to parse policy: At 1:1: illegal char$"):
        decode_policy_text("nonsense")


KEYS = [
    "capabilities",
    "policy",
    "allowed_parameters",
    "denied_parameters",
    "required_parameters",
    "min_wrapping_ttl",
    "x",
]
VALUES = [
    '["read"]',
    '"read"',
    "{}",
    '{ a = ["b"] }',
    '{ a = "b" }',
    "[[]]",
    "1",
    "true",
    '"1h"',
    "[{a=1}]",
    '"-5"',
    "1e300",
]
ITEMS = st.builds("{} = {}".format, st.sampled_from(KEYS), st.sampled_from(VALUES))
PATHS = st.text('a/+*{}"\\', max_size=8)


@given(st.lists(st.tuples(PATHS, st.lists(ITEMS, max_size=3)), max_size=3), st.sampled_from(["", "}", "{", "\0"]))
def test_any_text_is_a_policy_or_a_policy_error(paths: list[tuple[str, list[str]]], end: str) -> None:
    text = "\n".join(f'path "{path}" {{\n' + "\n".join(items) + "\n}" for path, items in paths) + end
    try:
        policy = parse_policy(text, "p")
    except PolicyError as error:
        text = str(error)
        assert text.startswith("failed to parse policy: ")
    else:
        ACL.compile([policy]).rules()


@given(st.text() | st.binary().map(lambda b: base64.b64encode(b).decode()))
def test_any_sent_text_decodes_or_is_a_policy_error(text: str) -> None:
    with contextlib.suppress(PolicyError):
        assert isinstance(decode_policy_text(text), str)
