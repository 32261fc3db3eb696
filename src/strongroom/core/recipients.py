"""Handing shares out so that only their holders can read them, and keeping a copy of what was handed out.

With OpenPGP keys the n-th share is encrypted for the n-th key: its hex, so that who decrypts it has a text to type.
The copy lies outside the barrier, at `core/unseal-keys-backup` in physical storage, so that it can be had of a server
that nobody can unseal any more; it is JSON:

    {"v": 1, "nonce": "<of the rekey>", "keys": {"<fingerprint>": ["<message in hex>", ...]}}

It is written in the commit that puts the shares into force.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from strongroom.crypto.openpgp import Recipient, read_recipient
from strongroom.errors import CorruptEntry, CryptoError

BACKUP_KEY: Final = "core/unseal-keys-backup"
VERSION: Final = 1

COUNT_MISMATCH: Final = "count mismatch between number of provided PGP keys and number of shares"


def read_recipients(keys: Sequence[str], now: float) -> list[Recipient]:
    """The recipients of these public keys, each in base64; `now` is in Unix seconds.

    Raises:
        CryptoError: one of them cannot be encrypted for; the text says which and why.
    """
    recipients = []
    for number, key in enumerate(keys, 1):
        try:
            recipients.append(read_recipient(key, now))
        except CryptoError as error:
            raise CryptoError(f"PGP key {number}: {error}" if len(keys) > 1 else str(error)) from None
    return recipients


def encrypt_shares(shares: Sequence[bytes], recipients: Sequence[Recipient]) -> list[bytes]:
    """What is handed out: a message for each recipient, or the shares themselves when there are no recipients."""
    if not recipients:
        return list(shares)
    return [recipient.encrypt(share.hex().encode()) for share, recipient in zip(shares, recipients, strict=True)]


class ShareBackup(msgspec.Struct, frozen=True):
    """The encrypted shares of a rekey, by the fingerprint of their key."""

    v: int
    nonce: str
    keys: dict[str, list[str]]

    @classmethod
    def of(cls, nonce: str, messages: Sequence[bytes], recipients: Sequence[Recipient]) -> ShareBackup:
        """The copy of what was handed out under this nonce. Who holds several shares has several messages."""
        keys: dict[str, list[str]] = {}
        for message, recipient in zip(messages, recipients, strict=True):
            keys.setdefault(recipient.fingerprint, []).append(message.hex())
        return cls(VERSION, nonce, keys)

    def encode(self) -> bytes:
        """The stored bytes."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, stored: bytes) -> ShareBackup:
        """Read what `encode` wrote.

        Raises:
            CorruptEntry: it is damaged, or of another format.
        """
        try:
            backup = msgspec.json.decode(stored, type=cls)
            for message in (message for messages in backup.keys.values() for message in messages):
                bytes.fromhex(message)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise CorruptEntry(f"the entry {BACKUP_KEY} is damaged: it does not decode") from None
        if backup.v != VERSION:
            raise CorruptEntry(f"the entry {BACKUP_KEY} has format {backup.v}, which this version does not read")
        return backup
