"""sys/leases/top: who makes the most leases."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.core import lease_top
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest
from strongroom.system.engine import system

#: How many are shown unless asked otherwise, and at most.
LIMIT = 20
MOST = 1000


class TopArgs(Args):
    """What to count by."""

    group_by: str = field("What leases are counted by.", default=lease_top.ROLE, choices=lease_top.WAYS)
    prefix: str = field("Only leases beneath this path; not with tokens.")
    limit: int = field("How many producers are shown, the busiest first.", default=LIMIT)


@system.read("leases/top", sudo=True)
async def top(ctx: SystemContext, args: TopArgs) -> dict[str, Any]:
    """Count the leases by what made them: the path, the mount, or the token that holds them.

    `leases` and `producers` are how many there are in all; `top` are the busiest.
    """
    if not 0 < args.limit <= MOST:
        raise BadRequest(f"limit must be between 1 and {MOST}")
    if args.prefix and args.group_by == lease_top.TOKEN:
        raise BadRequest("a prefix cannot be used with group_by=token")
    counts = await lease_top.count(ctx.live, args.group_by, args.prefix, args.limit)
    return {
        "group_by": args.group_by,
        "leases": counts.leases,
        "producers": counts.producers,
        "top": [{**await _named(ctx, args.group_by, name), "leases": n} for name, n in counts.top],
    }


async def _named(ctx: SystemContext, by: str, name: str) -> dict[str, str]:
    if by != lease_top.TOKEN:
        return {"path": name}
    token = await ctx.live.tokens.by_key(name)
    if token is None:
        return {"display_name": "", "accessor": ""}  # it ended a moment ago
    return {"display_name": token.display_name, "accessor": token.accessor}
