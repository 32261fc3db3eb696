"""identity/oidc/provider: issuers that tools log people in with, and what those tools find out about them.

Sources: OpenID Connect Discovery 1.0, RFC 7517, Vault's documentation of its provider.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList, Name
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import given, identity
from strongroom.identity.oidc_model import DEFAULT, load_key
from strongroom.identity.oidc_provider_model import (
    OPENID,
    PROVIDER,
    SCOPE,
    Provider,
    Scope,
    clients,
    hold,
    load_provider,
    shown,
    tidy,
)
from strongroom.identity.oidc_signing import ALGORITHMS, jwk
from strongroom.identity.oidc_template import names_of
from strongroom.identity.oidc_tokens import EXPLICIT, MAX_AGE, check_issuer


class ProviderName(Args):
    """Which provider."""

    name: Name = field("The provider.")


class ListArgs(Args):
    """Which of them."""

    allowed_client_id: str = field("Only those that this client may use.")


class ProviderArgs(ProviderName):
    """What a provider is. What is not given stays as it is."""

    issuer: str = field("Scheme, host and port of its address; empty for this node's.")
    allowed_client_ids: CommaList = field("The clients that may use it; '*' for all, none without any.")
    scopes_supported: CommaList = field("The scopes that clients can ask for, beside openid.")


async def need_provider(ctx: SystemContext, name: str) -> Provider:
    """The provider of a name; raises `NotFound`."""
    provider = await load_provider(ctx, name)
    if provider is None:
        raise NotFound
    return provider


@identity.list("oidc/provider")
async def list_providers(ctx: SystemContext, args: ListArgs) -> dict[str, Any]:
    """List the providers."""
    info = {}
    for name in sorted({DEFAULT, *await ctx.storage.list(PROVIDER)}):
        provider = await load_provider(ctx, name)
        if provider is not None and (not args.allowed_client_id or provider.allows(args.allowed_client_id)):
            info[name] = _shown(ctx, provider)
    if not info:
        raise NotFound
    return {"keys": list(info), "key_info": info}


def _shown(ctx: SystemContext, provider: Provider) -> dict[str, Any]:
    return {**shown(provider), "issuer": provider.url(ctx)}


@identity.read("oidc/provider/{name}")
async def read_provider(ctx: SystemContext, args: ProviderName) -> dict[str, Any]:
    """Read a provider; its issuer is the whole address."""
    return _shown(ctx, await need_provider(ctx, args.name))


async def _there(ctx: SystemContext, args: ProviderArgs) -> bool:
    await hold(ctx)
    return await load_provider(ctx, args.name) is not None


@identity.write("oidc/provider/{name}", exists=_there)
async def write_provider(ctx: SystemContext, args: ProviderArgs) -> Response:
    """Create or change a provider."""
    await hold(ctx)
    old = await load_provider(ctx, args.name) or Provider(args.name)
    changes = given(args, "issuer")
    lists = ("allowed_client_ids", "scopes_supported")
    changes |= {each: tidy(getattr(args, each)) for each in lists if each in args.given}
    provider = replace(old, **changes)
    warnings = []
    if provider.issuer:
        check_issuer(provider.issuer)
        warnings.append(EXPLICIT)
    warnings += await _conflicts(ctx, provider)
    ctx.storage.store(PROVIDER + provider.name, provider)
    return Response(warnings=warnings)


async def _conflicts(ctx: SystemContext, provider: Provider) -> list[str]:
    """What to say of claims that several of its scopes have; raises `BadRequest` for a scope that is not there."""
    warnings = []
    origin: dict[str, str] = {}
    for name in provider.scopes_supported:
        scope = await ctx.storage.load(SCOPE + name, Scope)
        if scope is None:
            raise BadRequest(f'scope "{name}" does not exist')
        for claim in names_of(scope.template):
            if claim in origin:
                warnings.append(
                    f'The scopes "{name}" and "{origin[claim]}" both have the claim "{claim}": '
                    "a login that asks for both of them fails."
                )
            origin[claim] = name
    return warnings


@identity.delete("oidc/provider/{name}")
async def delete_provider(ctx: SystemContext, args: ProviderName) -> None:
    """Delete a provider: its codes and access tokens are worth nothing from now on."""
    if args.name == DEFAULT:
        raise BadRequest(f'deletion of OIDC provider "{DEFAULT}" not allowed')
    await hold(ctx)
    ctx.storage.delete(PROVIDER + args.name)


@identity.read("oidc/provider/{name}/.well-known/keys", unauthenticated=True)
async def provider_keys(ctx: SystemContext, args: ProviderName) -> Response:
    """The public keys that the ID tokens of a provider are verified with."""
    provider = await need_provider(ctx, args.name)
    names = sorted({client.key for client in await clients(ctx) if provider.allows(client.client_id)})
    now = ctx.clock.now_ns()
    keys = [key for name in names if (key := await load_key(ctx, name)) is not None]
    found = [jwk(one) for key in keys for one in key.verifying(now)]
    return Response(bare={"keys": found}, headers={"Cache-Control": f"max-age={MAX_AGE}"})


@identity.read("oidc/provider/{name}/.well-known/openid-configuration", unauthenticated=True)
async def provider_discovery(ctx: SystemContext, args: ProviderName) -> Response:
    """Where tools find what they need to log people in with a provider."""
    provider = await need_provider(ctx, args.name)
    issuer = provider.url(ctx)
    document = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/keys",
        "authorization_endpoint": f"{provider.base(ctx)}/ui/vault/identity/oidc/provider/{provider.name}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "id_token_signing_alg_values_supported": list(ALGORITHMS),
        "response_types_supported": ["code"],
        "scopes_supported": [*provider.scopes_supported, OPENID],
        "claims_supported": [],
        "subject_types_supported": ["public"],
        "grant_types_supported": ["authorization_code"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["plain", "S256"],
    }
    return Response(bare=document, headers={"Cache-Control": f"max-age={MAX_AGE}"})
