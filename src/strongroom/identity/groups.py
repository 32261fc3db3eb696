"""identity/group: entities and groups together, with policies of their own."""

from __future__ import annotations

import secrets
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList, Pairs
from strongroom.api.messages import Response, Timestamp
from strongroom.clock import new_uuid
from strongroom.core.context import SystemContext
from strongroom.core.identity_groups import (
    children,
    delete_group,
    group_by_name,
    members,
    put_group,
    set_children,
    set_members,
)
from strongroom.core.identity_model import GROUP, Group
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import Mounts, checked_policies, every, given, identity, listing, lock, replace, touched

TYPES = ("internal", "external")


class IdArgs(Args):
    """Which group, by its id."""

    id: str = field("The group's id.")


class NameArgs(Args):
    """Which group, by its name."""

    name: str = field("The group's name.")


class GroupArgs(IdArgs, NameArgs):
    """What a group is. What is not given stays as it is."""

    type: str = field("internal, or external for one whose members the logins of an auth method say.")
    metadata: Pairs = field("Metadata, for policies' templates and for people.")
    policies: CommaList = field("Policies that the tokens of all its members have.")
    member_entity_ids: CommaList = field("The entities in it; not for an external group.")
    member_group_ids: CommaList = field("The groups in it.")


async def write(ctx: SystemContext, args: GroupArgs) -> Response:
    """Make a group, or change the one of this id or name."""
    await lock(ctx)
    tx, salt = ctx.transaction, ctx.live.identity.salt
    old = await of_id(ctx, args.id) if args.id else None
    if args.id and old is None:
        raise BadRequest("invalid group ID")
    if old is None and args.name:
        old = await group_by_name(salt, tx, args.name)
    kind = _kind(args, old)
    changes = given(args, "metadata")
    if "policies" in args.given:
        changes["policies"] = checked_policies(args.policies)
    if args.name:
        changes["name"] = args.name if old is None or args.id else old.name
    if "member_entity_ids" in args.given:
        changes["members_set"] = True
    now = ctx.clock.now_ns()
    name = args.name or f"group_{secrets.token_hex(4)}"
    group = old or Group(id=new_uuid(), name=name, type=kind, creation_ns=now, updated_ns=now)
    changes["modify_index"] = group.modify_index + (old is not None)
    await put_group(salt, tx, old, replace(group, **touched(ctx, **changes)))
    if "member_entity_ids" in args.given:
        await set_members(tx, group.id, args.member_entity_ids)
    if "member_group_ids" in args.given:
        await set_children(tx, group.id, args.member_group_ids)
    return Response(data={"id": group.id, "name": group.name}) if old is None else Response()


for _pattern in ("group", "group/id/{id:segment}", "group/name/{name:subpath}"):
    identity.write(_pattern)(write)


def _kind(args: GroupArgs, old: Group | None) -> str:
    kind = args.type or (old.type if old else "internal")
    if kind not in TYPES:
        raise BadRequest(f'invalid group type "{kind}"')
    if old is not None and kind != old.type:
        raise BadRequest("group type cannot be changed")
    if kind == "external" and args.member_entity_ids:
        raise BadRequest("member entities can't be set manually for external groups")
    return kind


async def of_id(ctx: SystemContext, group_id: str) -> Group | None:
    """The group of an id, or None."""
    return await ctx.transaction.load(GROUP + group_id, Group) if "/" not in group_id else None


@identity.read("group/id/{id:segment}")
async def read(ctx: SystemContext, args: IdArgs) -> dict[str, Any]:
    """Read a group."""
    return await shown(ctx, await of_id(ctx, args.id))


@identity.read("group/name/{name:subpath}")
async def read_name(ctx: SystemContext, args: NameArgs) -> dict[str, Any]:
    """Read a group by its name."""
    return await shown(ctx, await group_by_name(ctx.live.identity.salt, ctx.transaction, args.name))


async def shown(ctx: SystemContext, group: Group | None) -> dict[str, Any]:
    """A group as it is read back; raises `NotFound` for None."""
    if group is None:
        raise NotFound
    entity_ids = await members(ctx.transaction, group.id)
    alias = Mounts(ctx).full(group.id, group.alias) if group.alias else {}
    return {
        "alias": {name: value for name, value in alias.items() if name not in ("custom_metadata", "local")},
        "creation_time": Timestamp(group.creation_ns),
        "id": group.id,
        "last_update_time": Timestamp(group.updated_ns),
        "member_entity_ids": entity_ids or ([] if group.members_set else None),
        "member_group_ids": await children(ctx.transaction, group.id) or None,
        "metadata": group.metadata,
        "modify_index": group.modify_index,
        "name": group.name,
        "namespace_id": "root",
        "parent_group_ids": list(group.parents) or None,
        "policies": None if group.policies is None else list(group.policies),
        "type": group.type,
    }


@identity.list("group/id")
async def list_ids(ctx: SystemContext) -> dict[str, Any]:
    """List the groups by id."""
    info = {
        group.id: {
            "name": group.name,
            "num_member_entities": len(await members(ctx.transaction, group.id)),
            "num_parent_groups": len(group.parents),
        }
        async for group in every(ctx, GROUP, Group)
    }
    return listing(ctx, list(info), info)


@identity.list("group/name")
async def list_names(ctx: SystemContext) -> dict[str, Any]:
    """List the groups by name."""
    return listing(ctx, sorted([group.name async for group in every(ctx, GROUP, Group)]))


@identity.delete("group/id/{id:segment}")
async def delete(ctx: SystemContext, args: IdArgs) -> None:
    """Delete a group; one that does not exist is no error."""
    await lock(ctx)
    await _delete(ctx, await of_id(ctx, args.id))


@identity.delete("group/name/{name:subpath}")
async def delete_name(ctx: SystemContext, args: NameArgs) -> None:
    """Delete a group by its name."""
    await lock(ctx)
    await _delete(ctx, await group_by_name(ctx.live.identity.salt, ctx.transaction, args.name))


async def _delete(ctx: SystemContext, group: Group | None) -> None:
    if group is not None:
        await delete_group(ctx.live.identity.salt, ctx.transaction, group)
