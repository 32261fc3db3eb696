"""Symmetric keys: AEADs, their derivation by context, and convergent nonces; and keys for MACs only."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from strongroom.crypto.kdf import hkdf_sha256
from strongroom.crypto.nonces import Nonces, nonce_12
from strongroom.engines.transit import encoding
from strongroom.engines.transit.errors import MISSING_CONTEXT, Failed
from strongroom.engines.transit.material import Signer
from strongroom.engines.transit.model import COUNTER_MODE, HMAC_KEY_BYTES, Key, Version
from strongroom.errors import BadRequest

_NONCES: Final = {12: nonce_12, 24: Nonces(24)}

#: How long a key for HMACs only may be.
LEAST_BYTES, MOST_BYTES = 32, 512


class _Cipher(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...


def counter_mode(key: bytes, length: int, context: bytes) -> bytes:
    """The derivation of Vault's first keys: HMAC-SHA256 of counter, context and the length in bits (SP 800-108)."""
    bits = (length * 8).to_bytes(4, "big")
    rounds = range(-(-length // 32))
    return b"".join(hmac.digest(key, i.to_bytes(4, "big") + context + bits, "sha256") for i in rounds)[:length]


class _Symmetric:
    """What all families without public keys share."""

    __slots__ = ()

    def signer(self, ready: Any, context: bytes) -> Signer:
        """See `Family`."""
        raise AssertionError("symmetric keys do not sign")

    def private_bytes(self, secret: bytes) -> bytes:
        """See `Family`."""
        return secret

    def private_text(self, secret: bytes) -> str:
        """See `Family`."""
        return encoding.encode(secret)

    def accept_public(self, pem: str) -> bytes:
        """See `Family`."""
        raise Failed("provided type does not support public_key import")

    def public_text(self, public: bytes) -> str:
        """See `Family`."""
        return ""

    def public_export(self, public: bytes) -> str:
        """See `Family`."""
        return ""


@dataclass(frozen=True, slots=True)
class _OneSize(_Symmetric):
    key_bytes: int

    def generate(self, key_size: int) -> tuple[bytes, bytes]:
        """See `Family`."""
        return os.urandom(self.key_bytes), b""

    def accept_private(self, material: bytes) -> tuple[bytes, bytes]:
        """See `Family`."""
        if len(material) != self.key_bytes:
            raise Failed(f"invalid key size {len(material)} bytes for key type")
        return material, b""


@dataclass(frozen=True, slots=True)
class Aead(_OneSize):
    """Keys of an AEAD; `refusal` is what a ciphertext is told that does not open."""

    make: Callable[[bytes], _Cipher]
    nonce_bytes: int = 12
    refusal: str = "cipher: message authentication failed"

    def prepare(self, key: Key, version: Version) -> AeadKey:
        """See `Family`."""
        return AeadKey(self, key, version)


class AeadKey:
    """One version of a symmetric key. Ciphertexts are nonce, ciphertext, tag (16 bytes).

    Convergent versions find the nonce in the plaintext: 3 by HMAC under a key derived beside the cipher's, 2 by HMAC
    under the context, and 1 is told it by the client and does not repeat it in the ciphertext. Equal nonces then mean
    equal plaintexts, which is what convergence is there to show.
    """

    __slots__ = ("_cipher", "_convergent", "_derived", "_family", "_kdf", "_new_nonce", "_nonce_bytes", "_secret")

    def __init__(self, family: Aead, key: Key, version: Version) -> None:
        self._family = family
        self._secret = version.secret
        self._nonce_bytes = family.nonce_bytes
        self._new_nonce = _NONCES[family.nonce_bytes]
        self._derived = key.derived
        self._kdf = key.kdf
        self._convergent = _convergent_version(key, version)
        self._cipher = None if key.derived else family.make(version.secret)

    def encrypt(self, plaintext: bytes, context: bytes, nonce: bytes, associated: bytes | None) -> bytes:
        """See `Cipher`."""
        cipher = self._cipher
        if cipher is not None and not nonce:
            nonce = self._new_nonce()
            return nonce + cipher.encrypt(nonce, plaintext, associated)
        cipher, mac_key = self._derive(context)
        if self._convergent == 1:
            return cipher.encrypt(self._given(nonce), plaintext, associated)
        if nonce:
            raise BadRequest("provided nonce not allowed for this key")
        own = hmac.digest(mac_key, plaintext, "sha256")[: self._nonce_bytes] if self._convergent else b""
        nonce = own or self._new_nonce()
        return nonce + cipher.encrypt(nonce, plaintext, associated)

    def decrypt(self, box: bytes, context: bytes, nonce: bytes, associated: bytes | None) -> bytes:
        """See `Cipher`."""
        cipher = self._cipher or self._derive(context)[0]
        if self._convergent == 1:
            nonce = self._given(nonce)
        else:
            length = self._nonce_bytes
            if len(box) < length:
                raise BadRequest("invalid ciphertext length")
            nonce, box = box[:length], box[length:]
        try:
            return cipher.decrypt(nonce, box, associated)
        except InvalidTag:
            raise BadRequest(self._family.refusal) from None

    def _derive(self, context: bytes) -> tuple[_Cipher, bytes]:
        """The cipher for a context, and the key for convergent nonces."""
        if self._cipher is not None:
            return self._cipher, b""
        if not context:
            raise BadRequest(MISSING_CONTEXT)
        size = self._family.key_bytes
        length = size + HMAC_KEY_BYTES if self._convergent > 2 else size
        if self._kdf == COUNTER_MODE:
            material = counter_mode(self._secret, length, context)
        else:
            material = hkdf_sha256(self._secret, length, info=context)
        return self._family.make(material[:size]), material[size:] or context

    def _given(self, nonce: bytes) -> bytes:
        if len(nonce) != self._nonce_bytes:
            raise BadRequest(
                f"base64-decoded nonce must be {self._nonce_bytes} bytes long when using convergent encryption with "
                "this key"
            )
        return nonce


def _convergent_version(key: Key, version: Version) -> int:
    if not key.convergent:
        return 0
    return version.convergent_version if key.convergent_version == -1 else key.convergent_version or 1


@dataclass(frozen=True, slots=True)
class AesCmac(_OneSize):
    """Keys for AES-CMAC (SP 800-38B, RFC 4493)."""

    def prepare(self, key: Key, version: Version) -> CMAC:
        """See `Family`: a context to copy for each message, its subkeys made."""
        return CMAC(AES(version.secret))


@dataclass(frozen=True, slots=True)
class MacOnly(_Symmetric):
    """Keys that only make HMACs."""

    def generate(self, key_size: int) -> tuple[bytes, bytes]:
        """See `Family`."""
        return os.urandom(key_size), b""

    def prepare(self, key: Key, version: Version) -> None:
        """See `Family`."""
        return

    def accept_private(self, material: bytes) -> tuple[bytes, bytes]:
        """See `Family`."""
        if not LEAST_BYTES <= len(material) <= MOST_BYTES:
            raise Failed(f"invalid key size {len(material)} bytes for key type hmac")
        return material, b""
