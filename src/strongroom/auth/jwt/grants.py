"""Tokens of an OpenID provider: asking for them, and what they say of a person.

Sources: OpenID Connect Core 1.0 sections 3.1.3 and 5.3, RFC 6749 sections 2.3.1 and 5.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus

from strongroom.api.context import Context
from strongroom.auth import jose, outbound
from strongroom.auth.jwt.engine import Config, Role
from strongroom.auth.jwt.keys import Provider, verify
from strongroom.auth.jwt.login import denied, leeways
from strongroom.auth.refusals import log

FAILED: Final = "Vault login failed."
#: The registered claims that an ID token vouches for; a userinfo answer cannot change them.
OWN_CLAIMS: Final = ("iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "auth_time")


class Refused(outbound.Unreachable):
    """The provider refuses; `code` is its error's, such as `invalid_grant`."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


async def ask(ctx: Context, config: Config, provider: Provider, url: str, form: Mapping[str, str]) -> dict[str, Any]:
    """Send a form to the provider as the client that we are.

    Raises:
        Unreachable: there is no answer; `Refused` when there is one, and it is an error.
    """
    headers: dict[str, str] = {}
    if provider.secret_in_body:
        form = {**form, "client_id": config.oidc_client_id, "client_secret": config.oidc_client_secret}
    else:
        pair = f"{quote_plus(config.oidc_client_id)}:{quote_plus(config.oidc_client_secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    answer = await outbound.of(ctx).post(url, ca_pem=config.oidc_discovery_ca_pem, headers=headers, form=form)
    if answer.status != 200:
        said = answer.object().get("error") if answer.body[:1] == b"{" else ""
        text = f"{outbound.shown(url)}: status {answer.status}, {jose.quoted(said)}"
        raise Refused(text, said if isinstance(said, str) else "")
    return answer.object()


async def claims_of(
    ctx: Context, config: Config, role: Role, provider: Provider, answer: Mapping[str, Any], nonce: str = ""
) -> dict[str, Any]:
    """What the tokens of an answer say of the person; `nonce` is the login's, "" where it has none.

    Raises:
        BadRequest: the ID token is not the provider's, or not for us, now and for this login.
    """
    id_token, access_token = answer.get("id_token"), answer.get("access_token")
    if not isinstance(id_token, str):
        raise denied(f"{FAILED} No id_token found in response.", "the issuer's answer has no ID token")
    try:
        claims = await _verified(ctx, config, role, provider, nonce, id_token)
    except jose.BadJWT as e:
        raise denied(f"{FAILED} Token verification failed. {e}", e.reason) from None
    except outbound.Unreachable as e:
        raise denied(f"{FAILED} Token verification failed.", f"the issuer's keys are not known: {e}") from None
    if provider.userinfo_endpoint and isinstance(access_token, str):
        claims = {**claims, **await _user_info(ctx, config, provider, access_token, claims)}
    return claims


async def _verified(
    ctx: Context, config: Config, role: Role, provider: Provider, nonce: str, text: str
) -> dict[str, Any]:
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
    if nonce:
        said = claims.get("nonce")
        if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
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
