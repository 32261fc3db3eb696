"""Storage engines, the barrier above them, and the transactions above that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from strongroom.clock import Clock
from strongroom.errors import ConfigError
from strongroom.storage.barrier import MISS, Barrier, KeyStatus
from strongroom.storage.base import FENCE_KEY, Batch, Storage
from strongroom.storage.transaction import Transaction, View

__all__ = [
    "FENCE_KEY",
    "MISS",
    "Barrier",
    "Batch",
    "KeyStatus",
    "Storage",
    "Transaction",
    "View",
    "open_storage",
]

DATABASE_NAME: Final = "strongroom.db"

#: What HashiCorp Vault's own file and raft storage keeps in its folder; ours cannot read it and must not join it.
_FOREIGN: Final = ("core/_keyring", "core/_seal-config", "vault.db", "raft/raft.db")

Settings = Mapping[str, str]


def open_storage(kind: str, settings: Settings, clock: Clock | None = None) -> Storage:
    """Open the storage of a configuration's `storage` block.

    `file` and `raft` take a folder as `path`, for `PATH/strongroom.db`; `sqlite` does too, or takes the database's own
    path when that ends in `.db` or is a file already.
    Raises `ConfigError` for a kind or setting that cannot be used, `StorageError` when opening fails.
    """
    factory = _KINDS.get(kind)
    if factory is None:
        raise ConfigError(f'storage "{kind}" is not available', fix=f"Use one of: {', '.join(sorted(_KINDS))}")
    return factory(settings, clock or Clock())


def _open_memory(_settings: Settings, _clock: Clock) -> Storage:
    from strongroom.storage.memory import MemoryStorage

    return MemoryStorage()


def _open_sqlite(settings: Settings, _clock: Clock) -> Storage:
    from strongroom.storage.sqlite import SQLiteStorage

    path = Path(_required(settings, "sqlite", "path"))
    return SQLiteStorage(path if path.is_file() or path.suffix == ".db" else path / DATABASE_NAME)


def _open_file(settings: Settings, _clock: Clock) -> Storage:
    return _open_folder("file", settings)


def _open_raft(settings: Settings, _clock: Clock) -> Storage:
    if settings.get("retry_join"):
        raise ConfigError(
            'storage "raft" runs on this node alone; it cannot join a cluster with "retry_join"',
            fix='Remove "retry_join" to run a single node, or give the nodes one database as their common storage',
        )
    return _open_folder("raft", settings)


def _open_folder(kind: str, settings: Settings) -> Storage:
    from strongroom.storage.sqlite import SQLiteStorage

    folder = Path(_required(settings, kind, "path"))
    for name in _FOREIGN:
        if (folder / name).exists():
            raise ConfigError(
                f"the folder {folder} holds data of HashiCorp Vault ({name}), which cannot be read in place",
                fix="Give another folder and bring the secrets over through the API",
            )
    return SQLiteStorage(folder / DATABASE_NAME, node_id=settings.get("node_id", ""))


def _required(settings: Settings, kind: str, name: str) -> str:
    value = settings.get(name)
    if not value:
        raise ConfigError(f'storage "{kind}" needs "{name}"')
    return value


_KINDS: Final[dict[str, Callable[[Settings, Clock], Storage]]] = {
    "inmem": _open_memory,
    "sqlite": _open_sqlite,
    "file": _open_file,
    "raft": _open_raft,
}
