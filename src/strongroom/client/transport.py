"""One HTTP exchange over TCP, TLS or a unix socket, with the failures of all three told apart."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from strongroom.client.address import Address, parse_address
from strongroom.client.errors import TransportError
from strongroom.client.settings import Settings

if TYPE_CHECKING:
    import ssl

#: Not executed by the server, so that even a write may be sent again.
_NEVER_RUN = frozenset({412, 429})
_RETRY_READS = _NEVER_RUN | {502, 504}
_PAUSE = 0.5
_LONGEST_PAUSE = 5.0
_REDIRECTS = frozenset({301, 302, 307, 308})
_CHUNK = 1 << 16


class Writes(Protocol):
    """What a body can be streamed into."""

    def write(self, chunk: bytes, /) -> int:
        """See `IO.write`."""


class Reads(Protocol):
    """What a body can be streamed from."""

    def read(self, count: int = -1, /) -> bytes:
        """See `IO.read`."""

    def seek(self, place: int, /) -> int:
        """See `IO.seek`."""


class Reply:
    """An answer whose body is still to be read; close it."""

    def __init__(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, where: tuple[str, str]
    ):
        self._connection, self._response, self.where = connection, response, where
        self.status = response.status

    def header(self, name: str) -> str:
        """A header's value or ""."""
        return self._response.getheader(name) or ""

    def read(self) -> bytes:
        """The whole body; raises `TransportError` when it breaks off."""
        try:
            return self._response.read()
        except (OSError, http.client.HTTPException) as error:
            raise _failure(*self.where, error) from None
        finally:
            self.close()

    def lines(self) -> Iterator[bytes]:
        """The body line by line, as it comes; raises `TransportError` when it breaks off."""
        try:
            while True:
                try:
                    line = self._response.readline()
                except (OSError, http.client.HTTPException) as error:
                    raise _failure(*self.where, error) from None
                if not line:
                    break
                yield line
        finally:
            self.close()

    def copy_to(self, target: Writes) -> int:
        """Stream the body; returns its length; raises `TransportError` when it breaks off."""
        total = 0
        expected = self.header("Content-Length")
        try:
            while True:
                try:
                    chunk = self._response.read(_CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise _failure(*self.where, error) from None
                if not chunk:
                    break
                target.write(chunk)
                total += len(chunk)
        finally:
            self.close()
        if expected.isdecimal() and int(expected) != total:
            raise TransportError(*self.where, "unexpected EOF")
        return total

    def close(self) -> None:
        """Drop the connection."""
        self._response.close()
        self._connection.close()


class Transport:
    """Sends requests to one address. A connection serves one request: commands make one or two."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.address = parse_address(settings.address)
        self._tls: ssl.SSLContext | None = None

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | Reads | None) -> Reply:
        """Send, and send again what is safe to repeat. `target` is the path with its query, already escaped."""
        retries = self.settings.max_retries if body is None or isinstance(body, bytes) else 0
        statuses = _RETRY_READS if method == "GET" else _NEVER_RUN
        for attempt in range(retries + 1):
            last = attempt == retries
            try:
                reply = self._exchange(self.address, method, target, headers, body)
            except TransportError as error:
                if last or method != "GET" or error.reason != "broken":
                    raise
                wait = ""
            else:
                if last or reply.status not in statuses:
                    return self._follow(reply, method, headers, body) or reply
                wait = reply.header("Retry-After")
                reply.close()
            asked = float(wait) if wait.isdecimal() and len(wait) < 9 else _PAUSE * (attempt + 1)
            time.sleep(min(asked, _LONGEST_PAUSE))
        raise AssertionError("the last attempt returns or raises")

    def _follow(self, reply: Reply, method: str, headers: dict[str, str], body: bytes | Reads | None) -> Reply | None:
        """Follow one redirect (a standby naming the active node), never from TLS to plain text."""
        where = reply.header("Location")
        if reply.status not in _REDIRECTS or not where or not self.settings.redirects:
            return None
        from urllib.parse import urljoin, urlsplit

        whole = urljoin(f"{self.address.shown}/", where)
        reply.close()
        parts = urlsplit(whole)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        address = parse_address(f"{parts.scheme}://{parts.netloc}")
        if self.address.tls and not address.tls:
            raise TransportError(method, whole, "redirect would cause protocol downgrade")
        if self.address.socket and parts.netloc == "localhost":
            address = self.address._replace(base="")
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        return self._exchange(address, method, target, headers, body)

    def _exchange(
        self, address: Address, method: str, target: str, headers: dict[str, str], body: bytes | Reads | None
    ) -> Reply:
        where = (method, address.shown.removesuffix(address.base) + target)
        connection = http.client.HTTPConnection(address.host, address.port, timeout=self.settings.timeout or None)
        try:
            proxied = self._connect(connection, address)
            # A proxy that does not tunnel wants the whole URL.
            try:
                connection.request(
                    method, where[1] if proxied else target, body, {"Host": address.authority, **headers}
                )
            except (BrokenPipeError, ConnectionResetError):
                if body is None:
                    raise
                # Who refuses a body may answer before all of it is there.
            return Reply(connection, connection.getresponse(), where)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _failure(*where, error, address) from None
        except BaseException:
            connection.close()
            raise

    def _connect(self, connection: http.client.HTTPConnection, address: Address) -> bool:
        """Open the socket. True when a plain-text proxy has it."""
        if address.socket:
            raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            raw.settimeout(self.settings.timeout or None)
            connection.sock = raw
            raw.connect(address.socket)
            return False
        if proxy := self._proxy(address):
            connection.host, connection.port = proxy.host, proxy.port
            if address.tls:
                connection.set_tunnel(address.host, address.port)
        connection.connect()
        if address.tls:
            name = self.settings.tls_server_name or address.host
            connection.sock = self._context().wrap_socket(connection.sock, server_hostname=name)
        return proxy is not None and not address.tls

    def _proxy(self, address: Address) -> Address | None:
        from strongroom.client.proxies import proxy_for

        return proxy_for(self.settings, address)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            from strongroom.client.tls import client_context

            self._tls = client_context(self.settings)
        return self._tls


def _failure(method: str, url: str, error: Exception, address: Address | None = None) -> TransportError:
    """Say what happened as Go does, with the reason that selects the hint."""
    place = f"{address.host}:{address.port}" if address and not address.socket else (address.socket if address else "")
    network = "unix" if address and address.socket else "tcp"
    if isinstance(error, http.client.RemoteDisconnected):
        return TransportError(method, url, "EOF", "broken")
    if isinstance(error, http.client.HTTPException):
        if address and not address.tls:
            return TransportError(method, url, "malformed HTTP response", "not-http")
        return TransportError(method, url, "unexpected EOF", "cut")
    if isinstance(error, ConnectionRefusedError):
        return TransportError(method, url, f"dial {network} {place}: connect: connection refused", "refused")
    if isinstance(error, TimeoutError):
        return TransportError(method, url, "context deadline exceeded", "timeout")
    if isinstance(error, socket.gaierror):
        host = address.host if address else ""
        return TransportError(method, url, f"dial tcp: lookup {host}: no such host", "name")
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return TransportError(method, url, "connection reset by peer", "broken")
    if type(error).__module__ == "ssl":
        from strongroom.client.tls import describe

        return TransportError(method, url, *describe(error))
    why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return TransportError(method, url, f"dial {network} {place}: {why[:1].lower()}{why[1:]}", "network")
