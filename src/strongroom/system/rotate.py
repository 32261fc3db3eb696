"""`sys/rotate`, `sys/rotate/config`, `sys/key-status`: the barrier's encryption key."""

from __future__ import annotations

import msgspec

from strongroom.api.args import Args, field
from strongroom.api.fields import Duration, format_duration
from strongroom.api.messages import Response, Timestamp
from strongroom.core.context import SystemContext
from strongroom.core.rotation import MAX_OPERATIONS, MIN_INTERVAL, MIN_OPERATIONS, ROTATION_KEY, RotationConfig
from strongroom.errors import BadRequest
from strongroom.system.engine import system


class RotationArgs(Args):
    """When the key is rotated by itself."""

    max_operations: int = field("Number of encryptions after which the key is rotated.")
    interval: Duration = field("Age at which the key is rotated, 24h or more; 0 for any age.")
    enabled: bool = field("Whether the key is rotated by itself; takes effect along with a change of the others.")


@system.read("key-status")
async def key_status(ctx: SystemContext) -> Response:
    """Tell the term of the active encryption key, since when it is, and how often it has encrypted."""
    status = ctx.live.barrier.key_status()
    return Response(
        data={
            "encryptions": status.encryptions,
            "install_time": Timestamp(status.installed),
            "term": status.term,
        },
        flat=True,
    )


@system.write("rotate", sudo=True)
async def rotate(ctx: SystemContext) -> None:
    """Rotate the encryption key: what is written from now on is under the new one, and older data stays readable."""
    await ctx.live.barrier.rotate()


@system.read("rotate/config")
async def read_rotation(ctx: SystemContext) -> Response:
    """Tell when the encryption key is rotated by itself."""
    config = await _load(ctx)
    return Response(
        data={
            "enabled": config.enabled,
            "interval": format_duration(config.interval) if config.interval else 0,
            "max_operations": config.max_operations,
        }
    )


@system.write("rotate/config")
async def write_rotation(ctx: SystemContext, args: RotationArgs) -> None:
    """Set when the encryption key is rotated by itself; what is not given stays."""
    await ctx.lock("config", "rotation")
    present = await _load(ctx)
    given = {name: getattr(args, name) for name in args.given}
    config = msgspec.structs.replace(present, **given)
    if config.interval and config.interval < MIN_INTERVAL:
        raise BadRequest(f"interval must be greater or equal to {format_duration(MIN_INTERVAL)}")
    if not MIN_OPERATIONS <= config.max_operations <= MAX_OPERATIONS:
        raise BadRequest(f"max_operations must be in the range [{MIN_OPERATIONS},{MAX_OPERATIONS}]")
    # As Vault has it: `enabled` by itself changes nothing, so that a stray false cannot end the rotation.
    if (config.max_operations, config.interval) != (present.max_operations, present.interval):
        ctx.transaction.store(ROTATION_KEY, config)


async def _load(ctx: SystemContext) -> RotationConfig:
    return await ctx.transaction.load(ROTATION_KEY, RotationConfig) or RotationConfig()
