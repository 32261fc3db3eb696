"""The rules by which a token may make another: what is checked, in the order clients know, and what comes out.

Source: Vault's token API documentation and recorded answers.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from strongroom.api.args import Args
from strongroom.api.args import field as arg
from strongroom.api.context import MountInfo
from strongroom.api.fields import Pairs, SignedDuration
from strongroom.core.lease_ttl import Terms, grant, lesser
from strongroom.core.token_model import (
    DEFAULT_POLICY,
    ROOT_POLICY,
    WRAPPING_POLICY,
    TokenEntry,
    check_custom_id,
    sanitize,
)
from strongroom.core.token_roles import RoleEntry
from strongroom.errors import BadRequest

CUSTOM_ID: Final = (
    "Supplying a custom ID for the token makes it only as hard to guess as it was chosen; "
    "leave it out to get a random one."
)
_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9-]")


class CreateArgs(Args):
    """What a new token is asked to be."""

    id: str = arg("The token itself, in place of a random one; needs sudo, and is only as hard to guess as it is.")
    policies: list[str] = arg("Policies of the token; by default those of its parent.")
    no_default_policy: bool = arg("Leave out the policy 'default'.")
    meta: Pairs | None = arg("Metadata, shown in the audit log.")
    no_parent: bool = arg("Make an orphan, which outlives the caller; needs sudo.")
    ttl: SignedDuration = arg("How long the token lives unless it is renewed.")
    lease: SignedDuration = arg("The old name of ttl.", deprecated=True)
    explicit_max_ttl: SignedDuration = arg("How long it lives at most, however often it is renewed.")
    period: SignedDuration = arg("Each renewal gives it this long again, without a maximum; needs sudo.")
    num_uses: int = arg("After how many requests it ends; 0 for no limit.")
    display_name: str = arg("A name for logs; 'token-' is put before it.")
    type: str = arg("'service', or 'batch' for a token that is stored nowhere.")
    renewable: bool = arg("Whether it can be renewed.", default=True)
    entity_alias: str = arg("The name of the entity alias it belongs to; only with a role that allows it.")


@dataclass(slots=True)
class Maker:
    """Who makes the token, and where."""

    parent: TokenEntry
    path: str
    mount: MountInfo
    sudo: bool = False
    orphan: bool = False
    role: RoleEntry | None = None


@dataclass(slots=True)
class Draft:
    """What came out: an entry without key and accessor, the id that was asked for, and what to tell the client."""

    entry: TokenEntry
    id: str = field(default="", repr=False)
    warnings: list[str] = field(default_factory=list)


Alias = Callable[[str], Awaitable[str]]


async def draft(args: CreateArgs, maker: Maker, now_ns: int, entity_of: Alias) -> Draft:
    """Judge a request for a token. `entity_of` gives the entity that an allowed alias stands for.

    Raises:
        BadRequest: the first rule that it breaks.
    """
    _check_parent(maker.parent)
    kind = _type(args, maker.role)
    if args.num_uses < 0:
        raise BadRequest("number of uses cannot be negative")
    entity_id = await _entity(args, maker, entity_of)
    token_id, warnings = _own_id(args, maker, kind)
    policies = _policies(args, maker)
    if ROOT_POLICY in policies:
        if not maker.parent.root:
            raise BadRequest("root tokens may not be created without parent token being root")
        if kind == "batch":
            raise BadRequest("batch tokens cannot be root tokens")
    parent = _parent(args, maker)
    explicit, period, ttl = _durations(args, maker)
    granted = _grant(maker, kind, policies, (explicit, period, ttl), now_ns, warnings)
    role = maker.role
    if granted.ttl == 0 and maker.parent.expire_ns:
        raise BadRequest("expiring root tokens cannot create non-expiring root tokens")
    entry = TokenEntry(
        key="",
        accessor="",
        path=maker.path,
        policies=policies,
        creation_ns=now_ns,
        display_name=_display_name(args),
        parent=parent,
        type=kind,
        meta=args.meta,
        ttl=granted.ttl,
        last_ttl=granted.ttl,
        explicit_max_ttl=explicit,
        period=period,
        expire_ns=granted.expire_ns,
        num_uses=lesser(args.num_uses, role.token_num_uses) if role else args.num_uses,
        renewable=granted.ttl > 0 and kind != "batch" and (role.renewable if role else True) and args.renewable,
        role=role.name if role else "",
        entity_id=entity_id,
        bound_cidrs=role.token_bound_cidrs if role else maker.parent.bound_cidrs if parent else (),
        mount=maker.mount.path,
    )
    return Draft(entry, token_id, warnings)


def _check_parent(parent: TokenEntry) -> None:
    if parent.batch:
        raise BadRequest("batch tokens cannot create more tokens")
    if parent.num_uses:
        raise BadRequest("restricted use token cannot generate child tokens")


def _type(args: CreateArgs, role: RoleEntry | None) -> str:
    if args.type not in ("", "service", "batch"):
        raise BadRequest("invalid 'token_type' value")
    ruled = role.token_type if role else "default-service"
    kind = ruled if not ruled.startswith("default-") else args.type or ruled.removeprefix("default-")
    if kind == "batch":
        for name in ("explicit_max_ttl", "num_uses", "period"):
            if getattr(args, name):
                raise BadRequest(f'batch tokens cannot have "{name}" set')
    return kind


async def _entity(args: CreateArgs, maker: Maker, entity_of: Alias) -> str:
    if not args.entity_alias:
        # A child belongs to its parent's entity, an orphan and a role's token to none.
        inherits = maker.role is None and not maker.orphan and not args.no_parent
        return maker.parent.entity_id if inherits else ""
    if maker.role is None:
        raise BadRequest("'entity_alias' is only allowed in combination with token role")
    name = args.entity_alias.lower()
    if not any(_glob(name, allowed) for allowed in maker.role.allowed_entity_aliases):
        raise BadRequest("invalid 'entity_alias' value")
    return await entity_of(name)


def _own_id(args: CreateArgs, maker: Maker, kind: str) -> tuple[str, list[str]]:
    if not args.id or kind == "batch":
        return "", []
    if not maker.sudo:
        raise BadRequest("root or sudo privileges required to specify token id")
    check_custom_id(args.id)
    return args.id, [CUSTOM_ID]


# -- Policies ----------------------------------------------------------------------------------------------------------


def _policies(args: CreateArgs, maker: Maker) -> tuple[str, ...]:
    role, parent = maker.role, maker.parent
    if role is not None and role.rules_policies:
        policies = _by_role(args, role, parent)
    elif not args.policies:
        policies = sanitize(parent.policies, False)
    elif not maker.sudo:
        wanted = sanitize(args.policies, False)
        if not set(wanted) <= set(parent.policies):
            raise BadRequest("child policies must be subset of parent")
        policies = sanitize(wanted, DEFAULT_POLICY in parent.policies)
    else:
        policies = sanitize(args.policies, True)
    if args.no_default_policy:
        policies = tuple(name for name in policies if name != DEFAULT_POLICY)
    if WRAPPING_POLICY in policies:
        raise BadRequest(f'cannot assign policy "{WRAPPING_POLICY}"')
    return policies


def _by_role(args: CreateArgs, role: RoleEntry, parent: TokenEntry) -> tuple[str, ...]:
    add_default = not (
        args.no_default_policy
        or role.token_no_default_policy
        or DEFAULT_POLICY in role.disallowed_policies
        or _any_glob(DEFAULT_POLICY, role.disallowed_policies_glob)
    )
    if role.allowed_policies or role.allowed_policies_glob:
        allowed = sanitize(role.allowed_policies, add_default)
        policies = sanitize(args.policies, add_default) if args.policies else allowed
        for name in policies:
            if name not in allowed and not _any_glob(name, role.allowed_policies_glob):
                raise BadRequest(
                    f"token policies ({_quoted(policies)}) must be subset of the role's allowed policies "
                    f"({_quoted(allowed)}) or glob policies ({_quoted(role.allowed_policies_glob)})"
                )
    else:
        policies = sanitize(args.policies or parent.policies, add_default)
    for name in policies:
        if name in role.disallowed_policies or _any_glob(name, role.disallowed_policies_glob):
            raise BadRequest(f'token policy "{name}" is disallowed by this role')
    return policies


def _any_glob(name: str, patterns: tuple[str, ...]) -> bool:
    return any(_glob(name, pattern) for pattern in patterns)


def _glob(name: str, pattern: str) -> bool:
    # Only "*" means something.
    return fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))


def _quoted(names: tuple[str, ...]) -> str:
    return "[" + " ".join(f'"{name}"' for name in names) + "]"


# -- Parent, name, times -----------------------------------------------------------------------------------------------


def _parent(args: CreateArgs, maker: Maker) -> str:
    if maker.role is not None:
        return "" if maker.role.orphan else maker.parent.key
    if args.no_parent and not maker.orphan and not maker.sudo:
        raise BadRequest("root or sudo privileges required to create orphan token")
    return "" if args.no_parent or maker.orphan else maker.parent.key


def _display_name(args: CreateArgs) -> str:
    if not args.display_name:
        return "token"
    return _NOT_IN_NAMES.sub("-", f"token-{args.display_name}").removesuffix("-")


def _durations(args: CreateArgs, maker: Maker) -> tuple[int, int, int]:
    """The explicit maximum, period and TTL that were asked for."""
    if args.explicit_max_ttl < 0:
        raise BadRequest("explicit_max_ttl must be positive")
    if args.period < 0:
        raise BadRequest("period must be positive")
    if args.period and not maker.sudo:
        raise BadRequest("root or sudo privileges required to create periodic token")
    if args.ttl < 0:
        raise BadRequest("ttl must be positive")
    if not args.ttl and args.lease < 0:
        raise BadRequest("lease must be positive")
    return args.explicit_max_ttl, args.period, args.ttl or args.lease


@dataclass(slots=True)
class _Granted:
    ttl: int = 0
    expire_ns: int = 0


def _grant(
    maker: Maker,
    kind: str,
    policies: tuple[str, ...],
    asked: tuple[int, int, int],
    now_ns: int,
    warnings: list[str],
) -> _Granted:
    explicit, period, ttl = asked
    role, mount = maker.role, maker.mount
    if role is not None and kind != "batch":
        explicit = _least("Explicit max TTL", explicit, role.token_explicit_max_ttl, warnings)
        period = _least("Period", period, role.token_period, warnings)
    if not period and not ttl and ROOT_POLICY in policies:
        # A root token without a TTL never expires, unless an explicit maximum ends it.
        return _Granted(explicit, now_ns + explicit * 1_000_000_000) if explicit else _Granted()
    terms = Terms(mount.default_lease_ttl, mount.max_lease_ttl, default=ttl, explicit_max_ttl=explicit, period=period)
    granted = grant(terms, now_ns, now_ns)
    warnings += granted.warnings
    return _Granted(granted.ttl, granted.expire_ns)


def _least(what: str, asked: int, ruled: int, warnings: list[str]) -> int:
    if asked and ruled:
        least = min(asked, ruled)
        warnings.append(
            f"{what} specified both during creation call and in role; using the lesser value of {least} seconds"
        )
        return least
    return asked or ruled
