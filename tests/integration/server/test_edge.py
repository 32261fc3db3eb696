"""The edge over real sockets, with a handler of the test's own behind it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http.client
import json
import logging
import pathlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator

import pytest
import uvloop
from tests.support.certificates import client_context, write, write_ca
from tests.support.edge import PLAIN, call, connection, data, echo, serve

from strongroom.api.messages import Operation, Request, Response
from strongroom.config import Listener
from strongroom.errors import BadRequest, ConfigError, PermissionDenied
from strongroom.server.answer import Answer
from strongroom.server.edge import Edge


async def raw(edge: Edge, text: bytes) -> bytes:
    """What comes back for these bytes until the server closes."""

    def run() -> bytes:
        host, _, port = edge.bound[0].address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as sock:
            sock.sendall(text)
            out = b""
            while chunk := sock.recv(65536):
                out += chunk
            return out

    return await asyncio.to_thread(run)


@pytest.mark.parametrize(
    ("method", "path", "operation", "seen"),
    [
        ("GET", "/v1/a/b?x=1", "read", "a/b"),
        ("LIST", "/v1/a", "list", "a/"),
        ("DELETE", "/v1/a", "delete", "a"),
        ("GET", "/v1/with%20space/%D0%BA%2Fx", "read", "with space/к/x"),
    ],
)
def test_requests_arrive(method: str, path: str, operation: str, seen: str) -> None:
    async def body(edge: Edge) -> None:
        got = await data(edge, method, path, headers={"X-Vault-Token": "t", "X-Other": "1"})
        assert (got["operation"], got["path"], got["token"], got["remote"]) == (operation, seen, "t", "127.0.0.1")
        assert "x-other" in got["headers"]

    serve(body)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_bodies_arrive_whole_or_in_chunks(method: str) -> None:
    async def body(edge: Edge) -> None:
        value = {"a": "x" * 300_000}
        assert (await data(edge, method, "/v1/a", json.dumps(value)))["data"] == value
        pieces = [json.dumps(value).encode()[i : i + 70_000] for i in range(0, 310_000, 70_000)]
        assert (await data(edge, method, "/v1/a", iter(pieces)))["data"] == value
        assert (await data(edge, method, "/v1/a"))["data"] == {}

    serve(body)


def test_patch_needs_its_content_type() -> None:
    async def body(edge: Edge) -> None:
        merge = {"Content-Type": "application/merge-patch+json"}
        assert (await data(edge, "PATCH", "/v1/a", '{"a": null}', merge))["data"] == {"a": None}
        assert (await call(edge, "PATCH", "/v1/a", "{}"))[0] == 415

    serve(body)


def test_head_has_no_body() -> None:
    async def body(edge: Edge) -> None:
        status, headers, text = await call(edge, "HEAD", "/v1/sys/health")
        assert (status, text) == (200, b"")
        assert headers["content-type"] == "application/json"

    serve(body)


def test_paths_are_refused_or_redirected() -> None:
    async def body(edge: Edge) -> None:
        assert (await call(edge, "GET", "/v1/a%00b"))[0] == 400
        assert (await call(edge, "GET", "/v1/a%ff"))[0] == 400
        status, headers, _ = await call(edge, "GET", "/v1/a/%2e%2e/b%3Fc?x=1")
        assert (status, headers["location"]) == (307, "/v1/b%3Fc?x=1")
        assert json.loads((await call(edge, "GET", "/v2/x"))[2]) == {"errors": []}

    serve(body)


def test_every_answer_says_the_server_and_forbids_caching() -> None:
    async def body(edge: Edge) -> None:
        for path in ("/v1/a", "/v1/a?list=maybe", "/v1/sys", "/v1/%01", "/x"):
            _, headers, _ = await call(edge, "GET", path)
            assert headers["server"] == "Strongroom"
            assert headers["cache-control"] == "no-store"
            assert headers["x-vault-hostname"] == "here"

    serve(body, headers={"x-vault-hostname": "here"})


def test_a_body_over_the_limit_is_413_before_it_is_read() -> None:
    async def body(edge: Edge) -> None:
        head = b"POST /v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
        assert (await raw(edge, head + b"x" * 10)).startswith(b"HTTP/1.1 413 ")
        chunk = b"400\r\n" + b" " * 1024 + b"\r\n"
        head = b"POST /v1/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert b"request body too large" in await raw(edge, head + chunk * 20)
        assert (await call(edge, "POST", "/v1/a", b"{}".ljust(10_000)))[0] == 200
        assert (await call(edge, "POST", "/v1/a", b"{}".ljust(10_001)))[0] == 413

    serve(body, dataclasses.replace(PLAIN, max_request_size=10_000))


@pytest.mark.parametrize(
    "headers",
    [b"".join(b"H%d: x\r\n" % i for i in range(150)), b"H: " + b"x" * 200_000 + b"\r\n"],
)
def test_headers_have_limits(headers: bytes) -> None:
    async def body(edge: Edge) -> None:
        answer = await raw(edge, b"GET /v1/a HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 431 ")

    serve(body)


@pytest.mark.parametrize("text", [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01" * 9])
def test_what_is_no_http_is_refused_and_the_server_goes_on(text: bytes) -> None:
    async def body(edge: Edge) -> None:
        assert not (await raw(edge, text + b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert (await call(edge, "GET", "/v1/a"))[0] == 200

    serve(body)


def test_a_request_that_takes_too_long_is_503() -> None:
    async def handle(_: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def body(edge: Edge) -> None:
        status, _, text = await call(edge, "GET", "/v1/a")
        assert (status, json.loads(text)) == (503, {"errors": ["context deadline exceeded"]})
        assert edge.under_way == 0

    serve(body, dataclasses.replace(PLAIN, max_request_duration=0.01), handle=handle)


def test_an_unexpected_failure_tells_the_log_and_not_the_client(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(_: Request) -> Response:
        raise KeyError("sesame")

    async def body(edge: Edge) -> None:
        status, _, text = await call(edge, "GET", "/v1/a")
        assert (status, json.loads(text)) == (500, {"errors": ["internal error"]})

    with caplog.at_level(logging.ERROR, "strongroom.http"):
        serve(body, handle=handle)
    assert "failed" in caplog.text


def test_refusals_are_rendered() -> None:
    async def handle(_: Request) -> Response:
        raise BadRequest("no", data={"a": 1})

    async def body(edge: Edge) -> None:
        status, _, text = await call(edge, "GET", "/v1/a")
        assert status == 400
        assert json.loads(text)["data"] == {"a": 1}

    serve(body, handle=handle)


def test_answers_and_bodies_may_stream() -> None:
    async def handle(request: Request) -> Response:
        if request.operation is Operation.READ:
            return Response(bare=chunks(), content_type="application/gzip")
        assert request.body is not None
        size = 0
        async for chunk in request.body:
            size += len(chunk)
        return Response(data={"size": size})

    async def chunks() -> AsyncIterator[bytes]:
        for i in range(100):
            yield bytes([i]) * 1000

    async def body(edge: Edge) -> None:
        status, headers, text = await call(edge, "GET", "/v1/sys/snapshot")
        assert (status, headers["content-type"], len(text)) == (200, "application/gzip", 100_000)
        assert (await data(edge, "POST", "/v1/sys/snapshot", b"\xff" * 500_000))["size"] == 500_000

    serve(
        body,
        dataclasses.replace(PLAIN, max_request_size=1000),
        handle=handle,
        streams=lambda operation, path: path == "sys/snapshot",
    )


def test_pages_outside_the_api() -> None:
    async def pages(method: str, path: str) -> Answer | None:
        return Answer(200, [("content-type", "text/html")], b"<p>") if path == "/ui/" else None

    async def body(edge: Edge) -> None:
        status, headers, text = await call(edge, "GET", "/ui/")
        assert (status, headers["content-type"], text) == (200, "text/html", b"<p>")
        assert (await call(edge, "GET", "/other"))[0] == 404
        assert (await call(edge, "GET", "/v1/a"))[0] == 200

    serve(body, pages=pages)


def test_somebody_may_watch() -> None:
    seen: list[tuple[str, int]] = []

    async def body(edge: Edge) -> None:
        await call(edge, "GET", "/v1/a")

    serve(body, watch=lambda request, status, seconds: seen.append((request.path, status)))
    assert seen == [("a", 200)]


class OneOrigin:
    """Lets pages of one origin in."""

    def check(self, origin: str) -> dict[str, str]:
        if origin != "https://ui.example":
            raise PermissionDenied("origin not allowed")
        return {"Access-Control-Allow-Origin": origin}

    def preflight(self, origin: str, method: str) -> dict[str, str] | None:
        return {**self.check(origin), "Access-Control-Allow-Methods": "GET"} if method == "GET" else None


def test_web_origins_are_judged_before_anything_else() -> None:
    good, bad = {"Origin": "https://ui.example"}, {"Origin": "https://evil.example"}
    asked = {"Access-Control-Request-Method": "GET"}

    async def body(edge: Edge) -> None:
        for path in ("/v1/a", "/v1/sys", "/nowhere"):
            assert (await call(edge, "GET", path, headers=good))[1]["access-control-allow-origin"] == good["Origin"]
            assert "access-control-allow-origin" not in (await call(edge, "GET", path))[1]
            status, _, text = await call(edge, "GET", path, headers=bad)
            assert (status, json.loads(text)) == (403, {"errors": ["origin not allowed"]})
        status, headers, text = await call(edge, "OPTIONS", "/v1/a", headers={**good, **asked})
        assert (status, headers["access-control-allow-methods"], text) == (200, "GET", b"")
        assert (await call(edge, "OPTIONS", "/v1/a", headers=good))[0] == 405
        assert (await call(edge, "OPTIONS", "/v1/a", headers={**bad, **asked}))[0] == 403

    serve(body, origins=OneOrigin)


def test_origins_do_not_matter_while_nobody_judges_them() -> None:
    async def body(edge: Edge) -> None:
        assert (await call(edge, "GET", "/v1/a", headers={"Origin": "https://x.example"}))[0] == 200

    serve(body, origins=lambda: None)


def test_forwarded_addresses_come_from_trusted_proxies_only() -> None:
    async def body(edge: Edge) -> None:
        headers = {"X-Forwarded-For": "192.0.2.9, 198.51.100.7"}
        assert (await data(edge, "GET", "/v1/a", headers=headers))["remote"] == "198.51.100.7"
        assert (await call(edge, "GET", "/v1/a"))[0] == 400
        assert (await data(edge, "GET", "/v1/a", headers=headers, index=1))["remote"] == "127.0.0.1"

    trusting = dataclasses.replace(PLAIN, x_forwarded_for_authorized_addrs=("127.0.0.0/8",))
    serve(body, trusting, PLAIN)


def test_a_unix_socket(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "socket"

    async def body(edge: Edge) -> None:
        def run() -> bytes:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                sock.sendall(b"GET /v1/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return b"".join(iter(lambda: sock.recv(65536), b""))

        assert path.stat().st_mode & 0o777 == 0o660
        assert b'"remote":""' in await asyncio.to_thread(run)

    serve(body, Listener(type="unix", address=str(path), socket_mode=0o660))
    assert not path.exists()


def test_all_listeners_start_or_none(tmp_path: pathlib.Path) -> None:
    async def body(edge: Edge) -> None:
        other = Edge(echo)
        taken = dataclasses.replace(PLAIN, address=edge.bound[0].address)
        path = tmp_path / "s"
        with pytest.raises(ConfigError, match="address already in use"):
            await other.start((Listener(type="unix", address=str(path)), taken))
        assert not path.exists()
        assert other.bound == []
        with pytest.raises(ConfigError, match="PROXY"):
            await other.start((dataclasses.replace(PLAIN, proxy_protocol_behavior="use_always"),))

    serve(body)


@pytest.mark.parametrize("oldest", ["tls12", "tls13"])
def test_tls_versions_and_http2(oldest: str, tmp_path: pathlib.Path) -> None:
    files = write(tmp_path)

    async def body(edge: Edge) -> None:
        _, headers, _ = await call(edge, "GET", "/v1/a")
        assert "strict-transport-security" in headers

        def shake(newest: ssl.TLSVersion) -> tuple[str | None, str | None]:
            context = client_context()
            context.maximum_version = newest
            context.set_alpn_protocols(["h2", "http/1.1"])
            address = ("127.0.0.1", int(edge.bound[0].address.rpartition(":")[2]))
            with (
                socket.create_connection(address, timeout=30) as sock,
                context.wrap_socket(sock, server_hostname="localhost") as secured,
            ):
                return secured.version(), secured.selected_alpn_protocol()

        assert await asyncio.to_thread(shake, ssl.TLSVersion.TLSv1_3) == ("TLSv1.3", "h2")
        if oldest == "tls12":
            assert await asyncio.to_thread(shake, ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", "h2")
        else:
            with pytest.raises(ssl.SSLError):
                await asyncio.to_thread(shake, ssl.TLSVersion.TLSv1_2)

    serve(
        body,
        Listener(
            address="127.0.0.1:0",
            tls_cert_file=str(files.cert),
            tls_key_file=str(files.key),
            tls_min_version=oldest,
        ),
    )


def test_client_certificates_can_be_required(tmp_path: pathlib.Path) -> None:
    files, ca = write(tmp_path), write_ca(tmp_path)
    client = write(tmp_path, "client")

    async def body(edge: Edge) -> None:
        assert (await call(edge, "GET", "/v1/a", context=client_context(client)))[0] == 200
        with pytest.raises(OSError, match=r"(?i)alert|reset|closed"):
            await call(edge, "GET", "/v1/a", context=client_context())

    serve(
        body,
        Listener(
            address="127.0.0.1:0",
            tls_cert_file=str(files.cert),
            tls_key_file=str(files.key),
            tls_require_and_verify_client_cert=True,
            tls_client_ca_file=str(ca),
        ),
    )


def serial(edge: Edge) -> int:
    """The serial number of the certificate that a new connection gets."""
    with contextlib.closing(connection(edge)) as conn:
        conn.connect()
        assert isinstance(conn.sock, ssl.SSLSocket)
        certificate = conn.sock.getpeercert()
        assert certificate is not None
        return int(str(certificate["serialNumber"]), 16)


def test_certificates_are_reloaded_without_losing_a_request(tmp_path: pathlib.Path) -> None:
    files = write(tmp_path)
    listener = Listener(address="127.0.0.1:0", tls_cert_file=str(files.cert), tls_key_file=str(files.key))

    async def body(edge: Edge) -> None:
        done, statuses = threading.Event(), []

        def load() -> None:
            conn = connection(edge)
            while not done.is_set():
                conn.request("GET", "/v1/a")
                answer = conn.getresponse()
                answer.read()
                statuses.append(answer.status)  # a connection that is closed in time opens again by itself
            conn.close()

        workers = [asyncio.create_task(asyncio.to_thread(load)) for _ in range(4)]
        before = await asyncio.to_thread(serial, edge)
        for _ in range(2):
            write(tmp_path)
            assert await edge.reload((listener,)) == []
            await asyncio.gather(*edge._retiring)
            after = await asyncio.to_thread(serial, edge)
            assert after != before
            before = after
        done.set()
        await asyncio.gather(*workers)
        assert set(statuses) == {200}

    serve(body, listener)


def test_a_certificate_that_cannot_be_loaded_leaves_the_old_one(tmp_path: pathlib.Path) -> None:
    files = write(tmp_path)
    listener = Listener(address="127.0.0.1:0", tls_cert_file=str(files.cert), tls_key_file=str(files.key))

    async def body(edge: Edge) -> None:
        before = await asyncio.to_thread(serial, edge)
        files.cert.write_text("nonsense")
        (problem,) = await edge.reload((listener,))
        assert "holds no certificate" in str(problem)
        assert await asyncio.to_thread(serial, edge) == before

    serve(body, listener)


def test_stopping_finishes_what_is_under_way_and_refuses_what_is_new() -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def handle(_: Request) -> Response:
        started.set()
        await go_on.wait()
        return Response(data={})

    async def main() -> None:
        edge = Edge(handle)
        (bound,) = await edge.start((PLAIN,))
        request = asyncio.create_task(call(edge, "GET", "/v1/a"))
        await started.wait()
        stopping = asyncio.create_task(edge.stop(30))
        await asyncio.sleep(0)
        go_on.set()
        assert (await request)[0] == 200
        assert await stopping
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", int(bound.address.rpartition(":")[2]))).close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_who_takes_answers_slowly_leaves_nothing_behind() -> None:
    request, count = b"GET /v1/a HTTP/1.1\r\nHost: a\r\n\r\n", 100

    async def handle(_: Request) -> Response:
        return Response(data={"a": "x" * 100_000})

    async def body(edge: Edge) -> None:
        def run() -> int:
            host, _, port = edge.bound[0].address.rpartition(":")
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
                sock.settimeout(30)
                sock.connect((host, int(port)))
                sock.sendall(request * count)
                sock.shutdown(socket.SHUT_WR)
                out = b""
                while chunk := sock.recv(1 << 16):
                    out += chunk
                return out.count(b"HTTP/1.1 200")

        assert await asyncio.to_thread(run) == count
        assert edge.under_way == 0

    serve(body, handle=handle)


def test_who_is_refused_hears_it_and_sees_the_end_though_it_sends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.server.own.connection.LINGER_SECONDS", 60.0)

    async def body(edge: Edge) -> None:
        def run() -> bytes:
            host, _, port = edge.bound[0].address.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=30) as sock:
                sock.sendall(b"nonsense\r\n\r\n" + bytes(1 << 20))
                out = b"".join(iter(lambda: sock.recv(65536), b""))
                sock.sendall(bytes(100))  # it still is taken: nothing is reset
                return out

        assert (await asyncio.to_thread(run)).startswith(b"HTTP/1.1 400 ")

    serve(body)


def test_stopping_breaks_off_what_does_not_finish() -> None:
    started, stopped = asyncio.Event(), []

    async def handle(_: Request) -> Response:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)
        raise AssertionError

    async def main() -> None:
        edge = Edge(handle)
        await edge.start((PLAIN,))
        request = asyncio.create_task(call(edge, "GET", "/v1/a"))
        await started.wait()
        assert not await edge.stop(0.01)
        assert stopped == [True]
        with contextlib.suppress(OSError, http.client.HTTPException):
            await request

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_the_server_leaves_nothing_open() -> None:
    async def body(edge: Edge) -> None:
        await call(edge, "GET", "/v1/a")

    serve(body)
    before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        serve(body)
    assert len(list(pathlib.Path("/proc/self/fd").iterdir())) <= before


def test_the_http_server_leaves_our_logging_alone() -> None:
    handler = logging.StreamHandler()
    logging.getLogger().addHandler(handler)
    try:

        async def body(edge: Edge) -> None:
            assert handler in logging.getLogger().handlers
            assert logging.getLogger("_granian").handlers == []

        serve(body)
    finally:
        logging.getLogger().removeHandler(handler)
