"""Bytes → requests and their bodies, in our own HTTP server."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strongroom.server.listeners import MAX_HEAD, MAX_HEADERS
from strongroom.server.own.heads import Refused, Request, read_line
from strongroom.server.own.inbound import Inbound, _Chunks

Message = tuple[str, str, bytes]


def read(*parts: bytes) -> list[Message]:
    """The requests in these bytes, each with its body. Raises `Refused`."""
    inbound, out = Inbound(), []
    request: Request | None = None
    body = b""
    for part in parts:
        inbound.receive(part)
        while True:
            if request is None:
                request, body = inbound.head("127.0.0.1:1"), b""
                if request is None:
                    break
            if not inbound.whole:
                body += inbound.body()
            if not inbound.whole:
                break
            out.append((request.method, request.path, body))
            request = None
    return out


def head(*lines: bytes, first: bytes = b"POST /v1/a HTTP/1.1", host: bytes = b"Host: a") -> bytes:
    return b"\r\n".join([first, *([host] if host else []), *lines, b"", b""])


def test_one_after_the_other_of_every_kind() -> None:
    chunked = (
        head(b"Transfer-Encoding: chunked", first=b"PUT /b HTTP/1.1") + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: x\r\n\r\n"
    )
    sized = head(b"content-length:3") + b"abc"
    plain = head(first=b"LIST /v1/c HTTP/1.1")
    want = [("PUT", "/b", b"hello"), ("POST", "/v1/a", b"abc"), ("LIST", "/v1/c", b""), ("PUT", "/b", b"hello")]
    stream = chunked + sized + plain + chunked
    assert read(stream) == want
    assert read(*[bytes([byte]) for byte in stream]) == want


@given(st.binary(max_size=300), st.data())
@settings(max_examples=200, deadline=None)
def test_a_chunked_body_is_what_was_sent_wherever_it_is_cut(body: bytes, data: st.DataObject) -> None:
    # What ends a message may stand in the middle of a body too.
    body = body.replace(b"0", b"\r\n\r\n").replace(b"1", b"0\r\n\r\n")
    sizes = data.draw(st.lists(st.integers(1, 50), max_size=8))
    chunks, rest = [], body
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    chunks = [chunk for chunk in (*chunks, rest) if chunk]
    text = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    stream = head(b"Transfer-Encoding: chunked") + text + head(first=b"GET /next HTTP/1.1")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*parts) == [("POST", "/v1/a", body), ("GET", "/next", b"")]


REFUSED: dict[str, tuple[bytes, int]] = {
    "two lengths": (head(b"Content-Length: 1", b"Content-Length: 2"), 400),
    "the same length twice": (head(b"Content-Length: 1", b"Content-Length: 1"), 400),
    "a list of lengths": (head(b"Content-Length: 1, 1"), 400),
    "length and chunks": (head(b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400),
    "chunks and length": (head(b"Transfer-Encoding: chunked", b"Content-Length: 1"), 400),
    "a signed length": (head(b"Content-Length: +1"), 400),
    "a negative length": (head(b"Content-Length: -1"), 400),
    "a length in hexadecimal": (head(b"Content-Length: 0x1"), 400),
    "a length with an underscore": (head(b"Content-Length: 1_0"), 400),
    "a length in other digits": (head("Content-Length: \u0661".encode()), 400),
    "no length": (head(b"Content-Length:"), 400),
    "a length beyond all bounds": (head(b"Content-Length: " + b"9" * 30), 400),
    "another encoding": (head(b"Transfer-Encoding: gzip"), 400),
    "an encoding after chunked": (head(b"Transfer-Encoding: chunked, identity"), 400),
    "chunked twice": (head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    "chunked misspelt": (head(b"Transfer-Encoding: xchunked"), 400),
    "chunked behind a tab of another kind": (head(b"Transfer-Encoding:\x0bchunked"), 400),
    "chunks in HTTP/1.0": (head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0"), 400),
    "a space before the colon": (head(b"Content-Length : 1"), 400),
    "a space before the name": (head(b" Content-Length: 1"), 400),
    "a folded line": (head(b"A: b", b" c"), 400),
    "a folded first line": (head(b" c", host=b""), 400),
    "no colon": (head(b"A"), 400),
    "no name": (head(b": b"), 400),
    "a line feed alone": (head(b"A: b\nContent-Length: 1"), 400),
    "a carriage return alone": (head(b"A: b\rContent-Length: 1"), 400),
    "NUL in a value": (head(b"A: \x00"), 400),
    "no host": (head(host=b""), 400),
    "two hosts": (head(b"Host: b"), 400),
    "a host with a space": (head(host=b"Host: a b"), 400),
    "a host with a path": (head(host=b"Host: a/b"), 400),
    "a host in other letters": (head(host="Host: \u0430".encode()), 400),
    "a control character in a value": (head(b"A: \x01"), 400),
    "two hosts in HTTP/1.0": (head(b"Host: b", first=b"GET / HTTP/1.0"), 400),
    "another expectation": (head(b"Expect: the-impossible"), 417),
    "too many headers": (head(*[b"A: b"] * MAX_HEADERS), 431),
    "too long a header": (head(b"A: " + b"b" * MAX_HEAD), 431),
    "two spaces": (head(first=b"GET  / HTTP/1.1"), 400),
    "a space in the target": (head(first=b"GET /a b HTTP/1.1"), 400),
    "a tab": (head(first=b"GET\t/ HTTP/1.1"), 400),
    "no version": (head(first=b"GET /"), 400),
    "a newer version": (head(first=b"GET / HTTP/2.0"), 400),
    "a small version": (head(first=b"GET / http/1.1"), 400),
    "a control character in the target": (head(first=b"GET /\x7f HTTP/1.1"), 400),
    "too long a method": (head(first=b"G" * 40 + b" / HTTP/1.1"), 400),
    "an authority as the target": (head(first=b"CONNECT a:1 HTTP/1.1"), 400),
    "TLS": (b"\x16\x03\x01\x00\xa5\x01", 400),
    "a line feed alone after the first line": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "a line without end": (b"GET /" + b"a" * MAX_HEAD, 431),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_read_in_two_ways_is_refused(name: str) -> None:
    text, status = REFUSED[name]
    with pytest.raises(Refused) as refused:
        read(text)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "body",
    [b"x\r\n", b"-1\r\n", b"0x1\r\na\r\n", b"1\r\nab\r\n", b"f" * 20 + b"\r\n", b"1\na\n", b"1 \r\na\r\n", b"\r\n"],
)
def test_chunks_that_are_none_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        read(head(b"Transfer-Encoding: chunked") + body + b"0\r\n\r\n")


@pytest.mark.parametrize(
    "line", [b"5;" + b"x" * MAX_HEAD, b"5" * 5000, b"5;a\rb\r\n", b"5;\x00\r\n", b"5 ;a\r\n", b"5\r\r\n"]
)
def test_a_size_that_never_ends_or_has_more_in_it_is_refused(line: bytes) -> None:
    with pytest.raises(Refused):
        read(head(b"Transfer-Encoding: chunked"), *[line[i : i + 999] for i in range(0, len(line), 999)], b"hello\r\n")


def test_a_body_full_of_ends_is_read_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    feed = _Chunks._feed

    def counted(self: _Chunks, data: bytes) -> None:
        nonlocal calls
        calls += 1
        feed(self, data)

    monkeypatch.setattr(_Chunks, "_feed", counted)
    content = b"\r\n\r\n0\r\n\r\n" * 1000
    text = b"%x\r\n%s\r\n" % (len(content), content)
    assert read(head(b"Transfer-Encoding: chunked") + text * 3 + b"0\r\n\r\n") == [("POST", "/v1/a", content * 3)]
    assert calls <= 3


def test_what_stands_between_chunks_is_not_taken_without_end() -> None:
    endless = (b"0\r\n" if part == 0 else b"T: " + b"x" * 1000 + b"\r\n" for part in range(10_000))
    with pytest.raises(Refused):
        read(head(b"Transfer-Encoding: chunked"), *endless)


@pytest.mark.parametrize(
    ("lines", "first", "kept"),
    [
        ((), b"GET / HTTP/1.1", True),
        ((b"Connection: close",), b"GET / HTTP/1.1", False),
        ((b"Connection: keep-alive, Close",), b"GET / HTTP/1.1", False),
        ((), b"GET / HTTP/1.0", False),
        ((b"Connection: keep-alive",), b"GET / HTTP/1.0", True),
        ((b"Connection: close, TE", b"Connection: keep-alive"), b"GET / HTTP/1.0", False),
        ((b"Connection: keep-alive, x-close",), b"GET / HTTP/1.0", True),
        ((b"Connection: Upgrade", b"Upgrade: h2c"), b"GET / HTTP/1.1", True),
    ],
)
def test_whether_a_connection_is_kept(lines: tuple[bytes, ...], first: bytes, kept: bool) -> None:
    inbound = Inbound()
    for _ in range(2):  # the second time the header block is known
        inbound.receive(head(*lines, first=first))
        request = inbound.head("")
        assert request is not None
        assert request.block.kept is kept


def test_a_known_header_block_counts_only_for_the_version_it_came_with() -> None:
    assert read(head(b"Transfer-Encoding: chunked") + b"0\r\n\r\n") == [("POST", "/v1/a", b"")]
    inbound = Inbound()
    inbound.receive(head(b"Transfer-Encoding: chunked") + b"0\r\n\r\n")
    assert inbound.head("") is not None
    inbound.body()
    inbound.receive(head(b"Transfer-Encoding: chunked", first=b"POST / HTTP/1.0"))
    with pytest.raises(Refused):
        inbound.head("")


def test_more_header_blocks_than_are_remembered_are_read_all_the_same() -> None:
    inbound = Inbound()
    for length in [*range(20), *range(20)]:
        inbound.receive(head(b"Content-Length: %d" % length) + b"x" * length)
        request = inbound.head("")
        assert request is not None
        assert request.headers["content-length"] == str(length)
        assert (inbound.body() if length else b"") == b"x" * length


def test_empty_lines_before_a_request_are_passed_over() -> None:
    assert read(b"\r\n", b"\r\n" + head(first=b"GET /a HTTP/1.1") + b"\r\n") == [("GET", "/a", b"")]


@pytest.mark.parametrize("host", [b"Host:", b"Host: a.example:8200", b"Host: [::1]:8200", b"Host: a_b-c.example"])
def test_hosts(host: bytes) -> None:
    assert read(head(host=host, first=b"GET /a HTTP/1.1")) == [("GET", "/a", b"")]


def test_a_first_line_is_looked_at_again_only_until_it_is_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def look(data: bytes, end: int) -> tuple[str, str, str]:
        looked.append(end)
        return read_line(data, end)

    monkeypatch.setattr("strongroom.server.own.inbound.read_line", look)
    text = head(b"A: " + b"b" * 50, first=b"GET /a HTTP/1.1")
    assert read(*[bytes([byte]) for byte in text * 2]) == [("GET", "/a", b"")] * 2
    assert len(looked) == 4  # once when it is there, once with the rest of the head


def test_spaces_around_a_value_are_not_part_of_it() -> None:
    inbound = Inbound()
    inbound.receive(head(b"X-Vault-Token: \t hvs.a \t", b"EMPTY:"))
    request = inbound.head("")
    assert request is not None
    assert (request.headers["x-vault-token"], request.headers["empty"]) == ("hvs.a", "")


TOKEN = st.text("abcXYZ-09", min_size=1, max_size=8).map(str.encode)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12).map(str.encode)


@given(
    st.lists(st.tuples(TOKEN, VALUE), max_size=6), st.sampled_from([b"GET", b"LIST", b"POST"]), st.binary(max_size=20)
)
@settings(max_examples=200, deadline=None)
def test_whatever_another_implementation_sends_is_read_as_it_was_meant(
    headers: list[tuple[bytes, bytes]], method: bytes, body: bytes
) -> None:
    known = {b"host", b"content-length", b"transfer-encoding", b"expect", b"connection", b"upgrade"}
    sent = [pair for pair in headers if pair[0].lower() not in known]
    client = h11.Connection(h11.CLIENT)
    lines = [("Host", b"a"), ("Content-Length", b"%d" % len(body)), *sent]
    text = client.send(h11.Request(method=method, target="/v1/a", headers=lines)) or b""
    text += client.send(h11.Data(data=body)) or b""
    inbound = Inbound()
    inbound.receive(text)
    request = inbound.head("")
    assert request is not None
    assert (request.method, request.path) == (method.decode(), "/v1/a")
    for name, value in sent:
        assert value.decode() in request.headers.all(name.decode().lower())
    assert (inbound.body() if body else b"") == body
    assert inbound.whole
    assert not inbound.more
