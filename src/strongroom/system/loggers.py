"""`sys/loggers`: what the process logs, changed while it runs."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.core import log_levels
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest
from strongroom.system.engine import system


class NameArgs(Args):
    """A logger by its name."""

    name: str = field("The logger: audit, core, http and so on.")


class LevelArgs(Args):
    """What to log."""

    level: str = field("The level: trace, debug, info, warn or error.")


class SetArgs(NameArgs):
    """What one logger logs."""

    level: str = field("The level: trace, debug, info, warn or error.")


def _checked(level: str) -> str:
    if not level:
        raise BadRequest("level is required")
    if level.lower() not in log_levels.LEVELS:
        raise BadRequest(f"invalid level provided: unknown log level: {level[:64]}")
    return level.lower()


def _known(name: str) -> str:
    if name not in log_levels.names():
        raise BadRequest(f'logger "{name[:64]}" not found')
    return name


@system.read("loggers")
async def read_loggers(ctx: SystemContext) -> dict[str, Any]:
    """Show the level of every logger."""
    return {name: log_levels.level(name) for name in log_levels.names()}


@system.write("loggers")
async def write_loggers(ctx: SystemContext, args: LevelArgs) -> None:
    """Set the level of all loggers, until the process ends or is reset."""
    log_levels.set_all(_checked(args.level))


@system.delete("loggers")
async def reset_loggers(ctx: SystemContext) -> None:
    """Let all loggers log what the configuration says."""
    log_levels.set_all(ctx.core.config.log_level)


@system.read("loggers/{name:segment}")
async def read_logger(ctx: SystemContext, args: NameArgs) -> dict[str, Any]:
    """Show the level of one logger; nothing for one that is not there."""
    return {args.name: log_levels.level(args.name)} if args.name in log_levels.names() else {}


@system.write("loggers/{name:segment}")
async def write_logger(ctx: SystemContext, args: SetArgs) -> None:
    """Set the level of one logger, until the process ends or it is reset."""
    level = _checked(args.level)
    log_levels.set_level(_known(args.name), level)


@system.delete("loggers/{name:segment}")
async def reset_logger(ctx: SystemContext, args: NameArgs) -> None:
    """Let one logger log what the configuration says."""
    log_levels.set_level(_known(args.name), ctx.core.config.log_level)
