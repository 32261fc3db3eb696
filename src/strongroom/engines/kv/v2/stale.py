"""What nobody reads any more."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Duration
from strongroom.api.messages import Operation
from strongroom.clock import rfc3339
from strongroom.engines.kv.v2.access import reads_of, since
from strongroom.engines.kv.v2.engine import kv2
from strongroom.engines.kv.v2.keys import find, load_config, names_in
from strongroom.engines.kv.v2.model import SECOND, Key, Reads, shown_use
from strongroom.engines.kv.v2.walk import walk
from strongroom.errors import BadRequest, PermissionDenied

#: How many secrets are looked at for one answer, and how many at a time.
MOST: Final = 1000
STEP: Final = 50


class StaleArgs(Args):
    """Which secrets, and which part of them."""

    path: str = field("The folder to look through, with those below it; empty for the whole mount.")
    unused: Duration = field("For how long nobody has read them; 0 for all secrets.")
    after: str = field("Go on behind this path: the `next` of the answer before.")
    limit: int = field(f"At most this many, and at most {MOST}.", default=MOST)


@kv2.list("stale/{path:path}")
async def stale(ctx: Context, args: StaleArgs) -> Any:
    """List the secrets that nobody has read for some time, with their last read.

    One that was never read counts from its creation, and none from before reads were noted at the mount (`since`).
    Paths are below the mount. A folder is looked through if the token may list it (`metadata/FOLDER/`), a secret is
    shown if it may read its metadata (`metadata/NAME`); `refused` has what was left out. Ask again with `after` as long
    as `next` is not empty: at most 1000 secrets are looked at for one answer, so it may well be empty.
    """
    if not (await load_config(ctx)).track_access:
        raise BadRequest("reads are not noted at this mount: track_access of its settings is off")
    top = f"{args.path}/" if args.path else ""
    if not _may_list(ctx, top):
        raise PermissionDenied(reason=f"needs list on {ctx.mount.path}metadata/{top}")
    most = args.limit if 0 < args.limit < MOST else MOST
    began_ns = await since(ctx)
    deadline_ns = ctx.clock.now_ns() - args.unused * SECOND
    found: dict[str, Any] = {}
    refused: list[str] = []
    looked_at, following = 0, ""
    async with aclosing(walk(partial(names_in, ctx), top, args.after, partial(_may_list, ctx))) as paths:
        async for path in paths:
            looked_at += 1
            if path.endswith("/") or not ctx.may(f"metadata/{path}", Operation.READ):
                refused.append(path)
            elif (key := await find(ctx, path)) is not None:
                reads = await reads_of(ctx, path, key)
                if max(_last_ns(key, reads), began_ns) <= deadline_ns:
                    found[path] = _shown(key, reads)
            if len(found) == most or looked_at == MOST:
                following = path
                break
            if not looked_at % STEP:
                await asyncio.sleep(0)  # others get their turn
    return {
        "key_info": found,
        "keys": list(found),
        "next": following,
        "refused": refused,
        "since": rfc3339(began_ns),
    }


def _may_list(ctx: Context, folder: str) -> bool:
    return ctx.may(f"metadata/{folder}", Operation.LIST)


def _last_ns(key: Key, reads: Reads) -> int:
    """When it was read last, else when it came to be."""
    last = reads.last
    if last is not None:
        return last.at_ns
    # Whole seconds will do.
    return reads.since_ns or int(datetime.fromisoformat(key.created_time[:19] + "+00:00").timestamp()) * SECOND


def _shown(key: Key, reads: Reads) -> dict[str, Any]:
    return {
        "created_time": key.created_time,
        "current_version": key.current_version,
        **shown_use(reads.last),
        "updated_time": key.updated_time,
    }
