"""Who makes the leases: counted from the names of storage's keys, so that no lease is decrypted for it.

Of a million producers no more than those that are shown are in memory at a time.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom.core.lease_model import BY_TOKEN, ID
from strongroom.core.lease_walk import PAGE, Lister
from strongroom.core.slices import Slices

if TYPE_CHECKING:
    from strongroom.core.live import Live

MOUNT: Final = "mount"
ROLE: Final = "role"
TOKEN: Final = "token"  # noqa: S105 - a way to count
WAYS: Final = (ROLE, MOUNT, TOKEN)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many leases and producers there are, and the busiest of these with their leases, the first first."""

    leases: int
    producers: int
    top: list[tuple[str, int]]


async def count(live: Live, by: str, prefix: str, limit: int) -> Counts:
    """How many leases there are by the path that made them, by mount, or by the key of the token that holds them.

    Only those beneath a prefix, by whole segments; not by token, for its notes do not tell the path.
    """
    path = prefix.strip("/")
    if by == MOUNT:
        counts: Counter[str] = Counter()
        async for folder, number in _folders(live.barrier, ID, path):
            found = live.mounts.find(folder)
            counts[found[0].path if found is not None else folder] += number
        return Counts(counts.total(), len(counts), counts.most_common(limit))
    leases = producers = 0
    top: list[tuple[int, int, str]] = []
    async for folder, number in _folders(live.barrier, BY_TOKEN if by == TOKEN else ID, path):
        leases, producers = leases + number, producers + 1
        # Of those with as many leases the one that came first is shown first.
        (heapq.heappush if len(top) < limit else heapq.heappushpop)(top, (number, -producers, folder))
    return Counts(leases, producers, [(folder, number) for number, _, folder in sorted(top, reverse=True)])


async def _folders(barrier: Lister, root: str, path: str) -> AsyncIterator[tuple[str, int]]:
    """The folders at and beneath a path that have leases of their own, and how many; each once."""
    slices = Slices()
    if path and await barrier.get(root + path) is not None:
        yield path.rpartition("/")[0], 1
    work = [(path and path + "/", "", 0)]
    while work:
        folder, after, number = work.pop()
        names = await barrier.list(root + folder, after, PAGE)
        inner = [name for name in names if name.endswith("/")]
        number += len(names) - len(inner)
        if len(names) == PAGE:
            work.append((folder, names[-1], number))
        elif number:
            yield folder.removesuffix("/"), number
        work += [(folder + name, "", 0) for name in reversed(inner)]
        await slices.end()
