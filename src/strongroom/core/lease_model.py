"""What is stored about leases, and where it lies.

    sys/lease/id/<lease id>               JSON of LeaseEntry
    sys/lease/token/<token key>/<hash>    the lease id, as text: the leases that a token made
    sys/lease/pending/<hash>              the lease id, as text, while the request that takes the lease is under way
    sys/lease/irrevocable/<hash>          the lease id, as text, of one whose revocation was given up
    sys/lease/expiry/...                  see core/lease_index.py

`<hash>` is SHA-256 of the lease id, cut to 160 bits, in hex. A token's own lease is an entry of the kind "token" that
only points to the token: its times are in one place, the token's entry.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

PREFIX: Final = "sys/lease/"
ID: Final = PREFIX + "id/"
BY_TOKEN: Final = PREFIX + "token/"
PENDING: Final = PREFIX + "pending/"
IRREVOCABLE: Final = PREFIX + "irrevocable/"

TOKEN_KIND: Final = "token"  # noqa: S105 - a kind, not a secret


class LeaseEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lease as it is stored; times are Unix nanoseconds, durations seconds.

    `data` is what its engine's revoker and renewer get. `expire_ns` is when it ends for its holder; `due_ns`, unless
    0, is when its revocation is tried (again). `attempts` counts the tries that failed.
    """

    id: str
    kind: str
    token: str = ""
    mount: str = ""
    mount_path: str = ""
    path: str = ""
    issue_ns: int = 0
    expire_ns: int = 0
    due_ns: int = 0
    last_renewal_ns: int = 0
    ttl: int = 0
    max_ttl: int = 0
    renewable: bool = False
    data: dict[str, Any] = {}
    attempts: int = 0
    irrevocable: str = ""
    """Why its revocation was given up."""
    last_ns: int = 0
    """Where the batch token ended that took it: no renewal goes beyond; 0 for no such limit."""
    v: int = 1

    def __repr__(self) -> str:
        return f"LeaseEntry({self.id!r}, {self.kind!r})"  # its data may hold secrets

    @property
    def index_ns(self) -> int:
        """Where it stands in the expiry index; 0 for nowhere."""
        return 0 if self.irrevocable else self.due_ns or self.expire_ns


def lease_hash(lease_id: str) -> str:
    """The name of a lease in the indexes."""
    return hashlib.sha256(lease_id.encode("utf-8", "surrogatepass")).digest()[:20].hex()
