"""The expiry index: what falls due when, in storage, so that nothing but the next page of it is ever in memory.

    sys/lease/expiry/<bucket>/<time>-t<token key>       empty
    sys/lease/expiry/<bucket>/<time>-l<mount><hash>     the lease id, as text

`<mount>` is the mount's tag (`mount_tag`), so that what a mount that hangs has piled up is told apart without being
read; `<hash>` is the lease's (core/lease_model.py). `<time>` is Unix nanoseconds in 16 hex digits, `<bucket>` its first
7: 2^36 ns, 69 seconds. Fixed width makes the order of the keys the order of time. Engines that cannot stop a listing
early (Consul) still only read the buckets' names and one bucket.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

PREFIX: Final = "sys/lease/expiry/"
BUCKET_DIGITS: Final = 7

#: Rows read at once: as many as storage lists without a thread.
PAGE: Final = 128

TAG_DIGITS: Final = 8

TOKEN: Final = "t"  # noqa: S105 - a letter in a key
LEASE: Final = "l"


class Writer(Protocol):
    """The part of a transaction that the index needs."""

    def put(self, key: str, value: bytes) -> None:
        """Write bytes."""

    def delete(self, key: str) -> None:
        """Delete a key."""


class Lister(Protocol):
    """The part of the barrier that the index needs."""

    async def list(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """The names one level below a folder, in order."""


@dataclass(frozen=True, slots=True)
class Due:
    """One row of the index. `name` is the token's key, or the lease's mount and hash."""

    key: str
    at_ns: int
    kind: str
    name: str

    @property
    def mount(self) -> str:
        """The tag of the mount, where the row is a lease's."""
        return self.name[:TAG_DIGITS]


@lru_cache(1024)
def mount_tag(mount: str) -> str:
    """What stands for a mount in the rows of its leases, from its UUID. Two that share one also share a queue."""
    return hashlib.sha256(mount.encode()).hexdigest()[:TAG_DIGITS]


def key_of(at_ns: int, kind: str, name: str) -> str:
    """The storage key of a row."""
    digits = f"{max(at_ns, 0):016x}"
    return f"{PREFIX}{digits[:BUCKET_DIGITS]}/{digits}-{kind}{name}"


def move(tx: Writer, kind: str, name: str, old_ns: int, new_ns: int, value: bytes = b"") -> None:
    """Move a row from one time to another; 0 is nowhere."""
    if old_ns and old_ns != new_ns:
        tx.delete(key_of(old_ns, kind, name))
    if new_ns:
        tx.put(key_of(new_ns, kind, name), value)


async def due(barrier: Lister, until_ns: int, from_ns: int = 0) -> AsyncIterator[list[Due]]:
    """All rows between two times in pages, each seen once even if it stays; the earliest first."""
    first, last = f"{max(from_ns, 0):016x}", f"{max(until_ns, 0):016x}"
    # Without its slash a bucket's name comes just before the bucket itself.
    bucket_after = first[:BUCKET_DIGITS]
    while True:
        buckets = await barrier.list(PREFIX, bucket_after, 16)
        for bucket in buckets:
            if bucket.rstrip("/") > last[:BUCKET_DIGITS]:
                return
            after = first
            while names := await barrier.list(PREFIX + bucket, after, PAGE):
                rows = [_row(bucket, name) for name in names if name[:16] <= last]
                if rows:
                    yield rows
                if len(rows) < len(names):
                    break
                after = names[-1]
        if not buckets:
            return
        bucket_after = buckets[-1]


async def next_ns(barrier: Lister, after_ns: int) -> int:
    """The time of the first row after a time; 0 when there is none."""
    digits = f"{max(after_ns, 0):016x}"
    bucket = digits[:BUCKET_DIGITS] + "/"
    for name in await barrier.list(PREFIX + bucket, digits + "~", 1):
        return int(name[:16], 16)
    # "0" follows "/", so nothing of that bucket comes again.
    for later in await barrier.list(PREFIX, bucket, 1):
        for name in await barrier.list(PREFIX + later, "", 1):
            return int(name[:16], 16)
    return 0


def time_of(key: str) -> int:
    """The time in a row's key."""
    return int(key.rpartition("/")[2][:16], 16)


def _row(bucket: str, name: str) -> Due:
    return Due(PREFIX + bucket + name, int(name[:16], 16), name[17:18], name[18:])
