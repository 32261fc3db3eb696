"""Whom the method trusts."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList
from strongroom.auth import jose, outbound
from strongroom.auth.jwt.engine import CONFIG, Config, jwt
from strongroom.auth.jwt.keys import discover, read_keys, remotes
from strongroom.errors import BadRequest, NotFound

SOURCES = ("jwt_validation_pubkeys", "jwks_url", "oidc_discovery_url")
ONE_SOURCE = "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set"


class ConfigArgs(Args):
    """The issuer. A write replaces all of it: what is left out is its default again."""

    oidc_discovery_url: str = field("The issuer, whose /.well-known/openid-configuration tells the rest.")
    oidc_discovery_ca_pem: str = field("The CA of the issuer's address as PEM; without it the system's.")
    oidc_client_id: str = field("As whom this server is known to the issuer, for logins in a browser.")
    oidc_client_secret: str = field("The secret that goes with oidc_client_id.")
    oidc_response_mode: str = field("How the issuer answers: query.")
    oidc_response_types: CommaList = field("What the issuer answers: code.")
    jwks_url: str = field("Where the issuer's key set is.")
    jwks_ca_pem: str = field("The CA of jwks_url as PEM; without it the system's.")
    jwt_validation_pubkeys: CommaList = field("The issuer's public keys as PEM.")
    jwt_supported_algs: CommaList = field("Algorithms that are accepted; all asymmetric ones without a list.")
    bound_issuer: str = field("What the tokens' issuer must be.")
    default_role: str = field("The role of logins that name none.")
    provider_config: dict[str, Any] = field("Settings for providers with ways of their own; none are known.")
    namespace_in_state: bool = field("Kept for clients that set it; there are no namespaces.", default=True)


@jwt.read("config")
async def read_config(ctx: Context) -> dict[str, Any]:
    """Read whom the method trusts."""
    config = await ctx.storage.load(CONFIG, Config)
    if config is None:
        raise NotFound
    return config.shown()


@jwt.write("config")
async def write_config(ctx: Context, args: ConfigArgs) -> None:
    """Set whom the method trusts; the issuer's address is tried."""
    values = {name: getattr(args, name) for name in ConfigArgs.fields}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    config = Config(**values)
    _check(config)
    await _try(outbound.of(ctx), config)
    ctx.storage.store(CONFIG, config)
    await remotes(ctx).aclose()


def _check(config: Config) -> None:
    if sum(bool(getattr(config, name)) for name in SOURCES) != 1:
        raise BadRequest(ONE_SOURCE)
    if bool(config.oidc_client_id) is not bool(config.oidc_client_secret):
        raise BadRequest("both 'oidc_client_id' and 'oidc_client_secret' must be set for OIDC")
    if config.oidc_client_id and not config.oidc_discovery_url:
        raise BadRequest("'oidc_discovery_url' must be set for OIDC")
    for name in config.jwt_supported_algs:
        if name not in jose.ALGORITHMS:
            raise BadRequest(f'invalid jwt_supported_algs: unsupported signing algorithm "{name[:32]}"')
    if config.oidc_response_mode not in ("", "query"):
        raise BadRequest('invalid response_mode: only "query" is supported')
    if set(config.oidc_response_types) - {"code"}:
        raise BadRequest('invalid response_types: only "code" is supported')
    if config.provider_config:
        raise BadRequest("error with provider_config in supplied configuration: no provider with its own is supported")
    for pem in config.jwt_validation_pubkeys:
        try:
            jose.key_from_pem(pem)
        except jose.BadKey as e:
            raise BadRequest(f"error parsing public key: {e}") from None


async def _try(http: outbound.Http, config: Config) -> None:
    if config.jwks_url:
        try:
            await read_keys(http, config.jwks_url, config.jwks_ca_pem)
        except outbound.Unreachable as e:
            raise BadRequest(f"error checking jwks URL: {e}") from None
    elif config.oidc_discovery_url:
        ca_pem = config.oidc_discovery_ca_pem
        try:
            provider = await discover(http, config.oidc_discovery_url, ca_pem)
            await read_keys(http, provider.jwks_uri, ca_pem)
        except outbound.Unreachable as e:
            raise BadRequest(f"error checking oidc discovery URL: {e}") from None
        if config.oidc_client_id and not (provider.authorization_endpoint and provider.token_endpoint):
            raise BadRequest("error checking oidc discovery URL: the provider has no endpoints for logins in a browser")
