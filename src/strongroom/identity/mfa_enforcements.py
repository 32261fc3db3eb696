"""identity/mfa/login-enforcement: whose logins need a second factor. Source: Vault's documentation of login MFA."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList, Name
from strongroom.clock import new_uuid
from strongroom.core.context import SystemContext
from strongroom.core.identity_model import GROUP, Group
from strongroom.core.mfa_model import ENFORCEMENT, Enforcement
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import identity
from strongroom.identity.mfa_methods import LOCK

MOST_IDS: Final = 1000


class EnforcementName(Args):
    """Which enforcement."""

    name: Name = field("The enforcement.")


class EnforcementArgs(EnforcementName):
    """Whose logins need one of these methods; one of the lists that say whose must be given."""

    mfa_method_ids: CommaList = field("The methods; any one of them will do.")
    auth_method_accessors: CommaList = field("Logins at these auth methods, by their accessors.")
    auth_method_types: CommaList = field("Logins at auth methods of these types.")
    identity_group_ids: CommaList = field("Logins of members of these groups, direct or not.")
    identity_entity_ids: CommaList = field("Logins of these entities.")


@identity.list("mfa/login-enforcement")
async def list_enforcements(ctx: SystemContext) -> dict[str, Any]:
    """List the enforcements."""
    found = ctx.live.mfa.enforcements
    if not found:
        raise NotFound
    return {"keys": list(found), "key_info": {name: _shown(each) for name, each in found.items()}}


@identity.read("mfa/login-enforcement/{name}")
async def read(ctx: SystemContext, args: EnforcementName) -> dict[str, Any]:
    """Read an enforcement."""
    found = ctx.live.mfa.enforcements.get(args.name)
    if found is None:
        raise NotFound
    return _shown(found)


@identity.write("mfa/login-enforcement/{name}")
async def write(ctx: SystemContext, args: EnforcementArgs) -> None:
    """Create or change an enforcement. The methods are replaced; of the other lists those that are given."""
    await ctx.lock(*LOCK)
    if "mfa_method_ids" not in args.given or not args.mfa_method_ids:
        raise BadRequest("missing method ids")
    if any(method_id not in ctx.live.mfa.methods for method_id in args.mfa_method_ids):
        raise BadRequest("one of the provided method ids doesn't exist")
    given = [name for name in _CHECKS if name in args.given]
    if not given:
        raise BadRequest(f"One of {', '.join(_CHECKS)} must be specified")
    for name in ("mfa_method_ids", *given):
        if len(getattr(args, name)) > MOST_IDS:
            raise BadRequest(f"{name} has at most {MOST_IDS} entries")
    changes = {name: await _CHECKS[name](ctx, getattr(args, name)) for name in given}
    old = ctx.live.mfa.enforcements.get(args.name) or Enforcement(new_uuid(), args.name, ())
    new = replace(old, mfa_method_ids=_once(args.mfa_method_ids), **changes)
    if not any(getattr(new, name) for name in _CHECKS):
        raise BadRequest(f"One of {', '.join(_CHECKS)} must be specified")
    ctx.transaction.store(ENFORCEMENT + new.name, new)
    ctx.after_commit(ctx.live.mfa.load)


@identity.delete("mfa/login-enforcement/{name}")
async def delete(ctx: SystemContext, args: EnforcementName) -> None:
    """Delete an enforcement."""
    await ctx.lock(*LOCK)
    ctx.transaction.delete(ENFORCEMENT + args.name)
    ctx.after_commit(ctx.live.mfa.load)


def _shown(enforcement: Enforcement) -> dict[str, Any]:
    lists = {name: list(getattr(enforcement, name)) for name in ("mfa_method_ids", *_CHECKS)}
    return {
        "id": enforcement.id,
        "name": enforcement.name,
        "namespace_id": "root",
        "namespace_path": "",
        **lists,
    }


def _once(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


async def _accessors(ctx: SystemContext, values: list[str]) -> tuple[str, ...]:
    known = {mount.info.accessor for mount in ctx.live.mounts.of(auth=True)}
    if not known.issuperset(values):
        raise BadRequest("one of the auth method accessors provided is invalid")
    return _once(values)


async def _types(ctx: SystemContext, values: list[str]) -> tuple[str, ...]:
    known = {mount.info.type for mount in ctx.live.mounts.of(auth=True)}
    if not known.issuperset(values):
        raise BadRequest("one of the auth method types provided is invalid")
    return _once(values)


async def _groups(ctx: SystemContext, values: list[str]) -> tuple[str, ...]:
    for group_id in values:
        if "/" in group_id or await ctx.transaction.load(GROUP + group_id, Group) is None:
            raise BadRequest("one of the provided group ids doesn't exist")
    return _once(values)


async def _entities(ctx: SystemContext, values: list[str]) -> tuple[str, ...]:
    for entity_id in values:
        if "/" in entity_id or await ctx.live.identity.view(entity_id) is None:
            raise BadRequest("one of the provided entity ids doesn't exist")
    return _once(values)


#: The lists that say whose logins, and what each must hold.
_CHECKS: Final[dict[str, Callable[[SystemContext, list[str]], Awaitable[tuple[str, ...]]]]] = {
    "auth_method_accessors": _accessors,
    "auth_method_types": _types,
    "identity_group_ids": _groups,
    "identity_entity_ids": _entities,
}
