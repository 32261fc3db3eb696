"""ECDSA over the NIST curves (FIPS 186-5), with signatures as ASN.1 or as JWS has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from strongroom.engines.transit import keypairs
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.material import Scheme
from strongroom.engines.transit.model import Key, Version
from strongroom.errors import BadRequest

#: A digest is a number to ECDSA: which hash made it makes no difference, only how long it is.
_BY_LENGTH: tuple[hashes.HashAlgorithm, ...] = (
    hashes.SHA1(),  # noqa: S303 - stands for digests of 20 bytes
    hashes.SHA224(),
    hashes.SHA256(),
    hashes.SHA384(),
    hashes.SHA512(),
)


class EcdsaSigner:
    """One key pair; the private half may be missing."""

    __slots__ = ("_bytes", "_private", "_public", "public_text")

    def __init__(self, version: Version, coordinate_bytes: int) -> None:
        self._private: Any = keypairs.load_private(version.secret) if version.secret else None
        self._public: Any = keypairs.load_public(version.public)
        self._bytes = coordinate_bytes
        self.public_text = ""

    def sign(self, data: bytes, scheme: Scheme) -> bytes:
        """See `Signer`."""
        if self._private is None:
            raise Failed("requested version for signing does not contain a private part")
        digest, algorithm = self._number(data, scheme)
        signature: bytes = self._private.sign(digest, algorithm)
        if not scheme.jws:
            return signature
        r, s = decode_dss_signature(signature)
        return r.to_bytes(self._bytes, "big") + s.to_bytes(self._bytes, "big")

    def verify(self, signature: bytes, data: bytes, scheme: Scheme) -> bool:
        """See `Signer`."""
        if scheme.jws:
            half = len(signature) // 2
            numbers = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            signature = encode_dss_signature(*numbers)
        else:
            try:
                decode_dss_signature(signature)
            except ValueError:
                raise BadRequest("supplied signature is invalid") from None
        digest, algorithm = self._number(data, scheme)
        try:
            self._public.verify(signature, digest, algorithm)
        except InvalidSignature:
            return False
        return True

    def _number(self, data: bytes, scheme: Scheme) -> tuple[bytes, ec.ECDSA]:
        digest = data if scheme.prehashed or scheme.digest is None else scheme.digest.of(data)
        digest = digest[: self._bytes]
        for algorithm in _BY_LENGTH:
            if len(digest) <= algorithm.digest_size:
                return digest.rjust(algorithm.digest_size, b"\0"), ec.ECDSA(Prehashed(algorithm))
        raise Failed("the prehashed input is longer than any hash")


@dataclass(frozen=True, slots=True)
class Ecdsa(keypairs.KeyPairs):
    """The keys of one curve."""

    curve: type[ec.EllipticCurve]
    name: str
    coordinate_bytes: int

    def generate(self, key_size: int) -> tuple[bytes, bytes]:
        """See `Family`."""
        return keypairs.stored(ec.generate_private_key(self.curve()))

    def prepare(self, key: Key, version: Version) -> EcdsaSigner:
        """See `Family`."""
        return EcdsaSigner(version, self.coordinate_bytes)

    def accept_private(self, material: bytes) -> tuple[bytes, bytes]:
        """See `Family`."""
        private = keypairs.accept_private(material, ec.EllipticCurvePrivateKey, self.name)
        self._same_curve(private)
        return keypairs.stored(private)

    def accept_public(self, pem: str) -> bytes:
        """See `Family`."""
        public = keypairs.accept_public(pem, ec.EllipticCurvePublicKey, self.name)
        self._same_curve(public)
        return keypairs.spki(public)

    def private_text(self, secret: bytes) -> str:
        """See `Family`."""
        private = keypairs.load_private(secret)
        text: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return text.decode().rstrip("\n")

    def public_export(self, public: bytes) -> str:
        """See `Family`."""
        return keypairs.pem(public, "PUBLIC KEY").rstrip("\n")

    def _same_curve(self, key: Any) -> None:
        if not isinstance(key.curve, self.curve):
            raise Failed(f"error importing key: invalid curve: expected {self.name}, got {key.curve.name}")
