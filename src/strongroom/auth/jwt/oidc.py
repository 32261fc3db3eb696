"""Logging in with a browser: OpenID Connect's authorization code flow with PKCE (S256), state and nonce.

`oidc/auth_url` begins a login and `oidc/callback` ends it; what is between them is in memory, each used once. Sources:
OpenID Connect Core 1.0, RFC 6749, 7636 and 9700.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from dataclasses import field as stored
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.messages import Response
from strongroom.auth import jose, outbound
from strongroom.auth.jwt.engine import OIDC, Config, Role, jwt, load_role
from strongroom.auth.jwt.keys import Provider, provider_of, verify
from strongroom.auth.jwt.login import auth_for, check_address, denied, leeways, load_config, need_role
from strongroom.auth.refusals import log, refused
from strongroom.errors import BadRequest, PermissionDenied

FAILED: Final = "Vault login failed."
#: Seconds for a person to log in, and how many may be at it; beyond that the oldest are forgotten.
TIME: Final = 600
MOST: Final = 10_000
MOST_TEXT: Final = 2048
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
#: The registered claims that an ID token vouches for; a userinfo answer cannot change them.
OWN_CLAIMS: Final = ("iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "auth_time")


@dataclass(frozen=True, slots=True)
class Flow:
    """A login that is under way."""

    role: str
    named: str
    redirect_uri: str
    client_nonce: str = stored(repr=False)
    nonce: str = stored(repr=False)
    verifier: str = stored(repr=False)
    until: float


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


def _flows(ctx: Context) -> dict[str, Flow]:
    flows: dict[str, Flow] = ctx.memory.setdefault("flows", {})
    return flows


@jwt.write("oidc/auth_url", unauthenticated=True)
async def auth_url(ctx: Context, args: AuthURLArgs) -> dict[str, Any]:
    """Begin a login: the answer is where the browser goes.

    It is empty for a redirect_uri that the role does not allow.
    """
    config = await load_config(ctx)
    if not config.oidc_client_id:
        raise BadRequest("OIDC login is not configured for this mount")
    name = args.role or config.default_role.lower()
    role = await need_role(ctx, name)
    if not args.redirect_uri:
        raise BadRequest("missing redirect_uri")
    if len(args.redirect_uri) > MOST_TEXT or len(args.client_nonce) > MOST_TEXT:
        raise BadRequest("redirect_uri or client_nonce is too long")
    if role.role_type != OIDC or not redirect_allowed(args.redirect_uri, role.allowed_redirect_uris or ()):
        shown = jose.quoted(outbound.shown(args.redirect_uri))
        log.warning("login at %s with role %s refused: it may not lead to %s", ctx.mount.path, role.name, shown)
        return {"auth_url": ""}
    try:
        provider = await provider_of(ctx, config)
    except outbound.Unreachable as e:
        raise BadRequest("error creating provider: the issuer cannot be reached", reason=str(e)) from None
    until = ctx.clock.monotonic() + TIME
    nonce, verifier, state = (secrets.token_urlsafe(32) for _ in range(3))
    flow = Flow(role.name, name, args.redirect_uri, args.client_nonce, nonce, verifier, until)
    flows = _flows(ctx)
    while len(flows) >= MOST:
        del flows[next(iter(flows))]
    flows[state] = flow
    return {"auth_url": _address(config, role, provider, flow, state)}


def redirect_allowed(uri: str, allowed: tuple[str, ...]) -> bool:
    """Whether a role lets a login lead to an address. Of this very machine the port does not matter (RFC 8252)."""
    if uri in allowed:
        return True
    try:
        parts = urlsplit(uri)
        if parts.hostname not in LOOPBACK or "@" in parts.netloc or parts.fragment:
            return False
        same = [urlsplit(one) for one in allowed]
        return any(
            (one.scheme, one.hostname, one.path, one.query) == (parts.scheme, parts.hostname, parts.path, parts.query)
            for one in same
        )
    except ValueError:
        return False


def _address(config: Config, role: Role, provider: Provider, flow: Flow, state: str) -> str:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": config.oidc_client_id,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "nonce": flow.nonce,
        "redirect_uri": flow.redirect_uri,
        "response_type": "code",
        "scope": " ".join(dict.fromkeys(("openid", *(role.oidc_scopes or ())))),
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
    # Taken whatever comes of it: a state is good for one attempt.
    flow = _flows(ctx).pop(args.state, None)
    if flow is None or ctx.clock.monotonic() > flow.until:
        raise BadRequest(f"{FAILED} Expired or missing OAuth state.")
    if not hmac.compare_digest(flow.client_nonce.encode(), args.client_nonce.encode()):
        raise refused(ctx, flow.role, denied(f"{FAILED} Invalid client_nonce.", "the client_nonce is another"))
    config = await load_config(ctx)
    role = await load_role(ctx, flow.role)
    if role is None or role.role_type != OIDC:
        raise BadRequest(f"{FAILED} Role could not be found")
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
    try:
        provider = await provider_of(ctx, config)
        answer = await _redeem(outbound.of(ctx), config, provider, flow, args.code)
    except outbound.Unreachable as e:
        raise denied(f"{FAILED} Error exchanging oidc code.", str(e)) from None
    id_token, access_token = answer.get("id_token"), answer.get("access_token")
    if not isinstance(id_token, str):
        raise denied(f"{FAILED} No id_token found in response.", "the issuer's answer has no ID token")
    try:
        claims = await _verified(ctx, config, role, provider, flow, id_token)
    except jose.BadJWT as e:
        raise denied(f"{FAILED} Token verification failed. {e}", e.reason) from None
    except outbound.Unreachable as e:
        raise denied(f"{FAILED} Token verification failed.", f"the issuer's keys are not known: {e}") from None
    if provider.userinfo_endpoint and isinstance(access_token, str):
        claims = {**claims, **await _user_info(ctx, config, provider, access_token, claims)}
    return claims


async def _redeem(http: outbound.Http, config: Config, provider: Provider, flow: Flow, code: str) -> dict[str, Any]:
    """Give the code back for tokens."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": flow.redirect_uri,
        "code_verifier": flow.verifier,
    }
    headers = {}
    if provider.secret_in_body:
        form |= {"client_id": config.oidc_client_id, "client_secret": config.oidc_client_secret}
    else:
        pair = f"{quote_plus(config.oidc_client_id)}:{quote_plus(config.oidc_client_secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    answer = await http.post(provider.token_endpoint, ca_pem=config.oidc_discovery_ca_pem, headers=headers, form=form)
    if answer.status != 200:
        said = answer.object().get("error") if answer.body[:1] == b"{" else ""
        raise outbound.Unreachable(f"the token endpoint answered with status {answer.status}, {jose.quoted(said)}")
    return answer.object()


async def _verified(
    ctx: Context, config: Config, role: Role, provider: Provider, flow: Flow, text: str
) -> dict[str, Any]:
    """The claims of an ID token that is the provider's, for us, and of this very login."""
    token = jose.parse(text)
    await verify(ctx, config, token)
    jose.check_algorithm(token, config.jwt_supported_algs or provider.algorithms or ("RS256",))
    claims, now = token.claims, ctx.clock.now()
    jose.check_times(claims, now, leeways(role))
    jose.check_text(claims, "iss", "issuer", provider.issuer)
    jose.check_text(claims, "iss", "issuer", config.bound_issuer)
    jose.check_text(claims, "sub", "subject", role.bound_subject)
    jose.check_audience(claims, (config.oidc_client_id,))
    jose.check_audience(claims, role.bound_audiences or ())
    if len(jose.audiences(claims)) > 1 or "azp" in claims:
        jose.check_text(claims, "azp", "authorized party", config.oidc_client_id)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), flow.nonce.encode()):
        raise jose.BadJWT("invalid id_token nonce", "the ID token is of another login")
    if role.max_age:
        seen = claims.get("auth_time")
        if isinstance(seen, bool) or not isinstance(seen, (int, float)) or now - seen > role.max_age + jose.SKEW:
            raise jose.BadJWT("invalid auth_time", f"auth_time is {jose.quoted(seen)}, max_age {role.max_age} s")
    return claims


async def _user_info(
    ctx: Context, config: Config, provider: Provider, access_token: str, claims: dict[str, Any]
) -> dict[str, Any]:
    """More claims from the userinfo endpoint. What it cannot tell is missing, and bound claims then say so."""
    headers = {"Authorization": f"Bearer {access_token}"}
    http, ca_pem = outbound.of(ctx), config.oidc_discovery_ca_pem
    try:
        info = (await http.get(provider.userinfo_endpoint, ca_pem=ca_pem, headers=headers)).object()
    except outbound.Unreachable as e:
        log.warning("login at %s: no userinfo: %s", ctx.mount.path, e)
        return {}
    if info.get("sub") != claims.get("sub"):
        log.warning("login at %s: the userinfo is of another subject, and left out", ctx.mount.path)
        return {}
    return {name: value for name, value in info.items() if name not in OWN_CLAIMS}
