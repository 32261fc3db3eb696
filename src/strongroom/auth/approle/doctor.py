"""Why a login with a role id and a secret id fails."""

from __future__ import annotations

from strongroom.api.cidrs import subset
from strongroom.api.context import Context
from strongroom.api.doctor import Evidence, Findings
from strongroom.auth.approle.engine import approle
from strongroom.auth.approle.model import ROLE, ROLE_ID, SALT, SECRET, Role, RoleRef, Salt, SecretId, load_role
from strongroom.auth.doctor import check_address, check_lock
from strongroom.auth.jose import quoted
from strongroom.crypto.kdf import Salt as Names

NANO = 1_000_000_000
#: In how many other roles a secret id is looked for.
MOST_ROLES = 1000


async def doctor(ctx: Context, evidence: Evidence, found: Findings) -> None:
    """Look at the role id and the secret id; no use of it is spent."""
    stored = await ctx.storage.load(SALT, Salt)
    if stored is None:
        found.wrong("role", "the mount has no roles yet")
        return
    names = Names(stored.salt)
    role = await _role(ctx, evidence, found, names)
    if role is None:
        return
    found.policies, found.alias_name = role.token_policies, role.role_id
    check_lock(found, evidence, role.role_id)
    await _secret_id(ctx, evidence, found, names, role)
    check_address(found, evidence, role.secret_id_bound_cidrs or (), "the role's secret_id_bound_cidrs")


async def _role(ctx: Context, evidence: Evidence, found: Findings, names: Names) -> Role | None:
    by_id = None
    if evidence.role_id:
        ref = await ctx.storage.load(ROLE_ID + names.name(evidence.role_id.strip()), RoleRef)
        by_id = await load_role(ctx, ref.name) if ref else None
        if by_id is None:
            found.wrong("role id", "no role of this mount has this role id")
        else:
            found.right("role id", f"it is that of role {quoted(by_id.name)}")
    if not evidence.role:
        if not evidence.role_id:
            found.wrong("role", "neither a role nor a role id was given")
        return by_id
    by_name = await load_role(ctx, evidence.role.lower()) if "/" not in evidence.role else None
    if by_name is None:
        found.wrong("role", f"there is no role {quoted(evidence.role)}")
        return by_id
    found.right("role", f"role {quoted(by_name.name)} exists")
    if by_id is not None and by_id.name != by_name.name:
        found.wrong("role id", f"it is that of role {quoted(by_id.name)}, not of {quoted(by_name.name)}")
    return by_name


async def _secret_id(ctx: Context, evidence: Evidence, found: Findings, names: Names, role: Role) -> None:
    if not role.bind_secret_id:
        found.skip("secret id", "the role needs none")
        return
    if not evidence.secret_id:
        found.skip("secret id", "the role needs one, and none was given to look at")
        return
    hashed = names.name(evidence.secret_id.strip())
    entry = await ctx.storage.load(f"{SECRET}{role.key}/{hashed}", SecretId)
    if entry is None:
        other = await _owner(ctx, role, hashed)
        known = f": it is one of role {quoted(other)}" if other else "; it was never made, used up, destroyed or tidied"
        found.wrong("secret id", f"role {quoted(role.name)} has no such secret id{known}")
        return
    found.right("secret id", f"it is known, its accessor is {entry.accessor}")
    now = ctx.clock.now_ns()
    seconds = abs(entry.expire_ns - now) // NANO
    if not entry.expire_ns:
        found.right("secret id's time", "it does not expire")
    else:
        found.judge("secret id's time", entry.lives(now), f"{seconds} s are left", f"it expired {seconds} s ago")
    uses = f"{entry.num_uses} logins are left" if entry.num_uses else "it is good for any number of logins"
    found.right("secret id's uses", f"{uses}; this check has spent none")
    check_address(found, evidence, entry.cidr_list, "the secret id's cidr_list")
    for name, inner, outer in (
        ("cidr_list", entry.cidr_list, role.secret_id_bound_cidrs or ()),
        ("token_bound_cidrs", entry.token_bound_cidrs, role.token_bound_cidrs),
    ):
        if not subset(inner, outer):
            found.wrong(f"the secret id's {name}", f"they are not within the role's, {', '.join(outer)}, any more")


async def _owner(ctx: Context, role: Role, hashed: str) -> str:
    """The other role that a secret id belongs to; "" for none that was found."""
    for name in await ctx.storage.list(ROLE, "", MOST_ROLES):
        other = await load_role(ctx, name)
        if other is not None and other.name != role.name and await _has(ctx, other, hashed):
            return other.name
    return ""


async def _has(ctx: Context, role: Role, hashed: str) -> bool:
    return await ctx.storage.load(f"{SECRET}{role.key}/{hashed}", SecretId) is not None


approle.doctor = doctor
