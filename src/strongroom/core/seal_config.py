"""The seal's configuration: what must be readable while the server is sealed.

It lies outside the barrier, at `core/seal-config` in physical storage, as JSON:

    {"v": 1, "type": "shamir", "shares": 5, "threshold": 3, "wrapped": "<base64>", "created": 1700000000000000000,
     "digest": "<hex>"}

`wrapped` is the root key as its seal wrapped it, `created` the moment of the init or rekey in Unix nanoseconds. The
digest is SHA-256 over the same JSON with an empty digest, so that damage is told from wrong shares. It is written in
the same commit as the keyring that the root key opens.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from strongroom.core.shares import split_problem
from strongroom.errors import CorruptEntry

SEAL_CONFIG_KEY: Final = "core/seal-config"
VERSION: Final = 1


class SealConfig(msgspec.Struct, frozen=True):
    """How the root key is kept."""

    v: int
    type: str
    shares: int
    threshold: int
    wrapped: bytes
    created: int
    digest: str = ""

    def __repr__(self) -> str:
        return f"SealConfig({self.type}, {self.threshold} of {self.shares})"

    def encode(self) -> bytes:
        """The stored bytes, with their digest."""
        return msgspec.json.encode(msgspec.structs.replace(self, digest=self._digest()))

    @classmethod
    def decode(cls, stored: bytes) -> SealConfig:
        """Read what `encode` wrote.

        Raises:
            CorruptEntry: it is damaged, or of a later format.
        """
        try:
            version = msgspec.json.decode(stored, type=_Version).v
            if version != VERSION:
                raise CorruptEntry(f"the seal configuration has format {version}, which this version does not read")
            config = msgspec.json.decode(stored, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise CorruptEntry("the seal configuration is damaged: it does not decode") from None
        if config.digest != config._digest():
            raise CorruptEntry("the seal configuration is damaged: its digest does not match")
        if split_problem(config.shares, config.threshold):
            raise CorruptEntry("the seal configuration is damaged: its shares and threshold cannot be")
        return config

    def _digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(self, digest=""))).hexdigest()


class _Version(msgspec.Struct):
    v: int
