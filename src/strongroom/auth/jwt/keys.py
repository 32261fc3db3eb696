"""The keys of an issuer: given once, read from a key set's address, or found by OpenID discovery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from strongroom.api.context import Context
from strongroom.auth import jose, outbound
from strongroom.auth.jwt.engine import Config
from strongroom.auth.jwt.remote import Remote, Remotes

WELL_KNOWN = "/.well-known/openid-configuration"


class Provider(NamedTuple):
    """An OpenID provider as it describes itself. `secret_in_body`: how its clients show who they are."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    device_authorization_endpoint: str
    algorithms: tuple[str, ...]
    secret_in_body: bool


async def read_keys(http: outbound.Http, url: str, ca_pem: str) -> tuple[jose.Key, ...]:
    """Read a key set; raises `Unreachable`."""
    answer = await http.get(url, ca_pem=ca_pem)
    try:
        return jose.keys_from_jwks(answer.object())
    except jose.BadKey as e:
        raise outbound.Unreachable(f"{outbound.shown(url)}: {e}") from None


async def discover(http: outbound.Http, url: str, ca_pem: str) -> Provider:
    """Read how a provider describes itself.

    Raises:
        Unreachable: it does not, describes another one, or would leave TLS.
    """
    where = url.removesuffix("/") + WELL_KNOWN
    document = (await http.get(where, ca_pem=ca_pem)).object()
    issuer = _text(document, "issuer")
    if issuer.removesuffix("/") != url.removesuffix("/"):
        raise outbound.Unreachable(f"{outbound.shown(where)}: it is of the issuer {jose.quoted(issuer)}")
    for name in ("jwks_uri", *(field for field in Provider._fields if field.endswith("_endpoint"))):
        endpoint = _text(document, name)
        problem = outbound.url_problem(endpoint) if endpoint else "it is missing" if name == "jwks_uri" else ""
        if not problem and endpoint and url.startswith("https:") and not endpoint.startswith("https:"):
            problem = "it has no TLS"
        if problem:
            raise outbound.Unreachable(f"{outbound.shown(where)}: {name}: {problem}")
    signs = _texts(document, "id_token_signing_alg_values_supported")
    methods = _texts(document, "token_endpoint_auth_methods_supported") or ("client_secret_basic",)
    return Provider(
        issuer,
        jwks_uri=_text(document, "jwks_uri"),
        authorization_endpoint=_text(document, "authorization_endpoint"),
        token_endpoint=_text(document, "token_endpoint"),
        userinfo_endpoint=_text(document, "userinfo_endpoint"),
        device_authorization_endpoint=_text(document, "device_authorization_endpoint"),
        algorithms=tuple(name for name in signs if name in jose.ALGORITHMS),
        secret_in_body="client_secret_basic" not in methods and "client_secret_post" in methods,
    )


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def remotes(ctx: Context) -> Remotes:
    """What the mount has read from issuers."""
    found: Remotes = ctx.memory.setdefault("remotes", Remotes())
    return found


async def provider_of(ctx: Context, config: Config) -> Provider:
    """The configured OpenID provider; raises `Unreachable`."""
    http, url, ca_pem = outbound.of(ctx), config.oidc_discovery_url, config.oidc_discovery_ca_pem
    return await remotes(ctx).get(("oidc", url, ca_pem), lambda: discover(http, url, ca_pem), ctx.clock).get()


async def _key_set(ctx: Context, config: Config) -> Remote[tuple[jose.Key, ...]]:
    http, url, ca_pem = outbound.of(ctx), config.jwks_url, config.jwks_ca_pem
    if not url:
        url, ca_pem = (await provider_of(ctx, config)).jwks_uri, config.oidc_discovery_ca_pem
    return remotes(ctx).get(("jwks", url, ca_pem), lambda: read_keys(http, url, ca_pem), ctx.clock)


async def issuer_keys(ctx: Context, config: Config) -> tuple[jose.Key, ...]:
    """The keys that are read from an address; raises `Unreachable`."""
    return await (await _key_set(ctx, config)).get()


async def verify(ctx: Context, config: Config, token: jose.Token) -> None:
    """Check a token's signature with the configured keys. Those of an address are read anew when none fits.

    Raises:
        BadJWT: the token is not the issuer's.
        Unreachable: the issuer does not tell its keys.
    """
    if config.jwt_validation_pubkeys:
        jose.verify(token, [jose.key_from_pem(pem) for pem in config.jwt_validation_pubkeys])
        return
    if token.alg not in jose.ALGORITHMS:
        jose.verify(token, ())  # refused without a look at the issuer
    key_set = await _key_set(ctx, config)
    try:
        jose.verify(token, await key_set.get())
    except jose.BadJWT:
        newer = await key_set.newer()
        if newer is None:
            raise
        jose.verify(token, newer)
