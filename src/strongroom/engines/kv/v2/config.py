"""A mount's settings."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import SignedDuration, format_duration
from strongroom.engines.kv.v2.access import switch
from strongroom.engines.kv.v2.engine import kv2
from strongroom.engines.kv.v2.keys import CONFIG, load_config
from strongroom.engines.kv.v2.model import DISABLED
from strongroom.errors import BadRequest

#: The API's number is unsigned and has 32 bits.
MAX_VERSIONS_LIMIT: Final = 2**32 - 1


class ConfigArgs(Args):
    """What can be set for a mount."""

    max_versions: int = field("How many versions each key keeps at least; 0 for ten.")
    cas_required: bool = field("Whether every write of data must name the version it follows, in `options.cas`.")
    delete_version_after: SignedDuration = field(
        "How long after its creation a version is deleted; 0 for never, negative turns off the keys' own setting."
    )
    track_access: bool = field(
        "Whether it is noted who wrote each version, and who read it last; turning it off forgets the reads.",
        default=True,
    )


def check_max_versions(number: int) -> None:
    """Refuse a number of versions that cannot be."""
    if not 0 <= number <= MAX_VERSIONS_LIMIT:
        raise BadRequest(f'field "max_versions" must be between 0 and {MAX_VERSIONS_LIMIT}')


@kv2.read("config")
async def read(ctx: Context) -> Any:
    """Read the mount's settings.

    `track_access` is there only where it is off: people's scripts know the table of an answer without it.
    """
    config = await load_config(ctx)
    shown = {
        "cas_required": config.cas_required,
        "delete_version_after": format_duration(config.delete_version_after),
        "max_versions": config.max_versions,
    }
    return shown if config.track_access else {**shown, "track_access": False}


@kv2.write("config")
async def write(ctx: Context, args: ConfigArgs) -> None:
    """Change the mount's settings; what is not named stays as it is."""
    if not args.given:
        return
    check_max_versions(args.max_versions)
    await ctx.lock(CONFIG, "")
    changes = {name: getattr(args, name) for name in args.given}
    if args.delete_version_after < 0:
        changes["delete_version_after"] = DISABLED
    former = await load_config(ctx)
    config = msgspec.structs.replace(former, **changes)
    ctx.storage.store(CONFIG, config)
    if config.track_access != former.track_access:
        switch(ctx, config)
