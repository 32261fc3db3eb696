"""Who makes the leases: counted from the names of storage's keys, so that no lease is decrypted for it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from strongroom.core.lease_model import BY_TOKEN, ID
from strongroom.core.lease_walk import PAGE, walk
from strongroom.core.slices import Slices

if TYPE_CHECKING:
    from strongroom.core.live import Live

MOUNT: Final = "mount"
ROLE: Final = "role"
TOKEN: Final = "token"  # noqa: S105 - a way to count
WAYS: Final = (ROLE, MOUNT, TOKEN)


async def count(live: Live, by: str, prefix: str) -> Counter[str]:
    """How many leases there are by the path that made them, by mount, or by the key of the token that holds them.

    Only those beneath a prefix, by whole segments; not by token, for its notes do not tell the path.
    """
    counts: Counter[str] = Counter()
    slices = Slices()
    root = BY_TOKEN if by == TOKEN else ID
    async for keys in walk(live.barrier, root, prefix.strip("/"), PAGE):
        counts.update(key.rpartition("/")[0] for key in keys)
        await slices.end()
    return _by_mount(live, counts) if by == MOUNT else counts


def _by_mount(live: Live, paths: Counter[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for path, number in paths.items():
        found = live.mounts.find(path)
        counts[found[0].path if found is not None else path] += number
    return counts
