"""sys/leases: looking up, renewing and revoking leases; and the older paths of the same."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import Duration
from strongroom.api.messages import Response, Timestamp
from strongroom.core.context import SystemContext
from strongroom.errors import MULTI, BadRequest, InternalError, NotFound
from strongroom.system.engine import system

TIDY_STARTED = (
    "Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs."
)
TIDY_RUNNING = "Tidy operation already in progress."

#: How many irrevocable leases are listed unless asked otherwise.
LIST_LIMIT = 10_000


class LeaseId(Args):
    """Which lease."""

    lease_id: str = field("The lease.")


class RenewArgs(Args):
    """Which lease, and for how long."""

    lease_id: str = field("The lease.")
    url_lease_id: str = field("The lease, as part of the path; the one in the body comes first.")
    increment: Duration = field("For how long from now, in seconds; 0 for the default.")


class RevokeArgs(Args):
    """Which lease, and whether to wait."""

    lease_id: str = field("The lease.")
    url_lease_id: str = field("The lease, as part of the path; the one in the body comes first.")
    sync: bool = field("Answer only when it is revoked.", default=True)


class PrefixArgs(Args):
    """Which leases, and whether to wait."""

    prefix: str = field("The path that the leases lie beneath.")
    sync: bool = field("Answer only when all are revoked.", default=True)


class IrrevocableArgs(Args):
    """What to count or list."""

    type: str = field("Only 'irrevocable' is known.")
    limit: str = field("At most how many; 'none' for all.")


@system.write("leases/lookup")
async def lookup(ctx: SystemContext, args: LeaseId) -> dict[str, Any]:
    """Look up a lease."""
    lease = await ctx.live.leases.lookup(_needed(args.lease_id))
    if lease is None:
        raise BadRequest("invalid lease")
    left = max(0, (lease.expire_ns - ctx.clock.now_ns()) // 1_000_000_000) if lease.expire_ns else 0
    return {
        "id": lease.id,
        "path": lease.path,
        "issue_time": Timestamp(lease.issue_ns),
        "expire_time": Timestamp(lease.expire_ns) if lease.expire_ns else None,
        "last_renewal": Timestamp(lease.last_renewal_ns) if lease.last_renewal_ns else None,
        "renewable": lease.renewable,
        "ttl": left,
    }


@system.list("leases/lookup", sudo=True)
async def list_all(ctx: SystemContext) -> dict[str, Any]:
    """List the first segments of all leases' paths."""
    return await _list(ctx, "")


@system.list("leases/lookup/{prefix:path}", sudo=True)
async def list_below(ctx: SystemContext, args: PrefixArgs) -> dict[str, Any]:
    """List the leases and folders one level below a path."""
    return await _list(ctx, args.prefix)


async def _list(ctx: SystemContext, prefix: str) -> dict[str, Any]:
    keys = await ctx.live.leases.list(prefix)
    if not keys:
        raise NotFound
    return {"keys": keys}


async def _renew(ctx: SystemContext, args: RenewArgs) -> Response:
    """Renew a lease, counted from now and up to its maximum."""
    lease, warnings = await ctx.live.leases.renew(_needed(args.lease_id or args.url_lease_id), args.increment)
    return Response(lease=lease, warnings=warnings)


async def _revoke(ctx: SystemContext, args: RevokeArgs) -> Response:
    """Revoke a lease; one that does not exist is no error."""
    await ctx.live.leases.revoke(_needed(args.lease_id or args.url_lease_id), sync=args.sync)
    return Response(status=204 if args.sync else 202)


async def _revoke_prefix(ctx: SystemContext, args: PrefixArgs) -> Response:
    """Revoke all leases beneath a path, by whole segments."""
    await ctx.live.leases.revoke_prefix(args.prefix, sync=args.sync)
    return Response(status=204 if args.sync else 202)


async def _revoke_force(ctx: SystemContext, args: PrefixArgs) -> None:
    """Drop all leases beneath a path, whatever their engines say: what could not be undone stays in the world."""
    await ctx.live.leases.revoke_prefix(args.prefix, force=True)


for _folder in ("leases/", ""):  # the older paths have no folder
    system.write(_folder + "renew")(_renew)
    system.write(_folder + "renew/{url_lease_id:path}")(_renew)
    system.write(_folder + "revoke", accepted=True)(_revoke)
    system.write(_folder + "revoke/{url_lease_id:path}", accepted=True)(_revoke)
    system.write(_folder + "revoke-prefix/{prefix:path}", sudo=True, accepted=True)(_revoke_prefix)
    system.write(_folder + "revoke-force/{prefix:path}", sudo=True)(_revoke_force)


@system.write("leases/tidy", accepted=True)
async def tidy(ctx: SystemContext) -> Response:
    """Remove notes that lead to no lease, in the background."""
    started = ctx.live.leases.tidy()
    return Response(status=202, warnings=[TIDY_STARTED if started else TIDY_RUNNING])


@system.read("leases/count")
async def count(ctx: SystemContext, args: IrrevocableArgs) -> dict[str, Any]:
    """Count the leases whose revocation was given up, by mount."""
    if args.type != "irrevocable":
        raise NotFound
    counts: dict[str, int] = {}
    leases = await ctx.live.leases.irrevocable()
    for lease in leases:
        counts[lease.mount_path] = counts.get(lease.mount_path, 0) + 1
    return {"lease_count": len(leases), "counts": counts}


@system.read("leases")
async def irrevocable(ctx: SystemContext, args: IrrevocableArgs) -> dict[str, Any]:
    """List the leases whose revocation was given up, and why."""
    if args.type != "irrevocable":
        raise NotFound
    leases = await ctx.live.leases.irrevocable(_limit(args.limit))
    return {
        "lease_count": len(leases),
        "leases": [{"lease_id": lease.id, "mount": lease.mount_path, "error": lease.irrevocable} for lease in leases],
    }


def _limit(text: str) -> int:
    if text == "none":
        return 0
    if not text:
        return LIST_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise InternalError(MULTI.format("limit must be 'none' or a positive integer"))
    return int(text)


def _needed(lease_id: str) -> str:
    if not lease_id:
        raise BadRequest("lease_id must be specified")
    return lease_id
