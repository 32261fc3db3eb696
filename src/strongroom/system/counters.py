"""What the server counts, and the namespaces that user interfaces ask for."""

from __future__ import annotations

from typing import Any

from strongroom.core.context import SystemContext
from strongroom.system.engine import system


@system.read("internal/counters/tokens")
async def count_tokens(ctx: SystemContext) -> dict[str, Any]:
    """Count the service tokens; reads them all."""
    total = 0
    async for _ in ctx.live.tokens.accessors():
        total += 1
    return {"counters": {"service_tokens": {"total": total}}}


@system.read("internal/ui/namespaces")
async def namespaces(ctx: SystemContext) -> dict[str, Any]:
    """Show the namespaces that the caller may reach: there is the root namespace alone."""
    return {"keys": [""]}
