"""Hash functions by the names that Vault's API gives them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes


@dataclass(frozen=True, slots=True)
class Digest:
    """One hash function: its name for `hashlib` and `hmac`, its object for signatures, its length in bytes."""

    name: str
    primitive: hashes.HashAlgorithm
    size: int

    def of(self, data: bytes) -> bytes:
        """The hash of some bytes."""
        return hashlib.new(self.name, data).digest()


#: SHA-1 is there for signatures and HMACs that others demand; plain hashing leaves it out.
DIGESTS: Final[dict[str, Digest]] = {
    "sha1": Digest("sha1", hashes.SHA1(), 20),  # noqa: S303 - see above
    "sha2-224": Digest("sha224", hashes.SHA224(), 28),
    "sha2-256": Digest("sha256", hashes.SHA256(), 32),
    "sha2-384": Digest("sha384", hashes.SHA384(), 48),
    "sha2-512": Digest("sha512", hashes.SHA512(), 64),
    "sha3-224": Digest("sha3_224", hashes.SHA3_224(), 28),
    "sha3-256": Digest("sha3_256", hashes.SHA3_256(), 32),
    "sha3-384": Digest("sha3_384", hashes.SHA3_384(), 48),
    "sha3-512": Digest("sha3_512", hashes.SHA3_512(), 64),
}
