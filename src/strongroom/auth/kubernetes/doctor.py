"""Why a login with a service account's JWT fails."""

from __future__ import annotations

from collections.abc import Callable

from strongroom.api.context import Context
from strongroom.api.doctor import Evidence, Findings
from strongroom.auth import jose
from strongroom.auth.doctor import attempt, check_address, check_times, parsed
from strongroom.auth.kubernetes.accounts import Account, account_of, allowed
from strongroom.auth.kubernetes.engine import BY_NAME, CONFIG, ROLES, Config, Role, kubernetes
from strongroom.auth.kubernetes.login import DEFAULT_ISSUER
from strongroom.auth.kubernetes.review import Cluster, ReviewFailed
from strongroom.auth.kubernetes.selector import parse_selector


async def doctor(ctx: Context, evidence: Evidence, found: Findings) -> None:
    """Look at the role and the JWT, and have the cluster review it."""
    role = await ROLES.get(ctx, evidence.role) if evidence.role and "/" not in evidence.role else None
    if role is None:
        known = f"there is no role {jose.quoted(evidence.role)}" if evidence.role else "no role was given"
        found.wrong("role", known)
    else:
        found.right("role", f"role {jose.quoted(role.name)} exists")
        found.policies = role.token_policies
        check_address(found, evidence, role.token_bound_cidrs, "the role's token_bound_cidrs")
    config = await ctx.storage.load(CONFIG, Config)
    if config is None:
        found.wrong("configuration", "the mount has none: write its config first")
    else:
        found.right("configuration", f"the cluster is {jose.quoted(config.kubernetes_host)}")
    if not evidence.jwt:
        found.skip("token", "no JWT was given to look at")
        return
    token = parsed(found, evidence.jwt.strip())
    if token is None:
        return
    account = _claims(ctx, found, token, config, role)
    if account is None:
        return
    listed = _account(found, account, role) if role is not None else False
    if config is not None:
        await _reviewed(ctx, found, Cluster(ctx, config, evidence.jwt.strip()), account, role, listed=listed)


def _claims(
    ctx: Context, found: Findings, token: jose.Token, config: Config | None, role: Role | None
) -> Account | None:
    known = token.alg in jose.ALGORITHMS
    shown = jose.quoted(token.alg)
    found.judge("algorithm", known, f"{shown} is accepted", f"{shown} is not accepted")
    if config is not None and config.pem_keys:
        keys = [jose.key_from_pem(pem) for pem in config.pem_keys]
        attempt(found, "signature", lambda: jose.verify(token, keys), lambda _: "it is of one of the pem_keys")
    else:
        found.skip("signature", "the method has no pem_keys: it is left to the cluster")
    account = attempt(
        found,
        "service account",
        lambda: account_of(token.claims),
        lambda account: f"{jose.quoted(account.name)} in namespace {jose.quoted(account.namespace)}",
    )
    check_times(found, token.claims, ctx.clock.now(), jose.Leeways(), needed=False)
    if config is not None and not config.disable_iss_validation:
        issuer = config.issuer or DEFAULT_ISSUER
        _compare(found, "claim iss", lambda: jose.check_text(token.claims, "iss", "issuer", issuer), issuer)
    else:
        found.skip("claim iss", "the method does not check the issuer")
    if role is not None and role.audience:
        _compare(found, "claim aud", lambda: jose.check_audience(token.claims, [role.audience]), role.audience)
    else:
        found.skip("claim aud", "the role has no audience")
    return account


def _compare(found: Findings, check: str, work: Callable[[], None], expected: str) -> None:
    attempt(found, check, work, lambda _: f"it is {jose.quoted(expected)}, as expected")


def _account(found: Findings, account: Account, role: Role) -> bool:
    """Whether the namespace is among those that the role lists."""
    by_name = role.alias_name_source == BY_NAME
    found.alias_name = f"{account.namespace}/{account.name}" if by_name else account.uid
    names, spaces = role.bound_service_account_names, role.bound_service_account_namespaces
    shown = jose.quoted(account.name)
    found.judge(
        "bound_service_account_names",
        allowed(account.name, names),
        f"{shown} is one of them",
        f"{shown} is none of {jose.quoted(list(names))}",
    )
    listed, shown = allowed(account.namespace, spaces), jose.quoted(account.namespace)
    if listed or not role.bound_service_account_namespace_selector:
        found.judge(
            "bound_service_account_namespaces",
            listed,
            f"{shown} is one of them",
            f"{shown} is none of {jose.quoted(list(spaces))}",
        )
    else:
        found.note("bound_service_account_namespaces", f"{shown} is none of them; its labels decide")
    return listed


async def _reviewed(
    ctx: Context, found: Findings, cluster: Cluster, account: Account, role: Role | None, *, listed: bool
) -> None:
    try:
        await cluster.review(account, role.audience if role is not None else "")
        found.right("review", "the cluster vouches for the token")
    except ReviewFailed as e:
        found.wrong("review", str(e))
    if role is None or listed or not role.bound_service_account_namespace_selector:
        return
    check, shown = "bound_service_account_namespace_selector", jose.quoted(account.namespace)
    try:
        selector = parse_selector(role.bound_service_account_namespace_selector)
        chosen = await cluster.selected(selector, account.namespace)
    except ReviewFailed as e:
        found.wrong(check, str(e))
    else:
        found.judge(check, chosen, f"the labels of {shown} match", f"the labels of {shown} do not match")


kubernetes.doctor = doctor
