"""Ed25519 keys (RFC 8032), by themselves or derived by context.

Two libraries sign, and their signatures are the same, for key and message determine them. libsodium takes little more
than half of OpenSSL's time for a short message, but wants a copy of it. All else is OpenSSL's, verifying above all,
where libraries differ in what they take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_sign

from strongroom.crypto.kdf import hkdf_sha256
from strongroom.engines.transit import encoding, keypairs
from strongroom.engines.transit.errors import MISSING_CONTEXT, Failed
from strongroom.engines.transit.material import Scheme, Signer
from strongroom.engines.transit.model import COUNTER_MODE, Key, Version
from strongroom.engines.transit.symmetric import counter_mode

SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
#: The longest message, in bytes, that is short.
SHORT: Final = 1 << 12


class Ed25519Signer:
    """One key pair; the private half may be missing."""

    __slots__ = ("_pair", "_private", "_public", "public", "public_text")

    def __init__(self, seed: bytes, public: bytes = b"") -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed) if seed else None
        self._public = self._private.public_key() if self._private else Ed25519PublicKey.from_public_bytes(public)
        self.public = _raw(self._public)
        #: The public key must be the seed's own: with another a signature would give the seed away.
        self._pair = seed + self.public
        #: What answers show of it; nothing of a key that is not derived.
        self.public_text = ""

    def sign(self, data: bytes, scheme: Scheme) -> bytes:
        """See `Signer`: the message itself is signed, whatever hash the scheme names."""
        if self._private is None:
            raise Failed("requested version for signing does not contain a private part")
        if len(data) <= SHORT:
            return crypto_sign(data, self._pair)[:SIGNATURE_BYTES]
        return self._private.sign(data)

    def verify(self, signature: bytes, data: bytes, scheme: Scheme) -> bool:
        """See `Signer`."""
        try:
            self._public.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class Derived:
    """A key from which each context makes a pair of its own."""

    __slots__ = ("_kdf", "_secret")

    def __init__(self, key: Key, version: Version) -> None:
        self._secret, self._kdf = version.secret, key.kdf

    def at(self, context: bytes) -> Ed25519Signer:
        """The pair of a context; raises `Failed` without one."""
        if not context:
            raise Failed(f"error deriving key: {MISSING_CONTEXT}")
        if self._kdf == COUNTER_MODE:
            seed = counter_mode(self._secret, SEED_BYTES, context)
        else:
            seed = hkdf_sha256(self._secret, SEED_BYTES, info=context)
        signer = Ed25519Signer(seed)
        signer.public_text = encoding.encode(signer.public)
        return signer


def _raw(public: Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


@dataclass(frozen=True, slots=True)
class Ed25519:
    """The family. A secret is seed and public key, a public key its 32 bytes."""

    def generate(self, key_size: int) -> tuple[bytes, bytes]:
        """See `Family`."""
        private = Ed25519PrivateKey.generate()
        return self._stored(private)

    def prepare(self, key: Key, version: Version) -> Ed25519Signer | Derived:
        """See `Family`."""
        if key.derived:
            return Derived(key, version)
        return Ed25519Signer(version.secret[:SEED_BYTES], version.public)

    def signer(self, ready: Ed25519Signer | Derived, context: bytes) -> Signer:
        """See `Family`."""
        return ready.at(context) if isinstance(ready, Derived) else ready

    def private_bytes(self, secret: bytes) -> bytes:
        """See `Family`."""
        return keypairs.pkcs8(Ed25519PrivateKey.from_private_bytes(secret[:SEED_BYTES]))

    def accept_private(self, material: bytes) -> tuple[bytes, bytes]:
        """See `Family`."""
        return self._stored(keypairs.accept_private(material, Ed25519PrivateKey, "ed25519"))

    def accept_public(self, pem: str) -> bytes:
        """See `Family`."""
        public: Ed25519PublicKey = keypairs.accept_public(pem, Ed25519PublicKey, "ed25519")
        return _raw(public)

    def private_text(self, secret: bytes) -> str:
        """See `Family`."""
        return encoding.encode(secret)

    def public_text(self, public: bytes) -> str:
        """See `Family`."""
        return encoding.encode(public)

    def public_export(self, public: bytes) -> str:
        """See `Family`."""
        return encoding.encode(public)

    @staticmethod
    def _stored(private: Ed25519PrivateKey) -> tuple[bytes, bytes]:
        public = _raw(private.public_key())
        return private.private_bytes_raw() + public, public
