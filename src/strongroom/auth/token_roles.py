"""auth/token/roles: what tokens made against a role may be."""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.cidrs import parse_cidrs
from strongroom.api.fields import CommaList, Duration, Name
from strongroom.api.messages import Response
from strongroom.auth.token_engine import token as engine
from strongroom.core.context import SystemContext
from strongroom.core.token_model import sanitize
from strongroom.core.token_roles import ROLE, RoleEntry, check_role, load_role
from strongroom.errors import BadRequest, NotFound

_SUFFIX: Final = re.compile(r"\w[\w\-.]+\w", re.ASCII)

#: The new and the old name of a parameter, in the order in which clients are warned.
RENAMED: Final = (
    ("token_period", "period"),
    ("token_bound_cidrs", "bound_cidrs"),
    ("token_explicit_max_ttl", "explicit_max_ttl"),
)


class RoleName(Args):
    """Which role."""

    role_name: Name = field("The role.")


class RoleArgs(RoleName):
    """What the role's tokens may be. What is not given stays as it is."""

    allowed_policies: CommaList = field("Policies that tokens may have; without a request for some, all of these.")
    allowed_policies_glob: CommaList = field("The same with '*' as a wildcard.")
    disallowed_policies: CommaList = field("Policies that no token may have.")
    disallowed_policies_glob: CommaList = field("The same with '*' as a wildcard.")
    allowed_entity_aliases: CommaList = field("Entity aliases that a token may ask for; '*' is a wildcard.")
    orphan: bool = field("Tokens have no parent.")
    renewable: bool = field("Tokens can be renewed.", default=True)
    path_suffix: str = field("Added to the tokens' path, so that all made until a change can be revoked by it.")
    token_type: str = field("service, batch, default-service or default-batch.", default="default-service")
    token_period: Duration = field("Each renewal gives this long again, without a maximum.")
    token_explicit_max_ttl: Duration = field("How long tokens live at most.")
    token_bound_cidrs: CommaList = field("Addresses and networks that tokens can be used from.")
    token_no_default_policy: bool = field("Leave out the policy 'default'.")
    token_num_uses: int = field("After how many requests tokens end; 0 for no limit.")
    period: Duration = field("The old name of token_period.", deprecated=True)
    explicit_max_ttl: Duration = field("The old name of token_explicit_max_ttl.", deprecated=True)
    bound_cidrs: CommaList = field("The old name of token_bound_cidrs.", deprecated=True)


async def _exists(ctx: SystemContext, args: RoleArgs) -> bool:
    return await load_role(ctx.transaction, args.role_name) is not None


@engine.list("roles")
async def roles(ctx: SystemContext) -> dict[str, Any]:
    """List the roles."""
    keys = await ctx.transaction.list(ROLE)
    if not keys:
        raise NotFound
    return {"keys": keys}


@engine.read("roles/{role_name}")
async def read_role(ctx: SystemContext, args: RoleName) -> dict[str, Any]:
    """Read a role."""
    role = await load_role(ctx.transaction, args.role_name)
    if role is None:
        raise NotFound
    return role.shown()


@engine.delete("roles/{role_name}")
async def delete_role(ctx: SystemContext, args: RoleName) -> None:
    """Delete a role. Its tokens go on, but can no longer be renewed."""
    ctx.transaction.delete(ROLE + args.role_name)


@engine.write("roles/{role_name}", exists=_exists, free_form=True)
async def write_role(ctx: SystemContext, args: RoleArgs) -> Response | None:
    """Create or change a role."""
    await ctx.lock("role", args.role_name)
    role = await load_role(ctx.transaction, args.role_name) or RoleEntry(args.role_name)
    changes = {name: getattr(args, name) for name in args.given if name in _PLAIN}
    for name in args.given & _LISTS.keys():
        changes[name] = _LISTS[name](getattr(args, name))
    if changes.get("token_type") == "":
        changes["token_type"] = "default-service"  # noqa: S105 - a kind
    if "path_suffix" in args.given:
        changes["path_suffix"] = _path_suffix(args.path_suffix)
    warnings = _renamed(args, changes)
    role = replace(role, **changes)
    check_role(role)
    ctx.transaction.store(ROLE + role.name, role)
    if "token_explicit_max_ttl" in changes and role.token_explicit_max_ttl > ctx.mount.max_lease_ttl:
        warnings.append(
            f"Given explicit max TTL of {role.token_explicit_max_ttl} is greater than system/mount allowed value of "
            f"{ctx.mount.max_lease_ttl} seconds; tokens made against this role are capped accordingly"
        )
    return Response(warnings=warnings) if warnings else None


def _distinct(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted({name.strip().lower() for name in names} - {""}))


def _cidrs(texts: list[str]) -> tuple[str, ...]:
    return parse_cidrs(texts, "error parsing role fields")


_LISTS: Final = {
    "allowed_policies": lambda names: sanitize(names, add_default=False),
    "allowed_policies_glob": _distinct,
    "disallowed_policies": _distinct,
    "disallowed_policies_glob": _distinct,
    "allowed_entity_aliases": _distinct,
}
_PLAIN: Final = frozenset({"orphan", "renewable", "token_type", "token_no_default_policy", "token_num_uses"})


def _path_suffix(text: str) -> str:
    suffix = text.strip("/")
    if not suffix:
        return ""
    if _SUFFIX.search(suffix) is None:
        raise BadRequest("given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w")
    if ".." in suffix:
        raise BadRequest("error registering path suffix: path cannot contain parent references")
    return suffix


def _renamed(args: RoleArgs, changes: dict[str, Any]) -> list[str]:
    """Take parameters that come under a new or an old name; the old one shows again only what it brought."""
    warnings = []
    for new, old in RENAMED:
        given = new if new in args.given else old if old in args.given else ""
        if not given:
            continue
        value = getattr(args, given)
        if isinstance(value, list):
            value = _cidrs(value)
        changes[new] = value
        changes[old] = value if given == old else type(value)()
        if given == new and old in args.given:
            warnings.append(f"Both '{new}' and deprecated '{old}' value supplied, ignoring the deprecated value")
    return warnings
