"""From version 1 to version 2, by tuning the mount.

Nothing is copied at that moment, however much is stored: the tuning request writes one entry, `upgrade`, in the same
commit that makes the mount version 2. From then on a value that version 1 left at `values/<path>` is the first version
of its key, and the first change of that key moves it to where version 2 keeps things, again in one commit. So there is
no moment at which a crash could leave half of a mount converted and none at which the mount is unavailable, and a mount
of any size upgrades at once. The price: a version 2 mount that was version 1 looks in two places for a key that is not
there, and merges two lists.

Requests that found the mount still at version 1 may be under way while the tuning is committed. Those that would change
something look for the entry under the lock of their path and are refused when it is there, so nothing is written
where nobody would look; a change that gets in before is found by whoever takes that lock next.

    upgrade          Upgrade as JSON: {"at": RFC 3339, "v": 1}
    values/<path>    the JSON object of version 1, as it was written
"""

from __future__ import annotations

from typing import Final

import msgspec

from strongroom.api.backend import Options
from strongroom.api.context import Context, StorageView
from strongroom.clock import rfc3339
from strongroom.errors import BadRequest

MARKER: Final = "upgrade"
VALUES: Final = "values/"

REFUSAL: Final = (
    "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will "
    "resume service shortly."
)
NOTICE: Final = (
    "Upgrading mount from version 1 to version 2. Each value is now version 1 of its key, and is read and written at "
    "the paths of version 2."
)


class Upgrade(msgspec.Struct, frozen=True):
    """That a mount was version 1, and until when."""

    at: str
    v: int = 1


async def upgrade(ctx: Context, old: Options, new: Options) -> None:
    """Take a mount from its old options to the new ones.

    Raises:
        BadRequest: there is no way back from version 2.
    """
    was, will_be = old.get("version") or "1", new.get("version") or "1"
    if was == will_be:
        return
    if was == "2":
        raise BadRequest("cannot downgrade mount from version 2")
    ctx.storage.store(MARKER, Upgrade(rfc3339(ctx.clock.now_ns())))
    ctx.warn(NOTICE)


async def refuse_if_upgraded(storage: StorageView) -> None:
    """Refuse a version 1 request that was overtaken by an upgrade."""
    if await storage.load(MARKER, Upgrade) is not None:
        raise BadRequest(REFUSAL)
