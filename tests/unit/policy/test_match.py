"""Which rule counts, and what it allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from strongroom.policy.match import ACL
from strongroom.policy.parse import Policy, TemplateVars, parse_policy

ROOT = Policy("root", (), "")


def acl(*texts: str, identity: TemplateVars | None = None) -> ACL:
    return ACL.compile([parse_policy(text, chr(97 + i)) for i, text in enumerate(texts)], identity)


def rules(**paths: str) -> str:
    return "\n".join(
        f'path "{path}" {{ capabilities = {cap.split()} }}'.replace("'", '"') for path, cap in paths.items()
    )


MATCHING: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "exact": (
        {"kv/foo": "read", "kv/dir/": "list"},
        {
            "kv/foo": "read",
            "kv/foo/": "read",
            "kv/foo/bar": "deny",
            "kv/fo": "deny",
            "kv/fooo": "deny",
            "kv/Foo": "deny",
        }
        | {"KV/foo": "deny", "kv/dir": "deny", "kv/dir/": "list", "kv/dir/a": "deny", "kv": "deny", "/kv/foo": "read"},
    ),
    "a trailing star": (
        {"kv/foo*": "read", "kv/bar/*": "update"},
        {"kv/foo": "read", "kv/foobar": "read", "kv/foo/": "read", "kv/foo/bar/baz": "read", "kv/fo": "deny"}
        | {"kv/bar": "deny", "kv/bar/": "update", "kv/bar/x/y": "update", "kv/barx": "deny"},
    ),
    "a star inside is a letter": (
        {"kv/*/end": "read", "kv/a*b": "update"},
        {"kv/x/end": "deny", "kv/*/end": "read", "kv/axb": "deny", "kv/a*b": "update", "kv/a*bc": "deny"},
    ),
    "the longest prefix counts alone": (
        {"kv/*": "read list", "kv/a*": "update", "kv/ab/*": "delete", "kv/ab/c": "create"},
        {"kv/x": "list read", "kv/a": "update", "kv/ab": "update", "kv/ab/": "delete", "kv/ab/c": "create"}
        | {"kv/ab/cd": "delete"},
    ),
    "a plus is one segment": (
        {"kv/+/end": "read", "+/two": "update", "one/+": "delete", "deep/+/+/x": "list"},
        {"kv/a/end": "read", "kv/a/b/end": "deny", "kv//end": "read", "kv/end": "deny", "a/two": "update"}
        | {"a/b/two": "deny", "one/x": "delete", "one/": "delete", "one": "deny", "one/x/y": "deny"}
        | {"deep/a/b/x": "list", "deep/a/x": "deny", "deep/a/b/c/x": "deny"},
    ),
    "a plus beside letters is a letter": (
        {"kv/a+": "read", "kv/+a": "update", "kv/a+b/c": "delete"},
        {
            "kv/a+": "read",
            "kv/ab": "deny",
            "kv/+a": "update",
            "kv/xa": "deny",
            "kv/a+b/c": "delete",
            "kv/axb/c": "deny",
        },
    ),
    "plus and star together": (
        {"kv/+/team-*": "read", "app/+/*": "update"},
        {"kv/a/team-": "read", "kv/a/team-x/y/z": "read", "kv/a/b/team-x": "deny", "kv/a/team": "deny"}
        | {"app/a/": "update", "app/a/b/c": "update", "app/a": "deny", "app/": "deny"},
    ),
    "exact beats all": (
        {"kv/a/b": "read", "kv/+/b": "update", "kv/a/*": "delete", "kv/a/c": "deny"},
        {"kv/a/b": "read", "kv/x/b": "update", "kv/a/x": "delete", "kv/a/c": "deny", "kv/a/b/c": "delete"},
    ),
    "the later first wildcard counts": (
        {"kv/+/c/d": "read", "kv/b/+/d": "update", "kv/b/c/*": "delete"},
        {"kv/b/c/d": "delete", "kv/b/x/d": "update", "kv/x/c/d": "read"},
    ),
    "plus before star at the same place": (
        {"kv/+": "read", "kv/*": "update", "app/+/x": "list", "app/*": "delete", "app/+/*": "create"},
        {"kv/a": "read", "kv/a/b": "update", "app/a/x": "list", "app/a/y": "delete", "app/a": "delete"},
    ),
    "fewer plus, then longer": (
        {"kv/+/+/c": "read", "kv/+/b/c": "update", "kv/+/b/*": "delete", "kv/+/b/c*": "list"},
        {"kv/a/b/c": "update", "kv/a/x/c": "read", "kv/a/b/d": "delete", "kv/a/b/cc": "list", "kv/a/b/": "delete"},
    ),
    "longer among plus and star": (
        {"kv/+/a*": "read", "kv/+/ab*": "update", "kv/+/*": "delete", "kv/+/abc": "list"},
        {"kv/x/a": "read", "kv/x/ab": "update", "kv/x/abc": "list", "kv/x/abcd": "update", "kv/x/b": "delete"},
    ),
    "a deny counts only where it wins": (
        {"kv/*": "deny", "kv/open/*": "read", "kv/open/closed": "deny", "kv/+/public": "update", "kv/open/+": "list"},
        {"kv/x": "deny", "kv/open/a": "list", "kv/open/a/b": "read", "kv/open/closed": "deny"}
        | {"kv/open/closed/x": "read", "kv/x/public": "update", "kv/open/public": "list"},
    ),
    "nothing is inherited": ({"kv/*": "read sudo", "kv/a": "update", "kv/b": ""}, {"kv/a": "update", "kv/b": "deny"}),
    "a lone star and a lone plus": ({"*": "read", "+": "list"}, {"a": "list", "a/b": "read", "": "list"}),
    "asked paths are literal": (
        {"kv/x/+": "update", "kv/y": "delete", "kv/z*": "list"},
        {"kv/x/*": "update", "kv/x/+": "update", "kv/y*": "deny", "kv/z*": "list", "*": "deny", "+": "deny"},
    ),
}


@pytest.mark.parametrize(("paths", "expected"), MATCHING.values(), ids=MATCHING)
def test_matching(paths: dict[str, str], expected: dict[str, str]) -> None:
    compiled = acl(rules(**paths))
    assert {path: " ".join(compiled.capabilities(path)) for path in expected} == expected


LISTING = [
    ({"kv/dir": "list"}, "kv/dir/", True),
    ({"kv/dir": "list", "kv/dir/": "read"}, "kv/dir/", False),
    ({"kv/dir": "read", "kv/dir/": "list"}, "kv/dir/", True),
    ({"kv/dir*": "list"}, "kv/dir/", True),
    ({"kv/+": "list"}, "kv/dir/", True),
    ({"kv/+": "list"}, "kv/", True),
    ({"kv/+": "list"}, "kv/dir/sub/", False),
    ({"kv/+": "list", "kv/*": "read"}, "kv/dir/", True),
    ({"kv/a*": "list", "kv/ab/*": "deny"}, "kv/ab/", False),
    ({"kv/*": "list", "kv/dir": "read"}, "kv/dir/", False),
]


@pytest.mark.parametrize(("paths", "path", "allowed"), LISTING)
def test_listing_with_and_without_the_slash(paths: dict[str, str], path: str, allowed: bool) -> None:
    assert acl(rules(**paths)).decide(path, "list").allowed is allowed


def test_reading_does_not_drop_the_slash() -> None:
    assert not acl(rules(**{"kv/dir": "read"})).decide("kv/dir/", "read").allowed


@pytest.mark.parametrize("operation", ["create", "read", "update", "delete", "list", "patch"])
def test_each_operation_needs_its_capability(operation: str) -> None:
    others = [c for c in ("create", "read", "update", "delete", "list", "patch", "sudo") if c != operation]
    assert acl(rules(a=operation)).decide("a", operation).allowed
    assert not acl(rules(a=" ".join(others))).decide("a", operation).allowed
    assert not acl(rules(a=f"{operation} deny")).decide("a", operation).allowed


def test_help_is_open_and_unknown_operations_are_not() -> None:
    compiled = acl(rules(a="create read update delete list patch sudo"))
    assert compiled.decide("anything", "help").allowed
    assert not compiled.decide("a", "fly").allowed
    assert compiled.decide("a", "renew").allowed


def test_sudo_is_taken_from_the_rule_that_counts() -> None:
    compiled = acl(rules(**{"sys/*": "read sudo", "sys/a": "read", "sys/b": "sudo"}))
    assert [compiled.decide(path, "read").sudo for path in ("sys/x", "sys/a", "sys/b")] == [True, False, True]
    assert not compiled.decide("sys/b", "read").allowed


MERGING: list[tuple[list[str], dict[str, str]]] = [
    ([rules(x="read"), rules(x="update"), rules(x="list delete")], {"x": "delete list read update"}),
    ([rules(x="read update"), rules(x="deny")], {"x": "deny"}),
    ([rules(x="deny"), rules(x="read")], {"x": "deny"}),
    ([rules(x="read"), rules(**{"x*": "update"})], {"x": "read", "xx": "update", "x/": "read"}),
    ([rules(x="read") + "\n" + rules(x="deny")], {"x": "deny"}),
    ([rules(**{"x/*": "read"}), rules(**{"/x/*": "list"})], {"x/y": "list read"}),
    ([rules(**{"x/+/*": "read"}), rules(**{"x/+/*": "deny"})], {"x/y/z": "deny"}),
    ([], {"x": "deny"}),
]


@pytest.mark.parametrize(("texts", "expected"), MERGING)
def test_merging(texts: list[str], expected: dict[str, str]) -> None:
    for order in (texts, texts[::-1]):
        compiled = acl(*order)
        assert {path: " ".join(compiled.capabilities(path)) for path in expected} == expected


def test_root_is_root_whatever_else() -> None:
    compiled = ACL.compile([parse_policy(rules(x="deny"), "a"), ROOT])
    decision = compiled.decide("x", "delete")
    assert (decision.allowed, decision.root, decision.sudo, decision.granting) == (True, True, True, ("root",))
    assert compiled.capabilities("x") == ["root"]
    assert compiled.rules() == {"root": True}
    assert compiled.allows_any("kv/")


def test_granting_policies_are_those_that_grant_the_operation() -> None:
    compiled = acl(rules(x="read"), rules(x="read update"), rules(x="update"), rules(**{"*": "read"}))
    assert compiled.decide("x", "read").granting == ("a", "b")
    assert compiled.decide("x", "update").granting == ("b", "c")
    assert compiled.decide("x", "delete").granting == ()


CONSTRAINED = 'path "x" {{ capabilities = ["create", "update", "read", "list", "delete", "patch"]\n {} }}'
Data = Mapping[str, Any]
PARAMETERS: dict[str, tuple[str, list[Data], list[Data]]] = {
    "allowed keys": (
        "allowed_parameters = { a = [] b = [] }",
        [{}, {"a": "1"}, {"a": 1, "b": None}, {"A": "1"}, {"a": ["l", "m"]}],
        [{"c": "3"}, {"a": "1", "c": "3"}],
    ),
    "allowed values": (
        'allowed_parameters = { env = ["dev", "stage"] n = [] }',
        [{"env": "dev"}, {"ENV": "stage"}, {"env": "dev", "n": "any"}, {"n": 7}],
        [{"env": "prod"}, {"env": "Dev"}, {"env": ""}, {"env": ["dev"]}, {"env": None}],
    ),
    "allowed globs": (
        'allowed_parameters = { h = ["*.x"] t = ["o-*"] m = ["*core*"] any = ["*"] all = ["**"] }',
        [{"h": "a.x"}, {"h": ".x"}, {"t": "o-"}, {"m": "hardcore"}, {"any": "*"}, {"all": ""}, {"all": "x"}],
        [{"h": "x"}, {"h": "a.x.y"}, {"t": "o"}, {"t": "do-e"}, {"m": "soft"}, {"any": ""}, {"any": "x"}, {"any": 7}],
    ),
    "allowed star": (
        'allowed_parameters = { env = ["dev"] "*" = ["ignored"] }',
        [{"env": "dev", "o": "1"}, {"o": "1"}],
        [{"env": "prod"}, {"env": "prod", "o": "1"}],
    ),
    "allowed star alone": ('allowed_parameters = { "*" = ["v"] }', [{"a": "v"}, {"a": "w"}], []),
    "types": (
        'allowed_parameters = { n = [5] f = [1.5] s = ["5"] b = [true] sb = ["true"] l = [["a", "b"]] o = [{ a=1 }] }',
        [{"s": "5"}, {"b": True}, {"sb": "true"}, {"l": ["a", "b"]}],
        [
            *({"n": 5}, {"n": "5"}, {"f": 1.5}, {"s": 5}, {"b": "true"}, {"b": 1}, {"b": False}, {"sb": True}),
            *({"l": ["a"]}, {"l": "a"}, {"l": ["b", "a"]}, {"o": {"a": 1}}),
        ],
    ),
    "numbers in lists do not match either": ("allowed_parameters = { l = [[1]] }", [], [{"l": [1]}, {"l": ["1"]}]),
    "denied keys": (
        "denied_parameters = { ttl = [] Max = [] }",
        [{}, {"a": "1"}],
        [{"ttl": "1h"}, {"a": "1", "ttl": ""}, {"TTL": "1h"}, {"max": None}],
    ),
    "denied values": (
        'denied_parameters = { env = ["prod", "live-*"] }',
        [{"env": "dev"}, {"env": "PROD"}, {"env": ["prod"]}, {"other": "prod"}],
        [{"env": "prod"}, {"env": "live-1"}],
    ),
    "denied star": ('denied_parameters = { "*" = ["bad"] }', [{}], [{"a": "good"}]),
    "denied before allowed": (
        'allowed_parameters = { a = [] b = [] } denied_parameters = { b = ["no"] c = [] }',
        [{"a": "1", "b": "2"}],
        [{"b": "no"}, {"c": "1"}, {"d": "1"}],
    ),
    "required": (
        'required_parameters = ["owner", "Team"]',
        [{"owner": "a", "team": "b"}, {"owner": None, "team": "", "more": 1}],
        [{}, {"owner": "a"}, {"owner": "a", "TEAM": "b"}, {"owner": "a", "Team": "b"}],
    ),
    "empty blocks forbid nothing": ("allowed_parameters = {} denied_parameters = {}", [{"a": 1}, {}], []),
}


@pytest.mark.parametrize(("body", "good", "bad"), PARAMETERS.values(), ids=PARAMETERS)
@pytest.mark.parametrize("operation", ["create", "update", "read", "patch"])
def test_parameters(body: str, good: list[Data], bad: list[Data], operation: str) -> None:
    compiled = acl(CONSTRAINED.format(body))
    assert [data for data in good if not compiled.decide("x", operation, data=data).allowed] == []
    assert [data for data in bad if compiled.decide("x", operation, data=data).allowed] == []


@pytest.mark.parametrize("operation", ["list", "delete"])
def test_parameters_do_not_count_for_list_and_delete(operation: str) -> None:
    compiled = acl(CONSTRAINED.format('required_parameters = ["a"] denied_parameters = { "*" = [] }'))
    assert compiled.decide("x", operation, data={"b": "1"}).allowed


def test_parameters_of_several_policies_add_up() -> None:
    a, b, c, d, e, r = (
        CONSTRAINED.format(body)
        for body in (
            'allowed_parameters = { x = ["1"] }',
            'allowed_parameters = { x = ["2"] y = [] }',
            "allowed_parameters = { x = [] }",
            "denied_parameters = { y = [] }",
            "",
            'required_parameters = ["x"]',
        )
    )
    for texts, data, allowed in (
        ((a, b), {"x": "1"}, True),
        ((a, b), {"x": "2", "y": "3"}, True),
        ((a, b), {"x": "3"}, False),
        ((a, c), {"x": "3"}, True),
        ((b, d), {"x": "2"}, True),
        ((b, d), {"x": "2", "y": "3"}, False),
        ((a, e), {"z": "1"}, False),
        ((a, e), {"x": "1"}, True),
        ((e, r), {"z": "1"}, False),
        ((e, r), {"x": "1", "z": "1"}, True),
    ):
        for order in (texts, texts[::-1]):
            assert acl(*order).decide("x", "update", data=data).allowed is allowed, (texts, data)


@pytest.mark.parametrize(
    ("texts", "allowed", "refused"),
    [
        (["max_wrapping_ttl = 90"], [60, 90, 0.5], [0, 91]),
        (['min_wrapping_ttl = "100s"'], [100, 300], [0, 60, 99.5]),
        (['min_wrapping_ttl = "1m" max_wrapping_ttl = "2m"'], [60, 120], [0, 59, 121]),
        (['min_wrapping_ttl = "1m" max_wrapping_ttl = "2m"', "max_wrapping_ttl = 30"], [], [0, 30, 60, 90]),
        (['min_wrapping_ttl = "1m" max_wrapping_ttl = "2m"', "min_wrapping_ttl = 20"], [20, 25, 120], [0, 10, 121]),
    ],
)
def test_wrapping_limits(texts: list[str], allowed: list[float], refused: list[float]) -> None:
    compiled = acl(*(CONSTRAINED.format(text) for text in texts))
    for operation in ("read", "delete"):
        assert [ttl for ttl in (*allowed, *refused) if compiled.decide("x", operation, wrap_ttl=ttl).allowed] == allowed


class Identity:
    def __init__(self, **values: str) -> None:
        self._values = values

    def value(self, name: str) -> str | None:
        return self._values.get(name)


ANN = Identity(**{"identity.entity.id": "e-1", "identity.entity.name": "ann", "identity.entity.metadata.team": "blue"})
TEMPLATES = rules(
    **{
        "kv/{{identity.entity.metadata.team}}/{{ identity.entity.name }}": "read",
        "kv/{{identity.entity.name}}/+/x": "update",
        "kv/{{identity.entity.name}}/*": "list",
        "kv/{{identity.entity.name}}-*": "delete",
        "kv/{{identity.entity.metadata.nosuch}}": "update",
        "kv/{{}}": "update",
        "kv/plain": "create",
    }
)


@pytest.mark.parametrize(
    ("identity", "path", "expected"),
    [
        (ANN, "kv/blue/ann", "read"),
        (ANN, "kv/ann/a/x", "update"),
        (ANN, "kv/ann/a/y", "list"),
        (ANN, "kv/ann-1", "delete"),
        (ANN, "kv/", "deny"),
        (ANN, "kv/plain", "create"),
        (None, "kv/plain", "create"),
        (None, "kv//a/x", "deny"),
        (None, "kv/{{identity.entity.name}}/y", "deny"),
        (Identity(**{"identity.entity.name": ""}), "kv//y", "deny"),
    ],
)
def test_templates(identity: TemplateVars | None, path: str, expected: str) -> None:
    assert acl(TEMPLATES, identity=identity).capabilities(path) == [expected]


@pytest.mark.parametrize(
    ("template", "name", "path", "allowed"),
    [
        ("kv/{{n}}/x", "+", "kv/other/x", False),
        ("kv/{{n}}", "*", "kv/other", False),
        ("kv/{{n}}", "a/*", "kv/a/b", False),
        ("kv/{{n}}*", "a+", "kv/a+b", False),
        ("kv/{{n}}/x", "a/+/b", "kv/a/c/b/x", False),
        ("kv/{{n}}/x", "a+b", "kv/a+b/x", True),
        ("kv/{{n}}/x", "a*", "kv/a*/x", True),
        ("kv/{{n}}/*", "ns/name", "kv/ns/name/x", True),
        ("kv/{{n}}/x", "{{n}}", "kv/{{n}}/x", True),
    ],
)
def test_a_chosen_name_is_never_a_wildcard(template: str, name: str, path: str, allowed: bool) -> None:
    compiled = acl(rules(**{template: "read"}), identity=Identity(n=name))
    assert compiled.decide(path, "read").allowed is allowed


REASONS = [
    ("x", "read", {"a": 1}, 'path "x" (policy a line 1, policy b line 2) grants read'),
    ("x", "delete", {}, 'path "x" (policy a line 1, policy b line 2) grants read, sudo, update, not delete'),
    ("none", "read", {}, 'no policy has a rule for "none"'),
    ("none", "help", {}, "help is open to all"),
    ("d/y", "read", {}, 'path "d/*" (policy b line 3) denies everything'),
    ("e", "read", {}, 'path "e" (policy b line 4) grants nothing, not read'),
    (
        "p",
        "read",
        {"v": "hunter2"},
        'path "p" (policy b line 5) grants read, but parameter "v" is not allowed, or its value',
    ),
    (
        "p",
        "read",
        {"a": "hunter2"},
        'path "p" (policy b line 5) grants read, but parameter "a" is not allowed, or its value',
    ),
    ("q", "read", {"a": "1"}, 'path "q" (policy b line 6) grants read, but parameter "a" is denied, or its value'),
    ("r", "read", {}, 'path "r" (policy b line 7) grants read, but parameter "o" is required'),
    ("w", "read", {}, 'path "w" (policy b line 8) grants read, but the answer must be wrapped'),
]


@pytest.mark.parametrize(("path", "operation", "data", "reason"), REASONS)
def test_reasons_name_rule_and_line_and_no_value(path: str, operation: str, data: Data, reason: str) -> None:
    compiled = acl(
        'path "x" { capabilities = ["read"] }',
        '\npath "x" { capabilities = ["update", "sudo"] }\npath "d/*" { policy = "deny" }\npath "e" {}\n'
        'path "p" { capabilities = ["read"] allowed_parameters = { a = ["1"] } }\n'
        'path "q" { capabilities = ["read"] denied_parameters = { a = [] } }\n'
        'path "r" { capabilities = ["read"] required_parameters = ["o"] }\n'
        'path "w" { capabilities = ["read"] max_wrapping_ttl = 60 }\n',
    )
    decision = compiled.decide(path, operation, data=data)
    assert decision.reason == reason
    assert decision.allowed is (not decision.missing)
    assert reason in repr(decision)


def test_a_decision_names_rule_and_sources() -> None:
    decision = acl(rules(**{"kv/*": "read"})).decide("kv/x", "read")
    assert (decision.rule, decision.sources) == ("kv/*", (("a", 1),))
    assert ACL.compile([ROOT]).decide("x", "read").reason == "the token has the root policy"


@pytest.mark.parametrize(
    ("paths", "allowed"),
    [
        ({}, False),
        ({"kv/a": "read"}, True),
        ({"kv/a": "deny", "kv/b": ""}, False),
        ({"kv/": "list"}, True),
        ({"kv": "list"}, True),
        ({"kvx/a": "read"}, False),
        ({"kv/*": "read"}, True),
        ({"k*": "read"}, True),
        ({"kv/*": "deny", "kv/a/b": "read"}, True),
        ({"*": "read", "kv/*": "deny"}, False),
        ({"kv/a/*": "sudo"}, True),
        ({"+/a": "read"}, True),
        ({"+/a": "deny"}, False),
        ({"kv/+/a": "read"}, True),
        ({"+/+/*": "read"}, True),
        ({"ab/+/a": "read"}, False),
        ({"kv/+/a*": "deny"}, False),
    ],
)
def test_allows_any_below_a_mount(paths: dict[str, str], allowed: bool) -> None:
    assert acl(rules(**paths)).allows_any("kv/") is allowed


def test_allows_any_below_a_deep_mount() -> None:
    assert acl(rules(**{"team/+/x": "read"})).allows_any("team/kv/")
    assert acl(rules(**{"+/k*": "read"})).allows_any("team/kv/")
    assert not acl(rules(**{"team/+": "deny", "other/+/x": "read"})).allows_any("team/kv/")


def test_rules_for_the_user_interface() -> None:
    compiled = acl(
        rules(**{"kv/a": "read list", "kv/b/*": "update", "kv/c": "deny", "kv/+/x": "read", "kv/d": ""})
        + '\npath "kv/p" { capabilities = ["read"] allowed_parameters = { a = ["1"] } required_parameters = ["a"]'
        ' min_wrapping_ttl = "1m" max_wrapping_ttl = "2m" denied_parameters = { b = [] } }'
    )
    assert compiled.rules() == {
        "exact_paths": {
            "kv/a": {"capabilities": ["list", "read"]},
            "kv/c": {"capabilities": ["deny"]},
            "kv/d": {"capabilities": ["deny"]},
            "kv/p": {
                "capabilities": ["read"],
                "min_wrapping_ttl": 60,
                "max_wrapping_ttl": 120,
                "allowed_parameters": {"a": ["1"]},
                "denied_parameters": {"b": []},
                "required_parameters": ["a"],
            },
        },
        "glob_paths": {"kv/b/": {"capabilities": ["update"]}},
        "root": False,
    }


def test_what_is_remembered_stays_bounded_and_right() -> None:
    compiled = acl(rules(**{"kv/*": "read", "kv/5": "deny"}) + "\n" + CONSTRAINED.format('required_parameters = ["a"]'))
    for _ in range(2):
        for i in range(2000):
            assert compiled.decide(f"kv/{i}", "read").allowed is (i != 5)
            assert compiled.decide("x", "read", data={"a": 1} if i % 2 else {}).allowed is bool(i % 2)
    assert len(compiled._memo) <= 512
