"""`Core`: what exists whether sealed or not, and the way between the two."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from strongroom.clock import Clock
from strongroom.core.catalog import Catalog
from strongroom.core.live import Live
from strongroom.core.seal import SealManager
from strongroom.errors import CryptoError
from strongroom.storage.barrier import Barrier
from strongroom.storage.base import FENCE_KEY, Batch, Storage

if TYPE_CHECKING:
    from strongroom.api.routes import Engine
    from strongroom.config import ServerConfig

log = logging.getLogger("strongroom.core")

DRAIN_SECONDS = 10.0


class Core:
    """The server without its edge.

    `default_mounts` are the entries that a new server starts with (the keywords of `mounts.new_entry`). `always` maps a
    path to the engine whose `sealed_ok` routes answer there even while sealed.
    """

    def __init__(
        self,
        *,
        config: ServerConfig,
        storage: Storage,
        catalog: Catalog,
        default_mounts: Sequence[Mapping[str, Any]],
        always: Mapping[str, Engine[Any]],
        clock: Clock | None = None,
    ) -> None:
        self.config = config
        self.clock = clock or Clock()
        self.storage = storage
        self.catalog = catalog
        self.default_mounts = default_mounts
        self.always = always
        self.barrier = Barrier(
            storage, self.clock, cache_bytes=config.cache_bytes, cache_entries=max(config.cache_size, 0)
        )
        self.seal = SealManager(self)
        self.live: Live | None = None
        self.started_ns = self.clock.now_ns()
        #: What a process reloads when asked to (certificates, log level); the composition root fills it.
        self.reloaders: list[Callable[[], Any]] = []
        self._changing = asyncio.Lock()

    @property
    def lease_ttls(self) -> tuple[int, int]:
        """The server's default and maximum lease TTL, seconds."""
        return self.config.default_lease_ttl, self.config.max_lease_ttl

    async def unsealed_with(self, root_key: bytes) -> None:
        """Open the barrier and build what exists only while it is open; on any failure it is closed again.

        Raises:
            CryptoError: the key is another server's.
            StorageError: the storage failed, or what it holds is damaged. Nothing is written over it.
        """
        async with self._changing:
            if self.live is not None:
                return
            await self.barrier.unseal(root_key)
            live = Live(self)
            try:
                await live.load()
            except BaseException:
                await live.stop()
                self.barrier.seal()
                raise
            self.live = live
        log.info("unsealed")

    async def seal_now(self, *, within_request: bool = False) -> None:
        """Stop taking requests, wait for those under way (bounded), then drop every key."""
        async with self._changing:
            live, self.live = self.live, None
            if live is None:
                return
            if not await live.drain(1 if within_request else 0, DRAIN_SECONDS):
                log.warning("sealing although %d requests are still under way", live.under_way)
            await live.stop()
            try:
                await self.barrier.save()
            finally:
                self.barrier.seal()
        log.info("sealed")

    async def replace_storage(self, entries: Mapping[str, bytes]) -> None:
        """Put these entries, encrypted as they are, in place of all there is, in one commit; then serve them.

        Called within a request. When the present root key does not open them, the server is sealed.
        """
        async with self._changing:
            live, self.live = self.live, None
            if live is not None:
                await live.drain(1, DRAIN_SECONDS)
                await live.stop()
            try:
                gone = {key async for key, _ in self.storage.scan("") if key not in entries and key != FENCE_KEY}
                await self.storage.commit(Batch(dict(entries), gone, fence=self.barrier.fence))
            finally:
                # Whichever data is there now: the new, or after a failure the old.
                await self._reopen()

    async def _reopen(self) -> None:
        self.seal.invalidate()
        try:
            await self.barrier.reload()
        except CryptoError:
            self.barrier.seal()
            log.warning("sealed: the restored data needs its own unseal keys")
            return
        self.barrier.invalidate("")
        live = Live(self)
        try:
            await live.load()
        except BaseException:
            await live.stop()
            self.barrier.seal()
            raise
        self.live = live
        log.info("serving the restored data")

    async def close(self) -> None:
        """Seal, and close the storage."""
        await self.seal_now()
        await self.storage.close()
