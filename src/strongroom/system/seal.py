"""`sys/seal-status`, `sys/unseal`, `sys/seal`, `sys/step-down`."""

from __future__ import annotations

from typing import Any

from strongroom import VAULT_VERSION, __version__
from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.shares import decode_share
from strongroom.errors import BadRequest, BadToken, PermissionDenied
from strongroom.system.engine import system
from strongroom.system.flags import STATUS


class UnsealArgs(Args):
    """A share, or the wish to start over."""

    key: str = field("One share of the unseal key, in hex or base64.")
    reset: bool = field("Drop the shares that were given so far; the key is not used then.")
    migrate: bool = field("Whether the share is for moving to another seal.")


@system.read("seal-status", **STATUS)
async def seal_status(ctx: SystemContext) -> Response:
    """Tell whether the server is sealed, and how far an unsealing is."""
    return Response(bare=await _status(ctx))


@system.write("unseal", **STATUS)
async def unseal(ctx: SystemContext, args: UnsealArgs) -> Response:
    """Give one share of the unseal key; with the last that is needed the server unseals."""
    seal = ctx.core.seal
    if args.reset:
        seal.reset()
        return Response(bare=await _status(ctx))
    if not args.key:
        raise BadRequest("'key' must be specified in request body as JSON, or 'reset' set to true")
    share = decode_share(args.key)
    if args.migrate:
        raise BadRequest("can't perform a seal migration, no migration seal found")
    await seal.unseal(share)
    return Response(bare=await _status(ctx))


@system.write("seal", sudo=True, no_wrap=True, terse=True, request_entry_only=True)
async def seal(ctx: SystemContext) -> None:
    """Seal the server: all keys leave its memory, and nothing is served until it is unsealed."""

    async def drop() -> None:
        await ctx.core.seal_now(within_request=True)

    ctx.after_commit(drop)


@system.write("step-down", **STATUS)
async def step_down(ctx: SystemContext) -> None:
    """Hand the leadership to another node.

    A single node has nobody to hand it to and stays what it is. In raft's place it still asks for a token that may do
    this (`update` and `sudo`); on a storage without a cluster there is no leadership, and no token is asked for.
    """
    if ctx.core.live is None or ctx.core.config.storage_type != "raft":
        return
    decision = ctx.acl.decide(ctx.request.path, ctx.request.operation) if ctx.acl is not None else None
    if decision is None:
        raise BadToken(reason="stepping down needs a token")
    if not (decision.allowed and decision.sudo):
        raise PermissionDenied(reason="stepping down needs the capabilities update and sudo")


async def _status(ctx: SystemContext) -> dict[str, Any]:
    status = await ctx.core.seal.status()
    body: dict[str, Any] = {
        "type": status.type,
        "initialized": status.initialised,
        "sealed": status.sealed,
        "t": status.threshold,
        "n": status.shares,
        "progress": status.progress,
        "nonce": status.nonce,
        "version": VAULT_VERSION,
        "build_date": "",
        "migration": False,
    }
    live = ctx.core.live
    if live is not None and not status.sealed:
        body |= {"cluster_name": live.cluster.name, "cluster_id": live.cluster.id}
    return body | {
        "recovery_seal": False,
        "storage_type": ctx.core.config.storage_type,
        "strongroom_version": __version__,
    }
