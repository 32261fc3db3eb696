"""Settings of the mount."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.auth.cert.engine import CONFIG, cert, load_config
from strongroom.errors import BadRequest

MOST_CACHED: Final = 100_000


class ConfigArgs(Args):
    """What applies to all roles. What is not given stays as it is."""

    disable_binding: bool = field("Let a token be renewed without the certificate that it came from.")
    enable_identity_alias_metadata: bool = field("Keep what the certificate says as metadata of the entity's alias.")
    ocsp_cache_size: int = field("How many OCSP answers are kept.", default=100)
    role_cache_size: int = field("Of how many roles the certificates are kept ready; -1 for none.", default=200)


@cert.read("config")
async def read_config(ctx: Context) -> dict[str, Any]:
    """Read the settings."""
    config = await load_config(ctx)
    return {name: getattr(config, name) for name in ConfigArgs.fields}


@cert.write("config")
async def write_config(ctx: Context, args: ConfigArgs) -> None:
    """Change the settings."""
    await ctx.lock(CONFIG, "")
    config = replace(await load_config(ctx), **{name: getattr(args, name) for name in args.given})
    if not 2 <= config.ocsp_cache_size <= MOST_CACHED:
        raise BadRequest(f"invalid cache size, must be >= 2 and <= {MOST_CACHED}")
    if not -1 <= config.role_cache_size <= MOST_CACHED or config.role_cache_size == 0:
        raise BadRequest(f"invalid role cache size, must be >= 1 and <= {MOST_CACHED}, or -1 for none")
    ctx.storage.store(CONFIG, config)
