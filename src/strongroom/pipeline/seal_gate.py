"""Seal gate: while sealed only the endpoints that say so answer."""

from __future__ import annotations

import functools
from typing import NamedTuple

from strongroom.api.context import MountInfo
from strongroom.api.messages import Operation, Request, Response
from strongroom.api.routes import Route
from strongroom.core.core import Core
from strongroom.core.live import Live, sealed_context
from strongroom.errors import RequestError, Sealed, UnsupportedOperation
from strongroom.pipeline.dispatch import as_response
from strongroom.pipeline.failure import unexpected


class Found(NamedTuple):
    """A route that is there in any state."""

    mount: MountInfo
    route: Route
    params: dict[str, str]


def seal_gate(core: Core) -> Live | None:
    """The unsealed state; None when the request must be answered without it."""
    return None if core.seal.sealed else core.live


def asks_for_status(core: Core, request: Request) -> Found | None:
    """Where a request leads that only reads the state of the node: open to all, unrecorded, the same in any state."""
    if request.operation is not Operation.READ:
        return None
    try:
        found = _find(core, request)
    except RequestError:
        return None
    return found if found is not None and found.route.flags.status else None


async def answer_sealed(core: Core, request: Request, found: Found | None = None) -> Response:
    """Answer a status endpoint without what exists only while unsealed; anything else raises `Sealed`."""
    try:
        return await _answer(core, request, found or _find_sealed(core, request))
    except RequestError:
        raise
    except Exception as e:
        raise unexpected(request, e) from None


async def _answer(core: Core, request: Request, found: Found) -> Response:
    arguments, _ = found.route.parse(found.params, request)
    return as_response(await found.route.run(sealed_context(core, request, found.mount), arguments))


def _find_sealed(core: Core, request: Request) -> Found:
    try:
        found = _find(core, request)
    except UnsupportedOperation as e:
        raise (Sealed() if e.errors else e) from None
    except RequestError:
        raise Sealed from None
    if found is None or not found.route.flags.sealed_ok:
        raise Sealed
    return found


def _find(core: Core, request: Request) -> Found | None:
    for path, engine in core.always.items():
        if request.path.startswith(path):
            return Found(_mount(path, engine.type), *engine.match(request.path[len(path) :], request.operation))
    return None


@functools.cache
def _mount(path: str, kind: str) -> MountInfo:
    return MountInfo(path=path, type=kind, uuid="", accessor="")
