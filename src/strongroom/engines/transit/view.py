"""A key as it is read."""

from __future__ import annotations

from typing import Any

from strongroom.api.messages import Timestamp
from strongroom.engines.transit.algorithms import ALGORITHMS, Algorithm
from strongroom.engines.transit.keypairs import pem
from strongroom.engines.transit.model import COUNTER_MODE, Key, Moment, Version

_NANO = 10**9
_KDF = {COUNTER_MODE: "hmac-sha256-counter"}


def view(key: Key, context: bytes = b"") -> dict[str, Any]:
    """What clients may see of a key; a context shows the public keys derived for it."""
    algorithm = ALGORITHMS[key.type]
    data: dict[str, Any] = {
        "allow_plaintext_backup": key.plaintext_backup,
        "auto_rotate_period": key.auto_rotate_period,
        "deletion_allowed": key.deletion_allowed,
        "derived": key.derived,
        "exportable": key.exportable,
        "imported_key": key.imported,
        "latest_version": key.latest,
        "min_available_version": key.min_available,
        "min_decryption_version": key.min_decryption,
        "min_encryption_version": key.min_encryption,
        "name": key.name,
        "soft_deleted": key.soft_deleted,
        "supports_decryption": algorithm.encrypts,
        "supports_derivation": algorithm.derives,
        "supports_encryption": algorithm.encrypts,
        "supports_signing": algorithm.signs,
        "type": algorithm.type,
    }
    if key.imported:
        data["imported_key_allow_rotation"] = key.allow_rotation
    if key.derived:
        data["kdf"] = _KDF.get(key.kdf, "hkdf_sha256")
        data["convergent_encryption"] = key.convergent
        if key.convergent:
            data["convergent_encryption_version"] = key.convergent_version
    if algorithm.parameter_set:
        data["parameter_set"] = algorithm.parameter_set
    if algorithm.mac_only:
        data["key_size"] = key.key_size
    else:
        data["keys"] = {str(n): _version(algorithm, key, key.versions[n], context) for n in key.readable}
    for name, moment in (("backup_info", key.backed_up), ("restore_info", key.restored)):
        if moment is not None:
            data[name] = _moment(moment)
    return data


def _version(algorithm: Algorithm, key: Key, version: Version, context: bytes) -> Any:
    if not algorithm.asymmetric:
        return version.created_ns // _NANO
    return {
        "certificate_chain": chain_text(version),
        "creation_time": Timestamp(version.created_ns),
        "name": algorithm.label,
        "public_key": _public(algorithm, key, version, context),
    }


def _public(algorithm: Algorithm, key: Key, version: Version, context: bytes) -> str:
    if not key.derived:
        return algorithm.family.public_text(version.public)
    if not context:
        return ""
    return algorithm.family.signer(algorithm.family.prepare(key, version), context).public_text


def _moment(moment: Moment) -> dict[str, Any]:
    return {"time": Timestamp(moment.time_ns), "version": moment.version}


def chain_text(version: Version) -> str:
    """A version's certificates as PEM, the leaf first, without a newline at the end."""
    return "".join(pem(der, "CERTIFICATE") for der in version.certificates).rstrip("\n")
