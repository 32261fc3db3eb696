"""identity/entity-alias: what ties a name at an auth mount to an entity."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import Pairs
from strongroom.core.context import SystemContext
from strongroom.core.identity_entities import new_alias, new_entity, put_entity
from strongroom.core.identity_model import ALIAS, ENTITY, FACTOR, Alias, Entity, Ref
from strongroom.core.mounts import Mount
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import Mounts, every, identity, listing, lock, replace, touched


class IdArgs(Args):
    """Which alias."""

    id: str = field("The alias's id.")


class AliasArgs(IdArgs):
    """What an alias is."""

    name: str = field("The name that logins at the mount prove.")
    mount_accessor: str = field("The accessor of the auth method.")
    canonical_id: str = field("The entity; a new one without it.", aliases=("entity_id",))
    custom_metadata: Pairs = field("Metadata that operators set, for policies' templates.")


Found = tuple[Entity, Alias] | None


async def find(ctx: SystemContext, alias_id: str) -> Found:
    """The alias of an id, with its entity."""
    ref = await ctx.transaction.load(ALIAS + alias_id, Ref) if "/" not in alias_id else None
    return await _in(ctx, ref, lambda alias: alias.id == alias_id)


async def find_name(ctx: SystemContext, accessor: str, name: str) -> Found:
    """The alias of a name at a mount, with its entity."""
    mount = ctx.live.mounts.by_accessor(accessor)
    if mount is None:
        return None
    factor = ctx.live.identity.factor(mount, name)
    return await _in(ctx, await ctx.transaction.load(FACTOR + factor, Ref), lambda alias: alias.factor == factor)


async def _in(ctx: SystemContext, ref: Ref | None, wanted: Any) -> Found:
    entity = await ctx.transaction.load(ENTITY + ref.id, Entity) if ref else None
    alias = next((alias for alias in entity.aliases if wanted(alias)), None) if entity else None
    return (entity, alias) if entity is not None and alias is not None else None


# -- Writing -----------------------------------------------------------------------------------------------------------


async def write(ctx: SystemContext, args: AliasArgs) -> dict[str, Any]:
    """Make an alias, or change the one of this id, or of this mount and name."""
    await lock(ctx)
    found: Found = None
    if args.id:
        found = await find(ctx, args.id)
        if found is None:
            raise BadRequest("invalid alias ID provided")
    elif not (args.name and args.mount_accessor):
        raise BadRequest("'id' or 'mount_accessor' and 'name' must be provided")
    accessor = args.mount_accessor or (found[1].mount_accessor if found else "")
    mount = ctx.live.mounts.by_accessor(accessor)
    if mount is None or mount.info.kind != "auth":
        raise BadRequest(f'invalid mount accessor "{accessor}"')
    other = await find_name(ctx, accessor, args.name) if args.name else None
    if found is None:
        found = other
    elif other is not None and other[1].id != found[1].id:
        raise BadRequest("alias with combination of mount accessor and name already exists")
    entity = await _owner(ctx, args.canonical_id)
    alias = _changed(ctx, args, mount, found[1]) if found else _made(ctx, args, mount)
    owner = await _attach(ctx, found, entity, alias)
    return {"canonical_id": owner.id, "id": alias.id}


for _pattern in ("entity-alias", "entity-alias/id/{id:segment}"):
    identity.write(_pattern)(write)


async def _owner(ctx: SystemContext, entity_id: str) -> Entity | None:
    if not entity_id:
        return None
    entity = await ctx.transaction.load(ENTITY + entity_id, Entity) if "/" not in entity_id else None
    if entity is None:
        raise BadRequest("invalid canonical ID")
    return entity


def _made(ctx: SystemContext, args: AliasArgs, mount: Mount) -> Alias:
    factor = ctx.live.identity.factor(mount, args.name)
    alias = new_alias(ctx.clock.now_ns(), args.name, mount.info.accessor, factor)
    return replace(alias, custom_metadata=args.custom_metadata)


def _changed(ctx: SystemContext, args: AliasArgs, mount: Mount, alias: Alias) -> Alias:
    name = args.name or alias.name
    changes: dict[str, Any] = {
        "name": name,
        "mount_accessor": mount.info.accessor,
        "factor": ctx.live.identity.factor(mount, name),
    }
    if "custom_metadata" in args.given:
        changes["custom_metadata"] = args.custom_metadata
    elif args.id:
        changes["custom_metadata"] = alias.custom_metadata or None
    return replace(alias, **touched(ctx, **changes))


async def _attach(ctx: SystemContext, found: Found, entity: Entity | None, alias: Alias) -> Entity:
    """Put an alias where it belongs; it leaves the entity that it was at, if that is another."""
    tx, salt = ctx.transaction, ctx.live.identity.salt
    old = found[0] if found else None
    before = entity or old
    entity = before or await new_entity(salt, tx, ctx.clock.now_ns())
    if any(a.mount_accessor == alias.mount_accessor and a.id != alias.id for a in entity.aliases):
        raise BadRequest("alias already exists for requested entity and mount")
    if old is not None and old.id != entity.id:
        rest = tuple(a for a in old.aliases if a.id != alias.id)
        await put_entity(salt, tx, old, replace(old, **touched(ctx, aliases=rest)))
    aliases = [a for a in entity.aliases if a.id != alias.id]
    at = next((i for i, a in enumerate(entity.aliases) if a.id == alias.id), len(aliases))
    aliases.insert(at, alias)
    changed = replace(entity, **touched(ctx, aliases=tuple(aliases)))
    await put_entity(salt, tx, before, changed)
    return changed


# -- Reading and deleting ----------------------------------------------------------------------------------------------


@identity.read("entity-alias/id/{id:segment}")
async def read(ctx: SystemContext, args: IdArgs) -> dict[str, Any]:
    """Read an alias."""
    found = await find(ctx, args.id)
    if found is None:
        raise NotFound
    return {**Mounts(ctx).full(found[0].id, found[1]), "namespace_id": "root"}


@identity.list("entity-alias/id")
async def list_aliases(ctx: SystemContext) -> dict[str, Any]:
    """List the aliases by id."""
    mounts = Mounts(ctx)
    info = {
        alias.id: mounts.brief(entity.id, alias)
        async for entity in every(ctx, ENTITY, Entity)
        for alias in entity.aliases
    }
    return listing(ctx, sorted(info), info)


@identity.delete("entity-alias/id/{id:segment}")
async def delete(ctx: SystemContext, args: IdArgs) -> None:
    """Delete an alias; one that does not exist is no error."""
    await lock(ctx)
    found = await find(ctx, args.id)
    if found is not None:
        entity, alias = found
        rest = tuple(a for a in entity.aliases if a.id != alias.id)
        changed = replace(entity, **touched(ctx, aliases=rest))
        await put_entity(ctx.live.identity.salt, ctx.transaction, entity, changed)
