"""Logging in with a token of the issuer, and renewing the tokens that came of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.cidrs import within
from strongroom.api.context import Context
from strongroom.api.fields import NAME
from strongroom.api.messages import Auth, Response
from strongroom.auth import jose
from strongroom.auth.jwt.claims import check_bound, person
from strongroom.auth.jwt.engine import CONFIG, OIDC, ROLES, Config, Role, jwt
from strongroom.auth.jwt.keys import verify
from strongroom.auth.outbound import Unreachable
from strongroom.auth.refusals import refused
from strongroom.errors import MULTI, BadRequest, InternalError, PermissionDenied

log = logging.getLogger("strongroom.auth")

MOST_NAME = 64


class LoginArgs(Args):
    """What a machine or a person brings."""

    role: str = field("The role; the configured default without it.")
    jwt: str = field("The token.")


def denied(text: str, reason: str) -> BadRequest:
    """A refused token: to the client a 400 with Vault's words, in the audit log a refusal with its reason."""
    return BadRequest(text, reason=reason, kind="permission denied")


@jwt.write("login", unauthenticated=True, login=True)
async def login(ctx: Context, args: LoginArgs) -> Response:
    """Log in; the answer is a token."""
    config = await load_config(ctx)
    name = args.role or config.default_role.lower()
    role = await need_role(ctx, name)
    if role.role_type == OIDC:
        raise BadRequest("role with oidc role_type is not allowed")
    if not args.jwt:
        raise BadRequest("missing token")
    try:
        check_address(ctx, role)
        claims = await _claims(ctx, config, role, args.jwt)
        return Response(auth=auth_for(role, name, claims))
    except (BadRequest, PermissionDenied) as e:
        raise refused(ctx, role.name, e) from None


async def load_config(ctx: Context) -> Config:
    """The configuration; raises `BadRequest` when there is none."""
    config = await ctx.storage.load(CONFIG, Config)
    if config is None:
        raise BadRequest("could not load configuration")
    return config


async def need_role(ctx: Context, name: str) -> Role:
    """The role of this name in any case; raises `BadRequest` when there is none."""
    if not name:
        raise BadRequest("missing role")
    role = await ROLES.get(ctx, name) if NAME.fullmatch(name) else None
    if role is None:
        shown = name if len(name) <= MOST_NAME else name[:MOST_NAME] + "..."
        raise BadRequest(f'role "{shown}" could not be found')
    return role


def check_address(ctx: Context, role: Role) -> None:
    """Check where the login comes from; raises `PermissionDenied`."""
    if not within(role.token_bound_cidrs, ctx.request.remote_address):
        reason = f"the role is bound to other addresses than {ctx.request.remote_address}"
        raise PermissionDenied("permission denied", reason=reason)


async def _claims(ctx: Context, config: Config, role: Role, text: str) -> dict[str, Any]:
    """The token's claims, once it is known to be the issuer's, and for this role and moment."""
    try:
        token = jose.parse(text)
    except jose.BadJWT as e:
        raise denied(f"error validating token: error verifying token signature: {e}", e.reason) from None
    try:
        await verify(ctx, config, token)
        jose.check_algorithm(token, config.jwt_supported_algs)
        claims = token.claims
        jose.check_times(claims, ctx.clock.now(), leeways(role))
        jose.check_text(claims, "iss", "issuer", config.bound_issuer)
        jose.check_text(claims, "sub", "subject", role.bound_subject)
        jose.check_audience(claims, role.bound_audiences or ())
        found = jose.audiences(claims)
    except jose.BadJWT as e:
        raise denied(f"error validating token: {e}", e.reason) from None
    except Unreachable as e:
        reason = f"the issuer's keys are not known: {e}"
        raise denied("error validating token: error verifying token signature: fetching keys failed", reason) from None
    if found and not role.bound_audiences:
        text = "audience claim found in JWT but no audiences bound to the role"
        raise denied(text, f"the token is for {jose.quoted(found)}, and the role has no bound_audiences")
    return claims


def leeways(role: Role) -> jose.Leeways:
    """The role's tolerances."""
    return jose.Leeways(role.expiration_leeway, role.not_before_leeway, role.clock_skew_leeway)


def auth_for(role: Role, name: str, claims: Mapping[str, Any]) -> Auth:
    """What a login with verified claims gets; `name` is the role's as the login wrote it. Raises `BadRequest`."""
    if role.verbose_oidc_logging:
        log.debug("claims of a login with role %s: %s", role.name, jose.quoted(dict(claims), 4096))
    try:
        check_bound(role, claims)
    except jose.BadJWT as e:
        raise denied(f"error validating claims: {e}", e.reason) from None
    try:
        who = person(role, claims)
    except jose.BadJWT as e:
        raise denied(str(e), e.reason) from None
    metadata = {**who.metadata, "role": name}
    return role.auth(
        metadata=metadata,
        display_name=who.name,
        alias_name=who.name,
        alias_metadata=metadata,
        group_aliases=who.groups,
        role=role.name,
        internal={"role": role.name},
    )


@jwt.renew("token")
async def renew(ctx: Context, internal: dict[str, Any]) -> Auth:
    """Renew a login's token as the role is now; the claims are not looked at again."""
    name = internal.get("role", "")
    role = await ROLES.get(ctx, name)
    if role is None:
        raise InternalError(MULTI.format(f"failed to renew entry: role {name} does not exist during renewal"))
    return role.renewed(internal)


async def _role_of(ctx: Context, path: str) -> str:
    """The role that a login names, for limits by role."""
    if path not in ("login", "oidc/auth_url"):
        return ""
    name = ctx.request.data.get("role")
    if not name:
        config = await ctx.storage.load(CONFIG, Config)
        name = config.default_role if config else ""
    return name.lower() if isinstance(name, str) and NAME.fullmatch(name) else ""


jwt.role_of = _role_of
