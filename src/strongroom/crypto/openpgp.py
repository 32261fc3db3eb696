"""OpenPGP: texts that only the holder of a private key can read (RFC 9580, and RFC 4880 before it)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Final

from strongroom.errors import CryptoError

if TYPE_CHECKING:
    from pysequoia import Cert

#: Keys with photographs and hundreds of signatures stay below this.
MAX_KEY_BYTES: Final = 256 * 1024

_PRIVATE_TAGS: Final = (5, 7)  # RFC 9580, section 5: a secret key and a secret subkey


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whoever holds the private key of a public one; the fingerprint is in lower-case hex."""

    fingerprint: str
    _cert: Cert = field(repr=False)

    def encrypt(self, plain: bytes) -> bytes:
        """An unsigned message in binary.

        Raises:
            CryptoError: the key has nothing to encrypt with.
        """
        from pysequoia import encrypt

        try:
            return encrypt(plain, [self._cert], armor=False)
        except RuntimeError as error:
            raise CryptoError(_first_line(error)) from None


def read_recipient(text: str, now: float) -> Recipient:
    """The recipient of a public key in the base64 of its binary form; `now` is in Unix seconds.

    A recipient that is returned can be encrypted for.

    Raises:
        CryptoError: it is not base64, not one public key, revoked, expired, or has nothing to encrypt with.
    """
    try:
        key = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise CryptoError("error decoding given PGP key: illegal base64 data") from None
    try:
        return _recipient(key, now)
    except CryptoError as error:
        raise CryptoError(f"error parsing given PGP key: {error}") from None


def _recipient(key: bytes, now: float) -> Recipient:
    if len(key) > MAX_KEY_BYTES:
        raise CryptoError(
            f"it is longer than {MAX_KEY_BYTES // 1024} KiB; leave out photographs and others' signatures"
        )
    if is_private(key):
        raise CryptoError("it is a private key: give the public one, and hold this one for disclosed")
    from pysequoia import Cert

    try:
        cert = Cert.from_bytes(key)
        # The library would encrypt for keys that their owners have withdrawn.
        if cert.is_revoked:
            raise CryptoError("it is revoked")
        if cert.expiration is not None and cert.expiration.timestamp() <= now:
            raise CryptoError(f"it expired at {cert.expiration.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
        recipient = Recipient(cert.fingerprint, cert)
        recipient.encrypt(b"")
    except CryptoError:
        raise
    except Exception as error:  # the library does not document what it raises
        raise CryptoError(_first_line(error)) from None
    return recipient


def is_private(key: bytes) -> bool:
    """Whether a key, in binary or armoured, begins as a private one does."""
    if key.lstrip().startswith(b"-----BEGIN PGP PRIVATE KEY"):
        return True
    if not key or not key[0] & 0x80:
        return False
    return (key[0] & 0x3F if key[0] & 0x40 else key[0] >> 2 & 0x0F) in _PRIVATE_TAGS


def _first_line(error: Exception) -> str:
    """What the library says, without the stack of this process that it adds."""
    return (str(error).splitlines() or ["it does not parse"])[0]
