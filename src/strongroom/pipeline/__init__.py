"""A request's way: `STAGES` in order, one file a stage.

*Decide, record, enforce* are separate stages, so that a refusal is recorded too and carries its reason. What the
stages up to `audit_request` find wrong they leave in `call.refusal`; `enforce` raises it. From `dispatch` to `commit`
all writes of the request gather in one transaction, so they become durable together or not at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from strongroom.api.messages import Request, Response
from strongroom.core.core import Core
from strongroom.core.unbroken import to_the_end
from strongroom.errors import RequestError, Unavailable
from strongroom.pipeline.audit_request import audit_request
from strongroom.pipeline.audit_response import audit_response
from strongroom.pipeline.authenticate import authenticate
from strongroom.pipeline.call import Call
from strongroom.pipeline.commit import commit
from strongroom.pipeline.decide import decide
from strongroom.pipeline.dispatch import dispatch
from strongroom.pipeline.enforce import enforce
from strongroom.pipeline.failure import give_up, unexpected
from strongroom.pipeline.find_mount import find_mount
from strongroom.pipeline.last_use import last_use
from strongroom.pipeline.pace import pace
from strongroom.pipeline.quota import quota
from strongroom.pipeline.register import register
from strongroom.pipeline.seal_gate import answer_sealed, asks_for_status, seal_gate
from strongroom.pipeline.wrap import wrap
from strongroom.turns import own_task

#: One that finds nothing to wait for has done its work when it returns None, as most do mostly: a coroutine that never
#: suspends costs as much as what is in it.
Stage = Callable[[Call], Awaitable[None] | None]

STAGES: tuple[Stage, ...] = (
    quota,
    find_mount,
    authenticate,
    decide,
    audit_request,
    enforce,
    pace,
    dispatch,
    register,
    wrap,
    commit,
)


async def handle(core: Core, request: Request) -> Response:
    """Answer a request, or raise the `RequestError` that refuses it.

    The seal gate comes before all stages; after them, whatever became of the request, its outcome is put on record.
    """
    live = seal_gate(core)
    if live is None:
        await own_task()
        return await answer_sealed(core, request)
    status = asks_for_status(core, request)
    if status is not None and not live.quotas.table.rules:
        return await answer_sealed(core, request, status)
    call = Call(core, live, request)
    live.enter(call)
    try:
        error = await _work(call)
        await _close(call, error)
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


async def _work(call: Call) -> RequestError | None:
    """Go through the stages; returns why the request failed."""
    try:
        for stage in STAGES:
            rest = stage(call)
            if rest is not None:
                await rest
    except RequestError as e:
        error = e
    except Exception as e:
        error = unexpected(call.request, e)
    except BaseException:
        # Cancelled: the client has left or is told so by the edge, and that is an outcome like any other.
        await to_the_end(_broken_off(call))
        raise
    else:
        return None
    await give_up(call)
    return error


async def _broken_off(call: Call) -> None:
    await give_up(call)
    await _close(call, Unavailable("the request was broken off", kind="internal error"))


async def _close(call: Call, error: RequestError | None) -> None:
    try:
        await audit_response(call, error)
    except (RequestError, asyncio.CancelledError):
        if error is None:
            await to_the_end(give_up(call))  # the client gets nothing, so nothing may stay leased
        raise
    finally:
        if (rest := last_use(call)) is not None:
            await rest
