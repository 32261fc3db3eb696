"""Calls to other systems: what they get, and that they end, whatever the other side does."""

from __future__ import annotations

import asyncio
import pathlib
import threading
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import trustme
from tests.support.certificates import authority, write
from tests.support.issuers import Answer, Site

from strongroom.auth import outbound
from strongroom.auth.outbound import Fetched, Http, Unreachable


def calling(work: Callable[[Http], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        http = Http()
        try:
            return await work(http)
        finally:
            await http.aclose()

    return asyncio.run(main())


def getting(url: str, **more: Any) -> Fetched:
    answer: Fetched = calling(lambda http: http.get(url, **more))
    return answer


def fails(url: str, **more: Any) -> str:
    with pytest.raises(Unreachable) as refused:
        getting(url, **more)
    return str(refused.value)


def test_neither_proxies_nor_cookies_nor_compression_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    def serve(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Set-Cookie", "a=b")
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    with Site(serve) as site:
        calling(lambda http: _twice(http, site.address))
    assert [headers["Accept-Encoding"] for _, headers, _ in site.seen] == ["identity"] * 2
    assert not any("Cookie" in headers for _, headers, _ in site.seen)


async def _twice(http: Http, url: str) -> None:
    await http.get(url)
    await http.get(url)


def test_a_form_and_an_object_arrive_as_they_are() -> None:
    async def work(http: Http) -> tuple[int, int]:
        one = await http.post(site.address, json={"a": [1]}, headers={"X-A": "b"})
        return one.status, (await http.post(site.address, form={"a": "b c"})).status

    with Site(lambda *_: (418, {})) as site:
        assert calling(work) == (418, 418)
    (_, headers, body), (_, more, form) = site.seen
    assert (body, headers["X-A"], headers["Content-Type"]) == (b'{"a":[1]}', "b", "application/json")
    assert (form, more["Content-Type"]) == (b"a=b+c", "application/x-www-form-urlencoded")


def test_an_answer_that_is_too_long_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "MAX_BODY", 1000)
    with Site(lambda *_: (200, b"a" * 100_000)) as site:
        assert "longer than 1000 bytes" in fails(site.address)


def test_who_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "TIMEOUT", 0.1)
    done = threading.Event()

    def silent(*_: Any) -> None:
        done.wait(30)

    with Site(silent) as site:
        try:
            assert "no answer within 0.1 s" in fails(site.address)
        finally:
            done.set()


def test_who_answers_in_drops_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "TIMEOUT", 0.2)
    done = threading.Event()

    def dripping(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not done.wait(0.02):
            try:
                handler.wfile.write(b"a")
            except OSError:
                return

    with Site(dripping) as site:
        try:
            assert "no answer within 0.2 s" in fails(site.address)
        finally:
            done.set()


def test_redirects_are_followed_a_few_times_and_headers_stay_behind() -> None:
    def hop(handler: BaseHTTPRequestHandler, _: bytes) -> Answer | None:
        if handler.path.startswith("/to"):
            handler.send_response(302)
            handler.send_header("Location", {"/to": site2.address + "/end", "/to/ever": "/to/ever"}[handler.path])
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return None
        return 200, {"at": handler.path}

    with Site(hop) as site, Site(hop) as site2:
        answer = getting(site.address + "/to", headers={"Authorization": "Bearer x"})
        assert answer.object() == {"at": "/end"}
        assert "Authorization" in site.seen[0][1]
        assert "Authorization" not in site2.seen[0][1]
        assert "too many redirects" in fails(site.address + "/to/ever")


def test_a_redirect_never_leaves_tls(tmp_path: pathlib.Path) -> None:
    def away(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://127.0.0.1:1/")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with Site(away, write(tmp_path)) as site:
        assert "without TLS" in fails(site.address, ca_pem=_pem(authority()))


def _pem(ca: trustme.CA) -> str:
    return ca.cert_pem.bytes().decode()


def test_certificates_are_of_the_given_authority_or_refused(tmp_path: pathlib.Path) -> None:
    with Site(lambda *_: (200, {"a": 1}), write(tmp_path)) as site:
        assert getting(site.address, ca_pem=_pem(authority())).object() == {"a": 1}
        assert "certificate is refused" in fails(site.address, ca_pem=_pem(trustme.CA()))
        assert "certificate is refused" in fails(site.address)
        assert "CA certificate cannot be read" in fails(site.address, ca_pem="no pem")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1", "connection refused"),
        ("ftp://127.0.0.1", "does not begin with"),
        ("//127.0.0.1", "does not begin with"),
        ("http://", "no host"),
        ("http://user:pw@127.0.0.1", "a name before the host"),
        ("http://[::1", "no URL"),
        ("http://127.0.0.1:99999", "no URL"),
        ("http://127.0.0.1:1/a b", "blanks"),
        ("http://127.0.0.1:1/a\r\nX: y", "blanks"),
        ("http://name.invalid", "resolved"),
    ],
)
def test_where_nobody_is(url: str, why: str) -> None:
    said = fails(url)
    assert why in said
    assert "pw" not in said


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_unreachable(body: bytes) -> None:
    with pytest.raises(Unreachable, match="no JSON object"):
        Fetched(200, {}, body).object()


def test_what_breaks_off_is_unreachable() -> None:
    def broken(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        handler.close_connection = True

    with Site(broken) as site:
        fails(site.address)
