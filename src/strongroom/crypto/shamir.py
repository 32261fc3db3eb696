"""Shamir's secret sharing over GF(256), in the share layout of HashiCorp Vault.

     0                               n        n+1
     +-------------------------------+--------+
     | y for each byte of the secret | x      |
     +-------------------------------+--------+

Each byte of the secret is the constant term of a polynomial of its own, of degree `threshold - 1` with random
coefficients over GF(2^8) with the AES polynomial x^8+x^4+x^3+x+1; a share has all polynomials' values at one x, which
is 1 to 255 and no secret.

All bytes are multiplied at once, side by side in one integer, by a factor that is never secret (an x, or a Lagrange
coefficient made of xs). So no secret byte chooses a branch or an index into a table, and 255 shares take milliseconds.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from typing import Final

from strongroom.errors import CryptoError

MAX_SHARES: Final = 255


def split(secret: bytes, shares: int, threshold: int) -> list[bytes]:
    """Shares of a secret, any `threshold` of which give it back; raises `CryptoError` for impossible numbers."""
    if not 2 <= threshold <= shares <= MAX_SHARES:
        raise CryptoError(f"2 <= threshold <= shares <= {MAX_SHARES} does not hold for {threshold} and {shares}")
    if not secret:
        raise CryptoError("an empty secret cannot be split")
    size = len(secret)
    # Highest degree first, the secret last: Horner's order.
    coefficients = [int.from_bytes(os.urandom(size)) for _ in range(threshold - 1)] + [int.from_bytes(secret)]
    return [
        _evaluate(coefficients, x, size).to_bytes(size) + bytes([x])
        for x in secrets.SystemRandom().sample(range(1, 256), shares)
    ]


def combine(shares: Sequence[bytes]) -> bytes:
    """The secret of at least `threshold` shares; fewer, or shares of different secrets, give another one unnoticed.

    Raises `CryptoError` for shares that cannot be of one secret: too few or too short, of different length, twice the
    same x.
    """
    if len(shares) < 2:
        raise CryptoError("less than two shares cannot be combined")
    size = len(shares[0]) - 1
    if size < 1:
        raise CryptoError("a share has at least two bytes")
    if any(len(share) != size + 1 for share in shares):
        raise CryptoError("all shares must have the same length")
    xs = [share[-1] for share in shares]
    if len(set(xs)) != len(xs):
        raise CryptoError("a share was given twice")
    if 0 in xs:
        raise CryptoError("a share has no x of 0")
    secret = 0
    for share, x in zip(shares, xs, strict=True):
        secret ^= multiply(int.from_bytes(share[:-1]), _basis(x, xs), size)
    return secret.to_bytes(size)


def multiply(lanes: int, factor: int, size: int = 1) -> int:
    """`size` field elements, one a byte of `lanes`, each times `factor`, which must not be secret."""
    high = int.from_bytes(b"\x80" * size)
    product = 0
    while factor:
        if factor & 1:
            product ^= lanes
        # Times x in each lane: shift, and where x^7 was set, take off the field's polynomial.
        carry = lanes & high
        lanes = ((lanes ^ carry) << 1) ^ ((carry >> 7) * 0x1B)
        factor >>= 1
    return product


def invert(element: int) -> int:
    """The inverse of a field element other than 0: its 254th power."""
    result = 1
    for _ in range(254):
        result = multiply(result, element)
    return result


def _evaluate(coefficients: Sequence[int], x: int, size: int) -> int:
    value = 0
    for coefficient in coefficients:
        value = multiply(value, x, size) ^ coefficient
    return value


def _basis(x: int, xs: Sequence[int]) -> int:
    """The Lagrange coefficient of the share at `x` for the value at 0: the product of other / (other - x)."""
    numerator = denominator = 1
    for other in xs:
        if other != x:
            numerator = multiply(numerator, other)
            denominator = multiply(denominator, other ^ x)
    return multiply(numerator, invert(denominator))
