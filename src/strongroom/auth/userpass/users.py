"""userpass's users."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList
from strongroom.api.messages import Response
from strongroom.auth.token_params import OldLimits, OldPolicies, TokenArgs, truncation, with_token_args
from strongroom.auth.userpass.engine import USER, User, UserName, load_user, userpass
from strongroom.auth.userpass.passwords import hash_password
from strongroom.errors import MULTI, BadRequest, InternalError, NotFound

MISSING = "missing password"
LOCK = "user"


class UserArgs(UserName, TokenArgs, OldPolicies, OldLimits):
    """What a user's tokens are. What is not given stays as it is."""

    password: str = field("The password; needed for a new user.")


class PasswordArgs(UserName):
    """A password."""

    password: str = field("The new password.")


class PoliciesArgs(UserName, OldPolicies):
    """The policies of a user's tokens."""

    token_policies: CommaList = field("The policies.")


async def _exists(ctx: Context, args: UserArgs) -> bool:
    return await load_user(ctx, args.username) is not None


@userpass.list("users")
async def list_users(ctx: Context) -> dict[str, Any]:
    """List the users."""
    keys = await ctx.storage.list(USER)
    if not keys:
        raise NotFound
    return {"keys": keys}


@userpass.read("users/{username}")
async def read_user(ctx: Context, args: UserName) -> dict[str, Any]:
    """Read what a user's tokens are; the password is never shown."""
    user = await load_user(ctx, args.username)
    if user is None:
        raise NotFound
    return user.shown()


@userpass.write("users/{username}", exists=_exists)
async def write_user(ctx: Context, args: UserArgs) -> Response:
    """Create or change a user."""
    hashed = await hash_password(args.password) if args.password else ""
    await ctx.lock(LOCK, args.username)
    user = await load_user(ctx, args.username)
    if user is None:
        if not hashed:
            raise BadRequest(MISSING)
        user = User(name=args.username, password_hash=hashed)
    user = with_token_args(replace(user, password_hash=hashed or user.password_hash), args)
    ctx.storage.store(USER + user.name, user)
    return Response(warnings=truncation(user, ctx.mount.max_lease_ttl))


@userpass.delete("users/{username}")
async def delete_user(ctx: Context, args: UserName) -> None:
    """Delete a user. Tokens live on to their end."""
    await ctx.lock(LOCK, args.username)
    ctx.storage.delete(USER + args.username)


@userpass.write("users/{username}/password")
async def write_password(ctx: Context, args: PasswordArgs) -> None:
    """Change a user's password, and nothing else."""
    if not args.password:
        raise BadRequest(MISSING)
    hashed = await hash_password(args.password)
    user = await _need(ctx, args.username)
    ctx.storage.store(USER + user.name, replace(user, password_hash=hashed))


@userpass.write("users/{username}/policies")
async def write_policies(ctx: Context, args: PoliciesArgs) -> None:
    """Change the policies of a user's tokens, and nothing else."""
    user = with_token_args(await _need(ctx, args.username), _sorted(args))
    ctx.storage.store(USER + user.name, user)


def _sorted(args: PoliciesArgs) -> Args:
    """The lists in order and in lower case, once each."""
    names = args.given & {"policies", "token_policies"}
    return PoliciesArgs(
        username=args.username,
        **{name: sorted({policy.lower() for policy in getattr(args, name)}) for name in names},
    )


async def _need(ctx: Context, name: str) -> User:
    await ctx.lock(LOCK, name)
    user = await load_user(ctx, name)
    if user is None:
        raise InternalError(MULTI.format("username does not exist"))
    return user
