"""Seal gate: while sealed only the endpoints that say so answer."""

from __future__ import annotations

from strongroom.api.context import MountInfo
from strongroom.api.messages import Operation, Request, Response
from strongroom.core.core import Core
from strongroom.core.live import Live, sealed_context
from strongroom.errors import RequestError, Sealed, UnsupportedOperation
from strongroom.pipeline.dispatch import as_response
from strongroom.pipeline.failure import unexpected


def seal_gate(core: Core) -> Live | None:
    """The unsealed state; None when the request must be answered without it."""
    return None if core.seal.sealed else core.live


def asks_for_status(core: Core, request: Request) -> bool:
    """Whether a request only reads the state of the node: open to all, unrecorded, and the same in any state."""
    if request.operation is not Operation.READ:
        return False
    for path, engine in core.always.items():
        if request.path.startswith(path):
            flags = engine.flags_of(request.path[len(path) :], request.operation)
            return flags is not None and flags.status
    return False


async def answer_sealed(core: Core, request: Request) -> Response:
    """Answer a status endpoint without what exists only while unsealed; anything else raises `Sealed`."""
    try:
        return await _answer(core, request)
    except RequestError:
        raise
    except Exception as e:
        raise unexpected(request, e) from None


async def _answer(core: Core, request: Request) -> Response:
    for path, engine in core.always.items():
        if not request.path.startswith(path):
            continue
        try:
            route, params = engine.match(request.path[len(path) :], request.operation)
        except UnsupportedOperation as e:
            raise (Sealed() if e.errors else e) from None
        except RequestError:
            break
        if not route.flags.sealed_ok:
            break
        context = sealed_context(core, request, MountInfo(path=path, type=engine.type, uuid="", accessor=""))
        arguments, _ = route.parse(params, request)
        return as_response(await route.run(context, arguments))
    raise Sealed
