"""The audit devices and the headers they log, as they are kept in storage.

core/audit/<uuid>           DeviceEntry, JSON: v (1), uuid, path (ends in "/"), type, description, options, local, salt
core/config/audit-headers   HeadersEntry, JSON: v (1), headers: lower-case name → whether its value is hashed
core/config/audit-salt      SaltEntry, JSON: v (1), salt: for what is hashed while there is no device
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from strongroom.api.messages import Operation, Request
from strongroom.audit.broker import Broker
from strongroom.audit.device import Device, MissingDevice, go_quote, option_bool, reason_of, refuse
from strongroom.audit.entry import Exchange, Identity
from strongroom.audit.hashing import Salt
from strongroom.audit.registry import make_device
from strongroom.clock import new_uuid
from strongroom.errors import BadRequest
from strongroom.storage.transaction import Transaction

if TYPE_CHECKING:
    from strongroom.core.live import Live
    from strongroom.core.token_model import TokenEntry

log = logging.getLogger("strongroom.audit")

PREFIX = "core/audit/"
HEADERS = "core/config/audit-headers"
SALT = "core/config/audit-salt"

AfterCommit = Callable[[], Awaitable[None]]


class DeviceEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One enabled device."""

    uuid: str
    path: str
    type: str
    salt: str
    description: str = ""
    options: dict[str, str] = {}
    local: bool = False
    v: int = 1

    def __repr__(self) -> str:
        return f"DeviceEntry({self.path!r}, {self.type!r})"


class HeadersEntry(msgspec.Struct, frozen=True):
    """The request headers to log."""

    headers: dict[str, bool] = {}
    v: int = 1


class SaltEntry(msgspec.Struct, frozen=True):
    """The server's own salt."""

    salt: str
    v: int = 1

    def __repr__(self) -> str:
        return "SaltEntry()"


class Audits:
    """The table of devices.

    A change is written in the request's transaction; what `enable`, `disable`, `set_header` and `delete_header` return
    makes it take effect and is to be called once that is durable. Callers hold a lock on the table from before the
    change to after that.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self.broker = Broker(live.clock)
        #: Tokens as the devices are told of them, by the tokens' keys.
        self.identities: dict[str, tuple[TokenEntry, Identity]] = {}
        self._entries: dict[str, DeviceEntry] = {}
        #: Opened for an entry that is not yet durable.
        self._opened: Device | None = None
        self._own_salt = Salt("")

    async def load(self) -> None:
        """Read the table and open the devices; one that does not open is reported, and tried again with every line."""
        tx = self._live.transaction()
        for name in await tx.list(PREFIX):
            entry = await tx.load(PREFIX + name, DeviceEntry)
            if entry is None:
                continue
            try:
                device = make_device(entry.type, entry.path, entry.salt, entry.options)
            except BadRequest as e:
                device = MissingDevice(entry.path, entry.salt, e.errors[0])
            try:
                await device.open()
            except OSError as e:
                log.error("audit device %s cannot be opened: %s", entry.path, reason_of(e))
            self._entries[entry.path] = entry
            self.broker.add(device)
        headers = await tx.load(HEADERS, HeadersEntry)
        self.broker.headers = dict(headers.headers) if headers else {}
        own = await tx.load(SALT, SaltEntry)
        if own is None:
            own = SaltEntry(new_uuid())
            tx.store(SALT, own)
            await tx.commit()
        self._own_salt = Salt(own.salt)

    def table(self) -> dict[str, dict[str, Any]]:
        """The devices by path, as clients see them."""
        return {
            path: {
                "description": entry.description,
                "local": entry.local,
                "options": entry.options,
                "path": path,
                "type": entry.type,
            }
            for path, entry in sorted(self._entries.items())
        }

    async def enable(
        self,
        tx: Transaction,
        path: str,
        kind: str,
        description: str = "",
        options: Mapping[str, str] | None = None,
        local: bool = False,
    ) -> AfterCommit:
        """Open a device and write its test line, unless the option `skip_test` is set; raises `BadRequest`."""
        await self._drop_opened()
        path = path.strip("/") + "/"
        if any(known.startswith(path) or path.startswith(known) for known in self._entries):
            raise refuse("path already in use")
        settings = dict(options or {})
        entry = DeviceEntry(
            uuid=new_uuid(),
            path=path,
            type=kind,
            salt=new_uuid(),
            description=description,
            options=settings,
            local=local,
        )
        device = make_device(kind, path, entry.salt, settings)
        skip_test = option_bool(settings, "skip_test", False)
        self._opened = device
        try:
            await device.open()
        except OSError as e:
            await self._drop_opened()
            raise refuse(e.strerror or reason_of(e)) from None
        if not skip_test:
            await self._test(device)
        tx.store(PREFIX + entry.uuid, entry)

        async def activate() -> None:
            self._opened = None
            self._entries[path] = entry
            self.broker.add(device)
            log.info("enabled audit device %s (%s)", path, kind)

        return activate

    async def disable(self, tx: Transaction, path: str) -> AfterCommit | None:
        """Remove a device; None when there is none at this path."""
        path = path.strip("/") + "/"
        entry = self._entries.get(path)
        if entry is None:
            return None
        tx.delete(PREFIX + entry.uuid)

        async def deactivate() -> None:
            self._entries.pop(path, None)
            device = self.broker.remove(path)
            if device is not None:
                await device.close()
            log.info("disabled audit device %s", path)

        return deactivate

    def hash(self, path: str, text: str) -> str:
        """What a device writes in the place of a text; raises `BadRequest` for an unknown device."""
        path = path.strip("/") + "/"
        device = next((d for d in self.broker.devices if d.path == path), None)
        if device is None:
            raise refuse(f"unknown audit backend {go_quote(path)}")
        return device.salt(text)

    def hashed(self, text: str) -> str:
        """What the first device by name writes in the place of a text; without one it is hashed all the same.

        For texts that come again and again.
        """
        first = min(self.broker.devices, key=lambda device: device.path, default=None)
        return (first.salt if first is not None else self._own_salt).lasting(text)

    def headers(self) -> dict[str, bool]:
        """The headers that are logged, lower-case, and whether each is hashed."""
        return dict(sorted(self.broker.headers.items()))

    def set_header(self, tx: Transaction, name: str, hashed: bool) -> AfterCommit:
        """Log a request header, or change how."""
        return self._store_headers(tx, {**self.broker.headers, name.lower(): hashed})

    def delete_header(self, tx: Transaction, name: str) -> AfterCommit:
        """Log a request header no more; it need not have been."""
        return self._store_headers(tx, {k: v for k, v in self.broker.headers.items() if k != name.lower()})

    async def reopen(self) -> None:
        """Open files by their names again, after a rotation. A device for which that fails goes on with what it had."""
        for device in self.broker.devices:
            try:
                await device.reopen()
            except OSError as e:
                log.error("audit device %s cannot be reopened: %s", device.path, reason_of(e))

    async def stop(self) -> None:
        """Close all devices and forget what they remembered."""
        devices, self.broker.devices = self.broker.devices, ()
        await self._drop_opened()
        for device in devices:
            await device.close()
        self._entries.clear()

    async def _test(self, device: Device) -> None:
        exchange = Exchange(Request(id=new_uuid(), operation=Operation.UPDATE, path="sys/audit/test"))
        try:
            await self.broker.test(device, exchange)
        except OSError as e:
            await self._drop_opened()
            reason = reason_of(e)
            where = "" if device.target in reason else f"write {device.target}: "
            raise refuse(f"audit backend failed test message: {where}{reason}") from None

    async def _drop_opened(self) -> None:
        """Close a device whose entry never became durable: its test failed, or the request's commit."""
        device, self._opened = self._opened, None
        if device is not None:
            await device.close()

    def _store_headers(self, tx: Transaction, headers: dict[str, bool]) -> AfterCommit:
        tx.store(HEADERS, HeadersEntry(headers))

        async def apply() -> None:
            self.broker.headers = headers

        return apply
