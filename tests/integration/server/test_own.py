"""Our own HTTP/1.1 server, over real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
import socket
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from cryptography import x509
from tests.support.authorities import SERVER, Authority, Issued
from tests.support.certificates import client_context, write, write_ca
from tests.support.edge import call, connection, data, serve

from strongroom.api.messages import Operation, Request, Response
from strongroom.config import Listener
from strongroom.server.edge import Edge


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.server.own.server.SWEEP_SECONDS", 0.05)
    monkeypatch.setattr("strongroom.server.own.connection.LINGER_SECONDS", 0.1)


def listener(folder: pathlib.Path, **settings: Any) -> Listener:
    files = write(folder)
    settings.setdefault("tls_client_ca_file", str(write_ca(folder)))
    return Listener(address="127.0.0.1:0", tls_cert_file=str(files.cert), tls_key_file=str(files.key), **settings)


def connect(edge: Edge, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    host, _, port = edge.bound[0].address.rpartition(":")
    sock = socket.create_connection((host, int(port)), timeout=30)
    return (context or client_context()).wrap_socket(sock, server_hostname="localhost")


def rest(sock: socket.socket) -> bytes:
    """What comes until the server closes."""
    out = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        while chunk := sock.recv(65536):
            out += chunk
    return out


async def spoken(edge: Edge, *parts: bytes) -> bytes:
    """What comes back for these bytes, sent one after the other, until the server closes."""

    def run() -> bytes:
        with connect(edge) as sock:
            for part in parts:
                sock.sendall(part)
            return rest(sock)

    return await asyncio.to_thread(run)


async def shown(request: Request) -> Response:
    certificates = request.certificates
    return Response(data={"names": None if certificates is None else [name(one) for one in certificates]})


def name(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).subject.rfc4514_string()


def test_a_clients_certificate_reaches_the_handler_and_none_is_no_obstacle(tmp_path: pathlib.Path) -> None:
    client = write(tmp_path, "client")

    async def body(edge: Edge) -> None:
        with_one = await data(edge, "GET", "/v1/a", context=client_context(client))
        assert with_one["names"][0].startswith("CN=client,")
        assert await data(edge, "GET", "/v1/a") == {"names": []}

    serve(body, listener(tmp_path), handle=shown)


def test_intermediate_certificates_come_along(tmp_path: pathlib.Path) -> None:
    root = trustme.CA()
    client = write(tmp_path, "client", root.create_child_ca())
    ca = tmp_path / "roots.pem"
    root.cert_pem.write_to_path(str(ca))

    async def body(edge: Edge) -> None:
        names = (await data(edge, "GET", "/v1/a", context=client_context(client)))["names"]
        assert len(names) == 2
        assert "CN=client" in names[0]

    serve(body, listener(tmp_path, tls_client_ca_file=str(ca)), handle=shown)


def test_without_tls_nothing_is_known_of_certificates_and_without_asking_there_are_none(tmp_path: pathlib.Path) -> None:
    async def body(edge: Edge) -> None:
        assert await data(edge, "GET", "/v1/a", index=0) == {"names": None}
        assert await data(edge, "GET", "/v1/a", index=1) == {"names": []}

    plain = Listener(address="127.0.0.1:0", tls_disable=True)
    serve(body, plain, listener(tmp_path, tls_client_ca_file=""), handle=shown)


@pytest.mark.parametrize("tls12", [False, True])
def test_a_certificate_of_nobody_ends_the_handshake_and_the_log_says_why(
    tls12: bool, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = write(tmp_path, "stranger", trustme.CA())
    context = client_context(stranger)
    if tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def body(edge: Edge) -> None:
        with pytest.raises(OSError, match=r"(?i)alert|reset|closed|eof"):
            await call(edge, "GET", "/v1/a", context=context)
        assert (await call(edge, "GET", "/v1/a"))[0] == 200

    with caplog.at_level(logging.INFO):
        serve(body, listener(tmp_path), handle=shown)
    assert "TLS handshake with 127.0.0.1:" in caplog.text
    assert "unable to get local issuer certificate" in caplog.text


def test_the_newest_version_and_the_suites_are_those_of_the_listener(tmp_path: pathlib.Path) -> None:
    settings = {"tls_max_version": "tls12", "tls_cipher_suites": ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",)}

    async def body(edge: Edge) -> None:
        def run() -> tuple[str | None, Any]:
            with connect(edge) as sock:
                return sock.version(), sock.cipher()

        version, cipher = await asyncio.to_thread(run)
        assert (version, cipher[0]) == ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305")

    serve(body, listener(tmp_path, tls_client_ca_file="", **settings))


@pytest.mark.parametrize(
    ("method", "path", "operation", "seen"),
    [
        ("GET", "/v1/a/b?x=1", "read", "a/b"),
        ("LIST", "/v1/a", "list", "a/"),
        ("DELETE", "/v1/a", "delete", "a"),
        ("GET", "/v1/with%20space/%D0%BA%2Fx", "read", "with space/к/x"),
    ],
)
def test_requests_arrive_as_they_do_elsewhere(
    method: str, path: str, operation: str, seen: str, tmp_path: pathlib.Path
) -> None:
    async def body(edge: Edge) -> None:
        got = await data(edge, method, path, headers={"X-Vault-Token": "t", "X-Other": "1"})
        assert (got["operation"], got["path"], got["token"], got["remote"]) == (operation, seen, "t", "127.0.0.1")
        assert "x-other" in got["headers"]

    serve(body, listener(tmp_path))


@pytest.mark.parametrize("size", [10, 100_000, 1_000_000])
def test_bodies_arrive_whole_or_in_chunks_on_a_kept_connection(size: int, tmp_path: pathlib.Path) -> None:
    text = b'{"a": "' + b"x" * size + b'"}'

    async def body(edge: Edge) -> None:
        def run() -> None:
            with contextlib.closing(connection(edge)) as conn:
                for _ in range(2):
                    for content, headers in (
                        (text, {}),
                        (iter([text[:5], text[5:]]), {"Transfer-Encoding": "chunked"}),
                    ):
                        conn.request("POST", "/v1/a", content, headers, encode_chunked=bool(headers))
                        answer = conn.getresponse()
                        assert len(answer.read()) > size
                        assert (answer.status, answer.will_close) == (200, False)

        await asyncio.to_thread(run)

    serve(body, listener(tmp_path))


def test_head_has_the_headers_of_an_answer_and_no_body(tmp_path: pathlib.Path) -> None:
    async def body(edge: Edge) -> None:
        answer = await spoken(edge, b"HEAD /v1/sys/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, _, rest_of_it = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"content-length: " in head
        assert rest_of_it == b""

    serve(body, listener(tmp_path))


def test_requests_in_one_piece_are_answered_in_order(tmp_path: pathlib.Path) -> None:
    async def body(edge: Edge) -> None:
        one = b"GET /v1/%s HTTP/1.1\r\nHost: a\r\n%s\r\n"
        answer = await spoken(edge, one % (b"a", b"") + one % (b"b", b"") + one % (b"c", b"Connection: close\r\n"))
        places = [answer.index(b'"path":"%s"' % path) for path in (b"a", b"b", b"c")]
        assert places == sorted(places)
        assert answer.count(b"HTTP/1.1 200") == 3

    serve(body, listener(tmp_path))


ROOT = Authority("Root")


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
@pytest.mark.parametrize(
    ("client", "alert"),
    [
        (Authority("Other").issue("web"), "UNKNOWN_CA"),
        (ROOT.issue("web", days=(-3, -2)), "CERTIFICATE_EXPIRED"),
        (ROOT.issue("web", days=(1, 2)), "BAD_CERTIFICATE"),
        (ROOT.issue("web", usage=(SERVER,)), "UNSUPPORTED_CERTIFICATE"),
    ],
    ids=["of another authority", "expired", "not valid yet", "for servers"],
)
def test_who_is_refused_is_told_why_in_tls(
    client: Issued, alert: str, newest: ssl.TLSVersion, tmp_path: pathlib.Path
) -> None:
    (tmp_path / "root.pem").write_text(ROOT.pem)
    context = client_context(client.write(tmp_path))
    context.maximum_version = newest

    async def body(edge: Edge) -> None:
        def run() -> None:
            with connect(edge, context) as sock:
                # In TLS 1.3 a client is done before the server has looked at its certificate, and speaks at once.
                sock.sendall(b"POST /v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + bytes(100_000))
                sock.recv(1)

        with pytest.raises(ssl.SSLError) as caught:
            await asyncio.to_thread(run)
        assert alert in (caught.value.reason or "")

    serve(body, listener(tmp_path, tls_client_ca_file=str(tmp_path / "root.pem")))


def ended(sock: socket.socket) -> bool:
    """Whether the other side has closed a connection, or does so in time: then bytes sent to it are refused."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        try:
            sock.sendall(b"x")
        except (BrokenPipeError, ConnectionResetError):
            return True
        time.sleep(0.02)
    return False


def test_who_is_refused_and_stays_is_given_up(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.server.handshake.LINGER_SECONDS", 0.1)
    (tmp_path / "root.pem").write_text(ROOT.pem)
    context = client_context(Authority("Other").issue("web").write(tmp_path))
    context.maximum_version = ssl.TLSVersion.TLSv1_3

    async def body(edge: Edge) -> None:
        def run() -> None:
            with connect(edge, context) as sock:
                with pytest.raises(ssl.SSLError):
                    sock.recv(1)
                with contextlib.closing(socket.socket(fileno=sock.detach())) as raw:
                    assert ended(raw)

        await asyncio.to_thread(run)
        assert (await call(edge, "GET", "/v1/a"))[0] == 200

    serve(body, listener(tmp_path, tls_client_ca_file=str(tmp_path / "root.pem")))


def test_a_body_is_asked_for_only_when_it_is_wanted(tmp_path: pathlib.Path) -> None:
    head = b"POST /v1/a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"

    async def body(edge: Edge) -> None:
        def run() -> tuple[bytes, bytes]:
            with connect(edge) as sock:
                sock.sendall(head % 2)
                first = sock.recv(1000)
                sock.sendall(b"{}")
                return first, rest(sock)

        first, answer = await asyncio.to_thread(run)
        assert first.startswith(b"HTTP/1.1 100")
        assert answer.startswith(b"HTTP/1.1 200")
        refused = await spoken(edge, head % (64 << 20))
        assert refused.startswith(b"HTTP/1.1 413")

    serve(body, listener(tmp_path))


def test_a_body_over_the_limit_is_413_even_when_it_never_says_its_length(tmp_path: pathlib.Path) -> None:
    head = b"POST /v1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def body(edge: Edge) -> None:
        answer = await spoken(edge, head, *[b"fff\r\n" + b"x" * 0xFFF + b"\r\n"] * 4)
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"connection: close" in answer

    serve(body, listener(tmp_path, max_request_size=10_000))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"\r\n\r\nhello\r\n\r\n", b"400"),
        (b"GET /v1/a HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://[/v1/a HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET /v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET /v1/a HTTP/1.1\r\nHost: a\r\nA: " + b"x" * 140_000 + b"\r\n\r\n", b"431"),
        (b"GET /v1/a HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 101 + b"\r\n", b"431"),
        (b"POST /v1/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    ],
)
def test_what_is_no_http_or_too_much_is_refused_and_the_server_goes_on(
    text: bytes, status: bytes, tmp_path: pathlib.Path
) -> None:
    async def body(edge: Edge) -> None:
        answer = await spoken(edge, text)
        assert answer[:13] == b"HTTP/1.1 " + status + b" "
        assert (await call(edge, "GET", "/v1/a"))[0] == 200

    serve(body, listener(tmp_path))


def test_http_without_tls_is_told_so(tmp_path: pathlib.Path) -> None:
    async def body(edge: Edge) -> None:
        def run() -> bytes:
            host, _, port = edge.bound[0].address.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=30) as sock:
                sock.sendall(b"GET /v1/sys/health HTTP/1.1\r\nHost: a\r\n\r\n")
                return rest(sock)

        answer = await asyncio.to_thread(run)
        assert answer.startswith(b"HTTP/1.0 400 Bad Request\r\n")
        assert answer.endswith(b"Client sent an HTTP request to an HTTPS server.\n")

    serve(body, listener(tmp_path))


@pytest.mark.parametrize(
    ("tls", "sent"),
    [(False, b""), (True, b""), (True, b"GET /v1/a HTTP/1.1\r\nHo"), (True, b"GET /v1/a HTTP/1.1\r\nHost: a\r\n\r\n")],
    ids=["silent", "silent after the handshake", "half a head", "idle"],
)
def test_who_says_nothing_more_is_given_up(tls: bool, sent: bytes, tmp_path: pathlib.Path) -> None:
    async def body(edge: Edge) -> None:
        def run() -> None:
            host, _, port = edge.bound[0].address.rpartition(":")
            # On a busy machine it is over during the handshake already.
            over = contextlib.suppress(ssl.SSLEOFError, ConnectionResetError)
            with over, connect(edge) if tls else socket.create_connection((host, int(port)), timeout=30) as sock:
                sock.sendall(sent)
                rest(sock)

        await asyncio.wait_for(asyncio.to_thread(run), 20)

    serve(body, listener(tmp_path, http_read_header_timeout=0.1, http_idle_timeout=0.1))


def test_a_body_that_stops_coming_is_given_up(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.server.own.connection.READ_SILENCE", 0.1)

    async def body(edge: Edge) -> None:
        part = b"POST /v1/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"
        assert await asyncio.wait_for(spoken(edge, part), 20) == b""

    serve(body, listener(tmp_path))


def test_answers_and_bodies_may_stream(tmp_path: pathlib.Path) -> None:
    size = 5 << 20

    async def back(request: Request) -> Response:
        assert request.body is not None
        chunks = [chunk async for chunk in request.body]

        async def again() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return Response(bare=again(), content_type="application/gzip")

    async def body(edge: Edge) -> None:
        sent = bytes(range(256)) * (size // 256)
        status, headers, got = await call(edge, "POST", "/v1/sys/storage/raft/snapshot", sent)
        assert (status, headers["content-type"], got == sent) == (200, "application/gzip", True)

    serve(body, listener(tmp_path), handle=back, streams=lambda operation, path: operation is Operation.UPDATE)


def test_an_answer_that_nobody_takes_is_given_up(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.server.own.connection.WRITE_SILENCE", 0.1)
    gone = asyncio.Event()

    async def endless(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield bytes(1 << 16)
            finally:
                gone.set()

        return Response(bare=chunks(), content_type="application/gzip")

    async def body(edge: Edge) -> None:
        with await asyncio.to_thread(connect, edge) as sock:
            await asyncio.to_thread(sock.sendall, b"GET /v1/a HTTP/1.1\r\nHost: a\r\n\r\n")
            await asyncio.wait_for(gone.wait(), 20)

    serve(body, listener(tmp_path), handle=endless)


def test_certificates_are_reloaded_without_losing_a_request(tmp_path: pathlib.Path) -> None:
    first = listener(tmp_path)

    async def body(edge: Edge) -> None:
        done, statuses = asyncio.Event(), []

        def serial() -> str:
            with connect(edge) as sock:
                certificate = sock.getpeercert()
                assert certificate is not None
                return str(certificate["serialNumber"])

        def load() -> None:
            with contextlib.closing(connection(edge)) as conn:
                while not done.is_set():
                    conn.request("GET", "/v1/a")
                    answer = conn.getresponse()
                    answer.read()
                    statuses.append(answer.status)  # a connection that is closed in time opens again by itself

        workers = [asyncio.create_task(asyncio.to_thread(load)) for _ in range(3)]
        before = await asyncio.to_thread(serial)
        write(tmp_path)
        assert await edge.reload([first]) == []
        assert await asyncio.to_thread(serial) != before
        await asyncio.gather(*edge._retiring)
        done.set()
        await asyncio.gather(*workers)
        assert set(statuses) == {200}

    serve(body, first)


def test_a_listener_may_begin_to_ask_for_certificates_at_a_reload(tmp_path: pathlib.Path) -> None:
    before, after = listener(tmp_path, tls_client_ca_file=""), listener(tmp_path)
    client = write(tmp_path, "client")

    async def body(edge: Edge) -> None:
        address = edge.bound[0].listener.address
        assert await edge.reload([after]) == []
        assert address == after.address

        # Until the first server is gone either may get the connection.
        await asyncio.gather(*edge._retiring)
        got = await data(edge, "GET", "/v1/a", context=client_context(client))
        assert got["names"][0].startswith("CN=client,")

    serve(body, before, handle=shown)


def test_stopping_finishes_what_is_under_way_and_ends_idle_connections(tmp_path: pathlib.Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        if request.path == "slow":
            begun.set()
            await go_on.wait()
        return Response(data={})

    async def body(edge: Edge) -> None:
        idle = await asyncio.to_thread(connect, edge)
        under_way = asyncio.create_task(call(edge, "GET", "/v1/slow"))
        await begun.wait()
        stopping = asyncio.create_task(edge.stop(10))
        assert await asyncio.to_thread(rest, idle) == b""
        idle.close()
        go_on.set()
        status, headers, _ = await under_way
        assert (status, headers["connection"]) == (200, "close")
        assert await stopping

    serve(body, listener(tmp_path), handle=slow)


def test_a_request_that_comes_while_the_server_stops_is_answered_as_the_last(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.server.own.server.GRACE_SECONDS", 30.0)

    async def body(edge: Edge) -> None:
        with await asyncio.to_thread(connect, edge) as sock:
            request = b"GET /v1/a HTTP/1.1\r\nHost: a\r\n\r\n"
            await asyncio.to_thread(sock.sendall, request)
            assert b"connection: close" not in await asyncio.to_thread(sock.recv, 65536)
            stopping = asyncio.create_task(edge.stop(60))
            await asyncio.sleep(0)
            await asyncio.to_thread(sock.sendall, request)
            answer = await asyncio.to_thread(rest, sock)
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer
        assert await asyncio.wait_for(stopping, 20)  # nobody is left: there is nothing to wait for

    serve(body, listener(tmp_path))


def test_who_is_greeted_does_not_hold_up_the_stop(tmp_path: pathlib.Path) -> None:
    async def body(edge: Edge) -> None:
        host, _, port = edge.bound[0].address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as silent:
            assert (await call(edge, "GET", "/v1/a"))[0] == 200
            assert await edge.stop(10)
            assert await asyncio.to_thread(rest, silent) == b""

    serve(body, listener(tmp_path))


def test_beyond_the_most_connections_one_waits_until_another_ends(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.server.own.server.most_connections", lambda: 2)

    async def body(edge: Edge) -> None:
        first = await asyncio.to_thread(connect, edge)
        second = await asyncio.to_thread(connect, edge)
        waiting = asyncio.create_task(call(edge, "GET", "/v1/a"))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        first.close()
        assert (await waiting)[0] == 200
        second.close()

    serve(body, listener(tmp_path))


def test_all_listeners_together_have_no_more_connections_than_there_are_files_for(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.server.own.server.most_connections", lambda: 2)

    async def body(edge: Edge) -> None:
        first = await asyncio.to_thread(connect, edge)
        second = await asyncio.to_thread(connect, edge)
        waiting = asyncio.create_task(call(edge, "GET", "/v1/a", index=1))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
        first.close()
        assert (await waiting)[0] == 200
        second.close()

    serve(body, listener(tmp_path), Listener(address="127.0.0.1:0", tls_disable=True))


def test_who_is_idle_is_ended_where_others_wait(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.server.own.server.most_connections", lambda: 3)
    monkeypatch.setattr("strongroom.server.own.connection.SPARE_SECONDS", 0.1)
    go_on = asyncio.Event()

    async def handle(request: Request) -> Response:
        if request.path == "slow":
            await go_on.wait()
        return Response(data={})

    async def body(edge: Edge) -> None:
        silent, idle = await asyncio.to_thread(connect, edge), await asyncio.to_thread(connect, edge)
        await asyncio.to_thread(idle.sendall, b"GET /v1/a HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await asyncio.to_thread(idle.recv, 12) == b"HTTP/1.1 200"
        under_way = asyncio.create_task(call(edge, "GET", "/v1/slow"))
        for _ in range(3):
            assert (await call(edge, "GET", "/v1/a"))[0] == 200
        go_on.set()
        assert (await under_way)[0] == 200
        silent.close()
        idle.close()

    serve(body, listener(tmp_path), handle=handle)


def test_a_request_that_takes_too_long_is_503(tmp_path: pathlib.Path) -> None:
    async def forever(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def body(edge: Edge) -> None:
        status, _, text = await call(edge, "GET", "/v1/a")
        assert (status, b"context deadline exceeded" in text) == (503, True)

    serve(body, listener(tmp_path, max_request_duration=0.1), handle=forever)
