"""`EntityView`: an entity with all the groups above it, as requests are judged by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from strongroom.core.identity_model import Alias, Entity, Group
from strongroom.memo import remember

#: How many unions with tokens' policies are remembered for each entity.
UNIONS: Final = 64
_ENTITY: Final = "identity.entity."
_GROUPS: Final = "identity.groups."


class EntityView:
    """What holds for an entity at a moment. It never changes: a change makes another, so it can be a key."""

    __slots__ = ("_unions", "entity", "groups", "policies")

    def __init__(self, entity: Entity, groups: Sequence[Group]) -> None:
        self.entity = entity
        #: The direct groups first, then those above them; each once.
        self.groups = tuple(groups)
        names = {*entity.policies, *(name for group in self.groups for name in group.policies or ())}
        #: The policies of the entity and its groups, sorted, in lower case.
        self.policies = tuple(sorted({name.strip().lower() for name in names}))
        self._unions: dict[tuple[str, ...], tuple[str, ...]] = {}

    def with_policies(self, own: tuple[str, ...]) -> tuple[str, ...]:
        """A token's own policies and those of its entity, sorted."""
        if not self.policies:
            return own
        union = self._unions.get(own)
        if union is None:
            union = remember(self._unions, own, tuple(sorted({*own, *self.policies})), UNIONS)
        return union

    @property
    def inherited(self) -> list[str]:
        """The ids of the groups that it is in only through another."""
        direct = set(self.entity.groups)
        return [group.id for group in self.groups if group.id not in direct]

    def value(self, name: str) -> str | None:
        """The value of a template's variable; None when there is none.

        Source: Vault's documentation of templated policies.
        """
        if name.startswith(_ENTITY):
            return _of_entity(self.entity, name.removeprefix(_ENTITY))
        if name.startswith(_GROUPS):
            return self._of_group(name.removeprefix(_GROUPS))
        return None

    def _of_group(self, rest: str) -> str | None:
        by, _, rest = rest.partition(".")
        if by not in ("ids", "names"):
            return None
        for group in self.groups:
            # A name may hold dots, so that no fixed part of the text is the name.
            known = (group.id if by == "ids" else group.name) + "."
            if rest.startswith(known):
                field = rest.removeprefix(known)
                plain = {"id": group.id, "name": group.name}
                return plain.get(field) or _metadata(group.metadata, field)
        return None


def _of_entity(entity: Entity, field: str) -> str | None:
    if field.startswith("aliases."):
        accessor, _, rest = field.removeprefix("aliases.").partition(".")
        alias = entity.alias_of(accessor)
        return _of_alias(alias, rest) if alias else None
    return {"id": entity.id, "name": entity.name}.get(field) or _metadata(entity.metadata, field)


def _of_alias(alias: Alias, field: str) -> str | None:
    if field.startswith("custom_metadata."):
        return _metadata(alias.custom_metadata, field.removeprefix("custom_"))
    return {"id": alias.id, "name": alias.name}.get(field) or _metadata(alias.metadata, field)


def _metadata(metadata: Mapping[str, str] | None, field: str) -> str | None:
    key = field.removeprefix("metadata.")
    return (metadata or {}).get(key) if key != field else None
