"""`operator diagnose`: whether a server would start with this configuration, and what is unwise about it.

Nothing is changed: a storage that is not there yet is not made.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509

from strongroom.app.server import check_backends
from strongroom.config import Listener, ServerConfig, load
from strongroom.core.seal_config import SEAL_CONFIG_KEY
from strongroom.errors import ConfigError, StorageError
from strongroom.server import listeners, process, tls
from strongroom.storage import DATABASE_NAME, open_storage

OK: Final = "ok"
WARNING: Final = "warning"
FAILURE: Final = "failure"

_FREE_LEAST: Final = 100 << 20
_FREE_GOOD: Final = 1 << 30
_EXPIRY: Final = datetime.timedelta(days=30)
_LOOPBACK: Final = ("127.", "[::1]", "localhost:")


class Finding(NamedTuple):
    """One line of the report. `fix` is empty for what is in order."""

    check: str
    status: str
    message: str
    fix: str = ""


def diagnose(paths: list[str]) -> list[Finding]:
    """Examine a configuration and what it points to."""
    files = [Path(path) for path in paths]
    try:
        config, warnings = load(files)
        check_backends(config)
    except ConfigError as e:
        return [_failure("configuration", e)]
    found = [Finding("configuration", OK, ", ".join(paths))]
    found += [Finding("configuration", WARNING, text, "Remove or correct it") for text in warnings]
    found += _modes("configuration", files, "Run chmod go-w on it")
    found += _storage(config)
    for listener in config.listeners:
        found += _listener(listener)
    found += _process(config)
    return found


def _failure(check: str, error: ConfigError) -> Finding:
    message = str(error).removesuffix(f". {error.fix}") if error.fix else str(error)
    return Finding(check, FAILURE, message, error.fix or "Correct it")


def _modes(check: str, paths: list[Path], fix: str, forbidden: int = stat.S_IWGRP | stat.S_IWOTH) -> Iterator[Finding]:
    """Files that others may do to what they should not."""
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue  # said elsewhere
        if mode & forbidden:
            what = "written" if forbidden & stat.S_IWOTH else "read"
            yield Finding(check, WARNING, f"{path} can be {what} by others (mode {mode:04o})", fix)


# -- Storage -----------------------------------------------------------------------------------------------------------


def _storage(config: ServerConfig) -> Iterator[Finding]:
    kind, path = config.storage.type, str(config.storage.settings.get("path") or "")
    if kind == "inmem":
        yield Finding("storage", WARNING, "inmem keeps nothing when the server stops", 'Use storage "sqlite"')
    if not path:
        return
    place = Path(path)
    database = place if kind == "sqlite" and not path.endswith("/") and not place.is_dir() else place / DATABASE_NAME
    folder = database.parent
    yield from _modes("storage", [folder], "Run chmod 700 on it")
    yield _room(folder)
    if database.exists():
        yield _opened(config, database)
    elif os.access(there := _nearest(folder), os.W_OK | os.X_OK):
        yield Finding("storage", OK, f"{database} is not there yet and will be made")
    else:
        yield Finding("storage", FAILURE, f"{there} may not be written to", "Run as its owner, or change its owner")


def _nearest(folder: Path) -> Path:
    """The first folder upwards that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(_nearest(folder)).free
    size = f"{free >> 20} MiB are free for {folder}"
    status = FAILURE if free < _FREE_LEAST else WARNING if free < _FREE_GOOD else OK
    return Finding("storage room", status, size, "" if status == OK else "Make room: a full disk stops every write")


def _opened(config: ServerConfig, database: Path) -> Finding:
    async def look() -> bool:
        storage = open_storage(config.storage.type, config.storage.settings)
        try:
            return await storage.get(SEAL_CONFIG_KEY) is not None
        finally:
            await storage.close()

    try:
        initialised = asyncio.run(look())
    except ConfigError as e:
        return _failure("storage", e)
    except StorageError as e:
        if "in use by another process" in str(e):
            return Finding("storage", WARNING, str(e), "If that is the server itself, all is well; else stop it")
        return Finding("storage", FAILURE, str(e), "Correct its owner, or restore it from a snapshot")
    state = "initialized" if initialised else 'not initialized: "operator init" does that'
    return Finding("storage", OK, f"{database} opens and is {state}")


# -- Listeners ---------------------------------------------------------------------------------------------------------


def _listener(listener: Listener) -> Iterator[Finding]:
    name = f"listener {listener.address}"
    try:
        found = tls.load(listener)
    except ConfigError as e:
        yield _failure(name, e)
        return
    if found is not None:
        yield from _certificate(name, found)
    elif listener.type == "tcp" and not listener.address.startswith(_LOOPBACK):
        fix = "Set tls_cert_file and tls_key_file, unless a proxy on this machine does TLS"
        yield Finding(name, WARNING, "speaks plain HTTP to other machines: tokens can be read on the way", fix)
    try:
        sock, bound = listeners.listen(listener)
    except ConfigError as e:
        if "in use" not in str(e):
            yield _failure(name, e)
            return
        yield Finding(name, WARNING, str(e), "If that is the server itself, all is well; else choose another address")
    else:
        listeners.close(sock)
        yield Finding(name, OK, f"can listen on {bound.url or bound.address}")


def _certificate(name: str, found: tls.TLS) -> Iterator[Finding]:
    leaf = x509.load_pem_x509_certificates(found.cert.read_bytes())[0]
    ends, now = leaf.not_valid_after_utc, datetime.datetime.now(datetime.UTC)
    for note in found.notes:
        expired = "expired" in note or "not valid yet" in note
        fix = "Have a new one issued" if expired else "Remove the setting, or leave it as it is"
        yield Finding(name, FAILURE if expired else WARNING, note, fix)
    if now < ends < now + _EXPIRY:
        yield Finding(name, WARNING, f"{found.cert} expires on {ends:%Y-%m-%d}", "Renew it, and send SIGHUP")
    elif now < ends:
        yield Finding(name, OK, f"{found.cert} is good until {ends:%Y-%m-%d}")
    yield from _modes(name, [found.key], "Run chmod 600 on it", stat.S_IRGRP | stat.S_IROTH)


# -- Process -----------------------------------------------------------------------------------------------------------


def _process(config: ServerConfig) -> Iterator[Finding]:
    problems = process.harden(lock_memory=not config.disable_mlock)
    for problem in problems:
        yield Finding("process", WARNING, problem, "See above" if ":" not in problem else "Do one of these")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 4096:
        yield Finding("process", WARNING, f"only {soft} files may be open at once", "Raise LimitNOFILE or ulimit -n")
    if os.geteuid() == 0:
        yield Finding("process", WARNING, "runs as root", "Make a user for it, as the systemd unit does")
    if not problems and os.geteuid() != 0:
        yield Finding("process", OK, "no core dumps" + ("" if config.disable_mlock else ", memory can be locked"))
