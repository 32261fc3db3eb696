"""sys/auth-doctor: why a login at an auth method fails, step by step. An endpoint of Strongroom's own.

It makes no token, spends no use of a secret id, and what it is given shows in no answer.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.doctor import Evidence, Findings
from strongroom.core.context import SystemContext
from strongroom.core.identity_model import Entity
from strongroom.core.mfa_model import Secret, secret_key
from strongroom.core.mounts import Mount
from strongroom.errors import BadRequest
from strongroom.system.engine import system
from strongroom.system.logins import auth_mount

MOST_TEXT = 64 << 10


class DoctorArgs(Args):
    """Where, and what the login would bring as far as it is at hand."""

    path: str = field("The auth method's path, with or without auth/.")
    role: str = field("The role.")
    role_id: str = field("AppRole's role id.")
    secret_id: str = field("AppRole's secret id.")
    username: str = field("The user.")
    password: str = field("The user's password; a wrong one counts as a failed login.")
    jwt: str = field("The token of a service account or an issuer.")
    certificate: str = field("PEM: the client's certificate and those above it; without, what this connection shows.")
    remote_address: str = field("Where the login would come from; without, where this request comes from.")


@system.write("auth-doctor/{path:subpath}", sudo=True)
async def examine(ctx: SystemContext, args: DoctorArgs) -> dict[str, Any]:
    """Explain why a login fails: the checks that it goes through, each with its result."""
    mount = auth_mount(ctx, args.path)
    doctor = mount.engine.doctor
    if doctor is None:
        raise BadRequest(f"logins of type {mount.info.type} cannot be examined")
    names = ("role", "role_id", "secret_id", "username", "password", "jwt", "certificate")
    if any(len(getattr(args, name)) > MOST_TEXT for name in names):
        raise BadRequest(f"a parameter is longer than {MOST_TEXT} characters")
    lockouts = ctx.live.lockouts
    evidence = Evidence(
        address=args.remote_address or ctx.request.remote_address,
        locked=partial(lockouts.locked, mount),
        failed=partial(lockouts.failed, mount),
        certificates=ctx.request.certificates,
        **{name: getattr(args, name) for name in names},
    )
    found = Findings()
    try:
        await doctor(ctx.for_mount(mount), evidence, found)
        await _entity(ctx, mount, found)
        await _policies(ctx, found)
    finally:
        ctx.transaction.discard()  # whatever a method does on the way, nothing of it stays
    failed = found.failed
    return {
        "checks": found.steps,
        "mount": mount.path,
        "ok": not failed,
        "reason": f"{failed[0].check}: {failed[0].detail}" if failed else "",
        "type": mount.info.type,
    }


async def _entity(ctx: SystemContext, mount: Mount, found: Findings) -> None:
    """Whether whom the login is of may come in, and with which second factor."""
    if not found.alias_name:
        found.skip("entity", "it is not known whom the login would be of")
        return
    identity = ctx.live.identity
    entity = await identity.entity_of(ctx.transaction, mount, found.alias_name)
    if entity is None:
        found.note("entity", "nobody has logged in like this yet; the first login makes the entity")
        await _second_factor(ctx, mount, found, None)
        return
    found.judge("entity", not entity.disabled, f"{entity.id} may log in", f"{entity.id} is disabled")
    await _second_factor(ctx, mount, found, entity)


async def _second_factor(ctx: SystemContext, mount: Mount, found: Findings, entity: Entity | None) -> None:
    mfa = ctx.live.mfa
    view = await ctx.live.identity.view(entity.id) if entity is not None else None
    for enforcement in mfa.demands(mount, view):
        check = f"second factor of enforcement {enforcement.name}"
        has = [
            method_id
            for method_id in enforcement.mfa_method_ids
            if entity is not None and await ctx.transaction.load(secret_key(method_id, entity.id), Secret) is not None
        ]
        if has:
            found.note(check, f"the login must bring a code of method {' or '.join(has)}")
        elif entity is not None:
            found.wrong(check, "the entity has no secret at any of its methods; one has to be generated")
        else:
            found.note(check, "a secret has to be generated for the entity before it can log in")


async def _policies(ctx: SystemContext, found: Findings) -> None:
    missing = [name for name in found.policies if not await ctx.live.policies.exists(name)]
    if missing:
        shown = ", ".join(name[:64] for name in missing[:10])
        found.note("policies", f"of the token's policies these do not exist, and grant nothing: {shown}")
