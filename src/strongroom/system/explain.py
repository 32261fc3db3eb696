"""Why a token may, or may not, do something: which rule of which policy decides."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import Duration
from strongroom.api.messages import Operation
from strongroom.api.routes import Flags
from strongroom.core.context import SystemContext
from strongroom.core.tokens import TokenEntry
from strongroom.errors import BadRequest, PolicyError, RequestError
from strongroom.policy.decision import Decision
from strongroom.system.engine import system

SUDO = "sudo"
OPERATIONS = ("create", "read", "update", "patch", "delete", "list", SUDO)


class ExplainArgs(Args):
    """What is asked about whom."""

    path: str = field("The path, with its mount.", required="missing path")
    operation: str = field("What would be done there.", default="read", choices=OPERATIONS)
    token: str = field("The token asked about; without one, and without an accessor, the caller's.")
    accessor: str = field("The accessor of the token asked about.")
    parameters: dict[str, Any] = field("The parameters that the request would carry, for rules about these.")
    wrap_ttl: Duration = field("How long the answer would be wrapped; 0 for not at all.")


@system.write("internal/explain", sudo=True)
async def explain(ctx: SystemContext, args: ExplainArgs) -> dict[str, Any]:
    """Say which rule of which policy decides on a request.

    `sources` are the policies that hold the rule, each with its line; they add up.
    """
    path = args.path.lstrip("/")
    if not path:
        raise BadRequest("missing path")
    if args.operation == Operation.LIST and not path.endswith("/"):
        path += "/"  # as the edge makes of a listing
    entry = await _subject(ctx, args)
    answer: dict[str, Any] = {
        "accessor": entry.accessor,
        "display_name": entry.display_name,
        "operation": args.operation,
        "path": path,
        "policies": list(entry.policies),
    }
    identity = ctx.live.identity
    if entry.entity_id:
        view = await identity.view(entry.entity_id)
        if view is None or view.entity.disabled:
            return {**answer, **_verdict(None, allowed=False, reason="the token's entity is disabled or deleted")}
        answer["policies"] = list(view.with_policies(entry.policies))
    try:
        acl = await identity.acl(entry)
    except PolicyError as e:
        return {**answer, **_verdict(None, allowed=False, reason=f"a stored policy does not parse: {e}")}
    asked = Operation.READ if args.operation == SUDO else Operation(args.operation)
    decision = acl.decide(path, asked, data=args.parameters, wrap_ttl=args.wrap_ttl)
    mount, flags = _endpoint(ctx, path, asked)
    root = "root" in entry.policies
    return {**answer, "mount": mount, **_judged(decision, args.operation, flags, root=root)}


async def _subject(ctx: SystemContext, args: ExplainArgs) -> TokenEntry:
    tokens = ctx.live.tokens
    if args.token and args.accessor:
        raise BadRequest("a token or an accessor, not both")
    if args.token:
        entry = await tokens.lookup(args.token)
    elif args.accessor:
        entry = await tokens.by_accessor(args.accessor)
    else:
        entry = ctx.token_entry
    if entry is None:
        raise BadRequest("the token is unknown, expired or revoked")
    return entry


def _endpoint(ctx: SystemContext, path: str, operation: Operation) -> tuple[str, Flags]:
    """The mount that would serve the request, and what is special about the endpoint."""
    found = ctx.live.mounts.find(path)
    if found is None:
        return "", Flags()
    mount, subpath = found
    try:
        return mount.path, mount.engine.match(subpath, operation)[0].flags
    except RequestError:  # no such endpoint: the rules are the same
        return mount.path, Flags()


def _judged(decision: Decision, operation: str, flags: Flags, *, root: bool) -> dict[str, Any]:
    """The decision as the pipeline acts on it: with what the endpoint asks beyond the operation's capability."""
    where = f'path "{decision.rule}"'
    if operation == SUDO:
        words = "grants" if decision.sudo else "does not grant"
        reason = f"{where} {words} sudo" if decision.rule else decision.reason
        return _verdict(decision, allowed=decision.sudo, reason=reason)
    if flags.unauthenticated:
        return _verdict(decision, allowed=True, reason="the endpoint needs no token")
    if not decision.allowed:
        return _verdict(decision, allowed=False, reason=decision.reason)
    if flags.sudo and not decision.sudo:
        reason = f"{decision.reason}, but not sudo, which this endpoint needs"
        return _verdict(decision, allowed=False, reason=reason, missing=SUDO)
    if flags.root_only and not root:
        reason = f"{decision.reason}, but the endpoint needs a root token"
        return _verdict(decision, allowed=False, reason=reason, missing="root")
    return _verdict(decision, allowed=True, reason=decision.reason)


def _verdict(decision: Decision | None, *, allowed: bool, reason: str, missing: str = "") -> dict[str, Any]:
    return {
        "allowed": allowed,
        "missing": missing or (decision.missing if decision and not allowed else ""),
        "reason": reason,
        "rule": decision.rule if decision else "",
        "sources": [{"policy": name, "line": line} for name, line in decision.sources] if decision else [],
        "sudo": bool(decision and decision.sudo),
    }
