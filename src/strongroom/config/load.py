"""Configuration files → `ServerConfig`.

Several files add up: later ones win for plain settings, listeners append, a second storage is an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from strongroom import hcl
from strongroom.config.backends import SEALS, SERVICE_REGISTRATIONS, STORAGES, Backend
from strongroom.config.checks import check, check_listener
from strongroom.config.reader import Reader, Values, blocks, place_of, read_text
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
from strongroom.config.settings import Setting, rows
from strongroom.errors import ConfigError, HCLError

_TOP = rows(ServerConfig)
_LISTENER = rows(Listener)
_TELEMETRY = rows(Telemetry)
_LOCKOUT = rows(UserLockout)
_UNIX = frozenset({"socket_mode", "socket_user", "socket_group"})
#: Blocks of a listener that hold one switch each.
_SWITCHES = {
    "telemetry": ("unauthenticated_metrics_access",),
    "profiling": ("unauthenticated_pprof_access", "unauthenticated_in_flight_request_access"),
    "inflight_requests_logging": ("unauthenticated_in_flight_request_access",),
}
#: Those of them that do nothing yet.
_IDLE_SWITCHES = frozenset({"unauthenticated_pprof_access"})
#: Listener kinds, with the settings that each has.
LISTENERS: Mapping[str, tuple[Setting, ...]] = {
    "tcp": tuple(row for row in _LISTENER if row.name not in _UNIX),
    "unix": _LISTENER,
}
_STORAGE_NAMES = {"storage": "storage", "backend": "storage", "ha_storage": "ha_storage", "ha_backend": "ha_storage"}
#: Blocks that Vault knows and that change nothing here.
_INERT_BLOCKS = ("entropy", "replication", "sentinel", "reporting", "kms_library", "kms", "license")
#: Blocks of which nothing is acted on yet.
PENDING_BLOCKS = frozenset({"ha_storage", "service_registration"})
_BLOCKS = ("listener", *_STORAGE_NAMES, "seal", "telemetry", "service_registration", "user_lockout", *_INERT_BLOCKS)


def _sections() -> dict[str, tuple[Setting, ...]]:
    kinds: tuple[tuple[str, Mapping[str, Backend]], ...] = (
        ("storage", STORAGES),
        ("seal", SEALS),
        ("service_registration", SERVICE_REGISTRATIONS),
    )
    return {
        "": _TOP,
        **{f'listener "{name}"': settings for name, settings in LISTENERS.items()},
        **{f'{block} "{name}"': b.settings for block, table in kinds for name, b in table.items() if b.settings},
        "telemetry": _TELEMETRY,
        "user_lockout": _LOCKOUT,
    }


#: The whole table: the settings of the top level ("") and of each block.
SECTIONS: Mapping[str, tuple[Setting, ...]] = _sections()


def load(
    paths: Sequence[Path], *, environ: Mapping[str, str] | None = None, complete: bool = True
) -> tuple[ServerConfig, list[str]]:
    """The configuration that files and folders (their `*.hcl` and `*.json`, sorted) make, and warnings about it.

    Unless `complete` is False (a dev server brings its own), a storage and a listener must be there. Raises
    `ConfigError` with file, line, column and the fix.
    """
    draft = _Draft(Reader(os.environ if environ is None else environ))
    for path in paths:
        for file in _files(path):
            draft.add(_parse(file))
    config = draft.finish()
    check(config, draft.places, complete=complete)
    return config, draft.reader.warnings


def load_storages(
    path: Path, names: Sequence[str], *, environ: Mapping[str, str] | None = None
) -> tuple[dict[str, StorageConfig], list[str]]:
    """The blocks of these names in a file, each read as a `storage` block is, and warnings about them.

    Raises `ConfigError`, also when one is missing.
    """
    draft = _Draft(Reader(os.environ if environ is None else environ))
    body = _parse(path)
    for name in names:
        for block in blocks(body, name, 1):
            draft.add_storage(name, block)
        if name not in draft.single:
            raise ConfigError(f"there is no {name} block", file=str(path), fix=f'Add {name} "TYPE" {{ ... }}')
    return draft.single, draft.reader.warnings


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(f for f in path.iterdir() if f.suffix in (".hcl", ".json") and not f.name.startswith("."))
    if not found:
        raise ConfigError("the folder has no configuration", file=str(path), fix="Put a *.hcl or *.json file there")
    return found


def _parse(file: Path) -> hcl.Body:
    try:
        return hcl.parse(read_text(file), str(file))
    except HCLError as error:
        raise Place(error.file, error.line, error.column).error(error.message, error.fix) from error


_Kind = TypeVar("_Kind", StorageConfig, SealConfig, ServiceRegistration)


@dataclass(slots=True)
class _Draft:
    """The configuration while its files are read."""

    reader: Reader
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    telemetry: dict[str, Any] = field(default_factory=dict)
    single: dict[str, StorageConfig] = field(default_factory=dict)
    registration: ServiceRegistration | None = None
    listeners: list[Listener] = field(default_factory=list)
    seals: list[SealConfig] = field(default_factory=list)
    lockouts: list[UserLockout] = field(default_factory=list)

    def add(self, body: hcl.Body) -> None:
        """Read one file."""
        top = self.reader.read(body, _TOP, nested=_BLOCKS)
        self.values |= top.values
        self.places |= top.places
        for name, slot in _STORAGE_NAMES.items():
            for block in blocks(body, name, 1):
                self.add_storage(slot, block)
        for block in blocks(body, "listener", 1):
            self.listeners.append(self._listener(block))
        for block in blocks(body, "seal", 1):
            self.seals.append(self._seal(block))
        for block in blocks(body, "service_registration", 1):
            self.registration = self._backend(ServiceRegistration, "service_registration", SERVICE_REGISTRATIONS, block)
        for block in blocks(body, "telemetry", 0):
            self.telemetry |= self.reader.read(block.body, _TELEMETRY, what="telemetry.").values
        for block in blocks(body, "user_lockout", 1):
            read = self.reader.read(block.body, _LOCKOUT, what=f"user_lockout.{block.labels[0]}.")
            self.lockouts.append(UserLockout(type=block.labels[0], **read.values))
        for item in body.items:
            if item.keys[0] in _INERT_BLOCKS:
                place = place_of(body, item)
                self.reader.warnings.append(f"block {item.keys[0]} at {place} has no effect in Strongroom")

    def _pending(self, name: str, block: hcl.Block) -> None:
        if name in PENDING_BLOCKS:
            self.reader.pending(
                " ".join((name, *(f'"{label}"' for label in block.labels))), place_of(block.body, block)
            )

    def _backend(self, cls: type[_Kind], what: str, table: Mapping[str, Backend], block: hcl.Block) -> _Kind:
        """A block whose label is the kind of a backend."""
        kind, place = block.labels[0], place_of(block.body, block)
        backend = table.get(kind)
        if backend is None:
            known = ", ".join(sorted(table))
            raise place.error(f'unknown {what} type "{kind}"', f"Use one of {known}")
        self._pending(what, block)
        name = f"{what}.{kind}."
        for item in block.body.items:
            if fix := (backend.refused or {}).get(item.keys[0]):
                raise place_of(block.body, item).error(f"{name}{item.keys[0]} cannot be used", fix)
        read = self.reader.read(block.body, backend.settings, what=name, open_ended=not backend.settings)
        settings = {row.name: row.default for row in backend.settings} | self._environment(backend, name) | read.values
        for row in backend.settings:
            if row.required and not settings[row.name]:
                how = f" or the environment variable {row.env}" if row.env else ""
                raise place.error(f"{name}{row.name} is not set", f"Set {row.name}{how}: {row.help}")
        return cls(type=kind, settings=settings, available=backend.available, place=place)

    def _environment(self, backend: Backend, name: str) -> dict[str, Any]:
        """The settings that the environment gives."""
        return {
            row.name: self.reader.coerced(row, text, Place(row.env), name + row.name, hidden=True)
            for row in backend.settings
            if row.env and (text := self.reader.environ.get(row.env))
        }

    def add_storage(self, slot: str, block: hcl.Block) -> None:
        """Read a storage block; a second one for the same slot is an error."""
        storage = self._backend(StorageConfig, slot, STORAGES, block)
        if present := self.single.get(slot):
            raise storage.place.error(
                f"only one {slot} block is permitted, and there is one at {present.place}", "Remove one of them"
            )
        self.single[slot] = storage

    def _seal(self, block: hcl.Block) -> SealConfig:
        seal = self._backend(SealConfig, "seal", SEALS, block)
        disabled = SEALS["shamir"].settings[0]
        off = self.reader.coerced(
            disabled, seal.settings.get("disabled", False), seal.place, f"seal.{seal.type}.disabled"
        )
        return SealConfig(
            type=seal.type, settings=seal.settings, available=seal.available, disabled=off, place=seal.place
        )

    def _listener(self, block: hcl.Block) -> Listener:
        kind, place = block.labels[0], place_of(block.body, block)
        if kind not in LISTENERS:
            raise place.error(f'unknown listener type "{kind}"', 'Use listener "tcp" or listener "unix"')
        what = f"listener.{kind}."
        read = self.reader.read(block.body, LISTENERS[kind], nested=_SWITCHES, what=what)
        switches = Values()
        for name, settings in _SWITCHES.items():
            known = [Setting(setting, "bool", False, "", pending=setting in _IDLE_SWITCHES) for setting in settings]
            for inner in blocks(block.body, name, 0):
                switch = self.reader.read(inner.body, known, what=f"{what}{name}.")
                switches.values |= switch.values
                read.raw[name] = switch.raw
        listener = Listener(type=kind, place=place, raw=read.raw, **read.values, **switches.values)
        return check_listener(listener, read.places)

    def finish(self) -> ServerConfig:
        """The whole, with what the environment says."""
        for row in _TOP:
            if row.env and (text := self.reader.environ.get(row.env)):
                place = Place(row.env)
                self.values[row.name] = self.reader.coerced(row, text, place, row.name)
                self.places[row.name] = place
                if row.missed(self.values[row.name]):
                    self.reader.pending(row.name, place)
        storage = self.single.get("storage", StorageConfig())
        moved = {name: storage.settings.get(name) for name in ("api_addr", "cluster_addr", "disable_clustering")}
        moved["api_addr"] = moved["api_addr"] or storage.settings.get("redirect_addr")
        older: dict[str, Any] = {
            name: value for name, value in moved.items() if value and isinstance(value, (str, bool))
        }
        if "default_lease_ttl" not in self.values and "max_lease_ttl" in self.values:
            older["default_lease_ttl"] = min(ServerConfig.default_lease_ttl, self.values["max_lease_ttl"])
        if "storage" in self.single:
            self.places["storage"] = storage.place
        config = ServerConfig(
            storage=storage,
            ha_storage=self.single.get("ha_storage"),
            listeners=tuple(self.listeners),
            seals=tuple(self.seals),
            telemetry=Telemetry(**self.telemetry),
            service_registration=self.registration,
            user_lockouts=tuple(self.lockouts),
            written=frozenset(self.values),
            **(older | self.values),
        )
        return replace(config, listeners=tuple(_timed(one, config.request_duration) for one in config.listeners))


def _timed(listener: Listener, common: float) -> Listener:
    """The listener; with the common longest time of a request if its own is not set, or 0."""
    own = "max_request_duration" in listener.raw and listener.max_request_duration > 0
    return listener if own else replace(listener, max_request_duration=common)
