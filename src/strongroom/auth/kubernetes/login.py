"""Logging in with a service account's JWT, and renewing the tokens that came of it."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.cidrs import within
from strongroom.api.context import Context
from strongroom.api.fields import NAME
from strongroom.api.messages import Auth, Response
from strongroom.auth import jose
from strongroom.auth.kubernetes.accounts import Account, account_of, allowed
from strongroom.auth.kubernetes.engine import BY_NAME, CONFIG, ROLES, Config, Role, kubernetes
from strongroom.auth.kubernetes.review import Cluster, ReviewFailed
from strongroom.auth.kubernetes.selector import parse_selector
from strongroom.auth.refusals import refused
from strongroom.errors import MULTI, BadRequest, InternalError, PermissionDenied

DEFAULT_ISSUER = "kubernetes/serviceaccount"
DENIED = "permission denied"
MOST_NAME = 64


class LoginArgs(Args):
    """What a pod brings."""

    role: str = field("The role.")
    jwt: str = field("The JWT of the pod's service account.")


@kubernetes.write("login", unauthenticated=True, login=True)
async def login(ctx: Context, args: LoginArgs) -> Response:
    """Log in; the answer is a token."""
    role = await _role(ctx, args)
    try:
        account = await _account(ctx, role, args.jwt.strip())
    except PermissionDenied as e:
        raise refused(ctx, role.name, e) from None
    facts = {
        "service_account_uid": account.uid,
        "service_account_name": account.name,
        "service_account_namespace": account.namespace,
        "service_account_secret_name": account.secret_name,
    }
    by_name = role.alias_name_source == BY_NAME
    return Response(
        auth=role.auth(
            metadata={**facts, "role": args.role},
            display_name=f"{account.namespace}-{account.name}",
            alias_name=f"{account.namespace}/{account.name}" if by_name else account.uid,
            alias_metadata=facts,
            role=role.name,
            internal={"role": role.name, "named": args.role},
        )
    )


async def _role(ctx: Context, args: LoginArgs) -> Role:
    if not args.role:
        raise BadRequest("missing role")
    if not args.jwt:
        raise BadRequest("missing jwt")
    role = await ROLES.get(ctx, args.role) if NAME.fullmatch(args.role) else None
    if role is None:
        name = args.role if len(args.role) <= MOST_NAME else args.role[:MOST_NAME] + "..."
        raise BadRequest(f'invalid role name "{name}"')
    return role


async def _account(ctx: Context, role: Role, jwt: str) -> Account:
    """Who logs in. What the JWT says by itself is checked first, so that the cluster is asked only about good ones."""
    if not within(role.token_bound_cidrs, ctx.request.remote_address):
        raise PermissionDenied(DENIED, reason=f"the role is bound to other addresses than {ctx.request.remote_address}")
    config = await ctx.storage.load(CONFIG, Config)
    if config is None:
        raise InternalError("could not load backend configuration")
    account = _claimed(ctx, config, role, jwt)
    if not allowed(account.name, role.bound_service_account_names):
        reason = f"the role is not for service account {jose.quoted(account.name)}"
        raise PermissionDenied("service account name not authorized", reason=reason)
    listed = allowed(account.namespace, role.bound_service_account_namespaces)
    other = PermissionDenied(
        "namespace not authorized", reason=f"the role is not for namespace {jose.quoted(account.namespace)}"
    )
    if not (listed or role.bound_service_account_namespace_selector):
        raise other
    cluster = Cluster(ctx, config, jwt)
    try:
        await cluster.review(account, role.audience)
        if not listed:
            selector = parse_selector(role.bound_service_account_namespace_selector)
            if not await cluster.selected(selector, account.namespace):
                raise other
    except ReviewFailed as e:
        raise PermissionDenied(DENIED, reason=str(e)) from None
    return account


def _claimed(ctx: Context, config: Config, role: Role, jwt: str) -> Account:
    """The account that the JWT claims to be of, as far as the JWT and the configuration can tell."""
    try:
        token = jose.parse(jwt)
        if token.alg not in jose.ALGORITHMS:
            raise jose.BadJWT(DENIED, f"the algorithm {jose.quoted(token.alg)} is not accepted")
        if config.pem_keys:
            jose.verify(token, [jose.key_from_pem(pem) for pem in config.pem_keys])
        account = account_of(token.claims)
    except jose.BadJWT as e:
        raise PermissionDenied(DENIED, reason=e.reason) from None
    try:
        jose.check_times(token.claims, ctx.clock.now(), needed=False)
        if not config.disable_iss_validation:
            jose.check_text(token.claims, "iss", "issuer", config.issuer or DEFAULT_ISSUER)
        jose.check_audience(token.claims, [role.audience] if role.audience else [])
    except jose.BadJWT as e:
        raise PermissionDenied(str(e), reason=e.reason) from None
    return account


@kubernetes.renew("token")
async def renew(ctx: Context, internal: dict[str, Any]) -> Auth:
    """Renew a login's token as the role is now; who it is bound to is not looked at again."""
    role = await ROLES.get(ctx, internal.get("role", ""))
    if role is None:
        text = f"failed to renew entry: role {internal.get('named', '')} does not exist during renewal"
        raise InternalError(MULTI.format(text))
    return role.renewed(internal)


async def _role_of(ctx: Context, path: str) -> str:
    """The role that a login names, for limits by role."""
    name = ctx.request.data.get("role")
    return name.lower() if path == "login" and isinstance(name, str) and NAME.fullmatch(name) else ""


kubernetes.role_of = _role_of
