"""Finding secret ids by their metadata: `role/<name>/secret-id/search`, an endpoint of Strongroom's own.

A search walks over a role's secret ids in an order that only the mount's salt knows, a bounded part of them in each
request. Where there may be more, the answer has `next`, which the following request gives as `after`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from strongroom.api.args import field
from strongroom.api.context import Context
from strongroom.api.fields import Invalid, parse_pairs
from strongroom.auth.approle.engine import approle
from strongroom.auth.approle.model import ACCESSOR, SECRET, AccessorRef, SecretId
from strongroom.auth.approle.roles import RoleName, need_role
from strongroom.auth.approle.secret_ids import parse_metadata
from strongroom.auth.globs import glob
from strongroom.errors import BadRequest

#: How many secret ids an answer has at most, and how many are looked at for it.
MOST: Final = 1000
LOOKED_AT: Final = 5000
#: After so many looks others get their turn.
TOGETHER: Final = 64
MOST_PAIRS: Final = 64
_NEXT = re.compile(r"[0-9a-f]{64}", re.ASCII)


class SearchArgs(RoleName):
    """What is looked for. Without metadata all secret ids are found."""

    metadata: Any = field(
        "What they must have: an object of texts, a JSON object, or 'key=value,...'. "
        "A '*' in a value stands for anything."
    )
    after: str = field("Where the search goes on: the `next` of the answer before.")
    limit: int = field(f"At most this many, and at most {MOST}.", default=100)


@approle.list("role/{role_name}/secret-id/search")
async def search_by_query(ctx: Context, args: SearchArgs) -> dict[str, Any]:
    """Find secret ids by their metadata; the answer has their accessors."""
    return await search(ctx, args)


@approle.write("role/{role_name}/secret-id/search")
async def search(ctx: Context, args: SearchArgs) -> dict[str, Any]:
    """Find secret ids by their metadata; the answer has their accessors."""
    wanted = _wanted(args.metadata)
    if args.after and not _NEXT.fullmatch(args.after):
        raise BadRequest("after is not the next of an answer")
    role = await need_role(ctx, args.role_name, BadRequest(f'role "{args.role_name}" does not exist'))
    limit = min(args.limit, MOST) if args.limit > 0 else MOST
    folder, now = f"{ACCESSOR}{role.key}/", ctx.clock.now_ns()
    found: dict[str, dict[str, Any]] = {}
    page = await ctx.storage.list(folder, args.after, LOOKED_AT + 1)
    for number, name in enumerate(page[:LOOKED_AT], 1):
        ref = await ctx.storage.load(folder + name, AccessorRef)
        entry = await ctx.storage.load(f"{SECRET}{role.key}/{ref.secret}", SecretId) if ref else None
        if entry is not None and entry.lives(now) and matches(wanted, entry.metadata):
            found[entry.accessor] = entry.shown()
            if len(found) >= limit:
                return _answer(found, name if number < len(page) else "")
        if number % TOGETHER == 0:
            await asyncio.sleep(0)
    return _answer(found, page[LOOKED_AT - 1] if len(page) > LOOKED_AT else "")


def _answer(found: Mapping[str, Any], following: str) -> dict[str, Any]:
    return {"keys": list(found), "key_info": found, "next": following}


def _wanted(given: Any) -> dict[str, str]:
    try:
        wanted = parse_metadata(given) if isinstance(given, str) else parse_pairs(given)
    except (BadRequest, Invalid):
        raise BadRequest("metadata is neither an object of texts nor 'key=value,...'") from None
    if len(wanted) > MOST_PAIRS:
        raise BadRequest(f"metadata has at most {MOST_PAIRS} pairs")
    return wanted


def matches(wanted: Mapping[str, str], metadata: Mapping[str, str]) -> bool:
    """Whether metadata have all that is wanted."""
    return all(name in metadata and glob(text, metadata[name]) for name, text in wanted.items())
