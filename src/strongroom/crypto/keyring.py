"""The keyring: terms of 256-bit keys, of which the newest encrypts and all decrypt; kept encrypted by the root key.

An entry encrypted under the keyring:

     0         1          5          17                    n-16     n
     +---------+----------+----------+----------------------+-------+
     | version | term     | nonce    | ciphertext           | tag   |
     | 0x01    | uint32   | 12 bytes |                      |       |
     +---------+----------+----------+----------------------+-------+

The associated data are the first five bytes, one byte for the use (`e` a storage entry, `b` a blob outside storage)
and the entry's path or the blob's context: an entry moved to another path, or relabelled, does not decrypt.

The keyring itself, encrypted under the root key (`Keyring.seal`):

     0        4         5         37          53        65               n-16     n
     +--------+---------+---------+-----------+---------+-----------------+-------+
     | "SRKR" | version | digest  | key check | nonce   | ciphertext      | tag   |
     |        | 0x01    | SHA-256 | 16 bytes  | 12      |                 |       |
     +--------+---------+---------+-----------+---------+-----------------+-------+

The digest covers all other bytes, so that damage is told from a wrong key; the key check is
HMAC-SHA256(root key, "strongroom keyring check v1") cut to 16 bytes, which tells nothing of a random 256-bit key. The
associated data are the first five bytes and the path. Integers are big-endian. The plaintext:

     active term uint32 | number of terms uint32 | then for each term, ascending:
     term uint32 | installed, Unix nanoseconds, uint64 | encryptions uint64 | key 32 bytes
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass, field
from typing import Final

from strongroom.crypto.aead import AEAD, KEY_BYTES, OVERHEAD, new_key
from strongroom.errors import CorruptEntry, CryptoError

ENTRY_VERSION: Final = 1
ENTRY_OVERHEAD: Final = 5 + OVERHEAD
USE_ENTRY: Final = b"e"
USE_BLOB: Final = b"b"

_MAGIC: Final = b"SRKR\x01"
_DIGEST: Final = slice(5, 37)
_CHECK: Final = slice(37, 53)
_CHECK_LABEL: Final = b"strongroom keyring check v1"
_HEAD: Final = struct.Struct(">II")
_TERM: Final = struct.Struct(f">IQQ{KEY_BYTES}s")
_MAX_TERMS: Final = 1 << 20


@dataclass(slots=True)
class Term:
    """One key of the ring: `installed` in Unix nanoseconds, and how often it has encrypted."""

    number: int
    installed: int
    key: bytes = field(repr=False)
    encryptions: int = 0


class Keyring:
    """Terms by number. The terms never change after they were made, but for their count of encryptions."""

    __slots__ = ("_active_cipher", "_ciphers", "_header", "active", "terms")

    def __init__(self, terms: list[Term], active: int) -> None:
        self.terms = {term.number: term for term in terms}
        self._ciphers = {term.number: AEAD(term.key) for term in terms}
        self.active = self.terms[active]
        self._header = struct.pack(">BI", ENTRY_VERSION, active)
        self._active_cipher = self._ciphers[active]

    def __repr__(self) -> str:
        return f"Keyring(active={self.active.number}, terms={len(self.terms)})"

    @classmethod
    def new(cls, now: int) -> Keyring:
        """A ring of one fresh key; `now` in Unix nanoseconds."""
        return cls([Term(1, now, new_key())], 1)

    def rotated(self, now: int) -> Keyring:
        """This ring with one more fresh key, which is the active one."""
        number = max(self.terms) + 1
        return Keyring([*self.terms.values(), Term(number, now, new_key())], number)

    def encrypt(self, plaintext: bytes, path: bytes, use: bytes = USE_ENTRY) -> bytes:
        """Encrypt under the active term, bound to `path` and `use`."""
        self.active.encryptions += 1
        return self._header + self._active_cipher.encrypt(plaintext, self._header + use + path)

    def decrypt(self, entry: bytes, path: bytes, use: bytes = USE_ENTRY) -> bytes:
        """The plaintext of an entry; raises `CryptoError` when it is damaged, moved, or of an unknown term."""
        if len(entry) < ENTRY_OVERHEAD or entry[0] != ENTRY_VERSION:
            raise CryptoError("this is not an encrypted entry of a known version")
        cipher = self._ciphers.get(int.from_bytes(entry[1:5]))
        if cipher is None:
            raise CryptoError("the entry names a term that the keyring does not have")
        return cipher.decrypt(entry[5:], entry[:5] + use + path)

    def seal(self, root_key: bytes, path: bytes) -> bytes:
        """The ring encrypted under the root key, in the layout drawn above."""
        plain = _HEAD.pack(self.active.number, len(self.terms)) + b"".join(
            _TERM.pack(term.number, term.installed, term.encryptions, term.key)
            for term in sorted(self.terms.values(), key=lambda term: term.number)
        )
        rest = _key_check(root_key) + AEAD(root_key).encrypt(plain, _MAGIC + path)
        return _MAGIC + hashlib.sha256(_MAGIC + rest).digest() + rest

    @classmethod
    def open(cls, root_key: bytes, sealed: bytes, path: bytes) -> Keyring:
        """Read what `seal` wrote; raises `CryptoError` for another root key, `CorruptEntry` for damage."""
        if sealed[:4] != _MAGIC[:4] or len(sealed) < _CHECK.stop + OVERHEAD:
            raise CorruptEntry("the keyring is damaged: it does not look like a keyring")
        if sealed[4] != _MAGIC[4]:
            raise CorruptEntry(f"the keyring has format {sealed[4]}, which this version does not read")
        rest = sealed[_DIGEST.stop :]
        if hashlib.sha256(_MAGIC + rest).digest() != sealed[_DIGEST]:
            raise CorruptEntry("the keyring is damaged: its digest does not match")
        if len(root_key) != KEY_BYTES or not hmac.compare_digest(sealed[_CHECK], _key_check(root_key)):
            raise CryptoError("the root key does not fit the keyring")
        try:
            return cls._parse(AEAD(root_key).decrypt(sealed[_CHECK.stop :], _MAGIC + path))
        except CryptoError:
            raise CorruptEntry("the keyring is damaged: it does not decrypt") from None

    @classmethod
    def _parse(cls, plain: bytes) -> Keyring:
        if len(plain) < _HEAD.size:
            raise CorruptEntry("the keyring is damaged: it is too short")
        active, count = _HEAD.unpack_from(plain)
        if count > _MAX_TERMS or len(plain) != _HEAD.size + count * _TERM.size:
            raise CorruptEntry("the keyring is damaged: its length does not fit its terms")
        terms = [
            Term(number, installed, key, encryptions)
            for number, installed, encryptions, key in _TERM.iter_unpack(plain[_HEAD.size :])
        ]
        if active not in {term.number for term in terms}:
            raise CorruptEntry("the keyring is damaged: its active term is missing")
        return cls(terms, active)


def _key_check(root_key: bytes) -> bytes:
    return hmac.digest(root_key, _CHECK_LABEL, "sha256")[:16]
