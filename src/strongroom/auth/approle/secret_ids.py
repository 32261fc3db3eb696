"""Secret ids: made, listed, looked up and destroyed, by themselves or by their accessors."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.api.args import field
from strongroom.api.cidrs import parse_cidrs, parse_networks, subset
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, Duration
from strongroom.api.messages import Response
from strongroom.auth.approle.engine import approle
from strongroom.auth.approle.model import (
    ACCESSOR,
    SECRET,
    SECRET_LOCK,
    AccessorRef,
    Role,
    SecretId,
    broken,
    check_id,
    load_role,
    names_of,
)
from strongroom.auth.approle.roles import RoleName, need_role
from strongroom.clock import new_uuid
from strongroom.errors import BadRequest, NotFound

NANO: Final = 1_000_000_000


class NewArgs(RoleName):
    """What a new secret id may do. It can only be narrower than its role."""

    metadata: str = field("Goes to the tokens and the audit log: a JSON object of texts, or 'key=value,...'.")
    cidr_list: CommaList = field("Networks that logins with it may come from; within those of the role.")
    token_bound_cidrs: CommaList = field("Networks that its tokens can be used from; within those of the role.")
    num_uses: int = field("How many logins it is good for; at most what the role says.")
    ttl: Duration = field("How long it lives; at most what the role says.")


class CustomArgs(NewArgs):
    """A secret id of the caller's own choosing."""

    secret_id: str = field("The secret id; as hard to guess as it was chosen.")


class SecretIdArgs(RoleName):
    """Which secret id."""

    secret_id: str = field("The secret id.")


class AccessorArgs(RoleName):
    """Which secret id, by its accessor."""

    secret_id_accessor: str = field("The accessor.")


# -- Making ------------------------------------------------------------------------------------------------------------


@approle.write("role/{role_name}/secret-id")
async def generate(ctx: Context, args: NewArgs) -> dict[str, Any]:
    """Make a random secret id."""
    return await _make(ctx, args, new_uuid())


@approle.write("role/{role_name}/custom-secret-id")
async def custom(ctx: Context, args: CustomArgs) -> dict[str, Any]:
    """Register a secret id of the caller's own choosing."""
    if not args.secret_id:
        raise BadRequest("missing secret_id")
    check_id("secret_id", args.secret_id)
    return await _make(ctx, args, args.secret_id)


async def _make(ctx: Context, args: NewArgs, secret_id: str) -> dict[str, Any]:
    role = await need_role(ctx, args.role_name, _no_role(args.role_name))
    if not role.bind_secret_id:
        raise BadRequest("bind_secret_id is not set on the role")
    entry = _draft(ctx, role, args)
    names = await names_of(ctx)
    hashed = names.name(secret_id)
    await ctx.lock(SECRET_LOCK, role.key + hashed)
    key = f"{SECRET}{role.key}/{hashed}"
    known = await ctx.storage.load(key, SecretId)
    if known is not None:
        if known.lives(ctx.clock.now_ns()):
            raise broken("failed to store secret_id: SecretID is already registered")
        ctx.storage.delete(_accessor_key(role, names.name(known.accessor)))
    ctx.storage.store(key, entry)
    ctx.storage.store(_accessor_key(role, names.name(entry.accessor)), AccessorRef(hashed))
    return {
        "secret_id": secret_id,
        "secret_id_accessor": entry.accessor,
        "secret_id_num_uses": entry.num_uses,
        "secret_id_ttl": entry.ttl,
    }


def _draft(ctx: Context, role: Role, args: NewArgs) -> SecretId:
    try:
        cidrs = parse_networks(args.cidr_list)
    except BadRequest as e:
        raise broken(e.errors[0]) from None
    check_within(role.secret_id_bound_cidrs or (), cidrs)
    token_cidrs = parse_cidrs(args.token_bound_cidrs)
    check_within(role.token_bound_cidrs, token_cidrs)
    now = ctx.clock.now_ns()
    ttl = min(_ttl(role, args), ctx.mount.max_lease_ttl)
    return SecretId(
        accessor=new_uuid(),
        creation_ns=now,
        updated_ns=now,
        ttl=ttl,
        expire_ns=now + ttl * NANO if ttl else 0,
        num_uses=_uses(role, args),
        cidr_list=cidrs,
        token_bound_cidrs=token_cidrs,
        metadata=parse_metadata(args.metadata),
    )


def _uses(role: Role, args: NewArgs) -> int:
    if "num_uses" not in args.given:
        return role.secret_id_num_uses
    if args.num_uses < 0:
        raise BadRequest("num_uses cannot be negative")
    if role.secret_id_num_uses and not 0 < args.num_uses <= role.secret_id_num_uses:
        raise BadRequest("num_uses cannot be higher than the role's secret_id_num_uses")
    return args.num_uses


def _ttl(role: Role, args: NewArgs) -> int:
    if "ttl" not in args.given:
        return role.secret_id_ttl
    if role.secret_id_ttl and not 0 < args.ttl <= role.secret_id_ttl:
        raise BadRequest("ttl cannot be longer than the role's secret_id_ttl")
    return args.ttl


def check_within(outer: tuple[str, ...], inner: tuple[str, ...]) -> None:
    """Refuse networks of a secret id that are not within its role's."""
    if not subset(inner, outer):
        raise broken(
            f"failed to verify subset relationship between CIDR blocks on the role {_go_list(outer)} "
            f"and CIDR blocks on the secret ID {_go_list(inner)}: %!w(<nil>)"
        )


def _go_list(texts: tuple[str, ...]) -> str:
    return "[" + " ".join(f'"{text}"' for text in texts) + "]"


def parse_metadata(text: str) -> dict[str, str]:
    """Metadata as clients write it: a JSON object of texts, or `key=value` with commas between.

    Raises:
        BadRequest: it is neither.
    """
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    metadata = {}
    for part in text.split(","):
        key, found, value = part.partition("=")
        if not found or not key.strip():
            raise BadRequest("failed to parse metadata: failed to parse the input: invalid <key,value> format")
        metadata[key.strip()] = value.strip()
    return metadata


# -- Finding -----------------------------------------------------------------------------------------------------------


@approle.list("role/{role_name}/secret-id")
async def accessors(ctx: Context, args: RoleName) -> dict[str, Any]:
    """List the accessors of a role's secret ids."""
    role = await need_role(ctx, args.role_name, BadRequest(f'role "{args.role_name}" does not exist'))
    folder = f"{SECRET}{role.key}/"
    now = ctx.clock.now_ns()
    found = [await ctx.storage.load(folder + name, SecretId) for name in await ctx.storage.list(folder)]
    keys = sorted(entry.accessor for entry in found if entry is not None and entry.lives(now))
    if not keys:
        raise NotFound
    return {"keys": keys}


@approle.write("role/{role_name}/secret-id/lookup")
async def lookup(ctx: Context, args: SecretIdArgs) -> dict[str, Any] | None:
    """Look up a secret id."""
    found = await _by_id(ctx, args)
    return found[1].shown() if found else None


@approle.write("role/{role_name}/secret-id-accessor/lookup")
async def lookup_accessor(ctx: Context, args: AccessorArgs) -> Response:
    """Look up a secret id by its accessor."""
    found = await _by_accessor(ctx, args)
    if found is None:
        return Response(data={"error": _no_accessor(args)}, status=404)
    return Response(data=found[1].shown())


# -- Destroying --------------------------------------------------------------------------------------------------------


async def destroy(ctx: Context, args: SecretIdArgs) -> None:
    """Destroy a secret id; one that does not exist is no error."""
    found = await _by_id(ctx, args)
    if found:
        await _destroy(ctx, *found)


async def destroy_accessor(ctx: Context, args: AccessorArgs) -> None:
    """Destroy a secret id by its accessor."""
    found = await _by_accessor(ctx, args)
    if found is None:
        raise broken(_no_accessor(args))
    await _destroy(ctx, *found)


for _method in (approle.write, approle.delete):
    _method("role/{role_name}/secret-id/destroy")(destroy)
    _method("role/{role_name}/secret-id-accessor/destroy")(destroy_accessor)


async def _destroy(ctx: Context, where: tuple[Role, str], entry: SecretId) -> None:
    role, hashed = where
    await ctx.lock(SECRET_LOCK, role.key + hashed)
    await remove(ctx, role.key, hashed, entry)


async def remove(ctx: Context, role_key: str, hashed: str, entry: SecretId) -> None:
    """Delete a secret id and its accessor, under the lock on it."""
    names = await names_of(ctx)
    ctx.storage.delete(f"{SECRET}{role_key}/{hashed}")
    ctx.storage.delete(f"{ACCESSOR}{role_key}/{names.name(entry.accessor)}")


Found = tuple[tuple[Role, str], SecretId] | None


async def _by_id(ctx: Context, args: SecretIdArgs) -> Found:
    if not args.secret_id:
        raise BadRequest("missing secret_id")
    role = await _role(ctx, args)
    return await _find(ctx, role, (await names_of(ctx)).name(args.secret_id))


async def _by_accessor(ctx: Context, args: AccessorArgs) -> Found:
    if not args.secret_id_accessor:
        raise BadRequest("missing secret_id_accessor")
    role = await _role(ctx, args)
    ref = await ctx.storage.load(_accessor_key(role, (await names_of(ctx)).name(args.secret_id_accessor)), AccessorRef)
    return await _find(ctx, role, ref.secret) if ref else None


async def _find(ctx: Context, role: Role, hashed: str) -> Found:
    entry = await ctx.storage.load(f"{SECRET}{role.key}/{hashed}", SecretId)
    return ((role, hashed), entry) if entry is not None and entry.lives(ctx.clock.now_ns()) else None


async def _role(ctx: Context, args: RoleName) -> Role:
    role = await load_role(ctx, args.role_name)
    if role is None:
        raise broken(f'role "{args.role_name}" does not exist')
    return role


def _accessor_key(role: Role, hashed: str) -> str:
    return f"{ACCESSOR}{role.key}/{hashed}"


def _no_role(name: str) -> NotFound:
    return NotFound(f'role "{name}" does not exist')


def _no_accessor(args: AccessorArgs) -> str:
    return f'failed to find accessor entry for secret_id_accessor: "{args.secret_id_accessor}"'
