"""A connection of our own HTTP server, with a transport of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.server.listeners import MAX_HEADERS
from strongroom.server.own.connection import Connection
from strongroom.server.own.heads import Headers, Refused, Request, read_block, read_line
from strongroom.server.own.server import Times
from strongroom.server.own.wire import HIGH
from strongroom.server.site import BrokenOff, ClientLeft


class Transport:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = self.aborted = self.paused = self.ended = False

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 5000) if name == "peername" else None

    def write(self, data: bytes) -> None:
        over = self.is_closing() or self.ended
        assert not over, "written after the end"
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Server:
    """What a connection needs of its server; the site says which body it got."""

    times = Times(header=10, idle=300)
    stopping = secured = False

    def __init__(self, *, reads: bool = True) -> None:
        self.seen: list[tuple[str, str, bytes | None]] = []
        self.reads = reads
        self.tasks: set[asyncio.Task[None]] = set()

    async def site(self, request: Any, wire: Any, shown: Any) -> None:
        body = None
        try:
            if self.reads:
                body = await wire()
        except ClientLeft:
            wire.response_bytes(400, [], b"cut short")
            return
        self.seen.append((request.method, request.path, body))
        wire.response_bytes(200, [("x", "y")], b"good")

    def bring(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def opened(self, connection: Connection) -> None:
        pass

    def closed(self, connection: Connection) -> None:
        pass


def speak(*parts: bytes, server: Server | None = None) -> Transport:
    """Bytes in, one part after the other, until the connection ends, takes no more or nothing is left to say."""
    server = server or Server()

    async def main() -> Transport:
        transport = Transport()
        connection = Connection(server)  # type: ignore[arg-type]
        connection.connection_made(transport)  # type: ignore[arg-type]
        for part in parts:
            if transport.is_closing() or transport.paused:
                break
            connection.data_received(part)
            # What came together is answered one after the other.
            for _ in range(20):
                await asyncio.sleep(0)
        connection.connection_lost(None)
        await asyncio.gather(*server.tasks)
        return transport

    return asyncio.run(main())


def statuses(written: bytes, methods: list[str]) -> list[int]:
    """The statuses of well-formed answers; anything else fails."""
    client, out = h11.Connection(h11.CLIENT), []
    client.receive_data(written)
    for method in methods:
        client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
        client.send(h11.EndOfMessage())
        while True:
            event = client.next_event()
            if isinstance(event, h11.Response):
                out.append(event.status_code)
            elif isinstance(event, h11.EndOfMessage):
                break
            elif event in (h11.NEED_DATA, h11.PAUSED):
                return out
        if client.our_state is not h11.DONE:
            break
        client.start_next_cycle()
    return out


GET = b"GET /v1/a HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /v1/b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"PUT /v1/c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
PIECES = st.sampled_from(
    [
        GET,
        POST,
        CHUNKED,
        b"GET ",
        b"/v1/a",
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b"Host: a\r\n",
        b"Content-Length: 3\r\n",
        b"Content-Length: -1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
        b"\r\n",
        b"\n",
        b"0\r\n\r\n",
        b"ffffffffffffffffffff\r\n",
        b"\x16\x03\x01",
        b"\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
)


@given(st.lists(st.one_of(PIECES, st.binary(min_size=1, max_size=40)), max_size=12), st.booleans())
@settings(max_examples=400, deadline=None)
def test_whatever_comes_is_answered_in_http_or_the_connection_ends(parts: list[bytes], reads: bool) -> None:
    transport = speak(*parts, server=Server(reads=reads))
    answered = transport.written.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    assert not answered or answered.startswith((b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 400 Bad Request\r\n"))
    assert b"HTTP/1.1 5" not in answered


def test_the_rest_of_a_body_that_comes_after_the_answer_before_it_is_taken() -> None:
    server = Server()
    transport = speak(GET + POST[:-2], POST[-2:], server=server)
    assert server.seen == [("GET", "/v1/a", b""), ("POST", "/v1/b", b"hello")]
    assert statuses(transport.written, ["GET", "POST"]) == [200, 200]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_requests_are_the_same_however_they_are_cut(data: st.DataObject) -> None:
    stream = data.draw(st.lists(st.sampled_from([GET, POST, CHUNKED]), min_size=1, max_size=4))
    text = b"".join(stream)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1), max_size=10)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    server = Server()
    transport = speak(*parts, server=server)
    wanted = {GET: ("GET", "/v1/a", b""), POST: ("POST", "/v1/b", b"hello"), CHUNKED: ("PUT", "/v1/c", b"hello")}
    assert server.seen == [wanted[one] for one in stream]
    assert statuses(transport.written, [method for method, _, _ in server.seen]) == [200] * len(stream)
    assert not transport.is_closing()


def test_a_body_that_nobody_reads_is_not_taken_in_without_end() -> None:
    async def main() -> None:
        held = asyncio.Event()
        server = Server()

        async def site(request: Any, wire: Any, shown: Any) -> None:
            await held.wait()
            wire.response_bytes(200, [], b"%d" % len(await wire()))

        server.site = site  # type: ignore[method-assign]
        transport, part = Transport(), bytes(1 << 16)
        connection = Connection(server)  # type: ignore[arg-type]
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.data_received(b"POST /v1/b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (HIGH * 2))
        sent = 0
        while not transport.paused:
            connection.data_received(part)
            sent += len(part)
        assert sent <= HIGH + len(part)
        held.set()
        while sent < HIGH * 2:
            await asyncio.sleep(0)
            if not transport.paused:
                connection.data_received(part)
                sent += len(part)
        await asyncio.gather(*server.tasks)
        assert transport.written.endswith(b"%d" % (HIGH * 2))

    asyncio.run(main())


def test_who_sends_requests_and_takes_no_answers_is_not_read_on() -> None:
    async def main() -> None:
        server, transport = Server(), Transport()
        connection = Connection(server)  # type: ignore[arg-type]
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.pause_writing()
        connection.data_received(GET * 3)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(server.seen) == 1
        assert transport.paused
        connection.resume_writing()
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(server.seen) == 3

    asyncio.run(main())


def test_a_broken_body_that_nobody_reads_is_not_taken_in_without_end() -> None:
    async def main() -> None:
        server, transport, held = Server(), Transport(), asyncio.Event()

        async def site(request: Any, wire: Any, shown: Any) -> None:
            await held.wait()
            wire.response_bytes(200, [], b"")

        server.site = site  # type: ignore[method-assign]
        connection = Connection(server)  # type: ignore[arg-type]
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.data_received(b"GET /v1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.data_received(b"x" * 10)
        assert transport.paused
        held.set()
        await asyncio.gather(*server.tasks)
        assert transport.ended
        assert not transport.paused

    asyncio.run(main())


def test_the_next_request_waits_while_its_body_was_waited_for() -> None:
    async def main() -> None:
        server, transport = Server(), Transport()
        connection = Connection(server)  # type: ignore[arg-type]
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.data_received(POST[:-2])
        await asyncio.sleep(0)
        connection.data_received(POST[-2:] + GET)
        assert transport.paused  # so that an end that follows is seen after the next answer only
        for _ in range(20):
            await asyncio.sleep(0)
        assert [method for method, _, _ in server.seen] == ["POST", "GET"]
        assert not transport.paused

    asyncio.run(main())


def test_who_is_refused_sees_the_end_at_once_and_may_go_on_a_little() -> None:
    transport = speak(b"nonsense\r\n\r\n", bytes(100))
    assert transport.ended
    assert not transport.aborted
    last = speak(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    assert statuses(last.written, ["GET", "GET"]) == [200]
    # Closed with bytes unread it would be reset.
    assert last.ended
    assert not last.closed


def test_who_is_refused_is_not_cut_off_by_a_server_that_stops() -> None:
    async def main() -> None:
        transport = Transport()
        connection = Connection(Server())  # type: ignore[arg-type]
        connection.connection_made(transport)  # type: ignore[arg-type]
        connection.data_received(b"nonsense\r\n\r\n")
        connection.finish()
        assert transport.ended
        assert not transport.is_closing()
        idle = Transport()
        connection = Connection(Server())  # type: ignore[arg-type]
        connection.connection_made(idle)  # type: ignore[arg-type]
        connection.finish()
        assert idle.closed

    asyncio.run(main())


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("headers", [[], [("content-length", "4")]])
def test_an_answer_that_has_no_body_gets_none(status: int, headers: list[tuple[str, str]]) -> None:
    async def site(request: Any, wire: Any, shown: Any) -> None:
        wire.response_bytes(status, headers, b"HTTP")

    assert spoken_to(site).written.count(b"HTTP") == 1


def test_as_many_headers_as_are_allowed() -> None:
    lines = b"A: b\r\n" * (MAX_HEADERS - 1)
    assert speak(GET[:-2] + lines + b"\r\n").written.startswith(b"HTTP/1.1 200")
    assert speak(GET[:-2] + lines + b"A: b\r\n\r\n").written.startswith(b"HTTP/1.1 431")


def asked(target: bytes) -> Request:
    line = b"GET %s HTTP/1.1" % target
    method, text, version = read_line(line, len(line))
    return Request(method, text, version, read_block("1.1", b"Host: a\r\n"), "127.0.0.1:1")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/v1/a?b=c?d", "/v1/a", "b=c?d"),
        (b"/v1/%D0%BA%2F", "/v1/к/", ""),
        (b"/v1/%ff", "/v1/\ufffd", ""),
        (b"/v1/a#b?c", "/v1/a#b", "c"),
        (b"http://a/v1/a#b?c#d", "/v1/a#b", "c#d"),
        (b"/v1/a?b=%zz", "/v1/a", "b=%zz"),
        (b"http://a:1/v1/a?b", "/v1/a", "b"),
        (b"https://a", "/", ""),
        (b"//v1/a", "//v1/a", ""),
        (b"*", "*", ""),
    ],
)
def test_targets(target: bytes, path: str, query: str) -> None:
    request = asked(target)
    assert (request.path, request.query_string) == (path, query)


@pytest.mark.parametrize(
    "target",
    [b"v1/a", b"a:1", b"ftp://a/b", b"http:///v1", b"http://[/v1", b"?a", b"#/v1/a", b"/%zz", b"/a%2", b"/%%41"],
)
def test_targets_that_are_none(target: bytes) -> None:
    with pytest.raises(Refused):
        asked(target)


def test_of_a_repeated_header_the_first_is_meant() -> None:
    headers = Headers([("a", "1"), ("b", "é"), ("a", "2")])
    assert (headers.get("a"), headers.get("b"), headers.get("c", "-")) == ("1", "é", "-")
    assert headers.all("a") == ["1", "2"]


def spoken_to(site: Any, request: bytes = GET) -> Transport:
    """What comes of one request to this site."""
    server = Server()
    server.site = site  # type: ignore[method-assign]
    return speak(request, server=server)


def streamed(*chunks: bytes, headers: tuple[tuple[str, str], ...] = (), then: type[Exception] | None = None) -> Any:
    async def site(request: Any, wire: Any, shown: Any) -> None:
        transport = wire.response_stream(200, list(headers))
        for chunk in chunks:
            await transport.send_bytes(chunk)
        if then is not None:
            raise then

    return site


def test_a_stream_is_sent_in_chunks_and_to_older_clients_until_the_end() -> None:
    newer = spoken_to(streamed(b"ab", b"", b"c"))
    assert newer.written.endswith(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
    assert not newer.is_closing()
    older = spoken_to(streamed(b"ab", b"c"), b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert older.written.endswith(b"\r\n\r\nabc")
    assert older.closed


def test_others_have_a_turn_between_the_chunks_of_an_answer_however_fast_it_is_taken() -> None:
    seen: list[str] = []

    async def site(request: Any, wire: Any, shown: Any) -> None:
        transport = wire.response_stream(200, [])
        for _ in range(3):
            asyncio.get_running_loop().call_soon(seen.append, "other")
            await transport.send_bytes(b"a")
            seen.append("chunk")

    spoken_to(site)
    assert seen == ["other", "chunk"] * 3


def test_an_answer_that_breaks_off_does_not_look_whole() -> None:
    for then in (BrokenOff, ClientLeft):
        transport = spoken_to(streamed(b"ab", then=then))
        assert transport.written.endswith(b"2\r\nab\r\n")
        assert transport.aborted
    assert spoken_to(streamed(b"ab", headers=(("content-length", "3"),))).aborted


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nx", "a\0"])
def test_no_header_breaks_out_of_its_line(value: str) -> None:
    async def site(request: Any, wire: Any, shown: Any) -> None:
        with pytest.raises(ValueError, match="line break"):
            wire.response_bytes(200, [("location", value)], b"")
        wire.response_bytes(204, [("x", "y")], b"")

    written = spoken_to(site).written
    assert written.startswith(b"HTTP/1.1 204 No Content\r\nx: y\r\ndate: ")
    assert b"content-length" not in written


def test_an_older_client_that_asks_for_it_keeps_its_connection() -> None:
    transport = speak(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"GET /2 HTTP/1.0\r\n\r\n")
    assert transport.written.count(b"HTTP/1.1 200 OK") == 2
    assert transport.written.count(b"connection: keep-alive") == 1
    assert transport.closed


@pytest.mark.parametrize(("sent", "answers"), [(GET, [200]), (POST[:-2], [400]), (GET[:-2], []), (b"", [])])
def test_who_has_no_more_to_say_gets_the_answer_to_what_was_asked(sent: bytes, answers: list[int]) -> None:
    async def main() -> None:
        server, transport = Server(), Transport()
        connection = Connection(server)  # type: ignore[arg-type]
        connection.connection_made(transport)  # type: ignore[arg-type]
        if sent:
            connection.data_received(sent)
        assert connection.eof_received() is bool(answers)
        for _ in range(20):
            await asyncio.sleep(0)
        assert statuses(transport.written, ["GET"] * len(answers)) == answers
        assert transport.closed is bool(answers)  # the loop closes the others
        assert not answers or b"connection: close" in transport.written

    asyncio.run(main())
