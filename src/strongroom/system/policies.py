"""ACL policies, under their present path and the older one."""

from __future__ import annotations

import base64
import binascii

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.policies import ROOT, UNLISTED
from strongroom.errors import BadRequest, NotFound
from strongroom.policy import builtin
from strongroom.system.engine import system


class NameArgs(Args):
    """A policy's name."""

    name: str = field("The policy's name; folded to lower case.")


class PolicyArgs(NameArgs):
    """A policy and its text."""

    policy: str = field("The policy in HCL or JSON, or that in base64.")


class OldPolicyArgs(NameArgs):
    """The same under the older path."""

    policy: str = field("The policy in HCL or JSON, or that in base64.")
    rules: str = field("The older name of `policy`.", deprecated=True)


async def _put(ctx: SystemContext, name: str, text: str) -> None:
    folded = ctx.live.policies.fold(name)
    if folded == ROOT or folded in UNLISTED:
        raise BadRequest(f'cannot update "{folded}" policy')
    if not text:
        raise BadRequest("'policy' parameter not supplied or empty")
    await ctx.lock("policy", folded)
    ctx.live.policies.put(ctx.transaction, folded, _decoded(text))
    if folded != name:
        ctx.warn(f"policy name was converted to {folded}")


def _decoded(text: str) -> str:
    """The text itself, or what it is the base64 of."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text


async def _text(ctx: SystemContext, name: str) -> tuple[str, str]:
    folded = ctx.live.policies.fold(name)
    text = await ctx.live.policies.text(ctx.transaction, folded)
    if text is None:
        raise NotFound
    return folded, text


@system.list("policies/acl")
async def list_policies(ctx: SystemContext) -> Response:
    """List the policies."""
    return Response(data={"keys": await ctx.live.policies.names(ctx.transaction)})


@system.read("policies/acl/{name:subpath}")
async def read_policy(ctx: SystemContext, args: NameArgs) -> Response:
    """Read a policy."""
    name, text = await _text(ctx, args.name)
    return Response(data={"name": name, "policy": text})


@system.write("policies/acl/{name:subpath}")
async def write_policy(ctx: SystemContext, args: PolicyArgs) -> Response:
    """Write a policy; it counts at once, for existing tokens too."""
    await _put(ctx, args.name, args.policy)
    return Response()


@system.delete("policies/acl/{name:subpath}")
async def delete_policy(ctx: SystemContext, args: NameArgs) -> None:
    """Delete a policy; tokens that name it lose what it granted."""
    folded = ctx.live.policies.fold(args.name)
    if folded == ROOT or folded in UNLISTED:
        raise BadRequest(f'cannot delete "{folded}" policy')
    if folded == builtin.DEFAULT:
        raise BadRequest("cannot delete default policy")
    await ctx.lock("policy", folded)
    ctx.live.policies.remove(ctx.transaction, folded)


@system.read("policy")
async def old_read_list(ctx: SystemContext) -> Response:
    """List the policies."""
    names = await ctx.live.policies.names(ctx.transaction)
    return Response(data={"keys": names, "policies": names}, flat=True)


@system.list("policy")
async def old_list(ctx: SystemContext) -> Response:
    """List the policies."""
    return await old_read_list(ctx)


@system.read("policy/{name:subpath}")
async def old_read(ctx: SystemContext, args: NameArgs) -> Response:
    """Read a policy."""
    name, text = await _text(ctx, args.name)
    return Response(data={"name": name, "rules": text}, flat=True)


@system.write("policy/{name:subpath}")
async def old_write(ctx: SystemContext, args: OldPolicyArgs) -> Response:
    """Write a policy."""
    if args.rules and not args.policy:
        ctx.warn("'rules' is deprecated, please use 'policy' instead")
    await _put(ctx, args.name, args.policy or args.rules)
    return Response()


@system.delete("policy/{name:subpath}")
async def old_delete(ctx: SystemContext, args: NameArgs) -> None:
    """Delete a policy."""
    await delete_policy(ctx, args)
