"""Encrypting, decrypting, signing, verifying and authenticating with a loaded key: no storage, no requests."""

from __future__ import annotations

import hmac
from typing import Any, Final

from cryptography.hazmat.primitives.cmac import CMAC

from strongroom.crypto.digests import Digest
from strongroom.engines.transit import encoding
from strongroom.engines.transit.algorithms import ALGORITHMS
from strongroom.engines.transit.encoding import InvalidBase64
from strongroom.engines.transit.errors import TOO_OLD, Failed, no_such_version
from strongroom.engines.transit.material import Cipher, Scheme, Signer
from strongroom.engines.transit.model import Key
from strongroom.errors import BadRequest

#: The length of a whole CMAC: a block of AES.
CMAC_BYTES: Final = 16


def ready(key: Key, number: int) -> Any:
    """A version's prepared material, made at its first use; raises `BadRequest` when it is out of reach."""
    found = key.ready.get(number)
    if found is None:
        version = key.versions.get(number)
        if version is None or number < key.min_decryption:
            raise no_such_version()
        found = key.ready[number] = ALGORITHMS[key.type].family.prepare(key, version)
    return found


def encryption_version(key: Key, wanted: int) -> int:
    """The version to encrypt with; 0 stands for the latest."""
    if wanted == 0:
        return key.latest
    if wanted < 0:
        raise BadRequest("requested version for encryption is negative")
    if wanted > key.latest:
        raise BadRequest("requested version for encryption is higher than the latest key version")
    if wanted < key.min_encryption:
        raise BadRequest("requested version for encryption is less than the minimum encryption key version")
    return wanted


def check_encrypts(key: Key, what: str = "encryption") -> None:
    """Refuse keys that do not encrypt."""
    algorithm = ALGORITHMS[key.type]
    if not algorithm.encrypts:
        raise BadRequest(f"message {what} not supported for key type {algorithm.type}")


def encrypt(
    key: Key, plaintext: bytes, *, version: int = 0, context: bytes = b"", nonce: bytes = b"", associated: bytes = b""
) -> tuple[str, int]:
    """The ciphertext and the version that made it; the key must encrypt."""
    number = encryption_version(key, version)
    cipher: Cipher = ready(key, number)
    box = cipher.encrypt(plaintext, context, nonce, associated)
    return encoding.encode(box, f"vault:v{number}:"), number


def decrypt(key: Key, ciphertext: str, *, context: bytes = b"", nonce: bytes = b"", associated: bytes = b"") -> bytes:
    """The plaintext; the key must encrypt."""
    number, text = encoding.split(ciphertext, "ciphertext")
    number = number or 1
    if number > key.latest:
        raise BadRequest("invalid ciphertext: version is too new")
    if number < key.min_decryption:
        raise BadRequest(TOO_OLD)
    try:
        box = encoding.decode(text)
    except InvalidBase64:
        raise BadRequest("invalid ciphertext: could not decode base64") from None
    cipher: Cipher = ready(key, number)
    return cipher.decrypt(box, context, nonce, associated)


def sign(key: Key, data: bytes, scheme: Scheme, *, version: int = 0, context: bytes = b"") -> tuple[str, int, str]:
    """The signature, the version that made it and, for derived keys, its public key; the key must sign."""
    number = version or key.latest
    if number < 0:
        raise Failed("requested version for signing is negative")
    if number > key.latest:
        raise Failed("requested version for signing is higher than the latest key version")
    if number < key.min_encryption:
        raise Failed("requested version for signing is less than the minimum encryption key version")
    signer = _signer(key, number, context)
    signature = signer.sign(data, scheme)
    text = encoding.url_encode(signature) if scheme.jws else encoding.encode(signature)
    return f"vault:v{number}:{text}", number, signer.public_text


def verify(key: Key, signature: str, data: bytes, scheme: Scheme, *, context: bytes = b"") -> bool:
    """Whether a signature is good; `BadRequest` when it is none. The key must sign."""
    number, text = encoding.split(signature, "signature")
    if number > key.latest:
        raise BadRequest("invalid signature: version is too new")
    if number < key.min_decryption:
        raise BadRequest(TOO_OLD)
    try:
        raw = encoding.url_decode(text) if scheme.jws else encoding.decode(text)
    except InvalidBase64:
        raise BadRequest("invalid base64 signature value") from None
    return _signer(key, number, context).verify(raw, data, scheme)


def _signer(key: Key, number: int, context: bytes) -> Signer:
    return ALGORITHMS[key.type].family.signer(ready(key, number), context)


def mac(key: Key, data: bytes, digest: Digest, *, version: int = 0) -> str:
    """The HMAC of some bytes under a version's own HMAC key."""
    number = _mac_version(key, version, "HMAC")
    return f"vault:v{number}:{encoding.encode(hmac.digest(_mac_key(key, number), data, digest.name))}"


def verify_mac(key: Key, text: str, data: bytes, digest: Digest) -> bool:
    """Whether an HMAC is the right one; `BadRequest` when it is none."""
    number, given = _given_mac(key, text, "HMAC")
    return hmac.compare_digest(given, hmac.digest(_mac_key(key, number), data, digest.name))


def cmac(key: Key, data: bytes, length: int = 0, *, version: int = 0) -> str:
    """The first bytes of the CMAC of some bytes, all 16 for a `length` of 0; the key must make CMACs."""
    number = _mac_version(key, version, "CMAC")
    return f"vault:v{number}:{encoding.encode(_cmac(key, number, data, length))}"


def verify_cmac(key: Key, text: str, data: bytes, length: int = 0) -> bool:
    """Whether a CMAC of just this length is the right one; `BadRequest` when it is none."""
    number, given = _given_mac(key, text, "CMAC")
    return hmac.compare_digest(given, _cmac(key, number, data, length))


def _mac_version(key: Key, wanted: int, kind: str) -> int:
    number = wanted or key.latest
    if number < 0:
        raise BadRequest("key version does not exist (cannot be negative)")
    if number > key.latest:
        raise BadRequest(f"key version does not exist; latest key version is {key.latest}")
    if number < key.min_encryption:
        raise BadRequest(f"cannot generate {kind}: version is too old (disallowed by policy)")
    return number


def _given_mac(key: Key, text: str, kind: str) -> tuple[int, bytes]:
    number, tag = encoding.split(text, kind, f"{kind} to verify")
    if number > key.latest:
        raise BadRequest(f"invalid {kind}: version is too new")
    if number < key.min_decryption:
        raise BadRequest(f"cannot verify {kind}: version is too old (disallowed by policy)")
    try:
        return number, encoding.decode(tag)
    except InvalidBase64 as e:
        raise BadRequest(f"unable to decode verification {kind} as base64: {e}") from None


def _mac_key(key: Key, number: int) -> bytes:
    version = key.versions.get(number)
    if version is None or number < key.min_decryption:
        raise no_such_version()
    if not version.hmac_key:
        raise Failed("no HMAC key exists for that key version")
    return version.hmac_key


def _cmac(key: Key, number: int, data: bytes, length: int) -> bytes:
    if not 0 <= length <= CMAC_BYTES:
        raise BadRequest(f"mac_length cannot be negative or more than {CMAC_BYTES}")
    made: CMAC = ready(key, number).copy()
    made.update(data)
    return made.finalize()[: length or CMAC_BYTES]
