"""Key shares: reading them, collecting them towards a threshold, handing them out."""

from __future__ import annotations

import binascii
import hmac
from typing import Final

from strongroom.crypto import shamir
from strongroom.errors import BadRequest

#: A key of AES-128 is the shortest, a share of a key of 32 bytes (its last byte is its coordinate) the longest.
MIN_BYTES: Final = 16
MAX_BYTES: Final = 33

#: What makes a share: the field has 255 coordinates besides zero.
MAX_SHARES: Final = 255

NOT_TEXT: Final = "'key' must be a valid hex or base64 string"


def decode_share(text: str) -> bytes:
    """The bytes of a share written in hex, or else in base64.

    Hex of an impossible length is read as base64, since some base64 texts happen to be hex.

    Raises:
        BadRequest: it is neither.
    """
    try:
        share = binascii.unhexlify(text)
        if MIN_BYTES <= len(share) <= MAX_BYTES:
            return share
    except ValueError:
        pass
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise BadRequest(NOT_TEXT) from None


def check_share(share: bytes) -> None:
    """Refuse with `BadRequest` what is too short or too long to be a share."""
    if len(share) < MIN_BYTES:
        raise BadRequest(f"invalid key: key is shorter than minimum {MIN_BYTES} bytes")
    if len(share) > MAX_BYTES:
        raise BadRequest(f"invalid key: key is longer than maximum {MAX_BYTES} bytes")


def check_nonce(given: str, wanted: str, operation: str) -> None:
    """Refuse with `BadRequest` a share that was meant for another attempt."""
    if not hmac.compare_digest(given.encode(errors="replace"), wanted.encode()):
        raise BadRequest(f'incorrect nonce supplied; nonce for this {operation} operation is "{wanted}"')


def split_problem(shares: int, threshold: int) -> str:
    """Why a key cannot be split so, or an empty string when it can."""
    if shares < 1:
        return "shares must be at least one"
    if threshold < 1:
        return "threshold must be at least one"
    if threshold > shares:
        return "threshold cannot be larger than shares"
    if shares > 1 and threshold == 1:
        return "threshold must be greater than one for multiple shares"
    return "shares must be less than 256" if shares > MAX_SHARES else ""


def split(key: bytes, shares: int, threshold: int) -> list[bytes]:
    """The shares of a key; of one share it is the key itself."""
    return [key] if shares == 1 else shamir.split(key, shares, threshold)


class Shares:
    """Shares collected so far, kept where they can be overwritten."""

    __slots__ = ("_shares",)

    def __init__(self) -> None:
        self._shares: list[bytearray] = []

    def __len__(self) -> int:
        return len(self._shares)

    def __repr__(self) -> str:
        return f"Shares({len(self)})"

    def add(self, share: bytes) -> bool:
        """Add a share; False when it is there already."""
        # A list, so that all are looked at whichever is equal.
        if any([hmac.compare_digest(known, share) for known in self._shares]):  # noqa: C419
            return False
        self._shares.append(bytearray(share))
        return True

    def combine(self) -> bytes:
        """The key of these shares, which are dropped whatever comes of it.

        Raises:
            CryptoError: they cannot belong together. Shares that only look as if they do give some other key.
        """
        try:
            shares = [bytes(share) for share in self._shares]
            return shares[0] if len(shares) == 1 else shamir.combine(shares)
        finally:
            self.clear()

    def clear(self) -> None:
        """Overwrite and drop all."""
        for share in self._shares:
            share[:] = bytes(len(share))
        self._shares.clear()
