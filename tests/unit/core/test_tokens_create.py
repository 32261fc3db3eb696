"""The rules of making tokens, in the order in which they are checked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.context import MountInfo
from strongroom.core.token_create import CreateArgs, Draft, Maker, draft
from strongroom.core.token_model import TokenEntry
from strongroom.core.token_roles import RoleEntry
from strongroom.errors import BadRequest

NOW = 1_700_000_000_000_000_000
NANO = 1_000_000_000
HOUR = 3600
MOUNT = MountInfo("auth/token/", "token", "u", "a", kind="auth")


def parent(*policies: str, **more: Any) -> TokenEntry:
    return TokenEntry("parent", "acc", "auth/token/create", tuple(sorted(policies)), NOW, **more)


ROOT = parent("root")


def made(
    by: TokenEntry = ROOT,
    *,
    sudo: bool | None = None,
    orphan: bool = False,
    role: RoleEntry | None = None,
    **asked: Any,
) -> Draft:
    maker = Maker(by, "auth/token/create", MOUNT, by.root if sudo is None else sudo, orphan, role)

    async def entity(name: str) -> str:
        return f"entity of {name}"

    return asyncio.run(draft(CreateArgs(**asked), maker, NOW, entity))


def refusal(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(BadRequest) as refused:
        made(*args, **kwargs)
    return str(refused.value)


BATCH = RoleEntry("b", token_type="batch", orphan=True, renewable=False)
OUTSIDE = (
    'token policies (["d" "default"]) must be subset of the role\'s allowed policies (["a" "default"]) '
    "or glob policies ([])"
)
NO_CHILDREN = "restricted use token cannot generate child tokens"

#: Each row breaks its own rule and all that come after it.
ORDER: list[tuple[str, dict[str, Any]]] = [
    ("batch tokens cannot create more tokens", {"by": parent("p", type="batch", num_uses=1)}),
    (NO_CHILDREN, {"by": parent("p", num_uses=2), "type": "bogus"}),
    ("invalid 'token_type' value", {"type": "bogus", "num_uses": -1}),
    ('batch tokens cannot have "explicit_max_ttl" set', {"type": "batch", "explicit_max_ttl": 5, "num_uses": -1}),
    ('batch tokens cannot have "num_uses" set', {"type": "batch", "num_uses": -1, "period": 4}),
    ('batch tokens cannot have "period" set', {"type": "batch", "period": 4, "entity_alias": "x"}),
    ("number of uses cannot be negative", {"num_uses": -1, "entity_alias": "x"}),
    ("'entity_alias' is only allowed in combination with token role", {"entity_alias": "x", "id": "mine"}),
    ("root or sudo privileges required to specify token id", {"id": "mine", "policies": ["z"]}),
    ("child policies must be subset of parent", {"policies": ["z"], "no_parent": True}),
    ("root or sudo privileges required to create orphan token", {"no_parent": True, "explicit_max_ttl": -1}),
    ("explicit_max_ttl must be positive", {"explicit_max_ttl": -1, "period": -1}),
    ("period must be positive", {"period": -1, "ttl": -1}),
    ("root or sudo privileges required to create periodic token", {"period": 1, "ttl": -1}),
    ("ttl must be positive", {"ttl": -1, "lease": -1}),
    ("lease must be positive", {"lease": -1}),
]


@pytest.mark.parametrize(("text", "asked"), ORDER, ids=[text for text, _ in ORDER])
def test_the_first_broken_rule_is_named(text: str, asked: dict[str, Any]) -> None:
    asked = {"by": parent("p", "default"), "sudo": False, **asked}
    assert refusal(asked.pop("by"), **asked) == text


@pytest.mark.parametrize(
    ("by", "asked", "policies"),
    [
        (parent("default", "p"), {}, ["default", "p"]),
        (parent("p"), {}, ["p"]),
        (parent("default", "p"), {"policies": []}, ["default", "p"]),
        (parent("default", "p"), {"no_default_policy": True}, ["p"]),
        (parent("default", "p"), {"policies": [""]}, ["default"]),
        (parent("p"), {"policies": [""]}, []),
        (parent("default", "p"), {"policies": ["p"]}, ["default", "p"]),
        (parent("p"), {"policies": ["P ", "p"]}, ["p"]),
        (parent("default", "p"), {"policies": ["p", "default"], "no_default_policy": True}, ["p"]),
        (ROOT, {}, ["root"]),
        (ROOT, {"policies": ["x", "root"]}, ["root"]),
        (ROOT, {"policies": ["b", "A"]}, ["a", "b", "default"]),
        (ROOT, {"policies": ["default"], "no_default_policy": True}, []),
    ],
)
def test_policies(by: TokenEntry, asked: dict[str, Any], policies: list[str]) -> None:
    assert list(made(by, **asked).entry.policies) == policies


def test_sudo_gives_any_policy_but_root() -> None:
    assert made(parent("p"), sudo=True, policies=["z"]).entry.policies == ("default", "z")
    text = "root tokens may not be created without parent token being root"
    assert refusal(parent("p"), sudo=True, policies=["root"]) == text


@pytest.mark.parametrize("policies", [["response-wrapping"], ["a", " Response-Wrapping"]])
def test_the_wrapping_policy_is_not_given_away(policies: list[str]) -> None:
    assert refusal(policies=policies) == 'cannot assign policy "response-wrapping"'


def test_a_batch_token_is_no_root_token() -> None:
    assert refusal(type="batch") == "batch tokens cannot be root tokens"


@pytest.mark.parametrize(
    ("role", "asked", "policies"),
    [
        ({"allowed_policies": ("a", "b")}, {}, ["a", "b", "default"]),
        ({"allowed_policies": ("a", "b")}, {"policies": ["A"]}, ["a", "default"]),
        ({"allowed_policies": ("a", "b")}, {"policies": ["a"], "no_default_policy": True}, ["a"]),
        ({"allowed_policies": ("root",)}, {}, ["root"]),
        ({"allowed_policies_glob": ("t*",)}, {}, ["default"]),
        ({"allowed_policies_glob": ("t*",)}, {"policies": ["two"]}, ["default", "two"]),
        ({"allowed_policies": ("a",), "token_no_default_policy": True}, {}, ["a"]),
        ({"disallowed_policies": ("x",)}, {}, ["root"]),
        ({"disallowed_policies": ("default",)}, {"policies": ["w"]}, ["w"]),
        ({"disallowed_policies_glob": ("d*",)}, {"policies": ["w"]}, ["w"]),
        ({"token_no_default_policy": True}, {"policies": ["w"]}, ["default", "w"]),
    ],
)
def test_policies_by_role(role: dict[str, Any], asked: dict[str, Any], policies: list[str]) -> None:
    assert list(made(role=RoleEntry("r", **role), **asked).entry.policies) == policies


@pytest.mark.parametrize(
    ("role", "asked", "text"),
    [
        (
            {"allowed_policies": ("a",)},
            ["d"],
            OUTSIDE,
        ),
        (
            {"allowed_policies": ("a", "b"), "disallowed_policies": ("b",)},
            [],
            'token policy "b" is disallowed by this role',
        ),
        ({"disallowed_policies_glob": ("*x",)}, ["ax"], 'token policy "ax" is disallowed by this role'),
    ],
)
def test_what_a_role_refuses(role: dict[str, Any], asked: list[str], text: str) -> None:
    assert refusal(role=RoleEntry("r", **role), policies=asked) == text


@pytest.mark.parametrize("pattern", ["a?c", "[abc]", "a[!b]c"])
def test_only_the_star_is_a_wildcard(pattern: str) -> None:
    role = RoleEntry("r", allowed_policies_glob=(pattern,))
    assert "must be subset" in refusal(role=role, policies=["abc"])
    assert pattern in made(role=role, policies=[pattern]).entry.policies


@pytest.mark.parametrize(
    ("role", "asked", "kind"),
    [
        ("service", "batch", "service"),
        ("batch", "service", "batch"),
        ("default-batch", "", "batch"),
        ("default-batch", "service", "service"),
        ("default-service", "batch", "batch"),
        ("default-service", "", "service"),
    ],
)
def test_a_roles_type_forces_or_proposes(role: str, asked: str, kind: str) -> None:
    entry = made(role=RoleEntry("r", token_type=role), type=asked, policies=["x"], sudo=True).entry
    assert (entry.type, entry.renewable) == (kind, kind == "service")


@pytest.mark.parametrize(
    ("asked", "ttl", "renewable", "warnings"),
    [
        ({}, 0, False, 0),
        ({"ttl": HOUR}, HOUR, True, 0),
        ({"explicit_max_ttl": 2 * HOUR}, 2 * HOUR, True, 0),
        ({"policies": ["p"]}, 768 * HOUR, True, 0),
        ({"policies": ["p"], "lease": 60}, 60, True, 0),
        ({"policies": ["p"], "lease": 60, "ttl": 30}, 30, True, 0),
        ({"policies": ["p"], "ttl": 1000 * HOUR}, 768 * HOUR, True, 1),
        ({"policies": ["p"], "ttl": 3 * HOUR, "explicit_max_ttl": HOUR}, HOUR, True, 1),
        ({"policies": ["p"], "period": HOUR, "ttl": 5}, HOUR, True, 0),
        ({"policies": ["p"], "period": 1000 * HOUR}, 768 * HOUR, True, 1),
        ({"policies": ["p"], "renewable": False}, 768 * HOUR, False, 0),
    ],
)
def test_times(asked: dict[str, Any], ttl: int, renewable: bool, warnings: int) -> None:
    result = made(**asked)
    entry = result.entry
    assert (entry.ttl, entry.renewable, len(result.warnings)) == (ttl, renewable, warnings)
    assert entry.expire_ns == (NOW + ttl * NANO if ttl else 0)


def test_the_lesser_of_role_and_request_holds_and_is_said() -> None:
    role = RoleEntry("r", token_period=2 * HOUR, token_explicit_max_ttl=3 * HOUR, token_num_uses=3)
    result = made(role=role, period=HOUR, explicit_max_ttl=9 * HOUR, num_uses=9)
    assert (result.entry.ttl, result.entry.num_uses) == (HOUR, 3)
    assert result.warnings == [
        "Explicit max TTL specified both during creation call and in role; using the lesser value of 10800 seconds",
        "Period specified both during creation call and in role; using the lesser value of 3600 seconds",
    ]
    # Only what was asked for is the token's own; the role's is read anew at each renewal.
    assert (result.entry.period, result.entry.explicit_max_ttl) == (HOUR, 9 * HOUR)
    assert made(role=role).entry.period == 0


def test_a_root_token_that_expires_makes_none_that_does_not() -> None:
    mortal = parent("root", expire_ns=NOW + NANO)
    assert refusal(mortal) == "expiring root tokens cannot create non-expiring root tokens"
    assert made(mortal, ttl=100 * HOUR).entry.ttl == 100 * HOUR


@pytest.mark.parametrize(
    ("asked", "name"),
    [("", "token"), ("ci", "token-ci"), ("My App/v1.0", "token-My-App-v1-0"), ("tail!!", "token-tail-")],
)
def test_display_names(asked: str, name: str) -> None:
    assert made(display_name=asked).entry.display_name == name


@pytest.mark.parametrize(
    ("more", "owner"),
    [
        ({}, "parent"),
        ({"orphan": True}, ""),
        ({"no_parent": True}, ""),
        ({"role": RoleEntry("r"), "no_parent": True}, "parent"),
        ({"role": RoleEntry("r", orphan=True)}, ""),
    ],
)
def test_parents(more: dict[str, Any], owner: str) -> None:
    assert made(**more).entry.parent == owner


def test_networks_come_from_the_role_else_from_the_parent() -> None:
    bound = parent("root", bound_cidrs=("10.0.0.0/8",))
    assert made(bound).entry.bound_cidrs == ("10.0.0.0/8",)
    assert made(bound, orphan=True).entry.bound_cidrs == ()
    assert made(bound, role=RoleEntry("r")).entry.bound_cidrs == ()
    assert made(bound, role=RoleEntry("r", token_bound_cidrs=("::1",))).entry.bound_cidrs == ("::1",)


def test_entity_aliases_are_folded_and_must_be_allowed() -> None:
    role = RoleEntry("r", allowed_entity_aliases=("bob", "web-*"))
    assert made(role=role, entity_alias="Web-1").entry.entity_id == "entity of web-1"
    assert refusal(role=role, entity_alias="eve") == "invalid 'entity_alias' value"


@given(
    st.sets(st.sampled_from(["default", "a", "b", "c"])),
    st.lists(st.sampled_from(["default", "a", "b", "c", "d", "root", " A", ""])),
    st.booleans(),
)
def test_without_sudo_nobody_gains_a_policy(own: set[str], asked: list[str], no_default: bool) -> None:
    try:
        entry = made(parent(*own), sudo=False, policies=asked, no_default_policy=no_default).entry
    except BadRequest:
        return
    assert set(entry.policies) <= own
