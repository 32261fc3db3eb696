"""identity/oidc/provider/NAME/authorize: somebody who has a token here lets a client know who they are.

Refusals are OAuth's error objects, so that whoever made the request for a browser can pass them on to the client; what
is wrong with the client or its address is told to the browser alone. Sources: OpenID Connect Core 1.0 section 3.1.2,
RFC 6749 section 4.1, RFC 7636, Vault's documentation of its provider.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from strongroom.api.args import Args, field
from strongroom.api.fields import Name
from strongroom.api.messages import Response
from strongroom.api.redirects import redirect_allowed
from strongroom.core.context import SystemContext
from strongroom.core.identity_view import EntityView
from strongroom.core.token_model import NANO
from strongroom.identity.engine import identity
from strongroom.identity.oidc_grants import TIME, Grant, keep
from strongroom.identity.oidc_provider_model import (
    OPENID,
    Client,
    Provider,
    client_by_id,
    load_provider,
    may_log_in,
)

log: Final = logging.getLogger("strongroom.identity")

PLAIN: Final = "plain"
S256: Final = "S256"
MOST_TEXT: Final = 2048
#: RFC 7636 section 4.2.
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


class OAuthError(Exception):
    """A refusal in OAuth's terms."""

    def __init__(self, error: str, description: str) -> None:
        self.error, self.description = error, description
        super().__init__(f"{error}: {description}")


class AuthorizeArgs(Args):
    """An authentication request of a client."""

    name: Name = field("The provider.")
    client_id: str = field("The client's id.")
    redirect_uri: str = field("Where the code goes: one of the client's redirect_uris.")
    response_type: str = field("code.")
    scope: str = field("Names of scopes with blanks between them, openid among them; unknown ones ask for nothing.")
    state: str = field("Handed back as it is.")
    nonce: str = field("What the ID token repeats.")
    max_age: int = field("How many seconds ago the login of the token may have been at most.")
    code_challenge: str = field("PKCE's challenge; public clients must have one.")
    code_challenge_method: str = field(f"{S256} or {PLAIN}.", default=PLAIN)
    request: str = field("Not supported.")
    request_uri: str = field("Not supported.")


@identity.read("oidc/provider/{name}/authorize", oauth=True)
async def authorize(ctx: SystemContext, args: AuthorizeArgs) -> Response:
    """Let a client know who the caller is: the answer is a code for it, and the state."""
    try:
        code = keep(ctx, await _grant(ctx, args))
    except OAuthError as e:
        log.info("an OIDC login at %s was refused (request %s): %s", args.name, ctx.request.id, e)
        refusal = {"error": e.error, "error_description": e.description, "state": args.state}
        return Response(bare=refusal, status=400)
    return Response(bare={"code": code, "state": args.state})


@identity.write("oidc/provider/{name}/authorize", oauth=True)
async def authorize_post(ctx: SystemContext, args: AuthorizeArgs) -> Response:
    """Let a client know who the caller is: the answer is a code for it, and the state."""
    return await authorize(ctx, args)


async def _grant(ctx: SystemContext, args: AuthorizeArgs) -> Grant:
    client, provider = await _parties(ctx, args)
    _check_request(args)
    view = await _caller(ctx, client)
    _check_challenge(args, client)
    asked = set(args.scope.split(" "))
    return Grant(
        provider=provider.name,
        client_id=client.client_id,
        entity_id=view.entity.id,
        redirect_uri=args.redirect_uri,
        scopes=tuple(name for name in provider.scopes_supported if name in asked),
        until=ctx.clock.monotonic() + TIME,
        nonce=args.nonce,
        auth_time=_auth_time(ctx, args) if "max_age" in args.given else 0,
        challenge=args.code_challenge,
        method=(args.code_challenge_method or PLAIN) if args.code_challenge else "",
    )


async def _parties(ctx: SystemContext, args: AuthorizeArgs) -> tuple[Client, Provider]:
    if not args.client_id:
        raise OAuthError("invalid_client_id", "client_id parameter is required")
    client = await client_by_id(ctx, args.client_id)
    if client is None:
        raise OAuthError("invalid_client_id", "client with client_id not found")
    if not args.redirect_uri:
        raise OAuthError("invalid_request", "redirect_uri parameter is required")
    if len(args.redirect_uri) > MOST_TEXT or not redirect_allowed(args.redirect_uri, client.redirect_uris):
        raise OAuthError("invalid_redirect_uri", "redirect_uri is not allowed for the client")
    provider = await load_provider(ctx, args.name)
    if provider is None:
        raise OAuthError("invalid_request", "provider not found")
    if not provider.allows(client.client_id):
        raise OAuthError("unauthorized_client", "client is not authorized to use the provider")
    return client, provider


def _check_request(args: AuthorizeArgs) -> None:
    for name in ("request", "request_uri"):
        if name in args.given:
            raise OAuthError(f"{name}_not_supported", f"{name} parameter is not supported")
    if OPENID not in args.scope.split(" "):
        raise OAuthError("invalid_request", f'scope parameter must contain the "{OPENID}" value')
    if not args.response_type:
        raise OAuthError("invalid_request", "response_type parameter is required")
    if args.response_type != "code":
        raise OAuthError("unsupported_response_type", "unsupported response_type value")
    if len(args.nonce) > MOST_TEXT:
        raise OAuthError("invalid_request", f"nonce parameter is longer than {MOST_TEXT} characters")


async def _caller(ctx: SystemContext, client: Client) -> EntityView:
    if not ctx.caller.entity_id:
        raise OAuthError("access_denied", "identity entity must be associated with the request")
    view = await ctx.live.identity.view(ctx.caller.entity_id)
    if view is None:
        raise OAuthError("access_denied", "identity entity associated with the request not found")
    if not await may_log_in(ctx, client, view):
        raise OAuthError("access_denied", "identity entity not authorized by client assignment")
    return view


def _check_challenge(args: AuthorizeArgs, client: Client) -> None:
    if "code_challenge" not in args.given:
        if client.public:
            raise OAuthError("invalid_request", "PKCE is required for public clients")
        return
    if args.code_challenge_method not in (PLAIN, S256, ""):
        raise OAuthError("invalid_request", "invalid code_challenge_method")
    if not _CHALLENGE.fullmatch(args.code_challenge):
        raise OAuthError("invalid_request", "invalid code_challenge")


def _auth_time(ctx: SystemContext, args: AuthorizeArgs) -> int:
    """When the caller logged in, Unix seconds."""
    if args.max_age < 1:
        raise OAuthError("invalid_request", "max_age must be greater than zero")
    assert ctx.token_entry is not None
    made = ctx.token_entry.creation_ns
    if (ctx.clock.now_ns() - made) // NANO > args.max_age:
        raise OAuthError("max_age_violation", "active re-authentication is required by max_age")
    return made // NANO
