"""Keys and fingerprints from keys: HKDF, HMAC and salts."""

from __future__ import annotations

import hmac
import secrets
from typing import Final

from strongroom.errors import CryptoError

HASH_BYTES: Final = 32
MAX_BYTES: Final = 255 * HASH_BYTES


def hkdf_sha256(key: bytes, length: int, *, salt: bytes = b"", info: bytes = b"") -> bytes:
    """HKDF with SHA-256 (RFC 5869); an empty salt is the RFC's string of zeros."""
    if not 0 < length <= MAX_BYTES:
        raise CryptoError(f"HKDF gives 1 to {MAX_BYTES} bytes, not {length}")
    extracted = hmac.digest(salt or bytes(HASH_BYTES), key, "sha256")
    block, out = b"", b""
    for counter in range(1, -(-length // HASH_BYTES) + 1):
        block = hmac.digest(extracted, block + info + bytes([counter]), "sha256")
        out += block
    return out[:length]


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    """HMAC with SHA-256 (RFC 2104)."""
    return hmac.digest(key, data, "sha256")


class Salt:
    """A secret salt under which names stand for what must not be stored or logged, such as token ids.

    The same text under the same salt always gets the same name, and nobody without the salt can check a guess.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise CryptoError("a salt has at least 16 bytes")
        self._key = key

    @staticmethod
    def new_key() -> bytes:
        """A fresh 256-bit key for a salt."""
        return secrets.token_bytes(HASH_BYTES)

    def name(self, text: str) -> str:
        """HMAC-SHA256 of the text's UTF-8, as 64 hexadecimal digits."""
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()

    def audit_hash(self, text: str) -> str:
        """The same as audit entries write it, with `hmac-sha256:` before it."""
        return "hmac-sha256:" + self.name(text)
