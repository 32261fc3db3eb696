"""RSA (RFC 8017): OAEP with SHA-256 and no label; signatures as PSS or PKCS#1 v1.5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from strongroom.engines.transit import keypairs
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.material import SALT_AUTO, SALT_DIGEST, Scheme
from strongroom.engines.transit.model import Key, Version

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class RsaKey:
    """One key pair; the private half may be missing."""

    __slots__ = ("_private", "_public", "public_text")

    def __init__(self, version: Version) -> None:
        self._private: Any = keypairs.load_private(version.secret) if version.secret else None
        self._public: Any = keypairs.load_public(version.public)
        self.public_text = ""

    def encrypt(self, plaintext: bytes, context: bytes, nonce: bytes, associated: bytes | None) -> bytes:
        """See `Cipher`."""
        try:
            box: bytes = self._public.encrypt(plaintext, _OAEP)
        except ValueError:
            text = "failed to RSA encrypt the plaintext: crypto/rsa: message too long for RSA key size"
            raise Failed(text) from None
        return box

    def decrypt(self, box: bytes, context: bytes, nonce: bytes, associated: bytes | None) -> bytes:
        """See `Cipher`."""
        if self._private is None:
            raise Failed("cannot decrypt ciphertext, key version does not have a private counterpart")
        try:
            plaintext: bytes = self._private.decrypt(box, _OAEP)
        except ValueError:
            raise Failed("failed to RSA decrypt the ciphertext: crypto/rsa: decryption error") from None
        return plaintext

    def sign(self, data: bytes, scheme: Scheme) -> bytes:
        """See `Signer`."""
        if self._private is None:
            raise Failed("requested version for signing does not contain a private part")
        data, algorithm = _hashed(data, scheme)
        try:
            signature: bytes = self._private.sign(data, self._padding(scheme, signing=True), algorithm)
        except ValueError:
            raise Failed("crypto/rsa: the input does not fit the key and the scheme") from None
        return signature

    def verify(self, signature: bytes, data: bytes, scheme: Scheme) -> bool:
        """See `Signer`."""
        form = self._padding(scheme, signing=False)
        data, algorithm = _hashed(data, scheme)
        try:
            self._public.verify(signature, data, form, algorithm)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _padding(self, scheme: Scheme, *, signing: bool) -> padding.AsymmetricPadding:
        if scheme.rsa == "pkcs1v15":
            return padding.PKCS1v15()
        if scheme.rsa != "pss":
            raise Failed(f"unsupported rsa signature algorithm {scheme.rsa[:32]}")
        assert scheme.digest is not None, "without a hash there is only PKCS#1 v1.5"
        salt: Any = scheme.salt
        if salt == SALT_DIGEST:
            salt = scheme.digest.size
        elif salt == SALT_AUTO:
            salt = padding.PSS.MAX_LENGTH if signing else padding.PSS.AUTO
        elif salt > (self._public.key_size + 6) // 8 - scheme.digest.size - 2:
            raise Failed(f"requested salt length {salt} is invalid")
        return padding.PSS(padding.MGF1(scheme.digest.primitive), salt)


def _hashed(data: bytes, scheme: Scheme) -> tuple[bytes, Any]:
    if scheme.digest is None:
        return data, NoDigestInfo()
    if not scheme.prehashed:
        data = scheme.digest.of(data)
    elif len(data) != scheme.digest.size:
        raise Failed("crypto/rsa: input must be hashed message")
    return data, Prehashed(scheme.digest.primitive)


@dataclass(frozen=True, slots=True)
class Rsa(keypairs.KeyPairs):
    """The keys of one size."""

    bits: int

    def generate(self, key_size: int) -> tuple[bytes, bytes]:
        """See `Family`."""
        return keypairs.stored(rsa.generate_private_key(public_exponent=65537, key_size=self.bits))

    def prepare(self, key: Key, version: Version) -> RsaKey:
        """See `Family`."""
        return RsaKey(version)

    def accept_private(self, material: bytes) -> tuple[bytes, bytes]:
        """See `Family`."""
        private = keypairs.accept_private(material, rsa.RSAPrivateKey, f"rsa-{self.bits}")
        self._same_size(private)
        return keypairs.stored(private)

    def accept_public(self, pem: str) -> bytes:
        """See `Family`."""
        public = keypairs.accept_public(pem, rsa.RSAPublicKey, f"rsa-{self.bits}")
        self._same_size(public)
        return keypairs.spki(public)

    def private_text(self, secret: bytes) -> str:
        """See `Family`."""
        private = keypairs.load_private(secret)
        text: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return text.decode()

    def _same_size(self, key: Any) -> None:
        if key.key_size != self.bits:
            raise Failed(f"error importing key: invalid key size: expected {self.bits} bits, got {key.key_size}")
