"""How long a token or lease is granted: one rule for creation and renewal, for tokens and for secrets.

The limits count from the issue, the asked time from now. Source: Vault's lease documentation and recorded answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from strongroom.api.fields import short_duration
from strongroom.errors import BadRequest

NANO: Final = 1_000_000_000
_HALF: Final = NANO // 2


@dataclass(frozen=True, slots=True)
class Terms:
    """What limits a grant, in seconds; 0 is "not set", except for the mount's two, which always are.

    `asked` is the client's wish, `default` what its engine or role would give; a `period` replaces both and is bound by
    `explicit_max_ttl` alone once it has begun.
    """

    mount_default: int
    mount_max: int
    asked: int = 0
    default: int = 0
    max_ttl: int = 0
    explicit_max_ttl: int = 0
    period: int = 0


@dataclass(slots=True)
class Grant:
    """What is granted: whole seconds for the client, the exact end in Unix nanoseconds, and what was cut."""

    ttl: int
    expire_ns: int
    warnings: list[str] = field(default_factory=list)


def lesser(*limits: int) -> int:
    """The least of those that are set; 0 when none is."""
    return min((limit for limit in limits if limit > 0), default=0)


def grant(terms: Terms, issue_ns: int, now_ns: int) -> Grant:
    """Grant time from now on.

    The seconds are rounded to the nearest, as clients know it; the end is exact and never beyond the limit.

    Raises:
        BadRequest: the limit has been reached.
    """
    warnings: list[str] = []
    cap = lesser(terms.mount_max, terms.max_ttl, terms.explicit_max_ttl)
    if terms.period > 0:
        ttl, limit = terms.period, terms.explicit_max_ttl
        if 0 < cap < ttl:
            warnings.append(_capped("period", ttl, cap))
            ttl = cap
    else:
        ttl, limit = terms.asked or terms.default or terms.mount_default, cap
    last = 0
    if limit > 0:
        last = issue_ns + limit * NANO
        if last <= now_ns:
            raise BadRequest("past the max TTL, cannot renew")
        left = max(1, (last - now_ns + _HALF) // NANO)
        if left < ttl:
            warnings.append(_capped("TTL", ttl, left))
            ttl = left
    end = now_ns + ttl * NANO
    return Grant(ttl, min(end, last) if last else end, warnings)


def _capped(what: str, asked: int, cap: int) -> str:
    return (
        f'{what} of "{short_duration(asked)}" exceeded the effective max_ttl of "{short_duration(cap)}"; '
        f"{what} value is capped accordingly"
    )
