"""A request's way: `STAGES` in order, one file a stage.

*Decide, record, enforce* are separate stages, so that a refusal is recorded too and carries its reason. What the
stages up to `audit_request` find wrong they leave in `call.refusal`; `enforce` raises it. From `dispatch` to `commit`
all writes of the request gather in one transaction, so they become durable together or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from strongroom.api.messages import Request, Response
from strongroom.core.core import Core
from strongroom.core.locks import HeldLocks
from strongroom.errors import InternalError, RequestError, StorageFull
from strongroom.pipeline.audit_request import audit_request
from strongroom.pipeline.audit_response import audit_response
from strongroom.pipeline.authenticate import authenticate
from strongroom.pipeline.call import Call
from strongroom.pipeline.commit import commit, give_up
from strongroom.pipeline.decide import decide
from strongroom.pipeline.dispatch import dispatch
from strongroom.pipeline.enforce import enforce
from strongroom.pipeline.find_mount import find_mount
from strongroom.pipeline.quota import quota
from strongroom.pipeline.register import register
from strongroom.pipeline.seal_gate import answer_sealed, seal_gate
from strongroom.pipeline.wrap import wrap

log = logging.getLogger("strongroom.core")

Stage = Callable[[Call], Awaitable[None]]

STAGES: tuple[Stage, ...] = (
    quota,
    find_mount,
    authenticate,
    decide,
    audit_request,
    enforce,
    dispatch,
    register,
    wrap,
    commit,
)


async def handle(core: Core, request: Request) -> Response:
    """Answer a request, or raise the `RequestError` that refuses it.

    The seal gate comes before all stages and `audit_response` after them, whatever became of the request.
    """
    live = seal_gate(core, request)
    if live is None:
        return await answer_sealed(core, request)
    call = Call(core, request)
    call.live = live
    call.transaction = live.transaction()
    call.held = HeldLocks(live.locks)
    live.enter(call)
    error: RequestError | None = None
    try:
        try:
            for stage in STAGES:
                await stage(call)
        except RequestError as e:
            error = e
        except Exception as e:
            error = _unexpected(request, e)
        except BaseException:
            await give_up(call)
            raise
        if error is not None:
            await give_up(call)
        await audit_response(call, error)
    finally:
        call.held.release()
        live.leave(call)
    if error is not None:
        error.headers = {**call.headers, **error.headers}
        raise error
    assert call.response is not None
    if call.headers:
        call.response.headers = {**call.headers, **call.response.headers}
    return call.response


def _unexpected(request: Request, error: Exception) -> RequestError:
    """The answer to a failure that is ours: it says nothing, the log has the request's id and the cause."""
    if isinstance(error, StorageFull):
        log.error("request %s failed: storage is full", request.id)
        return InternalError("the storage is full; nothing was stored")
    log.error("request %s (%s %s) failed", request.id, request.operation, request.path, exc_info=error)
    return InternalError()
