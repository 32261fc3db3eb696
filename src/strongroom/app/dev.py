"""`server -dev`: a server that opens by itself, for one person's machine.

Plain `-dev` keeps everything in memory. With `-dev-storage=DIR` it is durable: the folder holds the storage and
`dev-keys.json` (mode 0600), with which every later start opens by itself:

    {"v": 1, "unseal_key": base64, "root_token": text}
"""

from __future__ import annotations

import base64
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from strongroom.config import Listener, ServerConfig, StorageConfig, host_port
from strongroom.core.core import Core
from strongroom.core.mounts import new_entry
from strongroom.errors import ConfigError, RequestError

if TYPE_CHECKING:
    from strongroom.app.dev_tls import Files

KEYS: Final = "dev-keys.json"
DEV_CA_FILE: Final = "vault-ca.pem"
DEFAULT_PORT: Final = 8200
DEFAULT_ADDRESS: Final = f"127.0.0.1:{DEFAULT_PORT}"
#: What a dev server has mounted from the start.
SECRET: Final = {"path": "secret/", "type_": "kv", "kind": "secret", "description": "key/value secret storage"}


class DevKeys(msgspec.Struct, frozen=True):
    """What opens a dev server."""

    unseal_key: str
    root_token: str
    v: int = 1

    def __repr__(self) -> str:
        return "DevKeys()"


def dev_config(address: str, folder: str, certificates: Files | None = None) -> ServerConfig:
    """The configuration that `-dev` stands for; with certificates it speaks TLS. Raises `ConfigError`."""
    full = host_port(address or DEFAULT_ADDRESS, DEFAULT_PORT)
    if not full:
        raise ConfigError(f'"{address[:64]}" is no address to listen on', fix=f'Write it such as "{DEFAULT_ADDRESS}"')
    storage = StorageConfig(type="sqlite", settings={"path": folder + "/"}) if folder else StorageConfig()
    listener = Listener(address=full, tls_disable=True, unauthenticated_metrics_access=True)
    if certificates is not None:
        files = {"tls_cert_file": str(certificates.cert), "tls_key_file": str(certificates.key)}
        listener = replace(listener, tls_disable=False, **files)  # type: ignore[arg-type]  # names of text settings
    return ServerConfig(storage=storage, listeners=(listener,), disable_mlock=True)


async def open_dev(core: Core, *, folder: str, root_token: str, kv: int) -> DevKeys:
    """Initialise on the first start, and unseal. `kv` is the version of KV at `secret/`, 0 for none.

    Raises:
        ConfigError: the folder holds a server without its keys, or keys of another.
    """
    file = Path(folder, KEYS) if folder else None
    if await core.seal.initialised():
        keys = _read(file)
        try:
            await core.seal.unseal(base64.b64decode(keys.unseal_key))
        except RequestError as e:
            raise ConfigError(
                f"{file} does not open the storage beside it: {e}",
                fix="Put the file back that belongs to it, or choose another folder",
            ) from None
        return keys

    async def first_state() -> str:
        live = core.live
        assert live is not None
        if kv:
            tx = live.transaction()
            live.mounts.store(tx, new_entry(**SECRET, options={"version": str(kv)}))
            await tx.commit()
        return await live.tokens.create_root(root_token)

    made = await core.seal.init(1, 1, first_state)
    keys = DevKeys(base64.b64encode(made.shares[0]).decode(), made.root_token)
    if file is not None:
        write_private(file, msgspec.json.encode(keys))
    await core.seal.unseal(made.shares[0])
    return keys


def _read(file: Path | None) -> DevKeys:
    if file is None or not file.exists():
        raise ConfigError(
            f"the storage is initialised, but {file} is missing: it cannot be opened without its key",
            fix="Put the file back, start it with -config and unseal it by hand, or choose another folder",
        )
    try:
        return msgspec.json.decode(file.read_bytes(), type=DevKeys)
    except (msgspec.MsgspecError, ValueError) as e:
        raise ConfigError(f"{file} is damaged: {e}", fix="Put the file back from a backup") from None


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read: whole or not at all, and durable."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle_, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mode 0600
    try:
        with os.fdopen(handle_, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        Path(name).rename(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
