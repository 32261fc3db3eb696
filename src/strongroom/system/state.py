"""`sys/config/state/sanitized` and `sys/config/reload`: the configuration that the process runs with."""

from __future__ import annotations

import inspect
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.config import sanitized
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest, ConfigError
from strongroom.system.engine import system

#: The one part that can be read anew by itself: all of it that may change while the process runs.
CONFIG: Final = "config"


class ReloadArgs(Args):
    """What to read anew."""

    subsystem: str = field("What to read anew: `config`, which is what the process does on SIGHUP.")


@system.read("config/state/sanitized")
async def read_state(ctx: SystemContext) -> dict[str, Any]:
    """Show the configuration without anything secret."""
    return sanitized(ctx.core.config)


@system.read("experiments")
async def read_experiments(ctx: SystemContext) -> dict[str, Any]:
    """Show which experiments can be switched on, and which are: there are none."""
    return {"available": [], "enabled": []}


@system.write("config/reload/{subsystem:segment}", sudo=True)
async def reload(ctx: SystemContext, args: ReloadArgs) -> None:
    """Read settings and certificates anew, as the process does on SIGHUP."""
    if args.subsystem != CONFIG:
        raise BadRequest(f'there is no subsystem "{args.subsystem[:64]}" to reload: "{CONFIG}" is the one there is')
    for reloader in ctx.core.reloaders:
        try:
            waiting = reloader()
            if inspect.isawaitable(waiting):
                await waiting
        except ConfigError as e:
            raise BadRequest(str(e)) from None
