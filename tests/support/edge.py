"""An edge with a handler of the test's own behind it, and clients that speak to it over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

from strongroom.api.messages import Request, Response
from strongroom.config import Listener
from strongroom.server.edge import Edge
from tests.support.certificates import client_context

PLAIN = Listener(address="127.0.0.1:0", tls_disable=True)


async def echo(request: Request) -> Response:
    return Response(
        data={
            "operation": request.operation.value,
            "path": request.path,
            "data": request.data,
            "token": request.token,
            "remote": request.remote_address,
            "headers": sorted(request.headers),
        }
    )


def serve(
    body: Callable[[Edge], Awaitable[None]],
    *listeners: Listener,
    handle: Callable[[Request], Awaitable[Response]] = echo,
    **options: Any,
) -> None:
    """Run `body` beside a started edge."""

    async def main() -> None:
        edge = Edge(handle, **options)
        await edge.start(listeners or (PLAIN,))
        try:
            await body(edge)
        finally:
            await edge.stop(5)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def connection(edge: Edge, index: int = 0, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    host, _, port = edge.bound[index].address.rpartition(":")
    if edge.bound[index].tls:
        return http.client.HTTPSConnection(host, int(port), timeout=30, context=context or client_context())
    return http.client.HTTPConnection(host, int(port), timeout=30)


async def call(
    edge: Edge,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    *,
    index: int = 0,
    context: ssl.SSLContext | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""

    def run() -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(connection(edge, index, context)) as conn:
            conn.request(method, path, body, headers or {})
            answer = conn.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    return await asyncio.to_thread(run)


async def data(edge: Edge, method: str, path: str, *args: Any, **options: Any) -> Any:
    status, _, body = await call(edge, method, path, *args, **options)
    assert status == 200, body
    return json.loads(body)["data"]
