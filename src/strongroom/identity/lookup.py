"""identity/lookup: finding an entity or a group by any of its names."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.core.context import SystemContext
from strongroom.core.identity_groups import group_by_name
from strongroom.core.identity_model import ENTITY, Entity, Group
from strongroom.errors import BadRequest
from strongroom.identity import aliases, entities, group_aliases, groups
from strongroom.identity.engine import identity


class LookupArgs(Args):
    """One of these, or the last two together."""

    id: str = field("The id.")
    name: str = field("The name.")
    alias_id: str = field("The id of an alias.")
    alias_name: str = field("The name of an alias; with alias_mount_accessor.")
    alias_mount_accessor: str = field("The accessor of the alias's mount.")


def _criterion(args: LookupArgs) -> str:
    """What is looked up by."""
    if bool(args.alias_name) is not bool(args.alias_mount_accessor):
        raise BadRequest("both 'alias_name' and 'alias_mount_accessor' needs to be set")
    supplied = [name for name in ("id", "name", "alias_id", "alias_name") if getattr(args, name)]
    if not supplied:
        raise BadRequest("query parameter not supplied")
    if len(supplied) > 1:
        raise BadRequest("query parameter conflict; please supply distinct set of query parameters")
    return supplied[0]


@identity.write("lookup/entity")
async def lookup_entity(ctx: SystemContext, args: LookupArgs) -> dict[str, Any] | None:
    """Find an entity; nobody is no error."""
    by = _criterion(args)
    entity: Entity | None
    if by == "id":
        entity = await ctx.transaction.load(ENTITY + args.id, Entity) if "/" not in args.id else None
    elif by == "name":
        entity = await ctx.live.identity.entity_by_name(ctx.transaction, args.name)
    else:
        found = (
            await aliases.find(ctx, args.alias_id)
            if by == "alias_id"
            else await aliases.find_name(ctx, args.alias_mount_accessor, args.alias_name)
        )
        entity = found[0] if found else None
    return await entities.shown(ctx, entity) if entity else None


@identity.write("lookup/group")
async def lookup_group(ctx: SystemContext, args: LookupArgs) -> dict[str, Any] | None:
    """Find a group; none is no error."""
    by = _criterion(args)
    group: Group | None
    if by == "id":
        group = await groups.of_id(ctx, args.id)
    elif by == "name":
        group = await group_by_name(ctx.live.identity.salt, ctx.transaction, args.name)
    elif by == "alias_id":
        group = await group_aliases.find(ctx, args.alias_id)
    else:
        group = await group_aliases.find_name(ctx, args.alias_mount_accessor, args.alias_name)
    return await groups.shown(ctx, group) if group else None
