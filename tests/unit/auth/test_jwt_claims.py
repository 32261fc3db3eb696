"""Claims: pointers, globs, bound claims, and who it is."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.auth.globs import glob
from strongroom.auth.jose import BadJWT
from strongroom.auth.jwt.claims import check_bound, claim, person
from strongroom.auth.jwt.engine import Role

CLAIMS: dict[str, Any] = {
    "sub": "alice",
    "groups": ["dev", "", "ops", "dev"],
    "team": "core",
    "level": 5,
    "admin": True,
    "a/b": "slash",
    "nested": {"dept": "r&d", "roles": ["x", "y"], "t~/e": "odd", "": "empty"},
    "null": None,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sub", "alice"),
        ("nosuch", None),
        ("null", None),
        ("a/b", "slash"),
        ("/sub", "alice"),
        ("/a~1b", "slash"),
        ("/nested/dept", "r&d"),
        ("/nested/roles/1", "y"),
        ("/nested/roles/2", None),
        ("/nested/roles/-", None),
        ("/nested/roles/-1", None),
        ("/nested/roles/\u0661", None),
        ("/nested/t~0~1e", "odd"),
        ("/nested/", "empty"),
        ("/sub/x", None),
        ("/", None),
    ],
)
def test_a_claim_is_found_by_its_name_or_pointer(name: str, value: Any) -> None:
    assert claim(CLAIMS, name) == value


@pytest.mark.parametrize(
    ("bound", "kind", "why"),
    [
        ({"team": "core"}, "string", ""),
        ({"team": ["web", "core"]}, "string", ""),
        ({"team": "cor*"}, "string", "does not match"),
        ({"team": "cor*"}, "glob", ""),
        ({"team": "web*"}, "glob", "does not match"),
        ({"groups": "ops"}, "string", ""),
        ({"groups": ["a", "b"]}, "string", "does not match"),
        ({"groups": "o*"}, "glob", ""),
        ({"/nested/roles": ["y"]}, "string", ""),
        ({"nosuch": "x"}, "string", 'claim "nosuch" is missing'),
        ({"nested": "x"}, "string", "not a string or list"),
        ({"team": "core", "sub": "bob"}, "string", 'claim "sub" does not match'),
        ({"team": []}, "string", "does not match"),
        ({"level": 5}, "string", ""),
        ({"level": 5.0}, "string", ""),
        ({"level": "5"}, "string", "does not match"),
        ({"level": True}, "string", "does not match"),
        ({"admin": True}, "string", ""),
        ({"admin": "true"}, "string", ""),
        ({"admin": False}, "string", "does not match"),
        ({"admin": 1}, "string", "does not match"),
        ({"admin": "yes"}, "string", "does not match"),
        ({}, "string", ""),
    ],
)
def test_bound_claims(bound: dict[str, Any], kind: str, why: str) -> None:
    role = Role(name="r", bound_claims=bound, bound_claims_type=kind)
    if not why:
        check_bound(role, CLAIMS)
        return
    with pytest.raises(BadJWT, match=why):
        check_bound(role, CLAIMS)


TEXTS = st.text(alphabet="ab*", max_size=12)


@given(TEXTS, st.text(alphabet="ab", max_size=12))
def test_globs_match_as_the_shells_do(pattern: str, text: str) -> None:
    assert glob(pattern, text) == bool(re.fullmatch(fnmatch.translate(pattern), text))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"user_claim": "sub"}, ("alice", {}, [])),
        ({"user_claim": "/nested/dept", "user_claim_json_pointer": True}, ("r&d", {}, [])),
        ({"user_claim": "/nested/dept"}, 'claim "/nested/dept" not found in token'),
        ({"user_claim": "email"}, 'claim "email" not found in token'),
        ({"user_claim": "level"}, 'claim "level" could not be converted to string'),
        ({"user_claim": "sub", "groups_claim": "groups"}, ("alice", {}, ["dev", "ops"])),
        ({"user_claim": "sub", "groups_claim": "team"}, ("alice", {}, ["core"])),
        ({"user_claim": "sub", "groups_claim": "/nested/roles"}, ("alice", {}, ["x", "y"])),
        ({"user_claim": "sub", "groups_claim": "nosuch"}, 'failed to fetch groups: "nosuch" claim not found'),
        ({"user_claim": "sub", "groups_claim": "nested"}, "could not be converted to string list"),
        ({"user_claim": "sub", "groups_claim": "admin"}, "could not be converted to string list"),
        (
            {"user_claim": "sub", "claim_mappings": {"/nested/dept": "dept", "nosuch": "n", "team": "t"}},
            ("alice", {"dept": "r&d", "t": "core"}, []),
        ),
        ({"user_claim": "sub", "claim_mappings": {"level": "l"}}, "error converting claim 'level' to string"),
    ],
)
def test_who_it_is(settings: dict[str, Any], expected: Any) -> None:
    role = Role(name="r", **settings)
    if isinstance(expected, str):
        with pytest.raises(BadJWT, match=expected):
            person(role, CLAIMS)
    else:
        assert tuple(person(role, CLAIMS)) == expected


def test_a_name_has_an_end() -> None:
    with pytest.raises(BadJWT, match="too long"):
        person(Role(name="r", user_claim="sub"), {"sub": "a" * 513})
