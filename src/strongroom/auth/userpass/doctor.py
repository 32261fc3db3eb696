"""Why a login with a name and a password fails."""

from __future__ import annotations

from strongroom.api.context import Context
from strongroom.api.doctor import Evidence, Findings
from strongroom.auth.doctor import check_address, check_lock
from strongroom.auth.jose import quoted
from strongroom.auth.userpass.engine import load_user, userpass
from strongroom.auth.userpass.passwords import matches


async def doctor(ctx: Context, evidence: Evidence, found: Findings) -> None:
    """Look at the user and the password. A wrong one counts towards the lockout, so that nobody can guess here."""
    name = (evidence.username or evidence.role).lower()
    if not name:
        found.wrong("user", "no username was given")
        return
    free = check_lock(found, evidence, name)
    user = await load_user(ctx, name) if "/" not in name else None
    if user is None:
        found.wrong("user", f"there is no user {quoted(name)}")
        return
    found.right("user", f"user {quoted(user.name)} exists")
    found.policies, found.alias_name = user.token_policies, user.name
    if not evidence.password:
        found.skip("password", "none was given to look at")
    elif not free:
        found.skip("password", "not looked at while the name is locked")
    else:
        right = await matches(evidence.password, user.password_hash)
        found.judge("password", right, "it is the user's", "it is wrong; that counts as a failed login")
        if not right:
            evidence.failed(name)
    check_address(found, evidence, user.token_bound_cidrs, "the user's token_bound_cidrs")


userpass.doctor = doctor
