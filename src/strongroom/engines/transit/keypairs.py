"""Reading and writing of asymmetric keys, for every family that has them."""

from __future__ import annotations

import binascii
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.material import Signer
from strongroom.errors import CryptoError


def pkcs8(private: Any) -> bytes:
    """A private key as PKCS#8, DER."""
    der: bytes = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return der


def spki(public: Any) -> bytes:
    """A public key as SubjectPublicKeyInfo, DER."""
    der: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def load_private(der: bytes) -> Any:
    """A private key of our own."""
    try:
        return serialization.load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CryptoError("a stored private key does not load") from None


def load_public(der: bytes) -> Any:
    """A public key of our own."""
    try:
        return serialization.load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CryptoError("a stored public key does not load") from None


def pem(der: bytes, label: str) -> str:
    """DER as PEM, with a final newline."""
    text = binascii.b2a_base64(der, newline=False).decode()
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def accept_private(material: bytes, wanted: type[Any], name: str) -> Any:
    """A private key that somebody brings along; raises `Failed`, which says what kind it is and nothing of it."""
    try:
        private = serialization.load_der_private_key(material, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Failed("error parsing asymmetric key: not a PKCS#8 key that is known here") from None
    if not isinstance(private, wanted):
        raise Failed(f"error importing key: invalid key type: expected {name}, got {_kind(private)}")
    return private


def accept_public(text: str, wanted: type[Any], name: str) -> Any:
    """A public key that somebody brings along; raises `Failed`."""
    if "-----BEGIN" not in text:
        raise Failed("error importing key: error parsing public key: not in PEM format")
    try:
        public = serialization.load_pem_public_key(text.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Failed("error importing key: error parsing public key") from None
    if not isinstance(public, wanted):
        raise Failed(f"error importing key: invalid key type: expected {name}, got {_kind(public)}")
    return public


def _kind(key: Any) -> str:
    return type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey")


class KeyPairs:
    """What the families share whose secrets are PKCS#8 and whose public keys are SubjectPublicKeyInfo, both DER."""

    __slots__ = ()

    def signer(self, ready: Signer, context: bytes) -> Signer:
        """See `Family`: these keys are not derived."""
        return ready

    def private_bytes(self, secret: bytes) -> bytes:
        """See `Family`."""
        return secret

    def public_text(self, public: bytes) -> str:
        """See `Family`."""
        return pem(public, "PUBLIC KEY")

    def public_export(self, public: bytes) -> str:
        """See `Family`."""
        return pem(public, "PUBLIC KEY")


def stored(private: Any) -> tuple[bytes, bytes]:
    """A key pair of such a family."""
    return pkcs8(private), spki(private.public_key())
