"""The broker: hands every entry to every device, and lets nothing pass that none of them recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial

from strongroom.api.aside import aside
from strongroom.audit.device import Device, reason_of
from strongroom.audit.entry import Exchange
from strongroom.audit.formatter import Formatter
from strongroom.clock import Clock, whole_second
from strongroom.errors import InternalError

log = logging.getLogger("strongroom.audit")

#: Seconds between two reports on the same failing device.
REPORT_EVERY = 10.0

Line = Callable[[Formatter, Exchange, Mapping[str, bool], bytes], bytes]


class _Trouble:
    """A failing device: when that was last reported, and how many lines it has lost."""

    __slots__ = ("lost", "reported")

    def __init__(self) -> None:
        self.lost = 0
        self.reported = float("-inf")


class Broker:
    """All enabled devices. `headers` are the request headers to log, lower-case, true for those to hash."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: In the order of their enabling.
        self.devices: tuple[Device, ...] = ()
        self.headers: dict[str, bool] = {}
        self._trouble: dict[str, _Trouble] = {}
        #: The second (Unix time) of the latest line, and how that is written.
        self._second, self._text = -1, b""

    def add(self, device: Device) -> None:
        """Give a device every line from now on."""
        self._use((*self.devices, device))

    def remove(self, path: str) -> Device | None:
        """Give a device no more lines; the caller closes it."""
        device = next((d for d in self.devices if d.path == path), None)
        self._use(tuple(d for d in self.devices if d is not device))
        self._trouble.pop(path, None)
        return device

    def _use(self, devices: tuple[Device, ...]) -> None:
        self.devices = devices
        for device in devices:
            device.alone = len(devices) == 1

    async def request(self, exchange: Exchange) -> None:
        """Record a request before it is acted on; raises `InternalError` if devices are enabled and none could."""
        if self.devices:
            await self._record(exchange, Formatter.request, self._now())

    def hold(self, exchange: Exchange) -> None:
        """Have the lines of a request that changes nothing written in one with those of its answer.

        A crash in between loses the record of a request that nobody got an answer to, and that did nothing.
        """
        exchange.held = self._now()

    async def release(self, exchange: Exchange) -> None:
        """Write the lines that wait since `hold`: the request stores something after all. Raises as `request` does."""
        then, exchange.held = exchange.held, b""
        await self._record(exchange, Formatter.request, then)

    async def response(self, exchange: Exchange) -> None:
        """Record an outcome before the client hears of it; raises `InternalError` as `request` does."""
        if self.devices:
            await self._record(exchange, Formatter.response, self._now())

    async def test(self, device: Device, exchange: Exchange) -> None:
        """Write a device's first line; raises `OSError`."""
        await device.write(device.formatter.request(exchange, {}, self._now()))

    async def _record(self, exchange: Exchange, make: Line, time: bytes) -> None:
        recorded = False
        for device in self.devices:
            try:
                form = device.formatter
                if exchange.request.large:
                    await device.write(await aside(make, form, exchange, self.headers, time))
                elif not exchange.held:
                    await device.record(partial(make, form, exchange, self.headers, time))
                elif device.joins:
                    await device.record(partial(form.both, exchange, self.headers, time))
                else:
                    await device.write(form.held(exchange, self.headers))
                    await device.write(make(form, exchange, self.headers, time))
            except OSError as e:
                self._failed(device, reason_of(e))
            except Exception as e:
                # The message may quote the entry.
                self._failed(device, f"the entry cannot be made: {type(e).__name__}")
            else:
                recorded = True
                if self._trouble:
                    self._recovered(device)
        # A device that was disabled meanwhile owes nothing.
        if not recorded and self.devices:
            raise InternalError(reason="no audit device could record the request")

    def _failed(self, device: Device, reason: str) -> None:
        trouble = self._trouble.setdefault(device.path, _Trouble())
        trouble.lost += 1
        now = self._clock.monotonic()
        if now - trouble.reported >= REPORT_EVERY:
            trouble.reported = now
            log.error("audit device %s cannot write (%d lines lost so far): %s", device.path, trouble.lost, reason)

    def _recovered(self, device: Device) -> None:
        trouble = self._trouble.pop(device.path, None)
        if trouble is not None:
            log.warning("audit device %s writes again; it has lost %d lines", device.path, trouble.lost)

    def _now(self) -> bytes:
        second, fraction = divmod(self._clock.now_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._text = second, whole_second(second).encode()
        # All nine digits, unlike Go, so that lines sort as text.
        return b"%b.%09dZ" % (self._text, fraction)
