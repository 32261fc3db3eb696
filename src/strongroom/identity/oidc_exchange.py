"""identity/oidc/provider/NAME/token and /userinfo: what a client gets for a code, and later for its access token.

Neither takes a token of this server: a client proves itself by its secret, or by PKCE's verifier alone. Sources: OpenID
Connect Core 1.0 sections 3.1.3 and 5.3, RFC 6749 sections 2.3.1, 4.1.3 and 5, RFC 6750, RFC 7636.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
from typing import Any, Final
from urllib.parse import unquote_plus

from strongroom.api.args import Args, field
from strongroom.api.fields import Name
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.identity_view import EntityView
from strongroom.core.token_model import NANO
from strongroom.identity.engine import identity
from strongroom.identity.oidc_authorize import S256, OAuthError
from strongroom.identity.oidc_grants import Grant, issue, read, redeem
from strongroom.identity.oidc_keys import signing
from strongroom.identity.oidc_model import NamedKey, load_key
from strongroom.identity.oidc_provider_model import Client, Provider, client_by_id, load_provider, may_log_in
from strongroom.identity.oidc_providers import ProviderName
from strongroom.identity.oidc_scopes import Conflict, claims_of
from strongroom.identity.oidc_signing import encode, sign

log: Final = logging.getLogger("strongroom.identity")

_STATUS: Final = {"invalid_client": 401, "invalid_token": 401, "access_denied": 403, "server_error": 500}
NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class TokenArgs(Args):
    """A token request of a client."""

    name: Name = field("The provider.")
    grant_type: str = field("authorization_code.")
    code: str = field("The code.")
    redirect_uri: str = field("The address that the code went to.")
    code_verifier: str = field("PKCE's verifier, where the login had a challenge.")
    client_id: str = field("The client's id, unless the request has it as Basic authentication.")
    client_secret: str = field("The client's secret, unless the request has it so or the client is public.")


@identity.write("oidc/provider/{name}/token", oauth=True, unauthenticated=True)
async def exchange(ctx: SystemContext, args: TokenArgs) -> Response:
    """Redeem a code: the answer is an ID token and an access token."""
    try:
        tokens = await _exchange(ctx, args)
    except OAuthError as e:
        headers = {**NO_STORE, **({"WWW-Authenticate": "Basic"} if e.error == "invalid_client" else {})}
        return _refusal(ctx, args.name, e, headers)
    return Response(bare=tokens, headers=dict(NO_STORE))


def _refusal(ctx: SystemContext, provider: str, error: OAuthError, headers: dict[str, str]) -> Response:
    log.info("a client of the OIDC provider %s was refused (request %s): %s", provider, ctx.request.id, error)
    body = {"error": error.error, "error_description": error.description}
    return Response(bare=body, status=_STATUS.get(error.error, 400), headers=headers)


async def _exchange(ctx: SystemContext, args: TokenArgs) -> dict[str, Any]:
    provider = await load_provider(ctx, args.name)
    if provider is None:
        raise OAuthError("invalid_request", "provider not found")
    client = await _authenticated(ctx, args)
    if not provider.allows(client.client_id):
        raise OAuthError("invalid_client", "client is not authorized to use the provider")
    key = await load_key(ctx, client.key)
    if key is None:
        raise OAuthError("server_error", f'client key "{client.key}" not found')
    if not key.allows(client.client_id):
        raise OAuthError("invalid_client", "client is not authorized to use the key")
    grant = _redeemed(ctx, args, client)
    view = await ctx.live.identity.view(grant.entity_id)
    if view is None:
        raise OAuthError("invalid_request", "identity entity associated with the request not found")
    if not await may_log_in(ctx, client, view):
        raise OAuthError("invalid_request", "identity entity not authorized by client assignment")
    _check_verifier(args.code_verifier, client, grant)
    return await _tokens(ctx, provider, client, key, grant, view, args.code)


# -- Who asks ----------------------------------------------------------------------------------------------------------


async def _authenticated(ctx: SystemContext, args: TokenArgs) -> Client:
    """The client that proves to be one."""
    basic = _basic(ctx.request.headers.get("authorization") or "")
    if basic is None and not args.client_id:
        raise OAuthError("invalid_request", "client_id parameter is required")
    client_id, secret = basic or (args.client_id, args.client_secret)
    client = await client_by_id(ctx, client_id)
    if client is None or (args.client_id and args.client_id != client_id):
        raise OAuthError("invalid_client", "client failed to authenticate")
    if not client.public and not _same(client.client_secret, secret):
        raise OAuthError("invalid_client", "client failed to authenticate")
    return client


def _basic(header: str) -> tuple[str, str] | None:
    """The id and the secret of Basic authentication, None where there is none; each is form-encoded (RFC 6749)."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(text.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise OAuthError("invalid_client", "client failed to authenticate") from None
    client_id, _, secret = pair.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _same(known: str, given: str) -> bool:
    return hmac.compare_digest(known.encode(), given.encode("utf-8", "surrogatepass"))


# -- For what ----------------------------------------------------------------------------------------------------------


def _redeemed(ctx: SystemContext, args: TokenArgs, client: Client) -> Grant:
    if not args.grant_type:
        raise OAuthError("invalid_request", "grant_type parameter is required")
    if args.grant_type != "authorization_code":
        raise OAuthError("unsupported_grant_type", "unsupported grant_type value")
    if not args.code:
        raise OAuthError("invalid_request", "code parameter is required")
    grant = redeem(ctx, args.code)  # from here on the code is spent, whatever else is wrong
    if grant is None:
        raise OAuthError("invalid_grant", "authorization grant is invalid or expired")
    if grant.client_id != client.client_id:
        raise OAuthError("invalid_grant", "authorization code was not issued to the client")
    if grant.provider != args.name:
        raise OAuthError("invalid_grant", "authorization code was not issued by the provider")
    if not args.redirect_uri:
        raise OAuthError("invalid_request", "redirect_uri parameter is required")
    if grant.redirect_uri != args.redirect_uri:
        raise OAuthError(
            "invalid_grant", "redirect_uri does not match the redirect_uri used in the authorization request"
        )
    return grant


def _check_verifier(verifier: str, client: Client, grant: Grant) -> None:
    if not grant.challenge:
        if client.public:
            raise OAuthError("invalid_request", "PKCE is required for public clients")
        if verifier:
            raise OAuthError("invalid_request", "unexpected code_verifier for token exchange")
        return
    if not verifier:
        raise OAuthError("invalid_request", "expected code_verifier for token exchange")
    data = verifier.encode("utf-8", "surrogatepass")
    challenge = encode(hashlib.sha256(data).digest()).encode() if grant.method == S256 else data
    if not hmac.compare_digest(challenge, grant.challenge.encode()):
        raise OAuthError("invalid_grant", "invalid code_verifier for token exchange")


async def _tokens(
    ctx: SystemContext,
    provider: Provider,
    client: Client,
    key: NamedKey,
    grant: Grant,
    view: EntityView,
    code: str,
) -> dict[str, Any]:
    now = ctx.clock.now_ns() // NANO
    claims = await _claims(ctx, grant.scopes, view, now)
    key, ring_key = await signing(ctx, key.name)
    access_token = issue(ctx, grant, view.entity.id, client.access_token_ttl)
    own = {
        "at_hash": half_hash(ring_key.alg, access_token),
        "aud": client.client_id,
        "c_hash": half_hash(ring_key.alg, code),
        "exp": now + min(client.id_token_ttl, key.verification_ttl),
        "iat": now,
        "iss": provider.url(ctx),
        "namespace": "root",
        "sub": view.entity.id,
    }
    if grant.nonce:
        own["nonce"] = grant.nonce
    if grant.auth_time:
        own["auth_time"] = grant.auth_time
    return {
        "access_token": access_token,
        "expires_in": client.access_token_ttl,
        "id_token": sign(ring_key, {**claims, **own}),
        "token_type": "Bearer",
    }


async def _claims(ctx: SystemContext, scopes: tuple[str, ...], view: EntityView, now: int) -> dict[str, Any]:
    try:
        return await claims_of(ctx, scopes, view, now)
    except Conflict as e:
        raise OAuthError("invalid_request", str(e)) from None


def half_hash(alg: str, text: str) -> str:
    """The left half of a text's hash by a signature algorithm's own function (OpenID Connect Core section 3.1.3.6)."""
    bits = "512" if alg == "EdDSA" else alg[2:]
    digest = hashlib.new(f"sha{bits}", text.encode()).digest()
    return encode(digest[: len(digest) // 2])


# -- Userinfo ----------------------------------------------------------------------------------------------------------


@identity.read("oidc/provider/{name}/userinfo", oauth=True, unauthenticated=True)
async def userinfo(ctx: SystemContext, args: ProviderName) -> Response:
    """The claims of who logged in, for an access token as the request's bearer token."""
    try:
        return Response(bare=await _userinfo(ctx, args.name), headers=dict(NO_STORE))
    except OAuthError as e:
        headers = dict(NO_STORE)
        if e.error in ("invalid_token", "invalid_request"):
            quoted = e.description.replace('"', "'")
            headers["WWW-Authenticate"] = f'Bearer error="{e.error}",error_description="{quoted}"'
        return _refusal(ctx, args.name, e, headers)


@identity.write("oidc/provider/{name}/userinfo", oauth=True, unauthenticated=True)
async def userinfo_post(ctx: SystemContext, args: ProviderName) -> Response:
    """The claims of who logged in, for an access token as the request's bearer token."""
    return await userinfo(ctx, args)


async def _userinfo(ctx: SystemContext, name: str) -> dict[str, Any]:
    provider = await load_provider(ctx, name)
    if provider is None:
        raise OAuthError("invalid_request", "provider not found")
    scheme, _, token = (ctx.request.headers.get("authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        raise OAuthError("invalid_token", "access token must be sent as a Bearer token")
    access = read(ctx, token.strip())
    if access is None or access.provider != provider.name:
        raise OAuthError("invalid_token", "access token is malformed, invalid or expired")
    client = await client_by_id(ctx, access.client_id)
    if client is None:
        raise OAuthError("access_denied", "client not found")
    if not provider.allows(client.client_id):
        raise OAuthError("access_denied", "client is not authorized to use the provider")
    view = await ctx.live.identity.view(access.entity_id)
    if view is None:
        raise OAuthError("access_denied", "identity entity associated with the request not found")
    if not await may_log_in(ctx, client, view):
        raise OAuthError("access_denied", "identity entity not authorized by client assignment")
    scopes = tuple(scope for scope in access.scopes if scope in provider.scopes_supported)
    claims = await _claims(ctx, scopes, view, ctx.clock.now_ns() // NANO)
    return {**claims, "sub": view.entity.id}
