"""userpass's users."""

from __future__ import annotations

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList
from strongroom.auth.token_params import OldLimits, OldPolicies, TokenArgs, TokenResource, with_token_args
from strongroom.auth.userpass.engine import USER, User, UserName, userpass
from strongroom.auth.userpass.passwords import hash_password
from strongroom.errors import MULTI, BadRequest, InternalError

MISSING = "missing password"


class UserArgs(UserName, TokenArgs, OldPolicies, OldLimits):
    """What a user's tokens are. What is not given stays as it is."""

    password: str = field("The password; needed for a new user.")


class PasswordArgs(UserName):
    """A password."""

    password: str = field("The new password.")


class PoliciesArgs(UserName, OldPolicies):
    """The policies of a user's tokens."""

    token_policies: CommaList = field("The policies.")


users = TokenResource(User, USER, noun="a user", field="username", lower=True)
users.serve_list(userpass, "users")
users.serve_read(userpass, "users", User.shown, ". The password is never shown.")


async def _exists(ctx: Context, args: UserArgs) -> bool:
    return await users.get(ctx, args.username) is not None


@userpass.write("users/{username}", exists=_exists)
async def write_user(ctx: Context, args: UserArgs) -> None:
    """Create or change a user."""
    hashed = await hash_password(args.password) if args.password else ""
    user = await users.claim(ctx, args.username)
    if user is None:
        if not hashed:
            raise BadRequest(MISSING)
        user = User(name=args.username, password_hash=hashed)
    user = replace(users.changed(args.username, user, args), password_hash=hashed or user.password_hash)
    users.save(ctx, user.name, await users.finished(ctx, user, args))


users.serve_delete(userpass, "users", then=". Tokens live on to their end.")


@userpass.write("users/{username}/password")
async def write_password(ctx: Context, args: PasswordArgs) -> None:
    """Change a user's password, and nothing else."""
    if not args.password:
        raise BadRequest(MISSING)
    hashed = await hash_password(args.password)
    user = await _need(ctx, args.username)
    users.save(ctx, user.name, replace(user, password_hash=hashed))


@userpass.write("users/{username}/policies")
async def write_policies(ctx: Context, args: PoliciesArgs) -> None:
    """Change the policies of a user's tokens, and nothing else."""
    user = with_token_args(await _need(ctx, args.username), _sorted(args))
    users.save(ctx, user.name, user)


def _sorted(args: PoliciesArgs) -> Args:
    """The lists in order and in lower case, once each."""
    names = args.given & {"policies", "token_policies"}
    return PoliciesArgs(
        username=args.username,
        **{name: sorted({policy.lower() for policy in getattr(args, name)}) for name in names},
    )


async def _need(ctx: Context, name: str) -> User:
    user = await users.claim(ctx, name)
    if user is None:
        raise InternalError(MULTI.format("username does not exist"))
    return user
