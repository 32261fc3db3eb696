"""Logging in with a name and a password, and renewing the tokens that came of it."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import field
from strongroom.api.cidrs import within
from strongroom.api.context import Context
from strongroom.api.messages import Auth, Response
from strongroom.auth.token_params import policy_set
from strongroom.auth.userpass.engine import UserName, load_user, userpass
from strongroom.auth.userpass.passwords import matches
from strongroom.auth.userpass.users import MISSING
from strongroom.errors import MULTI, InternalError, InvalidCredentials, PermissionDenied


class LoginArgs(UserName):
    """What a person brings."""

    password: str = field("The password.")


@userpass.write("login/{username}", unauthenticated=True, login=True)
async def login(ctx: Context, args: LoginArgs) -> Response:
    """Log in; the answer is a token."""
    if not args.password:
        raise InternalError(MISSING)
    user = await load_user(ctx, args.username)
    # Nobody's password takes as long, so that time does not tell who exists.
    right = await matches(args.password, user.password_hash if user else "")
    if user is None or not right:
        reason = "the password is wrong" if user else "there is no such user"
        raise InvalidCredentials("invalid username or password", reason=reason)
    if not within(user.token_bound_cidrs, ctx.request.remote_address):
        raise PermissionDenied("permission denied", reason="the user's tokens are bound to other addresses")
    return Response(
        auth=user.auth(
            metadata={"username": user.name},
            display_name=user.name,
            alias_name=user.name,
            role=user.name,
            internal={"username": user.name, "policies": policy_set(user.token_policies)},
        )
    )


@userpass.renew("token")
async def renew(ctx: Context, internal: dict[str, Any]) -> Auth:
    """Renew a login's token as the user is now, unless the user's policies are others."""
    user = await load_user(ctx, internal.get("username", ""))
    if user is None:
        raise InternalError(MULTI.format("failed to renew entry: the user does not exist any more"))
    if policy_set(user.token_policies) != internal.get("policies", []):
        raise InternalError(MULTI.format("failed to renew entry: policies have changed, not renewing"))
    return user.renewed(internal)


async def _role_of(_: Context, path: str) -> str:
    """The user that a login names, for limits by role."""
    head, _slash, name = path.partition("/")
    return name.lower() if head == "login" else ""


userpass.role_of = _role_of
userpass.fold_alias = str.lower
userpass.login_name = lambda args: args.username
