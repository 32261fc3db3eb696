"""Snapshots, under the paths that people know them by; they work on every storage."""

from __future__ import annotations

from typing import Any

from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.snapshot import Reader, save
from strongroom.errors import BadRequest, UnsupportedPath
from strongroom.storage.barrier import KEYRING_KEY
from strongroom.system.engine import system

RAFT = "raft"


@system.read("storage/raft/snapshot", no_wrap=True)
async def save_snapshot(ctx: SystemContext) -> Response:
    """All of the server's data, encrypted as it is stored, in one gzip file."""
    await ctx.live.barrier.save()
    return Response(bare=save(ctx.core.storage), content_type="application/gzip")


@system.write("storage/raft/snapshot", raw_body=True, no_wrap=True, request_entry_only=True)
async def restore_snapshot(ctx: SystemContext) -> Response:
    """Replace all of the server's data by that of a snapshot made under the present unseal keys."""
    return await _restore(ctx, force=False)


@system.write("storage/raft/snapshot-force", raw_body=True, no_wrap=True, request_entry_only=True)
async def restore_any_snapshot(ctx: SystemContext) -> Response:
    """The same for a snapshot made under other keys; the server is then sealed, and those keys unseal it."""
    return await _restore(ctx, force=True)


async def _restore(ctx: SystemContext, *, force: bool) -> Response:
    reader = Reader()
    if ctx.request.body is not None:
        async for chunk in ctx.request.body:
            reader.feed(bytes(chunk))
    entries = reader.finish()
    if not force and not ctx.live.barrier.opens(entries[KEYRING_KEY]):
        raise BadRequest(
            "the snapshot was made under other unseal keys: nothing was restored. "
            "Restore it with -force if you hold those keys"
        )
    await ctx.core.replace_storage(entries)
    return Response()


@system.read("storage/raft/configuration")
async def configuration(ctx: SystemContext) -> dict[str, Any]:
    """The peers of the cluster: this node, alone."""
    config = ctx.core.config
    if config.storage_type != RAFT:
        raise UnsupportedPath
    server = {
        "node_id": config.storage.settings.get("node_id", ""),
        "address": config.cluster_addr.partition("://")[2],
        "leader": True,
        "protocol_version": "3",
        "voter": True,
    }
    return {"config": {"servers": [server], "index": 0}}
