"""The types of keys: one row each, which says what a key of it can do and why that is safe."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, mldsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from strongroom.crypto.xchacha import NONCE_BYTES as XCHACHA_NONCE_BYTES
from strongroom.crypto.xchacha import XChaCha20Poly1305
from strongroom.engines.transit.ecdsa import Ecdsa
from strongroom.engines.transit.ed25519 import Ed25519
from strongroom.engines.transit.material import Family
from strongroom.engines.transit.mldsa import MlDsa
from strongroom.engines.transit.rsa import Rsa
from strongroom.engines.transit.symmetric import Aead, AesCmac, MacOnly


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One type of key. Every type makes HMACs, with a key of its own that each version carries.

    `number` is the type in backups, `label` the name of a version's public key. `threaded` operations cost more than
    a turn of the event loop and run in threads. `parameter_set` tells apart what shares its `shown` type.
    """

    name: str
    number: int
    family: Family
    nonce: str
    encrypts: bool = False
    signs: bool = False
    derives: bool = False
    converges: bool = False
    threaded: bool = False
    label: str = ""
    parameter_set: str = ""
    shown: str = ""

    @property
    def asymmetric(self) -> bool:
        """Whether there are public keys."""
        return bool(self.label)

    @property
    def mac_only(self) -> bool:
        """Whether a version's secret is its HMAC key."""
        return isinstance(self.family, MacOnly)

    @property
    def aead(self) -> bool:
        """Whether it takes associated data."""
        return isinstance(self.family, Aead)

    @property
    def cmacs(self) -> bool:
        """Whether it makes CMACs."""
        return isinstance(self.family, AesCmac)

    @property
    def type(self) -> str:
        """The type as clients know it."""
        return self.shown or self.name


#: 96 random bits collide with a chance of 2^-32 after 2^32 encryptions (SP 800-38D, 8.3); rotate before that.
_RANDOM_96 = "96 random bits: at most 2^32 encryptions by each version; with derivation, for each context"
_RANDOM_192 = "192 random bits: collisions stay out of reach whatever the number of encryptions"
_RSA = "none: OAEP draws a random seed, PSS a random salt"
_ECDSA = "a nonce for each signature, drawn by the library"
_DETERMINISTIC = "derived from key and message (RFC 8032)"
_HEDGED = "derived from key, message and fresh randomness (FIPS 204)"

_CHACHA_REFUSAL = "chacha20poly1305: message authentication failed"


def _aead(name: str, number: int, family: Aead, nonce: str) -> Algorithm:
    return Algorithm(name, number, family, nonce, encrypts=True, derives=True, converges=True)


def _rsa(bits: int, number: int) -> Algorithm:
    name = f"rsa-{bits}"
    return Algorithm(name, number, Rsa(bits), _RSA, encrypts=True, signs=True, threaded=True, label=name)


def _ecdsa(curve: type[ec.EllipticCurve], bits: int, number: int, *, threaded: bool = True) -> Algorithm:
    name = f"ecdsa-p{bits}"
    family = Ecdsa(curve, name, -(-bits // 8))
    return Algorithm(name, number, family, _ECDSA, signs=True, threaded=threaded, label=f"P-{bits}")


def _mldsa(size: str, family: MlDsa) -> Algorithm:
    name = family.name
    return Algorithm(
        name, 14, family, _HEDGED, signs=True, threaded=True, label=name, parameter_set=size, shown="ml-dsa"
    )


_ROWS: Final = (
    _aead("aes128-gcm96", 8, Aead(16, AESGCM), _RANDOM_96),
    _aead("aes256-gcm96", 0, Aead(32, AESGCM), _RANDOM_96),
    _aead("chacha20-poly1305", 5, Aead(32, ChaCha20Poly1305, refusal=_CHACHA_REFUSAL), _RANDOM_96),
    _aead(
        "xchacha20-poly1305",
        11,
        Aead(32, XChaCha20Poly1305, XCHACHA_NONCE_BYTES, refusal=_CHACHA_REFUSAL),
        _RANDOM_192,
    ),
    Algorithm("ed25519", 2, Ed25519(), _DETERMINISTIC, signs=True, derives=True, label="ed25519"),
    _ecdsa(ec.SECP256R1, 256, 1, threaded=False),
    _ecdsa(ec.SECP384R1, 384, 6),
    _ecdsa(ec.SECP521R1, 521, 7),
    _rsa(2048, 3),
    _rsa(3072, 9),
    _rsa(4096, 4),
    Algorithm("hmac", 11, MacOnly(), "none"),
    Algorithm("aes128-cmac", 12, AesCmac(16), "none"),
    Algorithm("aes192-cmac", 16, AesCmac(24), "none"),
    Algorithm("aes256-cmac", 13, AesCmac(32), "none"),
    _mldsa("44", MlDsa(mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey, "ml-dsa-44")),
    _mldsa("65", MlDsa(mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey, "ml-dsa-65")),
    _mldsa("87", MlDsa(mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey, "ml-dsa-87")),
)

#: By the name under which they are stored.
ALGORITHMS: Final = MappingProxyType({row.name: row for row in _ROWS})

DEFAULT: Final = "aes256-gcm96"


def named(type_: str, parameter_set: str = "") -> Algorithm | None:
    """The row of a type as clients write it."""
    return next((row for row in _ROWS if row.type == type_ and row.parameter_set == parameter_set), None)
