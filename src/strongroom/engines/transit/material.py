"""What the kinds of keys have in common: how one is made, brought along, shown, and put to use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from strongroom.crypto.digests import Digest
from strongroom.engines.transit.model import Key, Version

#: Lengths of PSS salts that are no number.
SALT_AUTO, SALT_DIGEST = 0, -1


@dataclass(frozen=True, slots=True)
class Scheme:
    """How to sign. Without a `digest` the input is signed as it is (`none`)."""

    digest: Digest | None
    prehashed: bool = False
    jws: bool = False
    rsa: str = "pss"
    salt: int = SALT_AUTO


class Cipher(Protocol):
    """One version of a key that encrypts."""

    def encrypt(self, plaintext: bytes, context: bytes, nonce: bytes, associated: bytes | None) -> bytes:
        """What stands behind the version in a ciphertext; raises `BadRequest` or `Failed`."""

    def decrypt(self, box: bytes, context: bytes, nonce: bytes, associated: bytes | None) -> bytes:
        """The plaintext; raises `BadRequest` or `Failed`, and never says which part of the box is wrong."""


class Signer(Protocol):
    """One version of a key that signs; with derivation, for one context."""

    #: The public key as text, where it depends on the context.
    public_text: str

    def sign(self, data: bytes, scheme: Scheme) -> bytes:
        """The signature; raises `BadRequest` or `Failed`."""

    def verify(self, signature: bytes, data: bytes, scheme: Scheme) -> bool:
        """Whether the signature is good; raises `BadRequest` when it is none at all."""


class Family(Protocol):
    """A kind of keys."""

    def generate(self, key_size: int) -> tuple[bytes, bytes]:
        """A new secret and its public key, as they are stored."""

    def prepare(self, key: Key, version: Version) -> Any:
        """A version ready for use: a `Cipher`, or what `signer` takes, or both."""

    def signer(self, ready: Any, context: bytes) -> Signer:
        """What signs for a context."""

    def private_bytes(self, secret: bytes) -> bytes:
        """A secret as one hands it over under a wrapping key."""

    def accept_private(self, material: bytes) -> tuple[bytes, bytes]:
        """A secret made elsewhere and its public key, as they are stored; raises `Failed`."""

    def accept_public(self, pem: str) -> bytes:
        """A public key made elsewhere, as it is stored; raises `Failed`."""

    def private_text(self, secret: bytes) -> str:
        """A secret as it is exported."""

    def public_text(self, public: bytes) -> str:
        """A public key as it is shown."""

    def public_export(self, public: bytes) -> str:
        """A public key as it is exported."""
