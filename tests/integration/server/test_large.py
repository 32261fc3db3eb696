"""Large bodies and answers: whole, and never in the way of others."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from tests.integration.server.test_edge import call, connection, data, echo, serve

from strongroom.api.aside import LARGE
from strongroom.api.messages import Request, Response
from strongroom.server import site
from strongroom.server.edge import Edge
from strongroom.server.render import Renderer

LONG = {"a": "x" * (4 * LARGE), "n": 12345678901234567890}


def test_a_large_body_and_its_answer_arrive_whole() -> None:
    async def body(edge: Edge) -> None:
        status, headers, text = await call(edge, "POST", "/v1/a", json.dumps(LONG))
        assert status == 200
        assert json.loads(text)["data"]["data"] == LONG
        assert (headers["content-length"], headers["content-type"]) == (str(len(text)), "application/json")

    serve(body)


def test_a_large_body_that_is_cut_short_reaches_nobody() -> None:
    seen: list[Request] = []

    async def handle(request: Request) -> Response:
        seen.append(request)
        return await echo(request)

    async def body(edge: Edge) -> None:
        def cut() -> None:
            # Valid JSON as far as it goes: the length alone tells that there should be more.
            part = json.dumps(LONG).encode()
            conn = connection(edge)
            conn.putrequest("POST", "/v1/cut")
            conn.putheader("Content-Length", str(len(part) + 1))
            conn.endheaders(part)
            conn.close()

        await asyncio.to_thread(cut)
        await data(edge, "POST", "/v1/whole", json.dumps(LONG))
        assert [request.path for request in seen] == ["whole"]

    serve(body, handle=handle)


def test_others_are_answered_while_a_large_body_is_read_and_its_answer_made(monkeypatch: pytest.MonkeyPatch) -> None:
    reached, others = {"read": asyncio.Event(), "answer": asyncio.Event()}, threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    read, render = site.finish, Renderer.response

    def wait(step: str) -> None:
        loops[0].call_soon_threadsafe(reached[step].set)
        # On the loop itself nobody could set this.
        assert others.wait(30)
        others.clear()

    def finish(request: Request, body: bytes) -> None:
        if len(body) > LARGE:
            wait("read")
        read(request, body)

    def response(self: Renderer, request_id: str, response: Response) -> Any:
        if isinstance(response.data, dict) and len(str(response.data)) > LARGE:
            wait("answer")
        return render(self, request_id, response)

    monkeypatch.setattr(site, "finish", finish)
    monkeypatch.setattr(Renderer, "response", response)

    async def body(edge: Edge) -> None:
        loops.append(asyncio.get_running_loop())
        large = asyncio.create_task(data(edge, "POST", "/v1/large", json.dumps(LONG)))
        for step in ("read", "answer"):
            await reached[step].wait()
            assert (await data(edge, "POST", "/v1/small", '{"b": 1}'))["data"] == {"b": 1}
            others.set()
        assert (await large)["data"] == LONG

    serve(body)
