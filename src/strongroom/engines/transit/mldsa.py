"""ML-DSA (FIPS 204): signatures that outlive quantum computers, without a context and over the message itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature

from strongroom.engines.transit import keypairs
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.material import Scheme
from strongroom.engines.transit.model import Key, Version


class MlDsaSigner:
    """One key pair; the private half may be missing."""

    __slots__ = ("_private", "_public", "public_text")

    def __init__(self, version: Version) -> None:
        self._private: Any = keypairs.load_private(version.secret) if version.secret else None
        self._public: Any = keypairs.load_public(version.public)
        self.public_text = ""

    def sign(self, data: bytes, scheme: Scheme) -> bytes:
        """See `Signer`: the message itself is signed, whatever hash the scheme names."""
        if self._private is None:
            raise Failed("requested version for signing does not contain a private part")
        signature: bytes = self._private.sign(data)
        return signature

    def verify(self, signature: bytes, data: bytes, scheme: Scheme) -> bool:
        """See `Signer`."""
        try:
            self._public.verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class MlDsa(keypairs.KeyPairs):
    """The keys of one parameter set."""

    private: type[Any]
    public: type[Any]
    name: str

    def generate(self, key_size: int) -> tuple[bytes, bytes]:
        """See `Family`."""
        return keypairs.stored(self.private.generate())

    def prepare(self, key: Key, version: Version) -> MlDsaSigner:
        """See `Family`."""
        return MlDsaSigner(version)

    def accept_private(self, material: bytes) -> tuple[bytes, bytes]:
        """See `Family`."""
        return keypairs.stored(keypairs.accept_private(material, self.private, self.name))

    def accept_public(self, pem: str) -> bytes:
        """See `Family`."""
        return keypairs.spki(keypairs.accept_public(pem, self.public, self.name))

    def private_text(self, secret: bytes) -> str:
        """See `Family`."""
        return keypairs.pem(secret, "PRIVATE KEY")
