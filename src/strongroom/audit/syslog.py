"""The syslog device: the daemon of this machine, by its unix socket.

Options beside those of every device: `facility` (default AUTH) and `tag` (default vault). A message is
`<priority>Mmm dd HH:MM:SS tag[pid]: line`, the local form of RFC 3164, with severity informational.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import ClassVar, Final

from strongroom.audit.batches import Batches
from strongroom.audit.device import Device, reason_of, refuse
from strongroom.audit.pump import Pump

#: RFC 3164, table 1: the first twelve, then the local ones from 16 on.
_NAMES: Final = ("KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP")
FACILITIES: Final[Mapping[str, int]] = {
    **{name: code for code, name in enumerate(_NAMES)},
    **{f"LOCAL{n}": 16 + n for n in range(8)},
}
_INFORMATIONAL: Final = 6


class SyslogDevice(Device):
    """Sends lines to the local syslog daemon."""

    type = "syslog"

    #: Where daemons listen, in the order of trying.
    sockets: ClassVar[tuple[str, ...]] = ("/dev/log", "/var/run/syslog", "/var/run/log")
    #: Seconds that the daemon may take for a line.
    deadline: ClassVar[float] = 2.0

    def __init__(self, path: str, salt: str, options: Mapping[str, str]) -> None:
        super().__init__(path, salt, options)
        facility = options.get("facility") or "AUTH"
        if facility.upper() not in FACILITIES:
            raise refuse(f"invalid syslog facility: {facility}")
        self._priority = FACILITIES[facility.upper()] * 8 + _INFORMATIONAL
        self._tag = options.get("tag") or "vault"
        self._socket: socket.socket | None = None
        self._pump = Pump("audit-syslog", 2 * self.deadline)
        self._batches = Batches(self._pump, self._send, slow_seconds=self.slow_seconds, learns=True)

    @property
    def target(self) -> str:
        """What the lines go to."""
        return "syslog"

    async def open(self) -> None:
        """Find the daemon."""
        self._batches.finish()
        await self._pump.run(self._connect)

    async def write(self, line: bytes) -> None:
        """Send a line."""
        stamp = time.strftime("%b %e %H:%M:%S")
        head = f"<{self._priority}>{stamp} {self._tag}[{os.getpid()}]: "
        await self._batches.put(head.encode() + line)

    async def reopen(self) -> None:
        """Find the daemon anew."""
        await self.open()

    async def close(self) -> None:
        """Leave the daemon."""
        self._batches.finish()
        self._pump.close(self._disconnect)
        await super().close()

    def _send(self, messages: list[bytes]) -> None:
        if self._socket is not None:
            try:
                for message in messages:
                    self._socket.sendall(message)
            except OSError:
                # The daemon was restarted: its old socket is gone for good.
                self._disconnect()
            else:
                return
        self._connect()
        assert self._socket is not None
        for message in messages:
            self._socket.sendall(message)

    def _connect(self) -> None:
        self._disconnect()
        reason = "no local syslog daemon"
        for address in self.sockets:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                found = socket.socket(socket.AF_UNIX, kind)
                found.settimeout(self.deadline)
                try:
                    found.connect(address)
                except OSError as e:
                    found.close()
                    if not isinstance(e, FileNotFoundError):
                        reason = f"{address}: {reason_of(e)}"
                else:
                    self._socket = found
                    return
        raise OSError(0, f"Unix syslog delivery error: {reason}")

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
