"""What of the configuration may be shown: `sys/config/state/sanitized`."""

from __future__ import annotations

from typing import Any

from strongroom.config.schema import ServerConfig, Telemetry
from strongroom.config.settings import rows

#: Vault's names where they differ from the setting's.
_NAMES = {"ui": "enable_ui"}


def sanitized(config: ServerConfig) -> dict[str, Any]:
    """The configuration as written, without anything secret: of storages and seals only what kind they are.

    Durations are whole seconds; settings that are not written show as 0, false or empty, as in Vault.
    """
    shown: dict[str, Any] = {}
    for row in rows(ServerConfig):
        value = getattr(config, row.name)
        empty = type(row.default)()
        if row.name not in config.written and row.kind != "bool":
            value = empty
        if isinstance(value, float):
            value = int(value)
        shown[_NAMES.get(row.name, row.name)] = list(value) if isinstance(value, tuple) else value
    shown["listeners"] = [{"type": one.type, "config": dict(one.raw)} for one in config.listeners]
    shown["seals"] = [{"type": s.type, "disabled": s.disabled} for s in config.seals] or [
        {"type": "shamir", "disabled": False}
    ]
    for name, storage in (("storage", config.storage), ("ha_storage", config.ha_storage)):
        if storage is not None:
            shown[name] = {
                "type": storage.type,
                "redirect_addr": config.api_addr,
                "cluster_addr": config.cluster_addr,
                "disable_clustering": config.disable_clustering,
            }
    if config.service_registration is not None:
        shown["service_registration"] = {"type": config.service_registration.type}
    if config.telemetry != Telemetry():
        shown["telemetry"] = {
            row.name: list(value) if isinstance(value := getattr(config.telemetry, row.name), tuple) else value
            for row in rows(Telemetry)
            if not row.secret
        }
    return shown
