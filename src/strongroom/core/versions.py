"""Which versions of the server this storage has seen.

core/versions/<version>    VersionEntry, JSON: v (1), version, vault_version, installed (Unix nanoseconds), previous
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from strongroom import VAULT_VERSION, __version__

if TYPE_CHECKING:
    from strongroom.core.live import Live

PREFIX: Final = "core/versions/"


class VersionEntry(msgspec.Struct, frozen=True):
    """A version, and when the storage was first unsealed by it. `previous` is the one before, "" for the first."""

    version: str
    vault_version: str
    installed: int
    previous: str = ""
    v: int = 1


class Versions:
    """The history of upgrades."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self.all: tuple[VersionEntry, ...] = ()

    async def load(self) -> None:
        """Read the history, and add the version that runs if it is new."""
        tx = self._live.transaction()
        found = [await tx.load(PREFIX + name, VersionEntry) for name in await tx.list(PREFIX)]
        known = sorted((entry for entry in found if entry is not None), key=lambda entry: entry.installed)
        if all(entry.version != __version__ for entry in known):
            previous = known[-1].version if known else ""
            entry = VersionEntry(__version__, VAULT_VERSION, self._live.clock.now_ns(), previous)
            tx.store(PREFIX + __version__, entry)
            await tx.commit()
            known.append(entry)
        self.all = tuple(known)
