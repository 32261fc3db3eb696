"""`sys/quotas`: how often clients may come, and how many leases there may be."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList, Duration, Name
from strongroom.core.context import SystemContext
from strongroom.core.lease_quotas import LeaseCountEntry
from strongroom.core.quota_rules import Scoped
from strongroom.core.quotas import QuotaConfig, RateLimitEntry
from strongroom.errors import BadRequest, NotFound
from strongroom.system.engine import system

#: A request each nanosecond.
MOST: Final = 1e9


class NameArgs(Args):
    """A rule by its name."""

    name: Name = field("The rule's name.")


class RateLimitArgs(NameArgs):
    """A rule."""

    type: str = field("Taken for Vault's sake; it has no effect.")
    path: str = field("A mount, a path below one, which may end in *, or nothing for all requests.")
    role: str = field("A role of the auth method at `path`: only logins with it are counted.")
    rate: float = field("How many requests a client address may make in an interval.")
    interval: Duration = field("The interval, one second unless given.", default=1)
    block_interval: Duration = field("How long a client that comes too often is shut out.")
    inheritable: bool = field("Taken for Vault's sake; it has no effect, since there are no namespaces.")


class LeaseCountArgs(NameArgs):
    """A rule."""

    type: str = field("Taken for Vault's sake; it has no effect.")
    path: str = field("A mount, a path below one, which may end in *, or nothing for everything.")
    role: str = field("Not taken: a lease does not know the role it came by.")
    max_leases: int = field("How many leases, and service tokens, there may be.")
    inheritable: bool = field("Taken for Vault's sake; it has no effect, since there are no namespaces.")


class ConfigArgs(Args):
    """What all rules share; what is not given is off."""

    rate_limit_exempt_paths: CommaList = field("Paths without a limit, with all below them.")
    enable_rate_limit_audit_logging: bool = field("Audit requests that are refused for coming too often.")
    enable_rate_limit_response_headers: bool = field("Tell clients in headers what is left of their allowance.")


@system.read("quotas/config")
async def read_config(ctx: SystemContext) -> dict[str, Any]:
    """Show what all rules share."""
    config = ctx.live.quotas.config
    return {
        "enable_rate_limit_audit_logging": config.audit,
        "enable_rate_limit_response_headers": config.headers,
        "rate_limit_exempt_paths": list(config.exempt_paths),
    }


@system.write("quotas/config")
async def write_config(ctx: SystemContext, args: ConfigArgs) -> None:
    """Set what all rules share."""
    await ctx.lock("config", "quotas")
    config = QuotaConfig(
        exempt_paths=tuple(args.rate_limit_exempt_paths),
        audit=args.enable_rate_limit_audit_logging,
        headers=args.enable_rate_limit_response_headers,
    )
    ctx.live.quotas.store_config(ctx.transaction, config)
    ctx.after_commit(partial(ctx.live.quotas.configure, config))


@system.list("quotas/rate-limit")
async def list_rules(ctx: SystemContext) -> dict[str, Any]:
    """List the rules."""
    return _listed([rule.entry for rule in ctx.live.quotas.table.living(ctx.live)])


@system.read("quotas/rate-limit/{name}")
async def read_rule(ctx: SystemContext, args: NameArgs) -> dict[str, Any]:
    """Read a rule."""
    entry = next((r.entry for r in ctx.live.quotas.table.living(ctx.live) if r.entry.name == args.name), None)
    if entry is None:
        raise NotFound
    return {
        "type": "rate-limit",
        **_shown(ctx, entry),
        "rate": int(entry.rate) if entry.rate.is_integer() else entry.rate,
        "interval": entry.interval,
        "block_interval": entry.block_interval,
        "inheritable": entry.inheritable,
    }


@system.write("quotas/rate-limit/{name}")
async def write_rule(ctx: SystemContext, args: RateLimitArgs) -> None:
    """Limit how often each client address may come; what is not given is reset."""
    if not 0 < args.rate <= MOST:
        raise BadRequest("'rate' is invalid")
    await ctx.lock("config", "quotas")
    quotas = ctx.live.quotas
    mount, suffix = _place(ctx, args.path, args.role)
    entry = RateLimitEntry(
        name=args.name,
        rate=args.rate,
        interval=args.interval or 1,
        block_interval=args.block_interval,
        mount=mount,
        suffix=suffix,
        role=args.role,
        inheritable=args.inheritable if "inheritable" in args.given else not mount,
    )
    _check_alone(quotas.table.same_scope(entry))
    quotas.store(ctx.transaction, entry)
    ctx.after_commit(partial(quotas.apply, entry))


@system.delete("quotas/rate-limit/{name}")
async def delete_rule(ctx: SystemContext, args: NameArgs) -> None:
    """Delete a rule, which need not exist."""
    await ctx.lock("config", "quotas")
    ctx.live.quotas.discard(ctx.transaction, args.name)
    ctx.after_commit(partial(ctx.live.quotas.remove, args.name))


@system.list("quotas/lease-count")
async def list_counts(ctx: SystemContext) -> dict[str, Any]:
    """List the rules."""
    return _listed([rule.entry for rule in ctx.live.lease_quotas.table.living(ctx.live)])


@system.read("quotas/lease-count/{name}")
async def read_count(ctx: SystemContext, args: NameArgs) -> dict[str, Any]:
    """Read a rule, and count the leases that it is about."""
    quotas = ctx.live.lease_quotas
    entry = next((r.entry for r in quotas.table.living(ctx.live) if r.entry.name == args.name), None)
    if entry is None:
        raise NotFound
    return {
        "type": "lease-count",
        **_shown(ctx, entry),
        "max_leases": entry.max_leases,
        "counter": await quotas.count(entry),
        "inheritable": entry.inheritable,
    }


@system.write("quotas/lease-count/{name}")
async def write_count(ctx: SystemContext, args: LeaseCountArgs) -> None:
    """Limit how many leases and service tokens there may be; those that are there already stay."""
    if args.max_leases <= 0:
        raise BadRequest("'max_leases' is invalid")
    if args.role:
        raise BadRequest("a lease count quota is for a mount or a path, not for a role")
    await ctx.lock("config", "quotas")
    quotas = ctx.live.lease_quotas
    mount, suffix = _place(ctx, args.path, "")
    entry = LeaseCountEntry(
        name=args.name,
        max_leases=args.max_leases,
        mount=mount,
        suffix=suffix,
        inheritable=args.inheritable if "inheritable" in args.given else not mount,
    )
    _check_alone(quotas.table.same_scope(entry))
    quotas.store(ctx.transaction, entry)
    ctx.after_commit(partial(quotas.apply, entry))


@system.delete("quotas/lease-count/{name}")
async def delete_count(ctx: SystemContext, args: NameArgs) -> None:
    """Delete a rule, which need not exist."""
    await ctx.lock("config", "quotas")
    ctx.live.lease_quotas.discard(ctx.transaction, args.name)
    ctx.after_commit(partial(ctx.live.lease_quotas.remove, args.name))


def _listed(entries: Sequence[Scoped]) -> dict[str, Any]:
    if not entries:
        raise NotFound
    return {"keys": [entry.name for entry in entries]}


def _shown(ctx: SystemContext, entry: Scoped) -> dict[str, Any]:
    mount = ctx.live.mounts.by_uuid(entry.mount) if entry.mount else None
    return {"name": entry.name, "path": (mount.path if mount else "") + entry.suffix, "role": entry.role}


def _check_alone(other: str | None) -> None:
    if other is not None:
        raise BadRequest(f'quota rule with similar properties exists under the name "{other}"')


def _place(ctx: SystemContext, path: str, role: str) -> tuple[str, str]:
    """The UUID of a path's mount, and what of the path lies below it."""
    path = path.lstrip("/")
    if not path:
        if role:
            raise BadRequest("a role needs the path of its auth method")
        return "", ""
    found = ctx.live.mounts.find(path)
    if found is None:
        raise BadRequest(f'invalid mount path "{path.rstrip("/")}/"')
    mount, suffix = found
    if role and suffix:
        raise BadRequest("a rule is for a role or for a path below the mount, not for both")
    if role and mount.engine.role_of is None:
        raise BadRequest(f'the mount "{mount.path}" has no roles to limit')
    return mount.entry.uuid, suffix.rstrip("/")
