"""Signing identity tokens: making keys, signing, and telling public keys. Sources: RFC 7515, 7517, 7518 and 8037."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from strongroom.clock import new_uuid
from strongroom.identity.oidc_model import RingKey

RSA_BITS: Final = 2048
_CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CRV: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA")


def generate(alg: str) -> RingKey:
    """A new signing key; slow for RSA."""
    private: Any
    if alg.startswith("RS"):
        private = rsa.generate_private_key(65537, RSA_BITS)
    elif alg in _CURVES:
        private = ec.generate_private_key(_CURVES[alg])
    else:
        private = ed25519.Ed25519PrivateKey.generate()
    return RingKey(
        kid=new_uuid(),
        alg=alg,
        public=private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        private=private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    )


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(key: RingKey, claims: Mapping[str, Any]) -> str:
    """A token of these claims, in compact form."""
    header = {"alg": key.alg, "kid": key.kid}
    text = f"{encode(msgspec.json.encode(header))}.{encode(msgspec.json.encode(claims))}"
    return f"{text}.{encode(_signature(key, text.encode()))}"


def _signature(key: RingKey, text: bytes) -> bytes:
    # We made the key: checking that it is one takes longer than signing.
    private = load_der_private_key(key.private, None, unsafe_skip_rsa_key_validation=True)
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(text, padding.PKCS1v15(), _HASHES[key.alg[2:]])
    if isinstance(private, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(private.sign(text, ec.ECDSA(_HASHES[key.alg[2:]])))
        size = (private.key_size + 7) // 8
        return r.to_bytes(size) + s.to_bytes(size)
    assert isinstance(private, ed25519.Ed25519PrivateKey)
    return private.sign(text)


def public_key(key: RingKey) -> Any:
    """The public key, as the cryptography library has it."""
    return load_der_public_key(key.public)


def jwk(key: RingKey) -> dict[str, str]:
    """The public key as a member of a key set."""
    public = public_key(key)
    common = {"use": "sig", "kid": key.kid, "alg": key.alg}
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {**common, "kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        curve = _CRV[public.curve.name]
        return {**common, "kty": "EC", "crv": curve, "x": _number(point.x, size), "y": _number(point.y, size)}
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {**common, "kty": "OKP", "crv": "Ed25519", "x": encode(raw)}


def _number(value: int, size: int = 0) -> str:
    return encode(value.to_bytes(size or (value.bit_length() + 7) // 8))
