"""identity/oidc/assignment: who may log in at the provider's clients."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList, Name
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest, NotFound
from strongroom.identity.engine import identity
from strongroom.identity.oidc_model import refuse_in_use
from strongroom.identity.oidc_provider_model import (
    ALLOW_ALL,
    ASSIGNMENT,
    Assignment,
    clients,
    hold,
    load_assignment,
    shown,
    tidy,
)


class AssignmentName(Args):
    """Which assignment."""

    name: Name = field("The assignment.")


class AssignmentArgs(AssignmentName):
    """Whom it lets in. What is not given stays as it is."""

    entity_ids: CommaList = field("The ids of entities.")
    group_ids: CommaList = field("The ids of groups, whose members are meant, also those through other groups.")


@identity.list("oidc/assignment")
async def list_assignments(ctx: SystemContext) -> dict[str, Any]:
    """List the assignments."""
    return {"keys": sorted({ALLOW_ALL, *await ctx.storage.list(ASSIGNMENT)})}


@identity.read("oidc/assignment/{name}")
async def read_assignment(ctx: SystemContext, args: AssignmentName) -> dict[str, Any]:
    """Read an assignment."""
    assignment = await load_assignment(ctx, args.name)
    if assignment is None:
        raise NotFound
    return shown(assignment)


async def _there(ctx: SystemContext, args: AssignmentArgs) -> bool:
    await hold(ctx)
    return await load_assignment(ctx, args.name) is not None


@identity.write("oidc/assignment/{name}", exists=_there)
async def write_assignment(ctx: SystemContext, args: AssignmentArgs) -> None:
    """Create or change an assignment."""
    if args.name == ALLOW_ALL:
        raise BadRequest(f'modification of assignment "{ALLOW_ALL}" not allowed')
    await hold(ctx)
    old = await load_assignment(ctx, args.name) or Assignment(args.name)
    changes = {
        each: tidy(one.lower() for one in getattr(args, each))
        for each in ("entity_ids", "group_ids")
        if each in args.given
    }
    ctx.storage.store(ASSIGNMENT + args.name, replace(old, **changes))


@identity.delete("oidc/assignment/{name}")
async def delete_assignment(ctx: SystemContext, args: AssignmentName) -> None:
    """Delete an assignment that no client uses."""
    if args.name == ALLOW_ALL:
        raise BadRequest(f'deletion of assignment "{ALLOW_ALL}" not allowed')
    await hold(ctx)
    users = [client.name for client in await clients(ctx) if args.name in client.assignments]
    refuse_in_use("assignment", args.name, "clients", users)
    ctx.storage.delete(ASSIGNMENT + args.name)
