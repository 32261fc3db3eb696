"""When the barrier's key is rotated by itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from strongroom.crypto.aead import MAX_ENCRYPTIONS
from strongroom.storage.barrier import SAVE_EVERY

if TYPE_CHECKING:
    from strongroom.storage.barrier import Barrier

log = logging.getLogger("strongroom.seal")

ROTATION_KEY: Final = "core/config/rotation"
MIN_OPERATIONS: Final = 1_000_000
MAX_OPERATIONS: Final = MAX_ENCRYPTIONS
MIN_INTERVAL: Final = 24 * 3600

#: A term has room for 4.3e8 encryptions after the limit, which no server makes in this time.
CHECK_SECONDS: Final = 60.0


class RotationConfig(msgspec.Struct, frozen=True):
    """Stored under the barrier at `core/config/rotation` as JSON. `interval` is seconds, 0 for never."""

    v: int = 1
    max_operations: int = MAX_OPERATIONS
    interval: int = 0
    enabled: bool = True


async def due(barrier: Barrier) -> bool:
    """Whether the active term has encrypted often enough, or is old enough, to be replaced.

    Turned off, the term still ends at the number of encryptions beyond which AES-GCM with random nonces is not safe.
    """
    config = await barrier.load(ROTATION_KEY, RotationConfig) or RotationConfig()
    if not config.enabled:
        return barrier.rotation_due(MAX_OPERATIONS)
    return barrier.rotation_due(config.max_operations, config.interval * 1_000_000_000)


async def check(barrier: Barrier) -> bool:
    """The scheduler's work: rotate when it is due, and keep the stored count of encryptions near the true one."""
    if await due(barrier):
        term = await barrier.rotate()
        log.info("the barrier's key was rotated to term %d", term)
        return True
    if barrier.unsaved_encryptions >= SAVE_EVERY:
        await barrier.save()
    return False
