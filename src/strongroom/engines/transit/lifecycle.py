"""How a key changes: pure functions from one `Key` to the next."""

from __future__ import annotations

import asyncio
import os

from msgspec.structs import replace

from strongroom.engines.transit.algorithms import ALGORITHMS, Algorithm
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.model import CONVERGENT_VERSION, HMAC_KEY_BYTES, Key, Version
from strongroom.errors import BadRequest

LEAST_ROTATION_PERIOD = 3600
_NANO = 10**9


def check_derivation(algorithm: Algorithm, *, derived: bool, convergent: bool) -> None:
    """Refuse derivation and convergence of keys that have neither."""
    if convergent and not derived:
        raise BadRequest("convergent encryption requires derivation to be enabled")
    if derived and not algorithm.derives:
        raise Failed(f"key derivation and convergent encryption not supported for keys of type {algorithm.type}")
    if convergent and not algorithm.converges:
        raise Failed(f"convergent encryption not supported for keys of type {algorithm.type}")


def check_rotation_period(seconds: int) -> None:
    """Refuse to rotate more often than hourly."""
    if 0 < seconds < LEAST_ROTATION_PERIOD:
        raise BadRequest("auto rotate period must be 0 to disable or at least an hour")


def empty(name: str, algorithm: Algorithm, *, derived: bool, convergent: bool) -> Key:
    """A key before its first version."""
    return Key(
        name=name,
        type=algorithm.name,
        derived=derived,
        convergent=convergent,
        convergent_version=-1 if convergent else 0,
    )


async def new_version(key: Key, now_ns: int) -> Version:
    """Fresh key material; what takes long to find is found in a thread."""
    algorithm = ALGORITHMS[key.type]
    generate = algorithm.family.generate
    secret, public = await asyncio.to_thread(generate, key.key_size) if algorithm.threaded else generate(key.key_size)
    return version_of(key, secret, public, now_ns)


def version_of(key: Key, secret: bytes, public: bytes, now_ns: int) -> Version:
    """A version with this material and an HMAC key of its own."""
    mac_only = ALGORITHMS[key.type].mac_only
    return Version(
        created_ns=now_ns,
        secret=secret,
        public=public,
        hmac_key=secret if mac_only else os.urandom(HMAC_KEY_BYTES),
        convergent_version=CONVERGENT_VERSION if key.convergent else 0,
    )


def with_version(key: Key, version: Version) -> Key:
    """The key with one more version, from now on the latest."""
    latest = key.latest + 1
    return replace(key, versions={**key.versions, latest: version}, latest=latest)


async def rotated(key: Key, now_ns: int) -> Key:
    """The key with a fresh latest version. An imported key is no longer one once it has material of our own."""
    if key.soft_deleted:
        raise Failed("refusing to use soft-deleted key")
    if key.imported and not key.allow_rotation:
        raise Failed(f"imported key {key.name} does not allow rotation within Vault")
    return replace(with_version(key, await new_version(key, now_ns)), imported=False)


def rotation_due(key: Key, now_ns: int) -> bool:
    """Whether the latest version is older than the rotation period."""
    if not key.auto_rotate_period or key.soft_deleted:
        return False
    return now_ns >= key.versions[key.latest].created_ns + key.auto_rotate_period * _NANO


def check_limits(key: Key) -> None:
    """Refuse minimum versions that contradict each other."""
    if 0 < key.min_encryption < key.min_decryption:
        raise BadRequest(
            f"cannot set min encryption/decryption values; min encryption version of {key.min_encryption} must be "
            f"greater than or equal to min decryption version of {key.min_decryption}"
        )
    if key.min_encryption < key.min_available:
        raise BadRequest("min encryption version should not be less than min available version")
    if key.min_decryption < key.min_available:
        raise BadRequest("min decryption version should not be less then min available version")


def trimmed(key: Key, least: int) -> Key:
    """The key without the versions below `least`; they are gone for good."""
    if least < key.min_available:
        raise BadRequest("minimum available version cannot be decremented")
    if key.min_encryption == 0:
        raise BadRequest("minimum available version cannot be set when minimum encryption version is not set")
    if least > key.min_encryption:
        raise BadRequest("minimum available version cannot be greater than minimum encryption version")
    if least > key.min_decryption:
        raise BadRequest("minimum available version cannot be greater than minimum decryption version")
    if least < 0:
        raise BadRequest("minimum available version cannot be negative")
    if least == 0:
        raise BadRequest("minimum available version should be positive")
    kept = {n: version for n, version in key.versions.items() if n >= least}
    return replace(key, versions=kept, min_available=least)
