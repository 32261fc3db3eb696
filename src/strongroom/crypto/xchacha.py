"""XChaCha20-Poly1305: ChaCha20-Poly1305 with nonces of 192 bits (draft-irtf-cfrg-xchacha-03)."""

from __future__ import annotations

import struct
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

NONCE_BYTES: Final = 24
KEY_BYTES: Final = 32

_CONSTANTS = struct.unpack("<4I", b"expand 32-byte k")


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """The subkey of 32 bytes that a key and 16 bytes of nonce give.

    A block of ChaCha20's key stream is its state after the rounds plus its state before; HChaCha20 is the first and
    last row of the former, so what a block is made from has only to be taken away again.
    """
    stream = Cipher(algorithms.ChaCha20(key, nonce), mode=None).encryptor().update(bytes(64))
    block = struct.unpack("<16I", stream)
    first = [(b - c) & 0xFFFFFFFF for b, c in zip(block[:4], _CONSTANTS, strict=True)]
    last = [(b - n) & 0xFFFFFFFF for b, n in zip(block[12:], struct.unpack("<4I", nonce), strict=True)]
    return struct.pack("<8I", *first, *last)


class XChaCha20Poly1305:
    """One key's cipher, with the interface of `cryptography`'s AEADs."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._key = key

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Ciphertext and tag (16 bytes)."""
        return self._inner(nonce).encrypt(b"\0\0\0\0" + nonce[16:], data, associated_data)

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """The plaintext; raises `InvalidTag` when anything differs."""
        return self._inner(nonce).decrypt(b"\0\0\0\0" + nonce[16:], data, associated_data)

    def _inner(self, nonce: bytes) -> ChaCha20Poly1305:
        if len(nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
        return ChaCha20Poly1305(hchacha20(self._key, nonce[:16]))
