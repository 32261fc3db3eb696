"""The secrets of entities at second factors: made by the entity itself or by an operator, and destroyed.

A secret is shown once, when it is made. It goes with its entity; when entities are merged it moves along.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.identity_model import ENTITY, Entity
from strongroom.core.mfa_model import SECRET, SECRET_LOCK, Method, Secret, secret_key
from strongroom.crypto import barcode, otp_url
from strongroom.errors import BadRequest
from strongroom.identity.engine import identity, lock

PAGE: Final = 200


class GenerateArgs(Args):
    """With which method."""

    method_id: str = field("The method.")


class AdminArgs(GenerateArgs):
    """Whose secret, and with which method."""

    entity_id: str = field("The entity.")


@identity.write("mfa/method/totp/generate")
async def generate(ctx: SystemContext, args: GenerateArgs) -> Response:
    """Make the caller's own secret, unless there is one; the answer is for an authenticator app."""
    return await _generate(ctx, args.method_id, ctx.caller.entity_id)


@identity.write("mfa/method/totp/admin-generate")
async def admin_generate(ctx: SystemContext, args: AdminArgs) -> Response:
    """Make an entity's secret, unless there is one; the answer is for an authenticator app."""
    return await _generate(ctx, args.method_id, args.entity_id)


@identity.write("mfa/method/totp/admin-destroy")
async def admin_destroy(ctx: SystemContext, args: AdminArgs) -> None:
    """Destroy an entity's secret, so that another can be made."""
    if not args.method_id:
        raise BadRequest("missing method ID")
    if not args.entity_id:
        raise BadRequest("missing entity ID")
    await lock(ctx)
    entity = await _entity(ctx, args.entity_id)
    method = _method(ctx, args.method_id)
    await ctx.lock(SECRET_LOCK, f"{method.id}/{entity.id}")
    ctx.transaction.delete(secret_key(method.id, entity.id))


async def _generate(ctx: SystemContext, method_id: str, entity_id: str) -> Response:
    if not method_id:
        raise BadRequest("missing method ID")
    if not entity_id:
        raise BadRequest("missing entityID")
    method = _method(ctx, method_id)
    await lock(ctx)  # the entity stays to the end
    entity = await _entity(ctx, entity_id)
    await ctx.lock(SECRET_LOCK, f"{method.id}/{entity.id}")
    path = secret_key(method.id, entity.id)
    if await ctx.transaction.load(path, Secret) is not None:
        return Response(warnings=[f'Entity already has a secret for MFA method "{method.name}"'])
    secret = Secret(os.urandom(method.key_size), method.period, method.algorithm, method.digits, method.skew)
    answer = await _shown(method, entity, secret)
    ctx.transaction.store(path, secret)
    return Response(data=answer)


async def _shown(method: Method, entity: Entity, secret: Secret) -> dict[str, Any]:
    url = otp_url.make_url(
        method.issuer,
        entity.id,
        secret.key,
        period=secret.period,
        digits=secret.digits,
        algorithm=secret.algorithm,
    )
    drawn = await asyncio.to_thread(barcode.png, url, method.qr_size) if method.qr_size else ""
    return {"barcode": drawn, "url": url}


def _method(ctx: SystemContext, method_id: str) -> Method:
    method = ctx.live.mfa.methods.get(method_id)
    if method is None:
        raise BadRequest(f'configuration for method ID "{method_id}" does not exist')
    return method


async def _entity(ctx: SystemContext, entity_id: str) -> Entity:
    entity = await ctx.transaction.load(ENTITY + entity_id, Entity) if "/" not in entity_id else None
    if entity is None:
        # The id of one that was merged away leads to the one that is left.
        view = await ctx.live.identity.view(entity_id) if "/" not in entity_id else None
        if view is None:
            raise BadRequest("invalid entity ID")
        entity = view.entity
    return entity


def sweep(ctx: SystemContext, method_id: str) -> None:
    """Remove a deleted method's secrets, a page at a time; nobody can log in with what a crash leaves."""

    async def step(ctx: SystemContext) -> bool:
        if method_id in ctx.live.mfa.methods:
            return False
        folder = f"{SECRET}{method_id}/"
        names = await ctx.transaction.list(folder, "", PAGE)
        for name in names:
            ctx.transaction.delete(folder + name)
        return bool(names)

    def begin() -> None:
        ctx.background(f"removal of the secrets of MFA method {method_id}", step)

    ctx.after_commit(begin)


# -- With their entities -----------------------------------------------------------------------------------------------


def forget_secrets(ctx: SystemContext, entity_id: str) -> None:
    """Remove all secrets of an entity that goes."""
    for method_id in ctx.live.mfa.methods:
        ctx.transaction.delete(secret_key(method_id, entity_id))


async def move_secrets(ctx: SystemContext, sources: Sequence[Entity], target: Entity, *, force: bool) -> None:
    """Move the secrets of entities that are merged into another; with `force` that one's own stay.

    Raises:
        BadRequest: two of them have a secret at the same method, and it is not forced.
    """
    for method_id in ctx.live.mfa.methods:
        kept = secret_key(method_id, target.id)
        has = await ctx.transaction.load(kept, Secret) is not None
        for source in sources:
            secret = await ctx.transaction.load(secret_key(method_id, source.id), Secret)
            if secret is None:
                continue
            if has and not force:
                raise BadRequest(f"conflicting MFA config ID {method_id} in entity ID {source.id}")
            if not has:
                ctx.transaction.store(kept, secret)
                has = True
            ctx.transaction.delete(secret_key(method_id, source.id))
