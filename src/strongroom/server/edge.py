"""The listeners together: started, reloaded without a lost request, drained."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.api.messages import Operation
from strongroom.config import Listener
from strongroom.errors import ConfigError
from strongroom.server import listeners as sockets
from strongroom.server import tls
from strongroom.server.flights import Flights
from strongroom.server.http import Rules
from strongroom.server.listeners import Bound
from strongroom.server.own import Running as Own
from strongroom.server.render import Renderer
from strongroom.server.site import Handle, Origins, Pages, Service, Site, Streams, Watch

if TYPE_CHECKING:
    from strongroom.server.granian import Running as Granian

#: How long a server that another replaces goes on: kept connections learn with their next answer that they close.
RETIRE_SECONDS = 1.0


def no_streams(operation: Operation, path: str) -> bool:
    """No body is handed out in chunks."""
    return False


@dataclass(slots=True)
class _Listening:
    sock: socket.socket
    bound: Bound
    server: Granian | Own


class Edge:
    """All listeners of a server. `handle` answers a `Request` or raises `RequestError`.

    `printable` refuses unprintable characters in paths; `headers` go with every answer.
    """

    def __init__(
        self,
        handle: Handle,
        *,
        streams: Streams = no_streams,
        pages: Pages | None = None,
        watch: Watch | None = None,
        origins: Callable[[], Origins | None] | None = None,
        headers: Mapping[str, str] | None = None,
        printable: bool = True,
        log: logging.Logger | None = None,
    ) -> None:
        self._log = log or logging.getLogger("strongroom.http")
        self._flights = Flights()
        self._service = Service(handle, streams, self._flights, self._log, pages, watch, origins)
        self._headers = headers or {}
        self._printable = printable
        self._listening: list[_Listening] = []
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def bound(self) -> list[Bound]:
        """Where it listens."""
        return [each.bound for each in self._listening]

    @property
    def under_way(self) -> int:
        """How many requests are being answered."""
        return len(self._flights)

    async def start(self, listeners: Sequence[Listener]) -> list[Bound]:
        """Listen on all of them or none. Raises `ConfigError`."""
        opened: list[tuple[socket.socket, Bound, tls.TLS | None]] = []
        try:
            for listener in listeners:
                secured = self._certificates(listener)
                opened.append((*sockets.listen(listener), secured))
        except ConfigError:
            for sock, _, _ in opened:
                sockets.close(sock)
            raise
        for sock, bound, secured in opened:
            self._listening.append(_Listening(sock, bound, await self._serve(sock, bound.listener, secured)))
        return self.bound

    async def reload(self, listeners: Sequence[Listener]) -> list[ConfigError]:
        """Take over certificates and headers of listeners that already listen; addresses stay as they are.

        What cannot be loaded is logged and returned, and the listener goes on with what it has.
        """
        wanted = {(each.type, each.address): each for each in listeners}
        problems = []
        for each in self._listening:
            old = each.bound.listener
            new = wanted.get((old.type, old.address), old)
            try:
                secured = self._certificates(new)
                if (secured is None) != (not each.bound.tls):
                    raise new.place.error("tls_disable cannot change while the server runs", "Restart the server")
            except ConfigError as e:
                self._log.error("not reloaded: %s", e)
                problems.append(e)
                continue
            if secured is None and new == old:
                continue
            replaced = each.server
            each.server = await self._serve(each.sock, new, secured)
            each.bound = Bound(new, each.bound.address, each.bound.url)
            # Now, not when the task begins: it must not take a connection any more that comes after the reload.
            replaced.site.retiring = True
            task = asyncio.create_task(self._retire(replaced))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
            self._log.info("reloaded listener %s", each.bound.address)
        return problems

    async def stop(self, drain_seconds: float = 10.0) -> bool:
        """Take no more connections and finish what is under way; False if some of it had to be broken off."""
        for task in self._retiring:
            task.cancel()
        servers = [each.server for each in self._listening]
        stopping = {asyncio.ensure_future(server.stop()) for server in servers} | self._retiring
        clean = True
        if stopping:
            _, late = await asyncio.wait(stopping, timeout=drain_seconds)
            if late:
                clean = False
                self._log.warning("breaking off %d requests that did not finish in time", self.under_way)
                self._flights.cancel()
                _, late = await asyncio.wait(late, timeout=1.0)
            for task in late:
                task.cancel()
            for server in servers:
                server.kill()
        for each in self._listening:
            sockets.close(each.sock)
        self._listening.clear()
        self._flights.close()
        return clean

    def _certificates(self, listener: Listener) -> tls.TLS | None:
        secured = tls.load(listener)
        for note in secured.notes if secured else ():
            self._log.warning("listener %s: %s", listener.address, note)
        if listener.proxy_protocol_behavior:
            fix = "Have the proxy send X-Forwarded-For and set x_forwarded_for_authorized_addrs"
            raise listener.place.error("proxy_protocol_behavior: the PROXY protocol is not spoken here", fix)
        return secured

    async def _serve(self, sock: socket.socket, listener: Listener, secured: tls.TLS | None) -> Granian | Own:
        headers: dict[str, Mapping[str, tuple[str, ...]]] = dict(listener.custom_response_headers)
        if self._headers:
            ours = {name: (value,) for name, value in self._headers.items()}
            headers["default"] = {**ours, **headers.get("default", {})}
        site = Site(
            self._service,
            Rules.of(listener, printable=self._printable),
            Renderer(headers, tls=secured is not None),
            listener.max_request_duration,
            certificates=None if secured is None else (),
        )
        server: Granian | Own
        if secured is None or secured.context is not None:
            server = Own(site, sock, listener, None if secured is None else secured.context)
        else:
            # Imported here: most servers in development, and all behind a proxy, have no such listener.
            from strongroom.server.granian import Running as Granian

            server = Granian(site, sock, listener, secured)
        await server.start()
        return server

    async def _retire(self, server: Granian | Own) -> None:
        try:
            await asyncio.sleep(RETIRE_SECONDS)
        finally:
            await server.stop()
