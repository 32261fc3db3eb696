"""`sys/policies/password`: what generated passwords are made of."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.core import password_policies
from strongroom.core.context import SystemContext
from strongroom.errors import MULTI, BadRequest, NotFound, PolicyError
from strongroom.system.engine import system

_ABSENT: Final = MULTI.format("policy does not exist")


class NameArgs(Args):
    """A policy by its name."""

    name: str = field("The policy's name; may hold slashes.")


class PolicyArgs(NameArgs):
    """A policy."""

    policy: str = field("The policy in HCL or JSON, or that in base64.")


@system.list("policies/password")
async def list_policies(ctx: SystemContext) -> dict[str, Any]:
    """List the password policies."""
    return await _list(ctx, "")


@system.read("policies/password/{name:subpath}/generate")
async def generate(ctx: SystemContext, args: NameArgs) -> dict[str, Any]:
    """Generate a password after a policy."""
    password = await password_policies.generate(ctx.transaction, args.name)
    if password is None:
        raise NotFound(_ABSENT)
    return {"password": password}


@system.list("policies/password/{name:subpath}")
async def list_below(ctx: SystemContext, args: NameArgs) -> dict[str, Any]:
    """List the password policies whose names begin alike."""
    return await _list(ctx, args.name.rstrip("/") + "/")


@system.read("policies/password/{name:subpath}")
async def read_policy(ctx: SystemContext, args: NameArgs) -> dict[str, Any]:
    """Read a password policy."""
    text = await password_policies.text(ctx.transaction, args.name)
    if text is None:
        raise NotFound(_ABSENT)
    return {"policy": text}


@system.write("policies/password/{name:subpath}")
async def write_policy(ctx: SystemContext, args: PolicyArgs) -> None:
    """Write a password policy, in place of the one that is there."""
    if not args.policy:
        raise BadRequest(MULTI.format("missing policy"))
    try:
        password_policies.put(ctx.transaction, args.name, _decoded(args.policy))
    except PolicyError as e:
        raise BadRequest(MULTI.format(e)) from None


@system.delete("policies/password/{name:subpath}")
async def delete_policy(ctx: SystemContext, args: NameArgs) -> None:
    """Delete a password policy, which need not exist."""
    password_policies.remove(ctx.transaction, args.name)


def _decoded(text: str) -> str:
    """The text itself, or what it is the base64 of."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text


async def _list(ctx: SystemContext, folder: str) -> dict[str, Any]:
    names = await password_policies.names(ctx.transaction, folder)
    if not names:
        raise NotFound
    return {"keys": names}
