"""identity/entity: making, reading, deleting and merging entities."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList, Pairs
from strongroom.api.messages import Response, Timestamp
from strongroom.core.context import SystemContext
from strongroom.core.identity import groups_above
from strongroom.core.identity_entities import delete_entity, merge, new_entity, put_entity
from strongroom.core.identity_model import ENTITY, Entity
from strongroom.core.identity_view import EntityView
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import Mounts, checked_policies, every, given, identity, listing, lock, replace, touched
from strongroom.identity.mfa_secrets import forget_secrets, move_secrets


class IdArgs(Args):
    """Which entity, by its id."""

    id: str = field("The entity's id.")


class NameArgs(Args):
    """Which entity, by its name."""

    name: str = field("The entity's name.")


class EntityArgs(IdArgs, NameArgs):
    """What an entity is. What is not given stays as it is."""

    metadata: Pairs = field("Metadata, for policies' templates and for people.")
    policies: CommaList = field("Policies that all its tokens have besides their own.")
    disabled: bool = field("Whether its tokens and logins are refused.")


class BatchArgs(Args):
    """Which entities."""

    entity_ids: CommaList = field("The entities' ids.")


class MergeArgs(Args):
    """What is merged into what."""

    from_entity_ids: CommaList = field("The entities that go.")
    to_entity_id: str = field("The entity that stays.")
    force: bool = field("Where several have a secret at one MFA method, keep that of the entity that stays.")
    conflicting_alias_ids_to_keep: CommaList = field("Of two aliases at one mount, the one that stays.")


# -- Writing -----------------------------------------------------------------------------------------------------------


async def write(ctx: SystemContext, args: EntityArgs) -> Response:
    """Make an entity, or change the one of this id or name."""
    await lock(ctx)
    old = await _of_id(ctx, args.id) if args.id else None
    if args.id and old is None:
        raise BadRequest("entity not found from id")
    if old is None and args.name:
        old = await ctx.live.identity.entity_by_name(ctx.transaction, args.name)
    changes = given(args, "metadata", "disabled")
    if "policies" in args.given:
        changes["policies"] = checked_policies(args.policies)
    if args.name:
        changes["name"] = args.name if old is None or args.id else old.name
    salt = ctx.live.identity.salt
    entity = old or await new_entity(salt, ctx.transaction, ctx.clock.now_ns(), args.name)
    entity = replace(entity, **touched(ctx, **changes))
    await put_entity(salt, ctx.transaction, old, entity)
    if old is not None:
        return Response()
    return Response(data={"aliases": None, "id": entity.id, "name": entity.name})


for _pattern in ("entity", "entity/id/{id:segment}", "entity/name/{name:subpath}"):
    identity.write(_pattern)(write)


async def _of_id(ctx: SystemContext, entity_id: str) -> Entity | None:
    return await ctx.transaction.load(ENTITY + entity_id, Entity) if "/" not in entity_id else None


# -- Reading -----------------------------------------------------------------------------------------------------------


@identity.read("entity/id/{id:segment}")
async def read(ctx: SystemContext, args: IdArgs) -> dict[str, Any]:
    """Read an entity."""
    return await shown(ctx, await _of_id(ctx, args.id))


@identity.read("entity/name/{name:subpath}")
async def read_name(ctx: SystemContext, args: NameArgs) -> dict[str, Any]:
    """Read an entity by its name."""
    return await shown(ctx, await ctx.live.identity.entity_by_name(ctx.transaction, args.name))


async def shown(ctx: SystemContext, entity: Entity | None) -> dict[str, Any]:
    """An entity as it is read back; raises `NotFound` for None."""
    if entity is None:
        raise NotFound
    view = EntityView(entity, await groups_above(ctx.transaction, entity.groups))
    mounts = Mounts(ctx)
    return {
        "aliases": [mounts.full(entity.id, alias) for alias in entity.aliases],
        "creation_time": Timestamp(entity.creation_ns),
        "direct_group_ids": list(entity.groups),
        "disabled": entity.disabled,
        "group_ids": [group.id for group in view.groups],
        "id": entity.id,
        "inherited_group_ids": view.inherited,
        "last_update_time": Timestamp(entity.updated_ns),
        "merged_entity_ids": list(entity.merged) or None,
        "metadata": entity.metadata,
        "name": entity.name,
        "namespace_id": "root",
        "policies": list(entity.policies),
    }


@identity.list("entity/id")
async def list_ids(ctx: SystemContext) -> dict[str, Any]:
    """List the entities by id."""
    mounts = Mounts(ctx)
    info: dict[str, Any] = {}
    async for entity in every(ctx, ENTITY, Entity):
        info[entity.id] = {"name": entity.name}
        if entity.aliases:
            info[entity.id]["aliases"] = [
                {"id": alias.id, "name": alias.name, **mounts.shown(alias.mount_accessor)} for alias in entity.aliases
            ]
    return listing(ctx, list(info), info)


@identity.list("entity/name")
async def list_names(ctx: SystemContext) -> dict[str, Any]:
    """List the entities by name."""
    return listing(ctx, sorted([entity.name async for entity in every(ctx, ENTITY, Entity)]))


# -- Deleting and merging ----------------------------------------------------------------------------------------------


@identity.delete("entity/id/{id:segment}")
async def delete(ctx: SystemContext, args: IdArgs) -> None:
    """Delete an entity with its aliases; its tokens are refused from then on."""
    await lock(ctx)
    await _delete(ctx, await _of_id(ctx, args.id))


@identity.delete("entity/name/{name:subpath}")
async def delete_name(ctx: SystemContext, args: NameArgs) -> None:
    """Delete an entity by its name."""
    await lock(ctx)
    await _delete(ctx, await ctx.live.identity.entity_by_name(ctx.transaction, args.name))


@identity.write("entity/batch-delete")
async def batch_delete(ctx: SystemContext, args: BatchArgs) -> None:
    """Delete several entities; ids of none are skipped."""
    if not args.entity_ids:
        raise BadRequest("missing entity ids to delete")
    await lock(ctx)
    for entity_id in dict.fromkeys(args.entity_ids):
        await _delete(ctx, await _of_id(ctx, entity_id))


async def _delete(ctx: SystemContext, entity: Entity | None) -> None:
    if entity is not None:
        forget_secrets(ctx, entity.id)
        delete_entity(ctx.live.identity.salt, ctx.transaction, entity)


@identity.write("entity/merge")
async def merge_entities(ctx: SystemContext, args: MergeArgs) -> None:
    """Merge entities into another: aliases and memberships move, policies and metadata do not."""
    if not args.from_entity_ids:
        raise BadRequest("missing entity ids to merge from")
    if not args.to_entity_id:
        raise BadRequest("missing entity id to merge to")
    await lock(ctx)
    target = await _of_id(ctx, args.to_entity_id)
    if target is None:
        raise BadRequest("entity id to merge to is invalid")
    if target.id in args.from_entity_ids:
        raise BadRequest("to_entity_id should not be present in from_entity_ids")
    sources = []
    for entity_id in dict.fromkeys(args.from_entity_ids):
        source = await _of_id(ctx, entity_id)
        if source is None:
            raise BadRequest("entity id to merge from is invalid")
        sources.append(source)
    await move_secrets(ctx, sources, target, force=args.force)
    keep = set(args.conflicting_alias_ids_to_keep)
    await merge(ctx.live.identity.salt, ctx.transaction, sources, target, keep, ctx.clock.now_ns())
