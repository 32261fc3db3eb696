"""sys/mfa/validate: the second factor of a login that waits for it."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import msgspec

from strongroom.api.args import Args, field
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.mfa import Pending
from strongroom.errors import BadRequest, PermissionDenied
from strongroom.system.engine import system

log = logging.getLogger("strongroom.auth")


class ValidateArgs(Args):
    """Which login, and what it brings."""

    mfa_request_id: str = field("The login, as its answer called it.")
    mfa_payload: Any = field("For each method, by its id or name, a list with the passcode.")


@system.write("mfa/validate", unauthenticated=True)
async def validate(ctx: SystemContext, args: ValidateArgs) -> Response:
    """End a login that waits for its second factor; the answer is a token. After a wrong code it waits on."""
    if not args.mfa_request_id:
        raise BadRequest("missing request ID")
    if args.mfa_payload is None:
        raise BadRequest("missing mfa payload")
    given = credentials(args.mfa_payload)
    mfa = ctx.live.mfa
    pending = mfa.take(args.mfa_request_id)
    if pending is None:
        raise BadRequest("invalid request ID", reason="no login waits under this id, or its time is up")
    try:
        response = await _end(ctx, pending, given)
    finally:
        pending.taken = False
    mfa.drop(pending)
    return response


async def _end(ctx: SystemContext, pending: Pending, given: dict[str, list[str]]) -> Response:
    live = ctx.live
    mount = live.mounts.by_uuid(pending.mount)
    if mount is None:
        raise PermissionDenied(reason="the auth method is gone")
    view = await live.identity.view(pending.entity_id)
    if view is None or view.entity.disabled:
        raise PermissionDenied(reason=f"the entity {pending.entity_id} is {'gone' if view is None else 'disabled'}")
    demands = live.mfa.demands(mount, view)
    if not demands:
        raise BadRequest("no login enforcement asks for this any more; log in again")
    lock = ctx.for_mount(live.mounts.only("identity")).lock
    try:
        await live.mfa.check(ctx.transaction, lock, demands, view.entity.id, given)
    except PermissionDenied as e:
        log.info("login at %s refused (request %s): %s", mount.path, ctx.request.id, e.reason)
        raise
    auth = dataclasses.replace(pending.auth, entity_id=view.entity.id)
    warnings = await live.tokens.register_login(ctx.transaction, auth, mount, pending.path)
    ctx.after_commit(lambda: live.logins.note(mount, auth, ctx.request.remote_address))
    return Response(auth=auth, warnings=warnings)


def credentials(payload: Any) -> dict[str, list[str]]:
    """What was sent for each method: an object of lists of texts, a text in place of a list of one, or all as JSON.

    Raises:
        BadRequest: it is none of these.
    """
    if isinstance(payload, str):
        try:
            payload = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            raise BadRequest("invalid mfa payload") from None
    if not isinstance(payload, dict):
        raise BadRequest("invalid mfa payload")
    given: dict[str, list[str]] = {}
    for method, sent in payload.items():
        texts = sent if isinstance(sent, list) else [sent]
        if not all(isinstance(text, str) for text in texts):
            raise BadRequest("invalid mfa payload")
        given[method] = texts
    return given
