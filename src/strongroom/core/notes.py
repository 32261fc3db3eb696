"""`Notes`: what engines note of requests, stored by their `settle` with others, so that no request pays for a write.

A request pays for an entry of a dictionary. What is gathered is settled every few seconds, and before the server seals;
a crash loses what waits. Settling a key takes about 30 µs of processor time, so there is a bound to how many are
settled in a round: where more come, they wait longer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final

from strongroom.core.gatherer import Gatherer
from strongroom.errors import CorruptEntry, NoRoute, StorageError

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount

log = logging.getLogger("strongroom.core")

TASK: Final = "engines' notes"
FLUSH_SECONDS: Final = 5.0
#: How many keys may wait, over all mounts.
MOST_PENDING: Final = 20_000
#: How many are settled in a round, and in one commit.
MOST_AT_ONCE: Final = 5_000
CHUNK: Final = 100


class Notes(Gatherer[tuple[str, Hashable], Any]):
    """The notes of all mounts, by the mount's UUID and the engine's own key."""

    def __init__(self, live: Live) -> None:
        super().__init__("notes of engines", lambda _, later: later, MOST_PENDING, CHUNK)
        self._live = live
        #: Keeps a note under such a key; of one key the latest counts. This is on the way of every read. Without room
        #: it is dropped: storage does not keep up, and what comes again is noted later.
        self.put = self._notes.put
        #: The engines that have been asked once, by their mounts' UUIDs: another may take over when a mount is tuned.
        self._begun: dict[str, object] = {}

    async def load(self) -> None:
        """Begin to write."""
        self._live.tasks.every(TASK, FLUSH_SECONDS, self.run, jitter=0.0, first=FLUSH_SECONDS)

    def get(self, mount: Mount, key: Hashable) -> Any:
        """The note of a key that is not stored yet; None when there is none."""
        return self._notes.get((mount.entry.uuid, key))

    async def run(self) -> None:
        """Ask each engine once, then write what waits."""
        mounts = list(self._live.mounts)
        self._begun = {m.entry.uuid: m.engine for m in mounts if self._begun.get(m.entry.uuid) is m.engine}
        for mount in mounts:
            if mount.engine.settle is not None and mount.entry.uuid not in self._begun:
                async with self._writing:
                    await self._settle(mount.entry.uuid, {})
                self._begun[mount.entry.uuid] = mount.engine
        await self.flush(MOST_AT_ONCE)

    async def _write(self, notes: Mapping[tuple[str, Hashable], Any]) -> None:
        by_mount: dict[str, dict[Hashable, Any]] = {}
        for (uuid, key), note in notes.items():
            by_mount.setdefault(uuid, {})[key] = note
        for uuid, found in by_mount.items():
            await self._settle(uuid, found)
        await asyncio.sleep(0)

    async def _settle(self, uuid: str, notes: Mapping[Hashable, Any]) -> None:
        mount = self._live.mounts.by_uuid(uuid)
        settle = mount.engine.settle if mount is not None else None
        if mount is None or settle is None:
            return  # unmounted meanwhile, or another engine has taken over
        try:
            await self._live.on_behalf(mount, lambda ctx: settle(ctx, notes))
        except NoRoute:
            return
        except Exception as error:
            if isinstance(error, StorageError) and not isinstance(error, CorruptEntry):
                raise  # they wait, and are tried again
            # Trying again would fail again, and hold up everybody else's.
            log.exception("notes at %s were lost", mount.path)
