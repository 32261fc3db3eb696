"""`Identity`: who is behind a token. Entities are found by what logins prove, and bring policies of their own.

The layout is drawn in core/identity_model.py; what changes entities and groups is in core/identity_entities.py and
core/identity_groups.py. In memory is only what requests have lately asked for, and it follows every commit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from strongroom.core.identity_entities import new_alias, new_entity, put_entity
from strongroom.core.identity_groups import external_groups, move_between
from strongroom.core.identity_model import (
    ENTITY,
    ENTITY_NAME,
    FACTOR,
    GROUP,
    LOCK,
    MERGED,
    PREFIX,
    SALT,
    Alias,
    Entity,
    Group,
    Ref,
    Salt,
)
from strongroom.core.identity_view import EntityView
from strongroom.core.locks import HeldLocks
from strongroom.core.token_model import TOKEN_MOUNT
from strongroom.errors import PermissionDenied

if TYPE_CHECKING:
    from strongroom.api.messages import Auth
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount
    from strongroom.core.token_model import TokenEntry
    from strongroom.policy.match import ACL
    from strongroom.storage.transaction import Transaction

#: How many entities are kept ready for requests.
CACHE: Final = 8192


class Identity:
    """The identity store, as requests and logins see it."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._views: dict[str, EntityView] = {}
        #: Counts changes: what was read across one is used once and not kept.
        self._changes = 0
        self.salt = Salt(b"")
        self._unsubscribe: Callable[[], None] | None = None

    async def load(self) -> None:
        """Read the salt, made the first time; no entity is read."""
        tx = self._live.transaction()
        salt = await tx.load(SALT, Salt)
        if salt is None:
            salt = Salt.new()
            tx.store(SALT, salt)
            await tx.commit()
        self.salt = salt
        self._unsubscribe = self._live.barrier.subscribe(PREFIX, self._changed)
        self._live.tokens.entity_of_alias = self.of_token_alias

    async def stop(self) -> None:
        """Follow no more changes, and forget everybody."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._views.clear()

    def _changed(self, key: str) -> None:
        if key.startswith(ENTITY) and not key.endswith("/"):
            self._changes += 1
            self._views.pop(key[len(ENTITY) :], None)
        elif key.startswith(GROUP) or key.endswith("/") or not key:
            self._changes += 1
            self._views.clear()

    @property
    def lock(self) -> str:
        """The lock that every change of the store holds until it is durable."""
        return f"{self._live.mounts.only('identity').info.uuid}/{'/'.join(LOCK)}"

    # -- Judging requests ----------------------------------------------------------------------------------------------

    async def view(self, entity_id: str) -> EntityView | None:
        """The entity and its groups, or None; an id that was merged away leads to what it was merged into.

        Awaiting it does not suspend while the entity is in memory.
        """
        view = self._views.get(entity_id)
        return view if view is not None else await self._build(self._live.transaction(), entity_id)

    async def _build(self, tx: Transaction, entity_id: str) -> EntityView | None:
        changes = self._changes
        entity = await tx.load(ENTITY + entity_id, Entity)
        if entity is None:
            ref = await tx.load(MERGED + entity_id, Ref)
            return None if ref is None else await self.view(ref.id)
        view = EntityView(entity, await groups_above(tx, entity.groups))
        if changes == self._changes and not tx.pending:
            if len(self._views) >= CACHE:
                self._views.pop(next(iter(self._views)))
            self._views[entity_id] = view
        return view

    async def acl(self, token: TokenEntry) -> ACL:
        """The rules that a token is judged by now; without its entity, or with a disabled one, none."""
        if not token.entity_id:
            return await self._live.policies.acl(token.policies)
        view = await self.view(token.entity_id)
        if view is None or view.entity.disabled:
            return await self._live.policies.acl(())
        return await self._live.policies.acl(view.with_policies(token.policies), view)

    # -- Logging in ----------------------------------------------------------------------------------------------------

    async def login(self, tx: Transaction, held: HeldLocks, auth: Auth, mount: Mount) -> EntityView:
        """The entity of a login, made the first time and brought up to date, in the login's own transaction.

        Raises:
            PermissionDenied: the entity is disabled.
        """
        factor = self.factor(mount, auth.alias_name)
        entity = await self._by_factor(tx, factor)
        if entity is None or await self._outdated(tx, entity, auth, mount):
            await held.take(self.lock)
            entity = await self._by_factor(tx, factor)
            if entity is None:
                alias = new_alias(self._live.clock.now_ns(), auth.alias_name, mount.info.accessor, factor)
                entity = await self._create(tx, alias)
            entity = await self._bring_up_to_date(tx, entity, auth, mount)
        if entity.disabled:
            raise PermissionDenied("permission denied", reason=f"the entity {entity.id} is disabled")
        view = await self.view(entity.id) if not tx.pending else await self._build(tx, entity.id)
        assert view is not None
        return view

    def factor(self, mount: Mount, alias_name: str) -> str:
        """The name under which an alias of a mount is found."""
        return self.salt.name("factor", mount.info.accessor, mount.engine.fold_alias(alias_name))

    async def _by_factor(self, tx: Transaction, factor: str) -> Entity | None:
        ref = await tx.load(FACTOR + factor, Ref)
        return await tx.load(ENTITY + ref.id, Entity) if ref else None

    async def _create(self, tx: Transaction, alias: Alias) -> Entity:
        entity = await new_entity(self.salt, tx, self._live.clock.now_ns())
        entity = replace(entity, aliases=(alias,))
        await put_entity(self.salt, tx, None, entity)
        return entity

    async def _outdated(self, tx: Transaction, entity: Entity, auth: Auth, mount: Mount) -> bool:
        alias = entity.alias_of(mount.info.accessor)
        if alias is None or (alias.metadata or None) != (auth.alias_metadata or None):
            return True
        if not (entity.groups or auth.group_aliases):
            return False
        leave, enter = await external_groups(self.salt, tx, entity, mount, auth.group_aliases)
        return bool(leave or enter)

    async def _bring_up_to_date(self, tx: Transaction, entity: Entity, auth: Auth, mount: Mount) -> Entity:
        now = self._live.clock.now_ns()
        aliases = tuple(
            replace(alias, metadata=auth.alias_metadata or None, updated_ns=now)
            if alias.mount_accessor == mount.info.accessor and (alias.metadata or None) != (auth.alias_metadata or None)
            else alias
            for alias in entity.aliases
        )
        leave, enter = await external_groups(self.salt, tx, entity, mount, auth.group_aliases)
        groups = move_between(tx, entity, leave, enter)
        changed = replace(entity, aliases=aliases, groups=groups)
        if changed != entity:
            tx.store(ENTITY + entity.id, changed)
        return changed

    async def of_token_alias(self, name: str) -> str:
        """The id of the entity with this alias at the token method, made durably if there is none.

        Raises:
            PermissionDenied: the entity is disabled.
        """
        mount = self._live.mounts.by_path(TOKEN_MOUNT)
        assert mount is not None
        factor = self.factor(mount, name)
        async with self._live.locks.hold(self.lock):
            tx = self._live.transaction()
            entity = await self._by_factor(tx, factor)
            if entity is None:
                entity = await self._create(tx, new_alias(self._live.clock.now_ns(), name, mount.info.accessor, factor))
                await tx.commit()
        if entity.disabled:
            raise PermissionDenied("entity from given entity alias is disabled")
        return entity.id

    # -- Finding -------------------------------------------------------------------------------------------------------

    async def entity_of(self, tx: Transaction, mount: Mount, alias_name: str) -> Entity | None:
        """The entity that has this alias at a mount."""
        return await self._by_factor(tx, self.factor(mount, alias_name))

    async def entity_by_name(self, tx: Transaction, name: str) -> Entity | None:
        """The entity of a name, in any case."""
        ref = await tx.load(ENTITY_NAME + self.salt.name("name", name.lower()), Ref)
        return await tx.load(ENTITY + ref.id, Entity) if ref else None


async def groups_above(tx: Transaction, direct: tuple[str, ...]) -> list[Group]:
    """The groups with these ids and all that they are in, nearest first, each once."""
    found: dict[str, Group] = {}
    todo = list(direct)
    while todo:
        following: list[str] = []
        for group_id in todo:
            group: Any = None if group_id in found else await tx.load(GROUP + group_id, Group)
            if group is not None:
                found[group_id] = group
                following.extend(group.parents)
        todo = following
    return list(found.values())
