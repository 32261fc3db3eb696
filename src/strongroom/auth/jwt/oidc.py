"""Logging in with a browser: OpenID Connect's authorization code flow with PKCE (S256), state and nonce.

`oidc/auth_url` begins a login and `oidc/callback` ends it. Sources: OpenID Connect Core 1.0, RFC 6749, 7636, 8252 and
9700.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any, Final
from urllib.parse import urlencode

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.messages import Response
from strongroom.api.redirects import redirect_allowed
from strongroom.auth import jose, outbound
from strongroom.auth.jwt import device
from strongroom.auth.jwt.engine import DEVICE, OIDC, Config, Role, jwt
from strongroom.auth.jwt.flows import EXPIRED, TIME, Flow, find, forget, keep
from strongroom.auth.jwt.grants import FAILED, ask, claims_of
from strongroom.auth.jwt.keys import Provider, provider_of
from strongroom.auth.jwt.login import auth_for, check_address, denied, load_config, need_role
from strongroom.auth.refusals import log, refused
from strongroom.errors import BadRequest, PermissionDenied

MOST_TEXT: Final = 2048


class AuthURLArgs(Args):
    """How a login in a browser begins."""

    role: str = field("The role; the configured default without it.")
    redirect_uri: str = field("Where the browser is sent after the login.")
    client_nonce: str = field("What the callback must repeat, so that only who began the login can end it.")


class CallbackArgs(Args):
    """How it ends."""

    state: str = field("The login's state, from the issuer's answer.")
    code: str = field("The code, from the issuer's answer.")
    client_nonce: str = field("The client_nonce that the login began with.")
    error: str = field("The issuer's error.")
    error_description: str = field("The issuer's error in words.")


@jwt.write("oidc/auth_url", unauthenticated=True)
async def auth_url(ctx: Context, args: AuthURLArgs) -> dict[str, Any]:
    """Begin a login: the answer is where the browser goes.

    It is empty for a redirect_uri that the role does not allow. For a role whose callback_mode is device it also has
    the state that `oidc/poll` takes, the code to type, and how many seconds to wait between polls.
    """
    config = await load_config(ctx)
    if not config.oidc_client_id:
        raise BadRequest("OIDC login is not configured for this mount")
    name = args.role or config.default_role.lower()
    role = await need_role(ctx, name)
    if len(args.redirect_uri) > MOST_TEXT or len(args.client_nonce) > MOST_TEXT:
        raise BadRequest("redirect_uri or client_nonce is too long")
    by_device = role.role_type == OIDC and role.callback_mode == DEVICE
    if not by_device and not _may_lead(ctx, role, args.redirect_uri):
        return {"auth_url": ""}
    try:
        provider = await provider_of(ctx, config)
        if by_device:
            return await device.begin(ctx, config, provider, role, name, args.client_nonce)
    except outbound.Unreachable as e:
        raise refused(ctx, role.name, denied("error creating provider: the issuer does not answer", str(e))) from None
    until = ctx.clock.monotonic() + TIME
    nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    flow = Flow(role.name, name, until, args.client_nonce, args.redirect_uri, nonce, verifier)
    return {"auth_url": _address(config, role, provider, flow, keep(ctx, flow))}


def _may_lead(ctx: Context, role: Role, uri: str) -> bool:
    if not uri:
        raise BadRequest("missing redirect_uri")
    allowed = role.role_type == OIDC and redirect_allowed(uri, role.allowed_redirect_uris or ())
    if not allowed:
        shown = jose.quoted(outbound.shown(uri))
        log.warning("login at %s with role %s refused: it may not lead to %s", ctx.mount.path, role.name, shown)
    return allowed


def _address(config: Config, role: Role, provider: Provider, flow: Flow, state: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": config.oidc_client_id,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "nonce": flow.nonce,
        "redirect_uri": flow.redirect_uri,
        "response_type": "code",
        "scope": device.scopes(role),
        "state": state,
    }
    if config.oidc_response_mode:
        query["response_mode"] = config.oidc_response_mode
    if role.max_age:
        query["max_age"] = str(role.max_age)
    joint = "&" if "?" in provider.authorization_endpoint else "?"
    return provider.authorization_endpoint + joint + urlencode(query)


@jwt.read("oidc/callback", unauthenticated=True, login=True)
async def callback(ctx: Context, args: CallbackArgs) -> Response:
    """End a login with what the issuer answered; the answer is a token."""
    flow, role = await find(ctx, args.state, args.client_nonce)
    if not forget(ctx, args.state):  # whatever comes of it, a state is good for one attempt
        raise BadRequest(EXPIRED)
    config = await load_config(ctx)
    try:
        check_address(ctx, role)
        claims = await _exchange(ctx, config, role, flow, args)
        return Response(auth=auth_for(role, flow.named, claims))
    except (BadRequest, PermissionDenied) as e:
        raise refused(ctx, role.name, e) from None


async def _exchange(ctx: Context, config: Config, role: Role, flow: Flow, args: CallbackArgs) -> dict[str, Any]:
    if args.error or not args.code:
        said = args.error_description or args.error or "no code"
        raise denied(f"{FAILED} OAuth code parameter not provided", f"the issuer answered {jose.quoted(said)}")
    form = {
        "grant_type": "authorization_code",
        "code": args.code,
        "redirect_uri": flow.redirect_uri,
        "code_verifier": flow.verifier,
    }
    try:
        provider = await provider_of(ctx, config)
        answer = await ask(ctx, config, provider, provider.token_endpoint, form)
    except outbound.Unreachable as e:
        raise denied(f"{FAILED} Error exchanging oidc code.", str(e)) from None
    return await claims_of(ctx, config, role, provider, answer, flow.nonce)
