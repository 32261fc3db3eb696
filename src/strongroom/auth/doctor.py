"""What the methods' doctors have in common: addresses, locks, and what is in a JWT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from strongroom.api.cidrs import within
from strongroom.api.doctor import Evidence, Findings
from strongroom.auth import jose

T = TypeVar("T")


def check_address(found: Findings, evidence: Evidence, cidrs: tuple[str, ...], what: str) -> None:
    """Whether a login may come from its address; `what` names the parameter that says so."""
    if not cidrs:
        found.skip(what, "logins may come from anywhere")
        return
    nets = ", ".join(cidrs)
    found.judge(
        what,
        within(cidrs, evidence.address),
        f"{evidence.address} is in {nets}",
        f"{evidence.address} is in none of {nets}",
    )


def check_lock(found: Findings, evidence: Evidence, name: str) -> bool:
    """Whether a name is free to log in."""
    return found.judge(
        "lockout",
        not evidence.locked(name),
        "the name is not locked",
        "the name is locked after too many failed logins",
    )


def attempt(found: Findings, check: str, work: Callable[[], T], right: Callable[[T], str]) -> T | None:
    """Make a check that raises `BadJWT`; returns what it gives, None when it fails."""
    try:
        value = work()
    except jose.BadJWT as e:
        found.wrong(check, e.reason)
        return None
    found.right(check, right(value))
    return value


def parsed(found: Findings, text: str) -> jose.Token | None:
    """Take a JWT apart."""
    return attempt(
        found,
        "token format",
        lambda: jose.parse(text),
        lambda token: f"algorithm {jose.quoted(token.alg)}, key {jose.quoted(token.kid) if token.kid else 'not named'}",
    )


def check_times(found: Findings, claims: Mapping[str, Any], now: float, leeways: jose.Leeways, *, needed: bool) -> None:
    """The moments of a token, one by one: by how many seconds each is kept or missed."""
    try:
        moments = jose.moments(claims, leeways, needed=needed)
    except jose.BadJWT as e:
        found.wrong("times", e.reason)
        return
    skew = moments.skew
    found.note("clock", f"differences of {skew} s between the clocks are allowed")
    if moments.expires:
        left = moments.expires - now
        _moment(found, claims, "exp", left + skew >= 0, f"it ends in {left:.0f} s", f"it ended {-left:.0f} s ago", skew)
    for name, when in (("nbf", moments.not_before), ("iat", moments.issued)):
        if when:
            ahead = when - now
            right = f"{-ahead:.0f} s ago" if ahead <= 0 else f"in {ahead:.0f} s, which is allowed"
            _moment(found, claims, name, ahead <= skew, right, f"it is {ahead:.0f} s ahead", skew)


def _moment(
    found: Findings, claims: Mapping[str, Any], name: str, holds: bool, right: str, wrong: str, skew: int
) -> None:
    derived = "" if claims.get(name) else " (the token has no such claim: it follows from the others)"
    found.judge(f"claim {name}", holds, right + derived, f"{wrong}, and only {skew} s are allowed{derived}")
