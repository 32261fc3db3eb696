"""`sys/host-info`: the machine that the server runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from strongroom.api.messages import Response, Timestamp
from strongroom.core import host
from strongroom.core.context import SystemContext
from strongroom.system.engine import system

_PARTS: Final[dict[str, Callable[[], Any]]] = {
    "cpu": host.cpu,
    "cpu_times": host.cpu_times,
    "disk": host.disk,
    "memory": host.memory,
}


@system.read("host-info")
async def host_info(ctx: SystemContext) -> Response:
    """Show the machine's processors, memory, disks and system; what cannot be read is null, with a warning."""
    parts = {**_PARTS, "host": lambda: host.host(ctx.clock.now())}
    shown: dict[str, Any] = {"timestamp": Timestamp(ctx.clock.now_ns())}
    for name, read in sorted(parts.items()):
        try:
            # In a thread: a file system whose server is away does not answer.
            shown[name] = await asyncio.to_thread(read)
        except (OSError, ValueError, KeyError, IndexError):
            shown[name] = None
            ctx.warn(f"the machine's {name} information cannot be read")
    return Response(data=shown)
