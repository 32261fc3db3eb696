"""Why a login with a certificate fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom.api.context import Context
from strongroom.api.doctor import Evidence, Findings
from strongroom.auth.cert.crls import load_crls
from strongroom.auth.cert.engine import ROLE, ROLES, Role, cert, load_config
from strongroom.auth.doctor import check_address
from strongroom.auth.jose import quoted

if TYPE_CHECKING:
    from strongroom.auth.cert.presented import Presented
    from strongroom.auth.cert.trust import Grounds

#: How many roles are looked at when none is named.
MOST_ROLES: Final = 200


async def doctor(ctx: Context, evidence: Evidence, found: Findings) -> None:
    """Look at the certificate, and at the role or all roles."""
    from strongroom.auth.cert.trust import Grounds

    shown = _certificate(evidence, found)
    role = await _role(ctx, evidence, found)
    if shown is None:
        return
    found.alias_name = shown.common_name
    _certificate_itself(ctx, shown, found)
    grounds = Grounds(await load_config(ctx), await load_crls(ctx))
    if role is None and not evidence.role:
        role = await _any_role(ctx, shown, grounds, found)
    elif role is not None:
        from strongroom.auth.cert.trust import examine

        await examine(ctx, shown, role, grounds, found)
    if role is not None:
        found.policies = role.token_policies
        check_address(found, evidence, role.token_bound_cidrs, "the role's token_bound_cidrs")


def _certificate(evidence: Evidence, found: Findings) -> Presented | None:
    from strongroom.auth.cert import pem
    from strongroom.auth.cert.presented import presented, told_by

    try:
        if evidence.certificate:
            given = pem.certificates(evidence.certificate)
            if not given:
                found.wrong("certificate", "what was given has no certificate in PEM")
                return None
            return told_by(given[0], given[1:])
        if evidence.certificates:
            return presented(evidence.certificates)
    except pem.BadCertificate as e:
        found.wrong("certificate", str(e))
        return None
    found.skip("certificate", "none was given to look at, and this connection shows none")
    return None


async def _role(ctx: Context, evidence: Evidence, found: Findings) -> Role | None:
    if not evidence.role:
        return None
    role = await ROLES.get(ctx, evidence.role) if "/" not in evidence.role else None
    known = quoted(evidence.role)
    found.judge("role", role is not None, f"role {known} exists", f"there is no role {known}")
    return role


def _certificate_itself(ctx: Context, shown: Presented, found: Findings) -> None:
    from strongroom.auth.cert.paths import called, times
    from strongroom.auth.cert.pem import for_clients

    found.note("certificate", f"{called(shown.leaf.subject)}, issued by {called(shown.leaf.issuer)}")
    problem = times(shown.leaf, ctx.clock.now())
    until = f"it is valid until {shown.leaf.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    found.judge("validity", not problem, until, f"the certificate {problem}")
    found.judge(
        "extended key usage",
        for_clients(shown.leaf),
        "it is for TLS clients",
        "it does not include client authentication",
    )
    found.judge(
        "common name",
        bool(shown.common_name),
        f"its holder is known as {quoted(shown.common_name)}",
        "the certificate has none, by which its holder would be known",
    )


async def _any_role(ctx: Context, shown: Presented, grounds: Grounds, found: Findings) -> Role | None:
    """The role that a login without a name would get; of each other only why it does not match."""
    from strongroom.auth.cert.trust import examine, outline_of

    names = (await ctx.storage.list(ROLE, "", MOST_ROLES + 1))[:MOST_ROLES]
    roles = [role for role in [await ROLES.get(ctx, name) for name in names] if role is not None]
    roles.sort(key=lambda role: outline_of(ctx, role, grounds.config).authority)
    for role in roles:
        inner = Findings()
        verdict = await examine(ctx, shown, role, grounds, inner)
        if verdict.matched:
            found.right("role", f"role {quoted(role.name)} lets it in")
            found.steps += inner.steps
            return role
        failed = "; ".join(f"{step.check}: {step.detail}" for step in inner.failed)
        found.note(f"role {role.name}", f"does not match: {failed}")
    found.wrong("role", "none lets it in" if roles else "the mount has none")
    return None


cert.doctor = doctor
