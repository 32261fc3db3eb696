"""identity/oidc: identity tokens, by which others learn who somebody is, and what they need to verify them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from strongroom.api.args import Args, field
from strongroom.api.fields import Name
from strongroom.api.messages import Response
from strongroom.auth.jose import BadJWT, check_audience, check_text, check_times, key_of, parse, verify
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest
from strongroom.identity.engine import identity
from strongroom.identity.oidc_keys import NANO, signing
from strongroom.identity.oidc_model import CONFIG, ROLE, Config, NamedKey, RingKey, Role, issuer_of, load_key, roles_of
from strongroom.identity.oidc_signing import ALGORITHMS, jwk, public_key, sign
from strongroom.identity.oidc_template import fill

EXPLICIT: Final = (
    'If "issuer" is set explicitly, all tokens must be validated against that address, including those issued by '
    'secondary clusters. Setting issuer to "" will restore the default behavior of using the cluster\'s api_addr as '
    "the issuer."
)
#: How long others may keep the key set: well below the shortest rotation.
MAX_AGE: Final = 30


class ConfigArgs(Args):
    """Who issues the tokens."""

    issuer: str = field("Scheme, host and port that tokens name as their issuer; empty for this node's address.")


class RoleName(Args):
    """Which role."""

    name: Name = field("The role.")


class IntrospectArgs(Args):
    """A token to look into."""

    token: str = field("The identity token.")
    client_id: str = field("Whom it must be for.")


@identity.read("oidc/config")
async def read_config(ctx: SystemContext) -> dict[str, Any]:
    """Read who issues the tokens."""
    return {"issuer": (await ctx.storage.load(CONFIG, Config) or Config()).issuer}


@identity.write("oidc/config")
async def write_config(ctx: SystemContext, args: ConfigArgs) -> Response:
    """Say who issues the tokens."""
    if args.issuer:
        check_issuer(args.issuer)
    ctx.storage.store(CONFIG, Config(args.issuer))
    return Response(warnings=[EXPLICIT] if args.issuer else [])


def check_issuer(issuer: str) -> None:
    """Refuse an issuer that is more, or less, than scheme, host and port; raises `BadRequest`."""
    if not _is_origin(issuer):
        raise BadRequest(
            "invalid issuer, which must include only a scheme, host, and optional port (e.g. https://example.com:8200)"
        )


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    plain = f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")
    return parts.scheme in ("http", "https") and bool(host) and text.lower() == plain


@identity.read("oidc/token/{name}")
async def token(ctx: SystemContext, args: RoleName) -> dict[str, Any]:
    """Make an identity token of the caller's entity."""
    role = await ctx.storage.load(ROLE + args.name, Role)
    if role is None:
        raise BadRequest(f'role "{args.name}" not found')
    view = await ctx.live.identity.view(ctx.caller.entity_id) if ctx.caller.entity_id else None
    if view is None:
        raise BadRequest("no entity associated with the request's token")
    key = await load_key(ctx, role.key)
    if key is None:
        raise BadRequest(f'key "{role.key}" not found')
    if not key.allows(role.client_id):
        raise BadRequest(
            f'the key "{key.name}" does not list the client ID of the role "{role.name}" as an allowed client ID'
        )
    key, ring_key = await signing(ctx, key.name)
    ttl = min(role.ttl, key.verification_ttl)
    now = ctx.clock.now_ns() // NANO
    claims = {
        **fill(role.template, view, now),
        "aud": role.client_id,
        "exp": now + ttl,
        "iat": now,
        "iss": await issuer_of(ctx),
        "namespace": "root",
        "sub": view.entity.id,
    }
    return {"client_id": role.client_id, "token": sign(ring_key, claims), "ttl": ttl}


@identity.write("oidc/introspect")
async def introspect(ctx: SystemContext, args: IntrospectArgs) -> Response:
    """Tell whether an identity token is good, and why not."""
    try:
        await _check(ctx, args)
    except BadJWT as e:
        return Response(bare={"active": False, "error": str(e)})
    return Response(bare={"active": True})


async def _check(ctx: SystemContext, args: IntrospectArgs) -> None:
    parsed = parse(args.token)
    now = ctx.clock.now_ns()
    keys = [key_of(public_key(one), one.kid, one.alg) for _, one in await _published(ctx, now)]
    verify(parsed, keys)
    claims = parsed.claims
    check_text(claims, "iss", "issuer", await issuer_of(ctx))
    check_times(claims, now / NANO)
    check_audience(claims, [args.client_id] if args.client_id else [])
    subject = claims.get("sub")
    view = await ctx.live.identity.view(subject) if isinstance(subject, str) and "/" not in subject else None
    if view is None:
        raise BadJWT("entity was not found")
    if view.entity.disabled:
        raise BadJWT("entity is disabled")


async def _published(ctx: SystemContext, now_ns: int) -> list[tuple[NamedKey, RingKey]]:
    """The signing keys that verify, of all named keys that a role uses."""
    names = sorted({role.key for role in await roles_of(ctx)})
    keys = [await load_key(ctx, name) for name in names]
    return [(key, one) for key in keys if key is not None for one in key.verifying(now_ns)]


@identity.read("oidc/.well-known/keys", unauthenticated=True)
async def key_set(ctx: SystemContext) -> Response:
    """The public keys that identity tokens are verified with (RFC 7517)."""
    found = await _published(ctx, ctx.clock.now_ns())
    headers = {"Cache-Control": f"max-age={MAX_AGE}"}
    return Response(bare={"keys": [jwk(one) for _, one in found]}, headers=headers)


@identity.read("oidc/.well-known/openid-configuration", unauthenticated=True)
async def discovery(ctx: SystemContext) -> Response:
    """Where verifiers of identity tokens find what they need (OpenID Connect Discovery)."""
    issuer = await issuer_of(ctx)
    return Response(
        bare={
            "issuer": issuer,
            "jwks_uri": f"{issuer}/.well-known/keys",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(ALGORITHMS),
        },
        headers={"Cache-Control": f"max-age={MAX_AGE}"},
    )
