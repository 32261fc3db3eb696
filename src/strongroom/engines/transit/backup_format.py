"""Backups: the JSON that Vault and OpenBao write and read, in base64.

    {"policy": {settings..., "type": number, "keys": {"3": entry, ...}},
     "archived_keys": {"keys": [entry, ...]}}

`policy.keys` are the versions that may be read with, `archived_keys.keys` all that are available: the first is that of
version `archive_min_version` (0, which never exists, is an empty entry). An entry has `key` (base64: a symmetric key,
seed and public key of Ed25519, or the PKCS#8 of ML-DSA), `ec_x`, `ec_y` and `ec_d`, `rsa_key` (`N`, `E`, `D`, `Primes`)
or `rsa_public_key` as numbers, `public_key` as text, `hmac_key`, `time`, `creation_time`, `convergent_version` and
`certificate_chain`. `strongroom_type` names the type where the numbers of others disagree.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from strongroom.clock import rfc3339
from strongroom.engines.transit import keypairs
from strongroom.engines.transit.algorithms import ALGORITHMS, Algorithm
from strongroom.engines.transit.ecdsa import Ecdsa
from strongroom.engines.transit.errors import Failed
from strongroom.engines.transit.model import COUNTER_MODE, HKDF, Key, Moment, Version

_NANO = 10**9
_NEVER = "0001-01-01T00:00:00Z"
#: The number of `hmac` elsewhere.
_OTHER_HMAC = 10
#: More versions than anybody has; a number beyond it is a mistake or an attack.
_MOST_VERSIONS = 1_000_000


class _Bad(ValueError):
    pass


def dump(key: Key) -> str:
    """A key's backup."""
    algorithm = ALGORITHMS[key.type]
    first = key.min_available
    numbers = range(first, key.latest + 1)
    archived = [_entry(algorithm, key.versions.get(n)) for n in numbers]
    document = {"policy": _policy(algorithm, key, first), "archived_keys": {"keys": archived}}
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


def _policy(algorithm: Algorithm, key: Key, first: int) -> dict[str, Any]:
    return {
        "name": key.name,
        "keys": {str(n): _entry(algorithm, key.versions[n]) for n in key.readable},
        "derived": key.derived,
        "kdf": key.kdf if key.derived else COUNTER_MODE,
        "convergent_encryption": key.convergent,
        "exportable": key.exportable,
        "min_decryption_version": key.min_decryption,
        "min_encryption_version": key.min_encryption,
        "latest_version": key.latest,
        "archive_version": key.latest,
        "archive_min_version": first,
        "min_available_version": key.min_available,
        "deletion_allowed": key.deletion_allowed,
        "convergent_version": key.convergent_version,
        "type": algorithm.number,
        "strongroom_type": algorithm.name,
        "backup_info": _moment(key.backed_up),
        "restore_info": _moment(key.restored),
        "allow_plaintext_backup": key.plaintext_backup,
        "version_template": "",
        "storage_prefix": "",
        "auto_rotate_period": key.auto_rotate_period * _NANO,
        "Imported": key.imported,
        "AllowImportedKeyRotation": key.allow_rotation,
        "key_size": key.key_size,
        "soft_deleted": key.soft_deleted,
    }


def _moment(moment: Moment | None) -> dict[str, Any] | None:
    return None if moment is None else {"time": rfc3339(moment.time_ns), "version": moment.version}


def _entry(algorithm: Algorithm, version: Version | None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "key": None,
        "hmac_key": None,
        "time": _NEVER,
        "ec_x": None,
        "ec_y": None,
        "ec_d": None,
        "rsa_key": None,
        "rsa_public_key": None,
        "public_key": "",
        "convergent_version": 0,
        "creation_time": 0,
        "certificate_chain": None,
    }
    if version is None:
        return entry
    entry["hmac_key"] = _text(version.hmac_key)
    entry["time"] = rfc3339(version.created_ns)
    entry["creation_time"] = version.created_ns // _NANO
    entry["convergent_version"] = version.convergent_version
    if version.certificates:
        entry["certificate_chain"] = [_text(der) for der in version.certificates]
    if algorithm.name.startswith("rsa-"):
        _write_rsa(entry, version)
    elif isinstance(algorithm.family, Ecdsa):
        _write_ec(entry, version)
    else:
        entry["key"] = _text(version.secret) if version.secret else None
    if algorithm.asymmetric and not algorithm.name.startswith("rsa-"):
        entry["public_key"] = algorithm.family.public_text(version.public)
    return entry


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _write_ec(entry: dict[str, Any], version: Version) -> None:
    numbers = keypairs.load_public(version.public).public_numbers()
    entry["ec_x"], entry["ec_y"] = numbers.x, numbers.y
    if version.secret:
        entry["ec_d"] = keypairs.load_private(version.secret).private_numbers().private_value


def _write_rsa(entry: dict[str, Any], version: Version) -> None:
    if not version.secret:
        public = keypairs.load_public(version.public).public_numbers()
        entry["rsa_public_key"] = {"N": public.n, "E": public.e}
        return
    private = keypairs.load_private(version.secret).private_numbers()
    entry["rsa_key"] = {
        "N": private.public_numbers.n,
        "E": private.public_numbers.e,
        "D": private.d,
        "Primes": [private.p, private.q],
        "Precomputed": {"Dp": private.dmp1, "Dq": private.dmq1, "Qinv": private.iqmp, "CRTValues": []},
    }


def load(document: str | bytes, name: str = "") -> Key:
    """The key of a backup's JSON, under another name if one is given; raises `Failed`."""
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        raise Failed("the backup is not JSON") from None
    try:
        policy, archived = _object(_object(parsed)["policy"]), _object(_object(parsed)["archived_keys"])
        return _key(policy, archived, name)
    except (_Bad, KeyError, TypeError, ValueError, OverflowError, AttributeError, UnsupportedAlgorithm):
        raise Failed("the backup does not have the form of one") from None


def _key(policy: Mapping[str, Any], archived: Mapping[str, Any], name: str) -> Key:
    algorithm = _algorithm(policy)
    latest = _number(policy["latest_version"], most=_MOST_VERSIONS)
    least = _number(policy.get("min_available_version"), most=latest)
    entries = _entries(policy, archived)
    versions = {n: _version(algorithm, entries[n]) for n in sorted(entries) if max(least, 1) <= n <= latest}
    if latest not in versions:
        raise _Bad
    derived = _flag(policy, "derived")
    convergent = _flag(policy, "convergent_encryption")
    if (derived and not algorithm.derives) or (convergent and not (derived and algorithm.converges)):
        raise _Bad
    return Key(
        name=name or _string(policy["name"]),
        type=algorithm.name,
        versions=versions,
        latest=latest,
        min_decryption=max(_number(policy.get("min_decryption_version"), most=latest), 1),
        min_encryption=_number(policy.get("min_encryption_version"), most=latest),
        min_available=least,
        derived=derived,
        kdf=HKDF if _number(policy.get("kdf"), most=HKDF) or not derived else COUNTER_MODE,
        convergent=convergent,
        convergent_version=_number(policy.get("convergent_version"), least=-1, most=3),
        exportable=_flag(policy, "exportable"),
        plaintext_backup=_flag(policy, "allow_plaintext_backup"),
        deletion_allowed=_flag(policy, "deletion_allowed"),
        soft_deleted=_flag(policy, "soft_deleted"),
        auto_rotate_period=_number(policy.get("auto_rotate_period"), most=2**63) // _NANO,
        key_size=len(versions[latest].secret) if algorithm.mac_only else 0,
        imported=_flag(policy, "Imported"),
        allow_rotation=_flag(policy, "AllowImportedKeyRotation"),
        backed_up=_moment_of(policy.get("backup_info")),
    )


def _algorithm(policy: Mapping[str, Any]) -> Algorithm:
    named = policy.get("strongroom_type")
    if isinstance(named, str) and named in ALGORITHMS:
        return ALGORITHMS[named]
    number = _number(policy["type"])
    entry: Mapping[str, Any] = next(iter(_object(policy["keys"]).values()), {})
    if number == _OTHER_HMAC or (number == ALGORITHMS["hmac"].number and entry.get("key") == entry.get("hmac_key")):
        return ALGORITHMS["hmac"]
    return next(a for a in ALGORITHMS.values() if a.number == number and not a.mac_only)


def _entries(policy: Mapping[str, Any], archived: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    first = _number(policy.get("archive_min_version"), most=_MOST_VERSIONS)
    listed = archived.get("keys") or []
    if not isinstance(listed, list):
        raise _Bad
    entries = {first + at: _object(entry) for at, entry in enumerate(listed)}
    for number, entry in _object(policy["keys"]).items():
        entries[int(number)] = _object(entry)
    return entries


def _version(algorithm: Algorithm, entry: Mapping[str, Any]) -> Version:
    secret, public = _material(algorithm, entry)
    return Version(
        created_ns=_created(entry),
        secret=secret,
        public=public,
        hmac_key=_bytes(entry.get("hmac_key")) or (secret if algorithm.mac_only else b""),
        convergent_version=_number(entry.get("convergent_version"), most=3),
        certificates=tuple(_bytes(der) for der in entry.get("certificate_chain") or ()),
    )


def _material(algorithm: Algorithm, entry: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """What is stored of an entry's key; raises `_Bad` for one that the type cannot have."""
    private: Any
    if algorithm.name.startswith("rsa-"):
        if entry.get("rsa_key") is None:
            numbers = _object(entry["rsa_public_key"])
            public = rsa.RSAPublicNumbers(_number(numbers["E"]), _number(numbers["N"])).public_key()
            return b"", algorithm.family.accept_public(keypairs.pem(keypairs.spki(public), "PUBLIC KEY"))
        private = _read_rsa(_object(entry["rsa_key"]))
    elif isinstance(algorithm.family, Ecdsa):
        x, y = _number(entry["ec_x"]), _number(entry["ec_y"])
        numbers_of = ec.EllipticCurvePublicNumbers(x, y, algorithm.family.curve())
        if entry.get("ec_d") is None:
            return b"", keypairs.spki(numbers_of.public_key())
        private = ec.EllipticCurvePrivateNumbers(_number(entry["ec_d"]), numbers_of).private_key()
    else:
        return _read_plain(algorithm, entry)
    return algorithm.family.accept_private(keypairs.pkcs8(private))


def _read_rsa(numbers: Mapping[str, Any]) -> Any:
    primes = numbers["Primes"]
    if not isinstance(primes, list) or len(primes) != 2:
        raise _Bad
    p, q, d = _number(primes[0]), _number(primes[1]), _number(numbers["D"])
    public = rsa.RSAPublicNumbers(_number(numbers["E"]), _number(numbers["N"]))
    dmp1, dmq1, iqmp = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, public).private_key()


def _read_plain(algorithm: Algorithm, entry: Mapping[str, Any]) -> tuple[bytes, bytes]:
    secret = _bytes(entry.get("key"))
    if algorithm.name == "ed25519":
        public = _bytes(entry.get("public_key"))
        if not secret:
            return b"", public
        if len(secret) != 64 or secret[32:] != public:
            raise _Bad
        return algorithm.family.accept_private(algorithm.family.private_bytes(secret))
    if algorithm.asymmetric and not secret:
        return b"", algorithm.family.accept_public(_string(entry["public_key"]))
    return algorithm.family.accept_private(secret)


def _created(entry: Mapping[str, Any]) -> int:
    """Nanoseconds; the whole seconds decide, for they are what is shown."""
    seconds = _number(entry.get("creation_time"), most=2**33)
    nanos = _time_ns(entry.get("time"))
    return nanos if nanos // _NANO == seconds or not seconds else seconds * _NANO


def _time_ns(value: object) -> int:
    if not isinstance(value, str) or value == _NEVER:
        return 0
    whole, _, fraction = value.removesuffix("Z").partition(".")
    if not value.endswith("Z") or not (fraction or "0").isdecimal() or len(fraction) > 9:
        return max(0, int(datetime.fromisoformat(value).timestamp())) * _NANO
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * _NANO + int(fraction.ljust(9, "0"))


def _moment_of(value: object) -> Moment | None:
    if value is None:
        return None
    found = _object(value)
    return Moment(_time_ns(found["time"]), _number(found["version"]))


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Bad
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise _Bad
    return value


def _flag(policy: Mapping[str, Any], name: str) -> bool:
    value = policy.get(name) or False
    if not isinstance(value, bool):
        raise _Bad
    return value


def _number(value: object, *, least: int = 0, most: int | None = None) -> int:
    if value is None:
        return 0
    if type(value) is not int or value < least or (most is not None and value > most):
        raise _Bad
    return value


def _bytes(value: object) -> bytes:
    if value is None or value == "":
        return b""
    try:
        return base64.b64decode(_string(value), validate=True)
    except binascii.Error:
        raise _Bad from None
