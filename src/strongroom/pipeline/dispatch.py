"""Dispatch: parse the arguments, call the handler, take its result. Its writes wait for `commit`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from strongroom.api.context import Context
from strongroom.api.help import help_for
from strongroom.api.messages import Operation, Response
from strongroom.core.context import SystemContext
from strongroom.pipeline.call import Call
from strongroom.pipeline.lockout import run_login

#: How much of what an endpoint does not know is repeated to the client.
MOST_NAMES, MOST_CHARS = 20, 64


async def dispatch(call: Call) -> None:
    """Run the handler."""
    if call.request.operation is Operation.HELP:
        assert call.mount is not None
        call.response = Response(bare=help_for(call.mount.engine, call.subpath))
        return
    route = call.route
    assert route is not None
    if call.context is None:
        call.arguments, call.unknown = route.parse(call.params, call.request)
        call.context = make_context(call)
    if isinstance(call.context, SystemContext):
        call.context.acl = call.acl
    run = run_login(call) if route.flags.login else route.run(call.context, call.arguments)
    call.response = response = as_response(await run)
    if response.headers and call.mount is not None and call.mount.response_headers is not None:
        allowed = call.mount.response_headers
        response.headers = {name: value for name, value in response.headers.items() if name.lower() in allowed}
    if call.context.warnings:
        response.warnings = [*response.warnings, *call.context.warnings]
    if call.unknown and response.bare is None and not response.empty:
        response.warnings.append(_ignored(call.unknown))


def _ignored(names: list[str]) -> str:
    shown = [name if len(name) <= MOST_CHARS else name[:MOST_CHARS] + "..." for name in names[:MOST_NAMES]]
    more = ["..."] if len(names) > MOST_NAMES else []
    return f"Endpoint ignored these unrecognized parameters: [{' '.join(shown + more)}]"


def make_context(call: Call) -> Context:
    """The handler's view of the server."""
    assert call.mount is not None
    return call.live.context(
        call.mount,
        call.request,
        call.transaction,
        call.held,
        caller=call.caller,
        token=call.token,
        leases=call.leases,
        acl=call.acl,
    )


def as_response(result: object) -> Response:
    """What a handler returned, as an answer: nothing is 204, a mapping or struct is the answer's data."""
    if isinstance(result, Response):
        return result
    if result is None:
        return Response()
    assert isinstance(result, (Mapping, msgspec.Struct, msgspec.Raw)), type(result)
    return Response(data=result)
