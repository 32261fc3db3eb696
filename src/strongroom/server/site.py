"""One listener's requests: from the HTTP server's objects to the pipeline and back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from strongroom.api.aside import LARGE, aside
from strongroom.api.messages import Operation, Request, Response
from strongroom.errors import BadRequest, InternalError, RequestError, Unavailable
from strongroom.server.answer import Answer, Elsewhere
from strongroom.server.flights import Flights
from strongroom.server.http import WRITES, HeaderMap, Rules, begin, check_size, finish, new_request_id
from strongroom.server.render import Renderer
from strongroom.turns import driven, own_task

Handle = Callable[[Request], Awaitable[Response]]
#: Whether an operation on a path takes its body in chunks, unparsed.
Streams = Callable[[Operation, str], bool]
#: What lies outside /v1/: method and path → an answer, or None where there is nothing.
Pages = Callable[[str, str], Awaitable[Answer | None]]
#: Told of every finished request: it, the status, the seconds it took.
Watch = Callable[[Request, int, float], None]
#: The certificates of a client, in DER, its own first; () for one that has none, None without TLS.
Shown = tuple[bytes, ...] | None


class ClientLeft(Exception):
    """A connection ended, or its client stopped speaking HTTP, before the request was done."""


class BrokenOff(Exception):
    """An answer cannot be finished; what of it has been sent must not look whole."""


class Origins(Protocol):
    """Judges requests that a browser sends for a page of another origin. Raises `RequestError` to refuse them."""

    def check(self, origin: str) -> Mapping[str, str]:
        """The headers to add to the answer."""

    def preflight(self, origin: str, method: str) -> Mapping[str, str] | None:
        """The headers of the answer to an OPTIONS request; None when it is treated like any other."""


class Scope(Protocol):
    """The request as RSGI describes it."""

    http_version: str
    client: str
    method: str
    path: str
    query_string: str

    @property
    def headers(self) -> HeaderMap:
        """By lower-case name."""


class Wire(Protocol):
    """RSGI's other half: the body, and how to answer."""

    async def __call__(self) -> bytes:
        """The whole body."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in chunks."""

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Answer without a body."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Answer with a body."""

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> Any:
        """Answer in chunks."""


@dataclass(frozen=True, slots=True)
class Service:
    """What all listeners share. `origins` gives who judges web origins at the moment, None while nobody does."""

    handle: Handle
    streams: Streams
    flights: Flights
    log: logging.Logger
    pages: Pages | None = None
    watch: Watch | None = None
    origins: Callable[[], Origins | None] | None = None


class Site:
    """The callable that the HTTP server runs for each request of a listener. It always answers."""

    def __init__(
        self, service: Service, rules: Rules, renderer: Renderer, limit: float, *, certificates: Shown = None
    ) -> None:
        self._service, self._rules, self._renderer, self._limit = service, rules, renderer, limit
        #: What the HTTP server raises when a client has left.
        self.closed: tuple[type[BaseException], ...] = (ClientLeft,)
        #: How it tells a body that is here already, without waiting; None for one that is not.
        self.at_hand: Callable[[Any], bytes | None] = _not_at_hand
        #: What clients show where the HTTP server does not say.
        self._certificates = certificates
        #: Set when another server takes over: connections are then closed after their answer.
        self.retiring = False

    async def __call__(self, scope: Scope, wire: Wire, certificates: Shown = None) -> None:
        """Answer one request. `certificates` are what the client showed of itself on its connection."""
        service = self._service
        if not driven():
            self.enter(_task())
        request_id = new_request_id()
        try:
            try:
                answer = await self._answer(scope, wire, request_id, certificates or self._certificates)
            except asyncio.CancelledError:
                task = _task()
                if not service.flights.is_overdue(task):
                    raise
                task.uncancel()
                answer = self._renderer.error(request_id, Unavailable("context deadline exceeded"))
            if self.retiring and scope.http_version[:1] == "1":
                answer = answer._replace(headers=[*answer.headers, ("connection", "close")])
            if isinstance(answer.body, bytes) and len(answer.body) <= LARGE:
                self._send(wire, answer, request_id)
            else:
                await self._unlimited()
                await self._stream(wire, answer, request_id)
        finally:
            # Begun without one, it may have got a task on its way.
            if not driven():
                service.flights.leave(_task())

    def enter(self, task: asyncio.Task[None]) -> None:
        """A request has a task: from here on it is under way, and may take only so long."""
        self._service.flights.enter(task, self._limit)

    async def _unlimited(self) -> None:
        await own_task()
        self._service.flights.unlimited(_task())

    async def _answer(self, scope: Scope, wire: Wire, request_id: str, certificates: Shown) -> Answer:
        service, request = self._service, None
        began = time.perf_counter() if service.watch is not None else 0.0
        shared: Mapping[str, str] = {}
        try:
            origin = scope.headers.get("origin")
            if origin and service.origins is not None and (judge := service.origins()) is not None:
                if scope.method == "OPTIONS":
                    asked = scope.headers.get("access-control-request-method", "")
                    granted = judge.preflight(origin, asked)
                    if granted is not None:
                        return self._renderer.dress(Answer(200, list(granted.items())))
                shared = judge.check(origin)
            if service.pages is not None and not scope.path.startswith("/v1/"):
                page = await service.pages(scope.method, scope.path)
                if page is not None:
                    return self._renderer.dress(page)
            request = begin(
                scope.method,
                scope.path,
                scope.query_string,
                scope.headers,
                scope.client,
                self._rules,
                request_id=request_id,
                certificates=certificates,
            )
            if request.operation in WRITES:
                await self._take_body(scope, wire, request)
            response = await service.handle(request)
            if request.large:
                answer = await aside(self._renderer.response, request_id, response)
            else:
                answer = self._renderer.response(request_id, response)
        except RequestError as e:
            answer = self._renderer.error(request_id, e)
        except Elsewhere as e:
            answer = self._renderer.dress(e.answer)
        except Exception as e:
            service.log.error("request %s failed", request_id, exc_info=e)
            answer = self._renderer.error(request_id, InternalError())
        if service.watch is not None and request is not None:
            service.watch(request, answer.status, time.perf_counter() - began)
        return answer._replace(headers=[*answer.headers, *shared.items()]) if shared else answer

    async def _take_body(self, scope: Scope, wire: Wire, request: Request) -> None:
        if self._service.streams(request.operation, request.path):
            await self._unlimited()
            request.body = self._chunks(wire)
            return
        body = self.at_hand(wire)
        if body is None:
            body = await self._read(scope, wire, request.headers)
        else:
            check_size(len(body), self._rules)
        if len(body) > LARGE:
            request.large = True
            await aside(finish, request, body)
        else:
            finish(request, body)

    async def _read(self, scope: Scope, wire: Wire, headers: Mapping[str, str]) -> bytes:
        """The body; raises `TooLarge` before more than the limit is in memory."""
        length, announced = headers.get("content-length"), 0
        if length is not None:
            announced = int(length) if length.isdecimal() else 0
            check_size(announced, self._rules)
            if announced <= LARGE:
                try:
                    body = await wire()
                except self.closed:
                    raise _cut_short() from None
                check_size(len(body), self._rules)
                return body
        elif scope.http_version[:1] == "1" and "transfer-encoding" not in headers:
            return b""  # HTTP/1 has no other way to announce a body: nothing to wait for
        chunks, size = [], 0
        async for chunk in self._chunks(wire):
            size += len(chunk)
            check_size(size, self._rules)
            chunks.append(chunk)
        if size < announced:
            raise _cut_short()
        return await aside(b"".join, chunks) if size > LARGE else b"".join(chunks)

    async def _chunks(self, wire: Wire) -> AsyncIterator[bytes]:
        # RSGI's own iterator may be asked for only once, which `async for` over an iterator does a second time.
        try:
            async for chunk in wire:
                yield bytes(chunk)
        except self.closed:
            raise _cut_short() from None

    def _send(self, wire: Wire, answer: Answer, request_id: str) -> None:
        headers = answer.headers if isinstance(answer.headers, list) else list(answer.headers)
        assert isinstance(answer.body, bytes)
        try:
            if answer.body:
                wire.response_bytes(answer.status, headers, answer.body)
            else:
                wire.response_empty(answer.status, headers)
        except self.closed:
            self._service.log.debug("request %s: the client left before its answer", request_id)

    async def _stream(self, wire: Wire, answer: Answer, request_id: str) -> None:
        body, headers = answer.body, list(answer.headers)
        if isinstance(body, (bytes, tuple)):
            parts = body if isinstance(body, tuple) else (body,)
            headers.append(("content-length", str(sum(map(len, parts)))))
            body = _slices(parts)
        try:
            transport = wire.response_stream(answer.status, headers)
            async for chunk in body:
                await transport.send_bytes(chunk)
        except self.closed:
            self._service.log.debug("request %s: the client left during its answer", request_id)
        except Exception as e:
            self._service.log.error("request %s: the answer broke off", request_id, exc_info=e)
            raise BrokenOff from None


def _not_at_hand(_: Any) -> None:
    return None


def _task() -> asyncio.Task[None]:
    """The task of a request that has one."""
    task = asyncio.current_task()
    assert task is not None
    return task


async def _slices(parts: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    """A large answer, a bit at a time: taken over as a whole it would hold up all others."""
    for part in parts:
        for at in range(0, len(part), LARGE):
            yield part[at : at + LARGE]


def _cut_short() -> BadRequest:
    """The refusal of a body whose rest never came; its client has most likely gone."""
    return BadRequest("the request's body was cut short")
