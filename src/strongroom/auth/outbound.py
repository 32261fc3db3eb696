"""HTTP to other systems: a Kubernetes API, an issuer of tokens. Every call is bounded in time and in size.

Proxies from the environment, cookies and compression are not used; certificates are always checked. aiohttp is
imported by the first call, since most servers never make one.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import msgspec

from strongroom.api.context import Context
from strongroom.errors import StrongroomError

if TYPE_CHECKING:
    import aiohttp

TIMEOUT: Final = 10.0
CONNECT_TIMEOUT: Final = 5.0
MAX_BODY: Final = 1 << 20
#: How often a read may be sent elsewhere; never from https to http.
MAX_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CONNECTIONS, _PER_HOST, _IDLE_SECONDS = 64, 16, 30.0
_CONTEXTS: Final = 8


class Unreachable(StrongroomError):
    """The other system gave no usable answer. The text has addresses and causes, never a secret."""


class Fetched(NamedTuple):
    """An answer. Header names are as they were sent; look them up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; raises `Unreachable`."""
        try:
            return msgspec.json.decode(self.body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unreachable(f"the answer (status {self.status}) is no JSON object") from None


class Http:
    """A mount's connections; `of` gives a context's."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def get(
        self, url: str, *, ca_pem: str = "", headers: Mapping[str, str] | None = None, most: int = 0
    ) -> Fetched:
        """Read an address, following a few redirects; headers stay with the first host.

        At most `most` bytes are taken, MAX_BODY when it is 0.

        Raises:
            Unreachable: there is no answer, or it is not a 200.
        """
        answer = await _in_time(url, self._get(url, ca_pem, headers, most))
        if answer.status != 200:
            raise Unreachable(f"{shown(url)}: status {answer.status}")
        return answer

    async def _get(self, url: str, ca_pem: str, headers: Mapping[str, str] | None, most: int) -> Fetched:
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._call("GET", url, ca_pem, headers, most=most)
            location = next((v for k, v in answer.headers.items() if k.lower() == "location"), "")
            if answer.status not in _REDIRECTS or not location:
                return answer
            url, headers = _redirected(url, location, headers)
        raise Unreachable(f"{shown(url)}: too many redirects")

    async def post(
        self,
        url: str,
        *,
        ca_pem: str = "",
        headers: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Fetched:
        """Send an object, a form, or bytes. Redirects are not followed: what is sent may be secret.

        Raises:
            Unreachable: there is no answer. Any status is one.
        """
        if json is not None:
            headers = {"Content-Type": "application/json", **(headers or {})}
            raw = msgspec.json.encode(json)
        data = raw if raw is not None else dict(form or {})
        return await _in_time(url, self._call("POST", url, ca_pem, headers, data))

    async def _call(
        self,
        method: str,
        url: str,
        ca_pem: str,
        headers: Mapping[str, str] | None,
        data: bytes | dict[str, str] | None = None,
        most: int = 0,
    ) -> Fetched:
        import aiohttp

        problem = url_problem(url)
        if problem:
            raise Unreachable(f"{shown(url)}: {problem}")
        tls: dict[str, Any] = {"ssl": await self._context(ca_pem)} if url.startswith("https:") else {}
        try:
            async with self._open().request(
                method, url, headers=headers, data=data, allow_redirects=False, **tls
            ) as answer:
                return Fetched(answer.status, answer.headers, await _body(answer, most or MAX_BODY))
        except TimeoutError:
            raise Unreachable(f"{shown(url)}: no connection within {CONNECT_TIMEOUT:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as e:
            raise Unreachable(f"{shown(url)}: {_cause(e)}") from None

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=_CONNECTIONS, limit_per_host=_PER_HOST, keepalive_timeout=_IDLE_SECONDS
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "Accept": "application/json", "User-Agent": "strongroom"},
            )
        return self._session

    async def _context(self, ca_pem: str) -> ssl.SSLContext:
        """What certificates are checked with; the same object for the same CA, so that connections are shared."""
        context = self._contexts.get(ca_pem)
        if context is None:
            # Reading the system's certificates takes tens of milliseconds.
            made = await asyncio.to_thread(_make_context, ca_pem)
            while len(self._contexts) >= _CONTEXTS:
                self._contexts.pop(next(iter(self._contexts)))
            context = self._contexts.setdefault(ca_pem, made)
        return context


def of(ctx: Context) -> Http:
    """The connections of a request's mount; they are closed when the mount goes or the server seals."""
    http: Http = ctx.memory.setdefault("http", Http())
    return http


async def _in_time(url: str, call: Coroutine[Any, Any, Fetched]) -> Fetched:
    try:
        async with asyncio.timeout(TIMEOUT):
            return await call
    except TimeoutError:
        raise Unreachable(f"{shown(url)}: no answer within {TIMEOUT:g} s") from None


def _make_context(ca_pem: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca_pem or None)
    except (ssl.SSLError, ValueError):
        raise Unreachable("the CA certificate cannot be read") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Clusters' own CAs are often older than the strict profile, and may be intermediates.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def url_problem(url: str) -> str:
    """Why an address cannot be called, "" when it can."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "it is no URL"
    if parts.scheme not in ("http", "https"):
        return "it does not begin with http:// or https://"
    if not parts.hostname or "@" in parts.netloc:
        return "it has no host, or a name before the host"
    return "" if url.isprintable() and " " not in url else "it has blanks or control characters"


def _redirected(url: str, location: str, headers: Mapping[str, str] | None) -> tuple[str, Mapping[str, str] | None]:
    target = urljoin(url, location)
    if url.startswith("https:") and not target.startswith("https:"):
        raise Unreachable(f"{shown(url)}: it redirects to an address without TLS")
    same = urlsplit(url)[:2] == urlsplit(target)[:2]
    return target, headers if same else None


async def _body(answer: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(1 << 16):
        body += chunk
        if len(body) > most:
            raise Unreachable(f"{shown(str(answer.url))}: the answer is longer than {most} bytes")
    return bytes(body)


def _cause(error: Exception) -> str:
    """What went wrong, in words that hold nothing of what was sent."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        inner = error.certificate_error
        return f"its certificate is refused: {getattr(inner, 'verify_message', '') or type(inner).__name__}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number).lower() if number else "the connection failed"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection"
    return f"the call failed ({type(error).__name__})"


def shown(url: str) -> str:
    """An address without what may be secret in it."""
    return url.partition("?")[0].rpartition("@")[2][:256] if url.isprintable() else "the address"
