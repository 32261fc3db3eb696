"""The server's configuration: one table of settings, read from HCL or JSON files, the environment and `file://` values.

`schema` and `backends` are the table, `load` reads files into it, `sanitized` shows what may be shown.
"""

from strongroom.config.backends import SEALS, SERVICE_REGISTRATIONS, STORAGES, Backend
from strongroom.config.checks import host_port
from strongroom.config.load import PENDING_BLOCKS, SECTIONS, load, load_storages
from strongroom.config.sanitize import sanitized
from strongroom.config.schema import (
    Listener,
    Place,
    SealConfig,
    ServerConfig,
    ServiceRegistration,
    StorageConfig,
    Telemetry,
    UserLockout,
)
from strongroom.config.settings import Setting

__all__ = [
    "PENDING_BLOCKS",
    "SEALS",
    "SECTIONS",
    "SERVICE_REGISTRATIONS",
    "STORAGES",
    "Backend",
    "Listener",
    "Place",
    "SealConfig",
    "ServerConfig",
    "ServiceRegistration",
    "Setting",
    "StorageConfig",
    "Telemetry",
    "UserLockout",
    "host_port",
    "load",
    "load_storages",
    "sanitized",
]
