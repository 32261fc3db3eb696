"""The identity engine; the other modules declare their routes on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

import msgspec

from strongroom.api.messages import Timestamp
from strongroom.api.routes import Engine
from strongroom.core.context import SystemContext
from strongroom.core.identity_model import LOCK, Alias
from strongroom.core.slices import Slices
from strongroom.errors import BadRequest, NotFound
from strongroom.storage.cache import decode

identity: Engine[SystemContext] = Engine(
    "identity", help="The identity store: entities, their aliases and groups, whatever they log in with."
)

T = TypeVar("T")

#: Names in an answer from which on it is worth a thread.
MANY: Final = 500


async def lock(ctx: SystemContext) -> None:
    """Hold the store's lock to the end of the request."""
    await ctx.lock(*LOCK)


def checked_policies(policies: list[str]) -> tuple[str, ...]:
    """Policies as they are kept, in order and once each; nobody becomes root by who they are."""
    names = tuple(sorted({name.strip() for name in policies if name.strip()}))
    if any(name.lower() == "root" for name in names):
        raise BadRequest("policies cannot contain root")
    return names


async def every(ctx: SystemContext, folder: str, kind: type[T]) -> AsyncIterator[T]:
    """All of a kind, read past the cache: a listing must not push out of it what requests need, nor hold them up."""
    slices = Slices()
    async for key, value in ctx.live.barrier.scan(folder):
        yield decode(key, value, kind)
        await slices.end()


def listing(ctx: SystemContext, keys: list[str], info: dict[str, Any] | None = None) -> dict[str, Any]:
    """The answer to a list; a long one is encoded and recorded beside the event loop. Raises `NotFound` for none."""
    if not keys:
        raise NotFound
    if len(keys) > MANY:
        ctx.request.large = True
    return {"keys": keys} if info is None else {"key_info": info, "keys": keys}


class Mounts:
    """Where aliases' mounts are, found by their accessors; one that is gone has neither path nor type."""

    def __init__(self, ctx: SystemContext) -> None:
        self._infos = {mount.info.accessor: mount.info for mount in ctx.live.mounts.of(auth=True)}

    def shown(self, accessor: str) -> dict[str, str]:
        """What an answer says of an alias's mount."""
        info = self._infos.get(accessor)
        return {
            "mount_accessor": accessor,
            "mount_path": info.path if info else "",
            "mount_type": info.type if info else "",
        }

    def brief(self, owner: str, alias: Alias) -> dict[str, Any]:
        """An alias in a listing of aliases."""
        return {
            "canonical_id": owner,
            "custom_metadata": alias.custom_metadata,
            "local": alias.local,
            "metadata": alias.metadata,
            "name": alias.name,
            **self.shown(alias.mount_accessor),
        }

    def full(self, owner: str, alias: Alias) -> dict[str, Any]:
        """An alias within its entity."""
        return {
            **self.brief(owner, alias),
            "creation_time": Timestamp(alias.creation_ns),
            "id": alias.id,
            "last_update_time": Timestamp(alias.updated_ns),
            "merged_from_canonical_ids": list(alias.merged_from) or None,
        }


def touched(ctx: SystemContext, **changes: Any) -> dict[str, Any]:
    """Changes, with the time they were made at."""
    return {**changes, "updated_ns": ctx.clock.now_ns()}


def given(args: Any, *names: str) -> dict[str, Any]:
    """The parameters of these names that the request gave."""
    return {name: getattr(args, name) for name in names if name in args.given}


replace = msgspec.structs.replace
