"""Codes by time (RFC 6238) and by counter (RFC 4226): pure functions over bytes."""

from __future__ import annotations

import hmac
from typing import Final

#: The hash by the name that authenticator apps use.
ALGORITHMS: Final = {"SHA1": "sha1", "SHA256": "sha256", "SHA512": "sha512"}
DIGITS: Final = (6, 8)


def hotp(secret: bytes, counter: int, digits: int, algorithm: str) -> str:
    """The code of a counter, with its leading zeros."""
    mac = hmac.digest(secret, counter.to_bytes(8, "big"), ALGORITHMS[algorithm])
    offset = mac[-1] & 0xF
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def counter_at(seconds: int, period: int) -> int:
    """The counter of a moment in Unix seconds."""
    return seconds // period


def matches(secret: bytes, code: str, counter: int, digits: int, algorithm: str, skew: int) -> bool:
    """Whether a code is that of the counter, or of one that is at most `skew` away; takes as long for any code."""
    return matching(secret, code, counter, digits, algorithm, skew) is not None


def matching(secret: bytes, code: str, counter: int, digits: int, algorithm: str, skew: int) -> int | None:
    """The counter that a code is of, among those at most `skew` away; takes as long for any code."""
    found = None
    for candidate in range(max(counter - skew, 0), counter + skew + 1):
        if hmac.compare_digest(hotp(secret, candidate, digits, algorithm).encode(), code.encode()):
            found = candidate
    return found
