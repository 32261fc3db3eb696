"""The socket device: a collector that takes lines over TCP, UDP or a unix socket.

Options beside those of every device: `address` (required; `host:port`, or a path), `socket_type` (`tcp`, `udp` or
`unix`, default tcp) and `write_timeout` (a duration, default 2s).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from strongroom.api.fields import Invalid, parse_duration
from strongroom.audit.batches import Batches
from strongroom.audit.device import Device, reason_of, refuse
from strongroom.audit.pump import Pump

_KINDS: Mapping[str, tuple[int, int]] = {
    "tcp": (socket.AF_UNSPEC, socket.SOCK_STREAM),
    "tcp4": (socket.AF_INET, socket.SOCK_STREAM),
    "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
    "udp": (socket.AF_UNSPEC, socket.SOCK_DGRAM),
    "udp4": (socket.AF_INET, socket.SOCK_DGRAM),
    "udp6": (socket.AF_INET6, socket.SOCK_DGRAM),
    "unix": (socket.AF_UNIX, socket.SOCK_STREAM),
    "unixgram": (socket.AF_UNIX, socket.SOCK_DGRAM),
}


class SocketDevice(Device):
    """Sends lines to a socket; connects with the first of them, and anew where the connection is lost.

    TCP tells of a lost peer only with the write after the one that was lost: use this beside a file, not alone.
    """

    type = "socket"

    def __init__(self, path: str, salt: str, options: Mapping[str, str]) -> None:
        self._address = options.get("address", "")
        if not self._address:
            raise refuse("address is required")
        self._kind = options.get("socket_type") or "tcp"
        if self._kind not in _KINDS:
            raise refuse(f"unknown socket type {self._kind}")
        self._family, self._type = _KINDS[self._kind]
        self._host, self._port = ("", "") if self._family == socket.AF_UNIX else _split(self._address)
        self._timeout = _timeout(options.get("write_timeout") or "2s")
        super().__init__(path, salt, options)
        self._socket: socket.socket | None = None
        # Connecting, and writing twice, each within the timeout.
        self._pump = Pump("audit-socket", 3 * self._timeout)
        self._batches = Batches(self._pump, self._send, slow_seconds=self.slow_seconds, learns=True)
        self.joins = self._type == socket.SOCK_STREAM

    @property
    def target(self) -> str:
        """The kind of socket and its address."""
        return f"{self._kind} {self._address}"

    async def open(self) -> None:
        """Nothing yet: the collector may start after us."""

    async def write(self, line: bytes) -> None:
        """Send a line."""
        await self._batches.put(line)

    async def reopen(self) -> None:
        """Connect anew with the next line."""
        self._batches.finish()
        await self._pump.run(self._disconnect)

    async def close(self) -> None:
        """End the connection."""
        self._batches.finish()
        self._pump.close(self._disconnect)
        await super().close()

    def _send(self, lines: list[bytes]) -> None:
        # A datagram for each line; a stream does not tell them apart.
        pieces = [b"".join(lines)] if self._type == socket.SOCK_STREAM else lines
        if self._socket is not None:
            try:
                for piece in pieces:
                    self._socket.sendall(piece)
            except OSError:
                # What was sent of the lines ends with the connection; they are sent whole on the next.
                self._disconnect()
            else:
                return
        self._socket = self._connect()
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except OSError:
            self._disconnect()
            raise

    def _connect(self) -> socket.socket:
        if self._family == socket.AF_UNIX:
            return self._connect_to(self._family, self._address)
        problem: OSError = OSError(0, f"dial {self.target}: no such host")
        for family, _, _, _, address in socket.getaddrinfo(self._host, self._port, self._family, self._type):
            try:
                return self._connect_to(family, address)
            except OSError as e:
                problem = e
        raise problem

    def _connect_to(self, family: int, address: str | tuple[object, ...]) -> socket.socket:
        found = socket.socket(family, self._type)
        found.settimeout(self._timeout)
        try:
            found.connect(address)
        except OSError as e:
            found.close()
            raise OSError(e.errno or 0, f"dial {self.target}: connect: {reason_of(e)}") from None
        return found

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _split(address: str) -> tuple[str, str]:
    host, colon, port = address.rpartition(":")
    if not colon or not port:
        raise refuse(f"dial tcp: address {address}: missing port in address")
    return host.removeprefix("[").removesuffix("]"), port


def _timeout(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except Invalid as e:
        raise refuse(str(e)) from None
    if not 0 < seconds <= 3600:
        raise refuse("write_timeout must be more than nothing and no more than an hour")
    return seconds
