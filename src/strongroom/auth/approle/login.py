"""Logging in with a role id and a secret id, and renewing the tokens that came of it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.cidrs import within
from strongroom.api.context import Context
from strongroom.api.messages import Auth, Response
from strongroom.auth.approle.engine import approle
from strongroom.auth.approle.model import (
    ROLE_ID,
    SECRET,
    SECRET_LOCK,
    Role,
    RoleRef,
    SecretId,
    broken,
    load_role,
    names_of,
    too_long,
)
from strongroom.auth.approle.secret_ids import check_within, remove
from strongroom.errors import BadRequest, InvalidCredentials

INVALID = "invalid role or secret ID"


class LoginArgs(Args):
    """What a machine brings."""

    role_id: str = field("The role id.")
    secret_id: str = field("The secret id.")


@approle.write("login", unauthenticated=True, login=True, light=True)
async def login(ctx: Context, args: LoginArgs) -> Response:
    """Log in; the answer is a token."""
    role = await _role(ctx, args.role_id.strip())
    metadata, cidrs = {}, role.token_bound_cidrs
    if role.bind_secret_id:
        secret = await _spend(ctx, role, args.secret_id.strip())
        metadata, cidrs = secret.metadata, secret.token_bound_cidrs or cidrs
    _check_address(ctx, role.secret_id_bound_cidrs or (), "the role")
    auth = role.auth(
        metadata={**metadata, "role_name": role.name},
        alias_name=role.role_id,
        internal={"role": role.name},
        role=role.name,
    )
    auth.alias_metadata = auth.metadata
    auth.bound_cidrs = list(cidrs)
    return Response(auth=auth)


async def _role(ctx: Context, role_id: str) -> Role:
    if not role_id:
        raise BadRequest("missing role_id")
    names = await names_of(ctx)
    ref = await ctx.storage.load(ROLE_ID + names.name(role_id), RoleRef) if not too_long(role_id) else None
    role = await load_role(ctx, ref.name) if ref else None
    if role is None:
        raise InvalidCredentials(INVALID, reason="no role has this role id")
    return role


async def _spend(ctx: Context, role: Role, secret_id: str) -> SecretId:
    """Find the secret id and count a use of it. The count becomes durable together with the token, or neither does."""
    if not secret_id:
        raise BadRequest("missing secret_id")
    hashed = (await names_of(ctx)).name(secret_id)
    key = f"{SECRET}{role.key}/{hashed}"
    entry = await ctx.storage.load(key, SecretId) if not too_long(secret_id) else None
    if entry is not None and entry.num_uses:
        # Held until the commit: no two logins may find the same last use.
        await ctx.lock(SECRET_LOCK, role.key + hashed)
        entry = await ctx.storage.load(key, SecretId)
    if entry is None:
        raise InvalidCredentials(INVALID, reason=f'role "{role.name}" has no such secret id')
    now = ctx.clock.now_ns()
    if not entry.lives(now):
        seconds = (now - entry.expire_ns) // 1_000_000_000
        raise InvalidCredentials(INVALID, reason=f"the secret id {entry.accessor} expired {seconds} s ago")
    _check_address(ctx, entry.cidr_list, "the secret ID")
    check_within(role.secret_id_bound_cidrs or (), entry.cidr_list)
    check_within(role.token_bound_cidrs, entry.token_bound_cidrs)
    if entry.num_uses == 1:
        await remove(ctx, role.key, hashed, entry)
    elif entry.num_uses:
        ctx.storage.store(key, replace(entry, num_uses=entry.num_uses - 1, updated_ns=now))
    return entry


def _check_address(ctx: Context, cidrs: tuple[str, ...], whose: str) -> None:
    address = ctx.request.remote_address
    if not within(cidrs, address):
        raise BadRequest(f'source address "{address}" unauthorized through CIDR restrictions on {whose}')


@approle.renew("token")
async def renew(ctx: Context, internal: dict[str, Any]) -> Auth:
    """Renew a login's token as the role is now."""
    name = internal.get("role", "")
    role = await load_role(ctx, name)
    if role is None:
        raise broken(f'failed to renew entry: role "{name}" does not exist during renewal')
    return role.renewed(internal)


async def _role_of(ctx: Context, path: str) -> str:
    """The role that a login names, for limits by role."""
    role_id = ctx.request.data.get("role_id")
    if path != "login" or not isinstance(role_id, str):
        return ""
    ref = await ctx.storage.load(ROLE_ID + (await names_of(ctx)).name(role_id.strip()), RoleRef)
    return ref.name if ref else ""


approle.role_of = _role_of
approle.login_name = lambda args: args.role_id.strip()
