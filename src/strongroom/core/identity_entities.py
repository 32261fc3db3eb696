"""Changing entities: making, naming, deleting and merging them, in a transaction and under the store's lock."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from strongroom.clock import new_uuid
from strongroom.core.identity_model import (
    ALIAS,
    ENTITY,
    ENTITY_NAME,
    FACTOR,
    MEMBER,
    MERGED,
    PRESENT,
    Alias,
    Entity,
    Ref,
    Salt,
)
from strongroom.errors import BadRequest

if TYPE_CHECKING:
    from strongroom.storage.transaction import Transaction


def new_alias(now_ns: int, name: str, accessor: str, factor: str) -> Alias:
    """An alias with a new id."""
    return Alias(
        id=new_uuid(), name=name, mount_accessor=accessor, factor=factor, creation_ns=now_ns, updated_ns=now_ns
    )


async def new_entity(salt: Salt, tx: Transaction, now_ns: int, name: str = "") -> Entity:
    """An entity with a new id, and without a name given, a name that is free."""
    while not name:
        name = f"entity_{secrets.token_hex(4)}"
        if await tx.load(ENTITY_NAME + salt.name("name", name), Ref) is not None:
            name = ""
    return Entity(id=new_uuid(), name=name, creation_ns=now_ns, updated_ns=now_ns)


async def put_entity(salt: Salt, tx: Transaction, old: Entity | None, entity: Entity) -> None:
    """Store an entity in place of what it was, with the indexes of its name and aliases.

    Raises:
        BadRequest: another entity has its name.
    """
    name = ENTITY_NAME + salt.name("name", entity.name.lower())
    owner = await tx.load(name, Ref)
    if owner is not None and owner.id != entity.id:
        raise BadRequest("entity name is already in use")
    if old is not None and old.name.lower() != entity.name.lower():
        tx.delete(ENTITY_NAME + salt.name("name", old.name.lower()))
    if owner is None:
        tx.store(name, Ref(entity.id))
    before = old.aliases if old else ()
    kept = {(alias.id, alias.factor) for alias in entity.aliases}
    for alias in before:
        if (alias.id, alias.factor) not in kept:
            _forget_alias(tx, alias)
    for alias in entity.aliases:
        if alias not in before:
            tx.store(ALIAS + alias.id, Ref(entity.id))
            tx.store(FACTOR + alias.factor, Ref(entity.id))
    tx.store(ENTITY + entity.id, entity)


def _forget_alias(tx: Transaction, alias: Alias) -> None:
    tx.delete(ALIAS + alias.id)
    tx.delete(FACTOR + alias.factor)


def delete_entity(salt: Salt, tx: Transaction, entity: Entity) -> None:
    """Delete an entity with its aliases and memberships; its tokens are good for nothing from then on."""
    tx.delete(ENTITY + entity.id)
    tx.delete(ENTITY_NAME + salt.name("name", entity.name.lower()))
    for alias in entity.aliases:
        _forget_alias(tx, alias)
    for group_id in entity.groups:
        tx.delete(f"{MEMBER}{group_id}/{entity.id}")
    for merged in entity.merged:
        tx.delete(MERGED + merged)


async def merge(
    salt: Salt, tx: Transaction, sources: Sequence[Entity], target: Entity, keep: Collection[str], now_ns: int
) -> Entity:
    """Merge entities into one: their aliases and memberships move, their policies and metadata do not.

    Of two aliases at one mount the one in `keep` stays.

    Raises:
        BadRequest: two entities have aliases at one mount and it is not said which to keep.
    """
    old = target
    aliases = {
        alias.mount_accessor: replace(alias, custom_metadata=alias.custom_metadata or None) for alias in target.aliases
    }
    groups, merged = list(target.groups), list(target.merged)
    for source in sources:
        for alias in source.aliases:
            moved = replace(
                alias,
                merged_from=(*alias.merged_from, source.id),
                custom_metadata=alias.custom_metadata or None,
                updated_ns=now_ns,
            )
            rival = aliases.get(alias.mount_accessor)
            if rival is None or (alias.id in keep and rival.id not in keep):
                aliases[alias.mount_accessor] = moved
            elif rival.id not in keep or alias.id in keep:
                raise BadRequest(
                    "toEntity and at least one fromEntity have aliases with the same mount accessor, repeat the merge "
                    "request specifying exactly one fromEntity, clashes: "
                    f"mountAccessor: {alias.mount_accessor}, toEntity ID: {target.id}, fromEntity ID: {source.id}, "
                    f"conflicting aliases: {rival.id}, {alias.id}"
                )
        delete_entity(salt, tx, source)
        groups += [group for group in source.groups if group not in groups]
        merged += [source.id, *source.merged]
    target = replace(
        target, aliases=tuple(aliases.values()), groups=tuple(groups), merged=tuple(merged), updated_ns=now_ns
    )
    for group_id in groups:
        tx.put(f"{MEMBER}{group_id}/{target.id}", PRESENT)
    for swallowed in merged:
        tx.store(MERGED + swallowed, Ref(target.id))
    await put_entity(salt, tx, old, target)
    return target
