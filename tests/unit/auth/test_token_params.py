"""The token_* parameters: older names, checks, and what comes of them."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.auth.token_params import (
    OldLimits,
    OldPeriod,
    OldPolicies,
    TokenArgs,
    TokenParams,
    truncation,
    with_token_args,
)
from strongroom.errors import BadRequest


class RoleArgs(TokenArgs, OldPolicies, OldPeriod, OldLimits):
    """As methods have them."""


def written(params: TokenParams, **given: Any) -> TokenParams:
    args, unknown = RoleArgs.parse({}, given, {})
    assert not unknown
    return with_token_args(params, args)


def test_what_is_not_given_stays() -> None:
    first = written(TokenParams(), token_ttl="1h", token_policies="a,b")
    assert written(first, token_num_uses=3).shown() == {**first.shown(), "token_num_uses": 3}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"policies": "a"}, {"policies": ["a"], "token_policies": ["a"]}),
        ({"policies": "a", "token_policies": "b"}, {"policies": ["b"], "token_policies": ["b"]}),
        ({"token_policies": "b"}, {"token_policies": ["b"]}),
        ({"ttl": "5m", "max_ttl": "10m"}, {"ttl": 300, "token_ttl": 300, "max_ttl": 600, "token_max_ttl": 600}),
        ({"bound_cidrs": "10.0.0.1/32"}, {"bound_cidrs": ["10.0.0.1"], "token_bound_cidrs": ["10.0.0.1"]}),
        ({"period": 60}, {"period": 60, "token_period": 60}),
    ],
)
def test_an_older_name_is_shown_with_the_value_in_force(given: dict[str, Any], shown: dict[str, Any]) -> None:
    assert written(TokenParams(), **given).shown() == {**TokenParams().shown(), **shown}


def test_the_new_name_alone_takes_the_older_one_away() -> None:
    assert "policies" not in written(written(TokenParams(), policies="a"), token_policies="b").shown()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"token_ttl": "2h", "token_max_ttl": "1h"}, "'token_ttl' cannot be greater than 'token_max_ttl'"),
        ({"token_type": "odd"}, "invalid 'token_type' value"),
        ({"token_num_uses": -1}, "'token_num_uses' cannot be negative"),
        ({"token_type": "batch", "token_period": "1h"}, "periodic tokens"),
        ({"token_type": "default-batch", "token_num_uses": 1}, "limited use count"),
        ({"token_bound_cidrs": "here"}, "error parsing address"),
        ({"token_ttl": -5}, "cannot provide negative value"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(BadRequest, match=text):
        written(TokenParams(), **given)


def test_a_later_write_is_judged_with_what_was_there() -> None:
    with pytest.raises(BadRequest, match="cannot be greater"):
        written(written(TokenParams(), token_max_ttl="1h"), token_ttl="2h")


def test_a_renewal_has_the_terms_of_now_and_the_logins_explicit_maximum() -> None:
    then = written(TokenParams(), token_ttl="1h", token_explicit_max_ttl="2h")
    auth = then.auth(internal={"role": "x"})
    assert auth.internal == {"role": "x", "explicit_max_ttl": 7200}
    now = written(then, token_ttl="5m", token_explicit_max_ttl="9h", token_period="3m")
    renewed = now.renewed(auth.internal)
    assert (renewed.ttl, renewed.explicit_max_ttl, renewed.period) == (300, 7200, 180)


def test_a_maximum_over_the_mounts_is_warned_of() -> None:
    params = written(TokenParams(), token_max_ttl="2h")
    assert truncation(params, 3600)
    assert not truncation(params, 7200)
