"""Certificates for tests, made once a run."""

from __future__ import annotations

import functools
import pathlib
import ssl
from dataclasses import dataclass

import trustme


@dataclass(frozen=True)
class Files:
    """A certificate and its key on disk."""

    cert: pathlib.Path
    key: pathlib.Path


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA()


def write(folder: pathlib.Path, name: str = "server", ca: trustme.CA | None = None) -> Files:
    """Issue a certificate for this machine and write it there."""
    issued = (ca or authority()).issue_cert("localhost", "127.0.0.1", common_name=name)
    files = Files(folder / f"{name}.crt", folder / f"{name}.key")
    files.cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(files.key))
    return files


def write_ca(folder: pathlib.Path, ca: trustme.CA | None = None) -> pathlib.Path:
    path = folder / "ca.crt"
    (ca or authority()).cert_pem.write_to_path(str(path))
    return path


def client_context(client: Files | None = None) -> ssl.SSLContext:
    """What a client trusts and shows."""
    context = ssl.create_default_context()
    authority().configure_trust(context)
    if client is not None:
        context.load_cert_chain(client.cert, client.key)
    return context
