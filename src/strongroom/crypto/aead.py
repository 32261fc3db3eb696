"""Authenticated encryption: AES-256-GCM (NIST SP 800-38D) with random nonces."""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.crypto.nonces import nonce_12
from strongroom.errors import CryptoError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16

#: How much longer a ciphertext is than its plaintext.
OVERHEAD: Final = NONCE_BYTES + TAG_BYTES

#: SP 800-38D section 8.3 allows a key 2^32 encryptions under random 96-bit nonces; this is nine tenths of them.
MAX_ENCRYPTIONS: Final = 3_865_470_566


def new_key() -> bytes:
    """A fresh 256-bit key."""
    return os.urandom(KEY_BYTES)


class AEAD:
    """One key's cipher, made once and used often: expanding the key costs as much as encrypting a small entry."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise CryptoError(f"a key has {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)

    def encrypt(self, plaintext: bytes, associated: bytes) -> bytes:
        """Nonce (12 bytes), ciphertext, tag (16 bytes)."""
        nonce = nonce_12()
        return nonce + self._cipher.encrypt(nonce, plaintext, associated)

    def decrypt(self, box: bytes, associated: bytes) -> bytes:
        """The plaintext of what `encrypt` made; raises `CryptoError` when anything differs."""
        if len(box) < OVERHEAD:
            raise CryptoError("the ciphertext is too short")
        try:
            return self._cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], associated)
        except InvalidTag:
            raise CryptoError("the ciphertext was not made by this key for this place") from None
