"""What a node tells of itself: its cluster, its versions, the requests under way."""

from __future__ import annotations

import socket
from typing import Any

from strongroom import VAULT_VERSION, __version__
from strongroom.api.messages import Response, Timestamp
from strongroom.core.advertise import api_address, cluster_address
from strongroom.core.context import SystemContext
from strongroom.system.engine import system


@system.read("ha-status")
async def ha_status(ctx: SystemContext) -> Response:
    """Show the nodes of the cluster."""
    node = {
        "hostname": socket.gethostname(),
        "api_address": api_address(ctx.core.config),
        "cluster_address": cluster_address(ctx.core.config),
        "active_node": True,
        "last_echo": None,
        "version": VAULT_VERSION,
        "strongroom_version": __version__,
    }
    return Response(data={"nodes": [node]}, flat=True)


@system.list("version-history")
async def version_history(ctx: SystemContext) -> dict[str, Any]:
    """Show which versions of the server have run on this storage, oldest first, and since when."""
    versions = ctx.live.versions.all
    return {
        "keys": [entry.version for entry in versions],
        "key_info": {
            entry.version: {
                "build_date": None,
                "previous_version": entry.previous or None,
                "timestamp_installed": Timestamp(entry.installed),
                "vault_version": entry.vault_version,
            }
            for entry in versions
        },
    }


@system.read("in-flight-req")
async def in_flight(ctx: SystemContext) -> dict[str, Any]:
    """Show the requests under way, this one included: since when, from where, for what."""
    return {
        call.request.id: {
            "start_time": Timestamp(started),
            "client_remote_address": call.request.remote_address,
            "request_path": call.request.path,
            "request_method": call.request.method,
            "client_id": call.caller.entity_id,
        }
        for call, started in ctx.live.in_flight.items()
    }


@system.read("replication/status", unauthenticated=True)
async def replication(ctx: SystemContext) -> dict[str, Any]:
    """Tell the state of replication between clusters: there is none."""
    return {"dr": {"mode": "disabled"}, "performance": {"mode": "disabled"}}
