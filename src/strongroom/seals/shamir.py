"""The Shamir seal: the root key lies wrapped under a key that people hold in shares.

A wrapped root key:

     0          12                    44      60
     +----------+---------------------+-------+
     | nonce    | root key, encrypted | tag   |
     | 12 bytes | 32 bytes            | 16    |
     +----------+---------------------+-------+

AES-256-GCM under the combined shares. The associated data name the purpose and its version, so that nothing else
encrypted under such a key passes for a root key.
"""

from __future__ import annotations

from typing import Final

from strongroom.crypto.aead import AEAD

_PURPOSE: Final = b"strongroom seal: root key v1"


class ShamirSeal:
    """Wraps under the key it is handed, and keeps none itself."""

    type: Final = "shamir"
    needs_shares: Final = True

    async def wrap(self, root_key: bytes, key: bytes = b"") -> bytes:
        """Encrypt the root key under the combined shares."""
        return AEAD(key).encrypt(root_key, _PURPOSE)

    async def unwrap(self, blob: bytes, key: bytes = b"") -> bytes:
        """The root key; raises `CryptoError` when the shares were others or the blob is damaged."""
        return AEAD(key).decrypt(blob, _PURPOSE)
