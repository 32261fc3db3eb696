"""The kinds of audit devices. Others come as entry points of the group `strongroom.audit`, named by their type."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from strongroom.audit.device import Device, go_quote, refuse
from strongroom.audit.file import FileDevice
from strongroom.audit.socket import SocketDevice
from strongroom.audit.syslog import SyslogDevice

DEVICES: dict[str, type[Device]] = {kind.type: kind for kind in (FileDevice, SocketDevice, SyslogDevice)}

GROUP = "strongroom.audit"


def make_device(kind: str, path: str, salt: str, options: Mapping[str, str]) -> Device:
    """A device, not yet open; raises `BadRequest` for an unknown kind or wrong options."""
    known = DEVICES.get(kind)
    if known is None:
        known = next((point.load() for point in entry_points(group=GROUP, name=kind)), None)
        if known is None:
            raise refuse(f"unknown backend type: {go_quote(kind)}")
        DEVICES[kind] = known
    return known(path, salt, options)
