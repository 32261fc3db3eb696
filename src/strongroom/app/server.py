"""Running a server: from the command line's options to the last answer."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from strongroom import VAULT_VERSION, __version__
from strongroom.api.messages import Request
from strongroom.app.compose import build_core, streams
from strongroom.app.dev import DEV_CA_FILE, DevKeys, dev_config, open_dev, write_private
from strongroom.config import SealConfig, ServerConfig, StorageConfig, load
from strongroom.core import log_stream
from strongroom.core.core import Core
from strongroom.core.log_levels import LEVELS
from strongroom.errors import ConfigError, StorageError
from strongroom.pipeline import handle
from strongroom.server import process
from strongroom.server.consent import consent
from strongroom.server.edge import Edge
from strongroom.server.listeners import Bound
from strongroom.server.logging import Log

log = logging.getLogger("strongroom.core")
requests_log = logging.getLogger("strongroom.requests")

TOKEN_FILE = ".vault-token"  # noqa: S105 - a file's name

Read = Callable[[], tuple[ServerConfig, list[str]]]
OpenDev = Callable[[Core], Awaitable[DevKeys]]


def run_server(
    *,
    config: list[str],
    dev: bool = False,
    dev_root_token_id: str = "",
    dev_listen_address: str = "",
    dev_storage: str = "",
    dev_no_store_token: bool = False,
    dev_kv: int = 2,
    dev_skip_init: bool = False,
    dev_tls: bool = False,
    dev_tls_cert_dir: str = "",
    dev_tls_names: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> int:
    """Run a server until it is told to stop; returns the exit status.

    `config` are files and folders, `settings` are top-level settings that win over them. What is wrong is printed on
    stdout, with file, line and the fix, and the status is 1. `dev_kv` is the version of KV at `secret/`, 0 for none.
    `dev_tls` makes certificates, also for `dev_tls_names`, in a folder that goes with the server unless
    `dev_tls_cert_dir` names one.
    """
    paths = [Path(path) for path in config]
    with ExitStack() as stack:
        certificates = None
        if dev_tls:
            from strongroom.app.dev_tls import make

            folder = dev_tls_cert_dir or stack.enter_context(TemporaryDirectory(prefix="strongroom-tls-"))
            try:
                certificates = make(
                    Path(folder), dev_listen_address.rpartition(":")[0] or dev_listen_address, dev_tls_names
                )
            except OSError as e:
                _say(f"Error: cannot write certificates to {folder}: {(e.strerror or 'it failed').lower()}")
                return 1

        def read() -> tuple[ServerConfig, list[str]]:
            own = dev_config(dev_listen_address, dev_storage, certificates)
            loaded, warnings = _dev(paths, own) if dev else load(paths)
            return replace(loaded, **(settings or {})), warnings

        opener = partial(open_dev, folder=dev_storage, root_token=dev_root_token_id, kv=dev_kv)
        return _run(read, opener if dev and not dev_skip_init else None, not dev_no_store_token)


def _run(read: Read, opener: OpenDev | None, store_token: bool) -> int:
    try:
        config, warnings = read()
        server = Server(config, read, dev=opener, store_token=store_token)
        for warning in warnings:
            log.warning("%s", warning)
        with process.pid_file(config.pid_file):
            return process.run(server.run)
    except (ConfigError, StorageError) as e:
        _say(f"Error: {e}")
        return 1


def _dev(paths: list[Path], config: ServerConfig) -> tuple[ServerConfig, list[str]]:
    """What `-dev` stands for, with the settings of files where it leaves room for them."""
    if not paths:
        return config, []
    loaded, warnings = load(paths, complete=False)
    own = (replace(one, max_request_duration=loaded.request_duration) for one in config.listeners)
    listeners = (*own, *loaded.listeners)
    return replace(loaded, storage=config.storage, listeners=listeners, disable_mlock=True), warnings


class Server:
    """A core behind its listeners. `read` reads the configuration anew, for a reload."""

    def __init__(
        self, config: ServerConfig, read: Read, *, dev: OpenDev | None = None, store_token: bool = False
    ) -> None:
        self._config = config
        self._read = read
        self._dev = dev
        self._store_token = store_token
        self.log = Log(config.log_level, config.log_format)
        if config.log_file:
            self._log_to_file(config)
        check_backends(config)

    async def run(self, signals: process.Signals) -> int:
        """Serve until the signal to stop; then finish what is under way, seal and close.

        Raises:
            ConfigError: an address, a certificate, or a dev server's folder.
            StorageError: the storage does not open.
        """
        for problem in process.harden(lock_memory=not self._config.disable_mlock):
            log.warning("%s", problem)
        core = build_core(self._config)
        edge = self._edge(core)
        try:
            # A dev server is opened first, so that its first answer is a useful one.
            keys = await self._dev(core) if self._dev is not None else None
            bound = await edge.start(self._config.listeners)
            self._announce(bound, keys)
            settle()
            reload = partial(self._reload, core, edge)
            core.reloaders.append(reload)
            signals.on_reload(reload)
            await signals.stop.wait()
            log.info("stopping")
            log_stream.end_all()
            await edge.stop()
        finally:
            await core.close()
        log.info("stopped")
        return 0

    def _edge(self, core: Core) -> Edge:
        config = self._config
        headers = {"X-Vault-Hostname": os.uname().nodename} if config.enable_response_header_hostname else None
        printable = not config.disable_printable_check
        level = LEVELS.get(config.log_requests_level)
        return Edge(
            partial(handle, core),
            streams=streams,
            pages=consent,
            watch=partial(_log_request, level) if level is not None else None,
            origins=lambda: core.live.cors if core.live is not None else None,
            headers=headers,
            printable=printable,
        )

    def _announce(self, bound: list[Bound], keys: DevKeys | None) -> None:
        _say(process.banner("Strongroom server configuration:", _rows(self._config, bound)))
        if keys is not None:
            if self._store_token:
                with suppress(OSError):  # a convenience: there may be no home
                    write_private(Path.home() / TOKEN_FILE, keys.root_token.encode())
            _say(_dev_words(self._config, bound, keys))
        _say("==> Strongroom server started! Log data will stream in below:\n")

    async def _reload(self, core: Core, edge: Edge) -> None:
        """Take over certificates, headers and the log level; reopen files. What fails stays as it was."""
        try:
            config, warnings = self._read()
        except ConfigError as e:
            log.error("the configuration was not reloaded: %s", e)
        else:
            for warning in warnings:
                log.warning("%s", warning)
            self._config = replace(self._config, listeners=config.listeners, log_level=config.log_level)
            self.log.set_level(config.log_level)
            await edge.reload(config.listeners)
        self.log.reopen()
        if core.live is not None:
            await core.live.audits.reopen()
        log.info("reloaded")

    def _log_to_file(self, config: ServerConfig) -> None:
        try:
            self.log.add_file(
                config.log_file,
                max_bytes=config.log_rotate_bytes,
                max_age=config.log_rotate_duration,
                keep=config.log_rotate_max_files,
            )
        except OSError as e:
            why = (e.strerror or "it failed").lower()
            raise ConfigError(
                f"log_file: cannot write {config.log_file}: {why}", fix="Choose a path that can be written"
            ) from None


def check_backends(config: ServerConfig) -> None:
    """Refuse, by name, what a later release brings."""
    blocks: list[tuple[str, StorageConfig | SealConfig, str]] = [
        ("storage", config.storage, 'Use storage "sqlite", or "file" or "raft", which run on it'),
        *(("seal", seal, "Leave the block out and unseal with the key shares") for seal in config.seals),
    ]
    for kind, block, fix in blocks:
        if not block.available:
            text = f'{kind} "{block.type}" is understood, but this release does not have it yet'
            raise block.place.error(text, fix)


def settle() -> None:
    """Spare the collector what is here to stay, and have it look less often: requests leave no cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


def _log_request(level: int, request: Request, status: int, seconds: float) -> None:
    """A line for a finished request: what it was, never what was in it."""
    requests_log.log(
        level,
        "request %s: %s %s from %s: status %d in %.1f ms",
        request.id,
        request.operation,
        request.path,
        request.remote_address,
        status,
        seconds * 1000,
    )


def _rows(config: ServerConfig, bound: list[Bound]) -> dict[str, str]:
    rows = {"Api Address": config.api_addr} if config.api_addr else {}
    for number, each in enumerate(bound, 1):
        tls = "enabled" if each.tls else "disabled"
        rows[f"Listener {number}"] = f'{each.listener.type} (addr: "{each.address}", tls: "{tls}")'
    where = config.storage.settings.get("path", "")
    return {
        **rows,
        "Log Level": config.log_level,
        "Storage": f"{config.storage.type} {where}".strip(),
        "Version": f"Strongroom v{__version__}, Vault API v{VAULT_VERSION}",
    }


def _dev_words(config: ServerConfig, bound: list[Bound], keys: DevKeys) -> str:
    folder = config.storage.settings.get("path", "")
    listener = bound[0].listener
    kept = (
        f"Everything is kept in {folder}, the keys too (mode 0600): whoever can read that folder can\n"
        "read every secret. This is for one person's machine; use -config for anything else."
        if folder
        else "Everything is in memory only and gone when the server stops. Never use it for real secrets."
    )
    trust = f"    $ export VAULT_CACERT='{Path(listener.tls_cert_file).parent / DEV_CA_FILE}'\n" if bound[0].tls else ""
    return (
        f"WARNING! dev mode is enabled! The server opens by itself. {kept}\n\n"
        "You may need to set the following environment variables:\n\n"
        f"    $ export VAULT_ADDR='{bound[0].url}'\n{trust}\n"
        f"Unseal Key: {keys.unseal_key}\nRoot Token: {keys.root_token}\n"
    )


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - what the command is asked for
