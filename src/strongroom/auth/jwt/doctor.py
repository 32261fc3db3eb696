"""Why a login with a token of the issuer, or in a browser, fails."""

from __future__ import annotations

from strongroom.api.context import Context
from strongroom.api.doctor import Evidence, Findings
from strongroom.api.fields import NAME
from strongroom.auth import jose
from strongroom.auth.doctor import attempt, check_address, check_times, parsed
from strongroom.auth.jwt.claims import check_claim, person
from strongroom.auth.jwt.engine import CONFIG, DEVICE, OIDC, ROLES, Config, Role, jwt
from strongroom.auth.jwt.keys import issuer_keys, provider_of, verify
from strongroom.auth.jwt.login import leeways
from strongroom.auth.outbound import Unreachable


async def doctor(ctx: Context, evidence: Evidence, found: Findings) -> None:
    """Look at the configuration, the role, the issuer and the token."""
    config = await ctx.storage.load(CONFIG, Config)
    if config is None:
        found.wrong("configuration", "the mount has none: write its config first")
    role = await _role(ctx, evidence, found, config)
    if role is not None:
        found.policies = role.token_policies
        check_address(found, evidence, role.token_bound_cidrs, "the role's token_bound_cidrs")
    if config is not None:
        await _issuer(ctx, found, config)
        if role is not None and role.role_type == OIDC:
            await _browser(ctx, found, config, role)
    if not evidence.jwt:
        found.skip("token", "no JWT was given to look at")
        return
    if role is not None and role.role_type == OIDC:
        found.wrong("role_type", "the role is for logins in a browser (oidc): it takes no JWT")
    token = parsed(found, evidence.jwt)
    if token is None:
        return
    if config is not None:
        await _signature(ctx, found, config, token)
    _claims(ctx, found, config, role, token.claims)


async def _role(ctx: Context, evidence: Evidence, found: Findings, config: Config | None) -> Role | None:
    name = evidence.role or (config.default_role if config else "")
    role = await ROLES.get(ctx, name) if NAME.fullmatch(name) else None
    if not name:
        found.wrong("role", "no role was given, and the mount has no default_role")
        return None
    whose = "" if evidence.role else ", which is the mount's default_role"
    found.judge(
        "role",
        role is not None,
        f"role {jose.quoted(name)}{whose} exists, of type {role.role_type if role else ''}",
        f"there is no role {jose.quoted(name)}{whose}",
    )
    return role


async def _issuer(ctx: Context, found: Findings, config: Config) -> None:
    """Whether the keys of the issuer are known."""
    if config.jwt_validation_pubkeys:
        found.right("issuer's keys", f"{len(config.jwt_validation_pubkeys)} are configured")
        return
    where = jose.quoted(config.jwks_url or config.oidc_discovery_url)
    try:
        keys = await issuer_keys(ctx, config)
    except Unreachable as e:
        found.wrong("issuer's keys", f"{where} cannot be used: {e}")
        return
    names = ", ".join(jose.quoted(key.kid) for key in keys[:10] if key.kid) or "none is named"
    found.judge("issuer's keys", bool(keys), f"{where} has {len(keys)}: {names}", f"{where} has none that is accepted")


async def _browser(ctx: Context, found: Findings, config: Config, role: Role) -> None:
    """What a login in a browser, or of a device, needs beside a role."""
    found.judge(
        "oidc_client_id", bool(config.oidc_client_id), "it is configured", "it is not: nobody can log in in a browser"
    )
    try:
        provider = await provider_of(ctx, config)
    except Unreachable as e:
        found.wrong("provider", str(e))
        return
    by_device = role.callback_mode == DEVICE
    names = ("device_authorization_endpoint",) if by_device else ("authorization_endpoint",)
    for name in (*names, "token_endpoint"):
        found.judge(name, bool(getattr(provider, name)), "the provider has one", "the provider has none")
    if not by_device:
        uris = role.allowed_redirect_uris or ()
        shown = ", ".join(jose.quoted(uri) for uri in uris[:10])
        found.judge("allowed_redirect_uris", bool(uris), shown, "there are none: no login can begin")


async def _signature(ctx: Context, found: Findings, config: Config, token: jose.Token) -> None:
    try:
        await verify(ctx, config, token)
    except jose.BadJWT as e:
        found.wrong("signature", e.reason)
    except Unreachable as e:
        found.wrong("signature", f"the issuer's keys are not known: {e}")
    else:
        found.right("signature", "it is of one of the issuer's keys")
    accepted = config.jwt_supported_algs
    if accepted:
        attempt(found, "algorithm", lambda: jose.check_algorithm(token, accepted), lambda _: f"{token.alg} is accepted")


def _claims(ctx: Context, found: Findings, config: Config | None, role: Role | None, claims: dict[str, object]) -> None:
    check_times(found, claims, ctx.clock.now(), leeways(role) if role else jose.Leeways(), needed=True)
    for name, what, expected in (
        ("iss", "issuer", config.bound_issuer if config else ""),
        ("sub", "subject", role.bound_subject if role else ""),
    ):
        if expected:
            _text(found, claims, name, what, expected)
        else:
            found.skip(f"claim {name}", f"any {what} will do")
    if role is None:
        return
    _audience(found, claims, role)
    for name in role.bound_claims or {}:
        _bound(found, claims, role, name)
    who = attempt(found, "user_claim", lambda: person(role, claims), lambda who: f"the name is {jose.quoted(who.name)}")
    if who is not None:
        found.alias_name = who.name
        if role.groups_claim:
            found.right("groups_claim", jose.quoted(who.groups, 512))


def _text(found: Findings, claims: dict[str, object], name: str, what: str, expected: str) -> None:
    attempt(
        found,
        f"claim {name}",
        lambda: jose.check_text(claims, name, what, expected),
        lambda _: f"the {what} is {jose.quoted(expected)}, as expected",
    )


def _audience(found: Findings, claims: dict[str, object], role: Role) -> None:
    bound = role.bound_audiences or ()
    audiences = attempt(found, "claim aud", lambda: jose.audiences(claims), lambda has: f"it is {jose.quoted(has)}")
    if audiences is None:
        return
    if bound:
        attempt(
            found,
            "bound_audiences",
            lambda: jose.check_audience(claims, bound),
            lambda _: f"one of {jose.quoted(list(bound))} is there",
        )
    elif audiences:
        found.wrong("bound_audiences", "the token has audiences, and the role has no bound_audiences")


def _bound(found: Findings, claims: dict[str, object], role: Role, name: str) -> None:
    attempt(
        found,
        f"bound claim {jose.quoted(name)}",
        lambda: check_claim(role, claims, name),
        lambda _: "it is as the role wants it",
    )


jwt.doctor = doctor
