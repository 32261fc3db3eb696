"""What is stored of a key.

    key/<name>          one `Key`: settings and every version that is still available
    auto-rotate/<name>  empty: the key has a rotation period, or had one lately
    wrapping-key        the `WrappingKey` under which others hand over their keys
    config/keys         `KeySettings`
    config/cache        `CacheSettings`

Each is JSON with a format version `v`; bytes are base64. A version's `secret` is, by the kind of key,

    symmetric           the key's bytes
    ed25519             64 bytes: seed and public key
    ecdsa, rsa, ml-dsa  PKCS#8, DER; empty when only the public key is known

and its `public` 32 bytes for Ed25519, else SubjectPublicKeyInfo, DER; empty for symmetric keys.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

#: The way a context becomes a key: `HKDF` since Vault 0.2.
COUNTER_MODE, HKDF = 0, 1

#: How convergent keys made today find their nonce.
CONVERGENT_VERSION = 3

HMAC_KEY_BYTES = 32


class Version(msgspec.Struct, frozen=True, eq=False, omit_defaults=True):
    """One version of a key. `created_ns` is Unix time in nanoseconds; `certificates` are DER, the leaf first."""

    created_ns: int
    secret: bytes = b""
    public: bytes = b""
    hmac_key: bytes = b""
    convergent_version: int = 0
    certificates: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"Version(created_ns={self.created_ns})"


class Moment(msgspec.Struct, frozen=True):
    """When a key was backed up or restored, and what its latest version was."""

    time_ns: int
    version: int


class Key(msgspec.Struct, frozen=True, eq=False, dict=True, omit_defaults=True):
    """A key. It has a `__dict__` for what is made from it once and used often; see `material.ready`."""

    name: str
    type: str
    v: int = 1
    versions: dict[int, Version] = {}
    latest: int = 0
    min_decryption: int = 1
    min_encryption: int = 0
    min_available: int = 0
    derived: bool = False
    kdf: int = HKDF
    convergent: bool = False
    #: -1: each version names its own; 0 stands for 1.
    convergent_version: int = 0
    exportable: bool = False
    plaintext_backup: bool = False
    deletion_allowed: bool = False
    soft_deleted: bool = False
    auto_rotate_period: int = 0
    key_size: int = 0
    imported: bool = False
    allow_rotation: bool = False
    backed_up: Moment | None = None
    restored: Moment | None = None

    def __repr__(self) -> str:
        return f"Key({self.name!r}, {self.type!r}, latest={self.latest})"

    @cached_property
    def ready(self) -> dict[int, Any]:
        """Prepared key material by version: it lives as long as the storage's cache keeps this very object."""
        return {}

    @property
    def readable(self) -> list[int]:
        """The versions that may be read with, in order."""
        return [n for n in sorted(self.versions) if n >= self.min_decryption]


class WrappingKey(msgspec.Struct, frozen=True):
    """An RSA key of 4096 bits: PKCS#8, DER."""

    secret: bytes
    v: int = 1

    def __repr__(self) -> str:
        return "WrappingKey()"


class KeySettings(msgspec.Struct, frozen=True):
    """Settings for all keys of a mount."""

    v: int = 1
    disable_upsert: bool = False


class CacheSettings(msgspec.Struct, frozen=True):
    """What an operator asked of the key cache; 0 is without limit."""

    v: int = 1
    size: int = 0


def key_path(name: str) -> str:
    """Where a key is stored."""
    return f"key/{name}"


def auto_rotate_path(name: str) -> str:
    """Where it is noted that a key has a rotation period."""
    return AUTO_ROTATE + name


AUTO_ROTATE = "auto-rotate/"
WRAPPING_KEY = "wrapping-key"
KEY_SETTINGS = "config/keys"
CACHE_SETTINGS = "config/cache"
