"""identity/group-alias: what an auth method calls an external group."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.core.context import SystemContext
from strongroom.core.identity_entities import new_alias
from strongroom.core.identity_groups import group_factor, put_group
from strongroom.core.identity_model import GROUP, GROUP_ALIAS, GROUP_FACTOR, Alias, Group, Ref
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import Mounts, every, identity, listing, lock, replace, touched


class IdArgs(Args):
    """Which alias."""

    id: str = field("The alias's id.")


class AliasArgs(IdArgs):
    """What a group's alias is."""

    name: str = field("The group's name as the auth method tells it.")
    mount_accessor: str = field("The accessor of the auth method.")
    canonical_id: str = field("The group; a new external one without it.")


async def find(ctx: SystemContext, alias_id: str) -> Group | None:
    """The group that has the alias of an id."""
    ref = await ctx.transaction.load(GROUP_ALIAS + alias_id, Ref) if "/" not in alias_id else None
    return await ctx.transaction.load(GROUP + ref.id, Group) if ref else None


async def find_name(ctx: SystemContext, accessor: str, name: str) -> Group | None:
    """The group that has the alias of a name at a mount."""
    factor = group_factor(ctx.live.identity.salt, accessor, name)
    ref = await ctx.transaction.load(GROUP_FACTOR + factor, Ref)
    return await ctx.transaction.load(GROUP + ref.id, Group) if ref else None


async def write(ctx: SystemContext, args: AliasArgs) -> dict[str, Any]:
    """Make a group's alias, or change the one of this id, or of this mount and name."""
    await lock(ctx)
    current = await find(ctx, args.id) if args.id else None
    if args.id and current is None:
        raise BadRequest("invalid group alias ID")
    known = current.alias if current else None
    name = args.name or (known.name if known else "")
    accessor = args.mount_accessor or (known.mount_accessor if known else "")
    if not name:
        raise BadRequest("missing alias name")
    if not accessor:
        raise BadRequest("missing mount_accessor")
    mount = ctx.live.mounts.by_accessor(accessor)
    if mount is None or mount.info.kind != "auth":
        raise BadRequest(f'invalid mount accessor "{accessor}"')
    if current is None:
        current = await find_name(ctx, accessor, name)
    group = await _owner(ctx, args.canonical_id, current)
    return await _attach(ctx, current, group, _alias(ctx, current, accessor, name))


for _pattern in ("group-alias", "group-alias/id/{id:segment}"):
    identity.write(_pattern)(write)


async def _owner(ctx: SystemContext, group_id: str, current: Group | None) -> Group:
    if not group_id and current is not None:
        return current
    group = await ctx.transaction.load(GROUP + group_id, Group) if group_id and "/" not in group_id else None
    if group is None:
        raise BadRequest("invalid canonical ID")
    if group.type != "external":
        raise BadRequest("alias can't be set on an internal group")
    return group


def _alias(ctx: SystemContext, current: Group | None, accessor: str, name: str) -> Alias:
    factor = group_factor(ctx.live.identity.salt, accessor, name)
    if current is None or current.alias is None:
        return new_alias(ctx.clock.now_ns(), name, accessor, factor)
    return replace(current.alias, **touched(ctx, name=name, mount_accessor=accessor, factor=factor))


async def _attach(ctx: SystemContext, current: Group | None, group: Group, alias: Alias) -> dict[str, Any]:
    salt, tx = ctx.live.identity.salt, ctx.transaction
    if current is not None and current.id != group.id:
        await put_group(salt, tx, current, replace(current, **touched(ctx, alias=None)))
    await put_group(salt, tx, group, _index(replace(group, **touched(ctx, alias=alias))))
    return {"canonical_id": group.id, "id": alias.id}


def _index(group: Group) -> Group:
    return replace(group, modify_index=group.modify_index + 1)


@identity.read("group-alias/id/{id:segment}")
async def read(ctx: SystemContext, args: IdArgs) -> dict[str, Any]:
    """Read a group's alias."""
    group = await find(ctx, args.id)
    if group is None or group.alias is None:
        raise NotFound
    return {**Mounts(ctx).full(group.id, group.alias), "namespace_id": "root"}


@identity.list("group-alias/id")
async def list_aliases(ctx: SystemContext) -> dict[str, Any]:
    """List the groups' aliases by id."""
    mounts = Mounts(ctx)
    found = every(ctx, GROUP, Group)
    info = {group.alias.id: mounts.brief(group.id, group.alias) async for group in found if group.alias}
    return listing(ctx, sorted(info), info)


@identity.delete("group-alias/id/{id:segment}")
async def delete(ctx: SystemContext, args: IdArgs) -> None:
    """Delete a group's alias; one that does not exist is no error."""
    await lock(ctx)
    group = await find(ctx, args.id)
    if group is not None:
        changed = _index(replace(group, **touched(ctx, alias=None)))
        await put_group(ctx.live.identity.salt, ctx.transaction, group, changed)
