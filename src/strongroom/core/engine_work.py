"""What the server does for engines beyond storage and locks: leases, memory for a mount, commits within a request,
passwords, work after the request, and recurring work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from strongroom.api.messages import Lease
from strongroom.core import password_policies
from strongroom.errors import NoRoute

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount
    from strongroom.core.tokens import TokenEntry
    from strongroom.storage.transaction import Transaction

log = logging.getLogger("strongroom.core")

#: How often mounts are asked whether there is something to do, in seconds.
TICK_SECONDS: Final = 5.0
#: How long closing what a mount kept open may take, in seconds.
CLOSE_SECONDS: Final = 10.0


class EngineHost:
    """The `Host` of one request's context."""

    __slots__ = ("_leases", "_live", "_mount", "_path", "_token", "_tx")

    def __init__(
        self,
        live: Live,
        mount: Mount,
        tx: Transaction,
        leases: list[Lease] | None,
        path: str = "",
        token: TokenEntry | None = None,
    ) -> None:
        self._live, self._mount, self._tx, self._leases = live, mount, tx, leases
        self._path, self._token = path, token

    async def lease(self, kind: str, data: Any, **terms: Any) -> Lease:
        """Make a lease of the request's token durable."""
        made = await self._live.leases.create(self._mount, self._path, self._token, kind, data, **terms)
        if self._leases is not None:
            self._leases.append(made)
        return made

    def background(self, name: str, step: Callable[[Any], Awaitable[bool]]) -> bool:
        """Run a step after the request, again and again, until it says that nothing is left."""
        live, mount, task = self._live, self._mount, f"{name} at {self._mount.path}"
        if live.tasks.running(task):
            return False

        async def work() -> None:
            more = True
            while more and live.mounts.by_uuid(mount.entry.uuid) is not None:
                more = await live.on_behalf(mount, step)
                await asyncio.sleep(0)  # between steps whoever waits gets a turn

        live.tasks.spawn(task, work)
        return True

    @property
    def memory(self) -> dict[str, Any]:
        """The mount's own memory."""
        return self._live.engines.memory(self._mount.entry.uuid)

    async def commit(self) -> None:
        """Make the request's writes durable now."""
        self._check_mounted()
        await self._tx.commit()

    async def apart(self, action: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run an action in a context and a transaction of its own."""
        self._check_mounted()
        return await self._live.on_behalf(self._mount, action)

    async def password(self, policy: str) -> str | None:
        """A new password."""
        return await password_policies.generate(self._tx, policy)

    async def withdraw(self, lease: Lease) -> None:
        """Remove a lease for which nothing was made."""
        await self._live.leases.withdraw(lease.id)
        if self._leases is not None and lease in self._leases:
            self._leases.remove(lease)

    def note(self, key: Hashable, note: Any) -> None:
        """Keep a note for the engine's `settle`."""
        self._live.notes.put((self._mount.entry.uuid, key), note)

    def noted(self, key: Hashable) -> Any:
        """The note of a key that is not stored yet."""
        return self._live.notes.get(self._mount, key)

    def hashed(self, text: str) -> str:
        """A text as an audit device writes it."""
        return self._live.audits.hashed(text)

    def _check_mounted(self) -> None:
        if self._live.mounts.by_uuid(self._mount.entry.uuid) is None:
            raise NoRoute(self._mount.path)  # nobody would ever find or remove what is written now


class EngineWork:
    """What engines keep in memory, and their recurring work."""

    def __init__(self, live: Live) -> None:
        self._live = live
        #: By the mount's UUID.
        self._memory: dict[str, dict[str, Any]] = {}

    async def load(self) -> None:
        """Begin the recurring work."""
        self._live.tasks.every("engines' own work", TICK_SECONDS, self.run, jitter=0.0)

    async def stop(self) -> None:
        """Close what is open."""
        await asyncio.gather(*(self.forget(uuid) for uuid in list(self._memory)))

    def memory(self, uuid: str) -> dict[str, Any]:
        """What the engine of a mount keeps."""
        return self._memory.setdefault(uuid, {})

    async def forget(self, uuid: str) -> None:
        """Drop what the engine of a mount kept, and close what can be closed."""
        for kept in self._memory.pop(uuid, {}).values():
            close = getattr(kept, "aclose", None)
            if close is None:
                continue
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await close()
            except Exception as error:
                log.warning("closing what a mount kept open failed: %s", type(error).__name__)

    async def run(self) -> None:
        """Start the work of each mount that has some, unless it is still under way."""
        for uuid in [uuid for uuid in self._memory if self._live.mounts.by_uuid(uuid) is None]:
            await self.forget(uuid)
        for mount in self._live.mounts:
            if mount.engine.tick is not None:
                name = f"recurring work at {mount.path}"
                if not self._live.tasks.running(name):
                    work = partial(self._live.on_behalf, mount, mount.engine.tick)
                    self._live.tasks.spawn(name, work, outside=True)
