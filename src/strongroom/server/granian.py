"""Granian, embedded: the only module that knows it.

Granian runs HTTP/1.1, HTTP/2 and TLS in a thread of its own and calls a `Site` in our loop for each request. Three
things here lean on its insides, all covered by tests: it is given our listening socket instead of an address, its
logging setup is kept from touching ours, and requests are begun by a `Driver` instead of a task each.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from granian._granian import CallbackScheduler, RSGIProtocolClosed, RSGIProtocolError, SocketHolder
from granian.constants import SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server import embed

from strongroom.config import Listener
from strongroom.server.listeners import BACKLOG, MAX_HEAD, most_connections
from strongroom.server.site import BrokenOff, Site
from strongroom.server.tls import TLS
from strongroom.turns import Driver

_CLIENT_LEFT: tuple[type[BaseException], ...] = (RSGIProtocolClosed, RSGIProtocolError)

#: Says "change nothing that exists": Granian configures logging anew with each server, closing all handlers there are.
_KEEP_LOGGING = {
    "incremental": True,
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"propagate": True}},
}
_VERSIONS = {"tls12": SSLProtocols.tls12, "tls13": SSLProtocols.tls13}


class _Scheduler(CallbackScheduler):
    """Takes each request from Granian's thread to the loop's driver."""

    def __init__(self, loop: asyncio.AbstractEventLoop, site: Site, *_: Any) -> None:
        super().__init__()
        bring = Driver(loop, site.enter, loop.call_soon_threadsafe).bring
        self._schedule_fn = lambda watcher: bring(_answer(site, watcher))


class _Headers(Mapping[str, str]):
    """RSGI's headers as a mapping, without copying them: most are never looked at."""

    __slots__ = ("_inner",)

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def get(self, name: str, default: Any = None) -> Any:
        """The first value of a header."""
        return self._inner.get(name, default)

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self._inner.items() if key == name]

    def __getitem__(self, name: str) -> str:
        value: str | None = self._inner.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._inner.items()))

    def __len__(self) -> int:
        return len(dict(self._inner.items()))

    def __bool__(self) -> bool:
        return True  # without looking: there is always a Host, and nothing depends on it


class _Scope:
    """RSGI's scope with these headers."""

    __slots__ = ("client", "headers", "http_version", "method", "path", "query_string")

    def __init__(self, scope: Any) -> None:
        self.client: str = scope.client
        self.headers = _Headers(scope.headers)
        self.http_version: str = scope.http_version
        self.method: str = scope.method
        self.path: str = scope.path
        self.query_string: str = scope.query_string


async def _answer(site: Site, watcher: Any) -> None:
    try:
        await site(_Scope(watcher.scope), watcher.proto)
    except BrokenOff:
        watcher.done()  # there is no way to tell it that the connection should be cut
    except BaseException as e:
        watcher.err(e)
    else:
        watcher.done()


def _scheduler(loop: asyncio.AbstractEventLoop, site: Site, impl_asyncio: bool = True) -> _Scheduler:
    # Granian's own would get here what it enters and leaves tasks with.
    return _Scheduler(loop, site, None, None, None)


# What stands between a request and its task; the scheduler gets the site itself.
vars(embed).update(_future_watcher_wrapper=lambda site: site, _new_cbscheduler=_scheduler)


class _Server(embed.Server):
    def __init__(self, site: Site, sock: socket.socket, **options: Any) -> None:
        self._listening = sock
        self.started = asyncio.Event()
        super().__init__(site, **options)

    def _init_shared_socket(self) -> None:
        # A descriptor of its own, since Granian closes it when it stops.
        unix = self._listening.family == socket.AF_UNIX
        holder: Any = SocketHolder
        self._ssp = None
        self._shd = holder(os.dup(self._listening.fileno()), unix, BACKLOG)

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        self.started.set()


class Running:
    """A Granian server on a listening socket."""

    def __init__(self, site: Site, sock: socket.socket, listener: Listener, tls: TLS) -> None:
        self.site = site
        site.closed = _CLIENT_LEFT
        self._server = _Server(site, sock, **_options(listener, tls))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it; on return it takes connections."""
        self._task = asyncio.create_task(self._server.serve())
        started = asyncio.create_task(self._server.started.wait())
        await asyncio.wait({started, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            started.cancel()
            await self._task
            raise RuntimeError("the HTTP server ended at once")

    async def stop(self) -> None:
        """Take no more connections, finish the requests under way, close the connections."""
        self._server.stop()  # type: ignore[no-untyped-call]
        if self._task is not None:
            await self._task

    def kill(self) -> None:
        """Give up waiting."""
        if self._task is not None:
            self._task.cancel()


def _options(listener: Listener, tls: TLS) -> dict[str, Any]:
    return {
        "websockets": False,
        "backlog": BACKLOG,
        "backpressure": most_connections(),
        "log_level": LogLevels.error,
        "log_dictconfig": _KEEP_LOGGING,
        "http1_settings": HTTP1Settings(
            # One timer for the headers and for idle connections: the longer of the two, or clients lose kept ones.
            header_read_timeout=int(max(listener.http_read_header_timeout, listener.http_idle_timeout) * 1000),
            max_buffer_size=MAX_HEAD,
        ),
        "http2_settings": HTTP2Settings(
            keep_alive_interval=20_000, max_concurrent_streams=256, max_headers_size=MAX_HEAD
        ),
        "ssl_cert": tls.cert,
        "ssl_key": tls.key,
        "ssl_protocol_min": _VERSIONS[tls.min_version],
    }
