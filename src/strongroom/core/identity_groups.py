"""Changing groups and who is in them, in a transaction and under the identity store's lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from strongroom.core.identity_model import (
    CHILD,
    ENTITY,
    GROUP,
    GROUP_ALIAS,
    GROUP_FACTOR,
    GROUP_NAME,
    MEMBER,
    PRESENT,
    Entity,
    Group,
    Ref,
    Salt,
)
from strongroom.errors import MULTI, BadRequest, InternalError

if TYPE_CHECKING:
    from strongroom.core.mounts import Mount
    from strongroom.storage.transaction import Transaction


def group_factor(salt: Salt, accessor: str, name: str) -> str:
    """The name under which a group's alias at a mount is found."""
    return salt.name("group", accessor, name)


async def group_by_name(salt: Salt, tx: Transaction, name: str) -> Group | None:
    """The group of a name, in any case."""
    ref = await tx.load(GROUP_NAME + salt.name("name", name.lower()), Ref)
    return await tx.load(GROUP + ref.id, Group) if ref else None


async def members(tx: Transaction, group_id: str) -> list[str]:
    """The ids of a group's entities."""
    return await tx.list(f"{MEMBER}{group_id}/")


async def children(tx: Transaction, group_id: str) -> list[str]:
    """The ids of a group's groups."""
    return await tx.list(f"{CHILD}{group_id}/")


async def external_groups(
    salt: Salt, tx: Transaction, entity: Entity, mount: Mount, names: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The external groups of a mount that an entity leaves, and those that it enters, by what a login says of it."""
    accessor = mount.info.accessor
    wanted = set()
    for name in names:
        ref = await tx.load(GROUP_FACTOR + group_factor(salt, accessor, name), Ref)
        if ref is not None:
            wanted.add(ref.id)
    leave = []
    for group_id in entity.groups:
        group = await tx.load(GROUP + group_id, Group)
        if group is not None and group.alias is not None and group.alias.mount_accessor == accessor:
            if group_id in wanted:
                wanted.discard(group_id)
            else:
                leave.append(group_id)
    return leave, sorted(wanted)


def move_between(tx: Transaction, entity: Entity, leave: Iterable[str], enter: Iterable[str]) -> tuple[str, ...]:
    """Take an entity out of groups and into others; returns its groups from then on. The entity is the caller's."""
    groups = list(entity.groups)
    for group_id in leave:
        groups.remove(group_id)
        tx.delete(f"{MEMBER}{group_id}/{entity.id}")
    for group_id in enter:
        groups.append(group_id)
        tx.put(f"{MEMBER}{group_id}/{entity.id}", PRESENT)
    return tuple(groups)


async def put_group(salt: Salt, tx: Transaction, old: Group | None, group: Group) -> None:
    """Store a group in place of what it was, with the indexes of its name and alias.

    Raises:
        BadRequest: another group has its name, or its alias.
    """
    name = GROUP_NAME + salt.name("name", group.name.lower())
    owner = await tx.load(name, Ref)
    if owner is not None and owner.id != group.id:
        raise BadRequest("group name is already in use")
    if old is not None and old.name.lower() != group.name.lower():
        tx.delete(GROUP_NAME + salt.name("name", old.name.lower()))
    tx.store(name, Ref(group.id))
    if old is not None and old.alias is not None and old.alias != group.alias:
        tx.delete(GROUP_ALIAS + old.alias.id)
        tx.delete(GROUP_FACTOR + old.alias.factor)
    if group.alias is not None:
        factor = GROUP_FACTOR + group.alias.factor
        owner = await tx.load(factor, Ref)
        if owner is not None and owner.id != group.id:
            raise BadRequest("group alias is already in use")
        tx.store(GROUP_ALIAS + group.alias.id, Ref(group.id))
        tx.store(factor, Ref(group.id))
    tx.store(GROUP + group.id, group)


async def set_members(tx: Transaction, group_id: str, wanted: Sequence[str]) -> None:
    """Make these entities the members of a group.

    Raises:
        InternalError: one of them does not exist.
    """
    present = set(await members(tx, group_id))
    for entity_id in dict.fromkeys(wanted):
        entity = await tx.load(ENTITY + entity_id, Entity)
        if entity is None:
            raise InternalError(MULTI.format(f'invalid entity ID "{entity_id}"'))
        if entity_id not in present:
            groups = move_between(tx, entity, (), (group_id,))
            tx.store(ENTITY + entity_id, replace(entity, groups=groups))
    for entity_id in sorted(present - set(wanted)):
        await _leave(tx, group_id, entity_id)


async def _leave(tx: Transaction, group_id: str, entity_id: str) -> None:
    tx.delete(f"{MEMBER}{group_id}/{entity_id}")
    entity = await tx.load(ENTITY + entity_id, Entity)
    if entity is not None and group_id in entity.groups:
        tx.store(ENTITY + entity_id, replace(entity, groups=tuple(g for g in entity.groups if g != group_id)))


async def set_children(tx: Transaction, group_id: str, wanted: Sequence[str]) -> None:
    """Make these groups the members of a group.

    Raises:
        InternalError: one of them does not exist, or is the group itself.
        BadRequest: the group would be in itself by way of others.
    """
    present = set(await children(tx, group_id))
    for child_id in dict.fromkeys(wanted):
        child = await tx.load(GROUP + child_id, Group)
        if child is None:
            raise InternalError(MULTI.format(f'invalid member group ID "{child_id}"'))
        if child_id == group_id:
            raise InternalError(MULTI.format(f'member group ID "{child_id}" is same as the ID of the group'))
        if await _is_above(tx, child_id, group_id):
            raise BadRequest(f'cyclic relationship detected for member group ID "{child_id}"')
        if child_id not in present:
            tx.put(f"{CHILD}{group_id}/{child_id}", PRESENT)
            tx.store(GROUP + child_id, _touched(child, (*child.parents, group_id)))
    for child_id in sorted(present - set(wanted)):
        await _orphan(tx, group_id, child_id)


async def _is_above(tx: Transaction, upper: str, lower: str) -> bool:
    """Whether a group is somewhere above another."""
    seen: set[str] = set()
    todo = [lower]
    while todo:
        group_id = todo.pop()
        group = None if group_id in seen else await tx.load(GROUP + group_id, Group)
        seen.add(group_id)
        if group is not None:
            if upper in group.parents:
                return True
            todo.extend(group.parents)
    return False


def _touched(group: Group, parents: tuple[str, ...]) -> Group:
    return replace(group, parents=parents, modify_index=group.modify_index + 1)


async def _orphan(tx: Transaction, group_id: str, child_id: str) -> None:
    tx.delete(f"{CHILD}{group_id}/{child_id}")
    child = await tx.load(GROUP + child_id, Group)
    if child is not None:
        tx.store(GROUP + child_id, _touched(child, tuple(p for p in child.parents if p != group_id)))


async def delete_group(salt: Salt, tx: Transaction, group: Group) -> None:
    """Delete a group, and take it out of all that it is in or that is in it."""
    for entity_id in await members(tx, group.id):
        await _leave(tx, group.id, entity_id)
    for child_id in await children(tx, group.id):
        await _orphan(tx, group.id, child_id)
    for parent_id in group.parents:
        tx.delete(f"{CHILD}{parent_id}/{group.id}")
    if group.alias is not None:
        tx.delete(GROUP_ALIAS + group.alias.id)
        tx.delete(GROUP_FACTOR + group.alias.factor)
    tx.delete(GROUP_NAME + salt.name("name", group.name.lower()))
    tx.delete(GROUP + group.id)
