"""A listener's certificates: checked here, so that what is wrong is named before anything starts."""

from __future__ import annotations

import datetime
import pathlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.config import Listener
from strongroom.errors import ConfigError

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class TLS:
    """What the HTTP server needs. `client_ca` is set where clients must show a certificate. `notes` are for the log."""

    cert: pathlib.Path
    key: pathlib.Path
    min_version: str
    client_ca: pathlib.Path | None
    notes: tuple[str, ...] = ()


def load(listener: Listener) -> TLS | None:
    """A listener's TLS settings; None where it speaks plain HTTP. Raises `ConfigError`."""
    if listener.tls_disable or listener.type == "unix":
        return None
    cert = _file(listener, "tls_cert_file")
    key = _file(listener, "tls_key_file")
    leaf = _certificates(listener, "tls_cert_file", cert)[0]
    _check_pair(listener, cert, key)
    client_ca = None
    if listener.tls_require_and_verify_client_cert:
        client_ca = _file(listener, "tls_client_ca_file")
        _certificates(listener, "tls_client_ca_file", client_ca)
    return TLS(cert, key, listener.tls_min_version, client_ca, tuple(_notes(listener, leaf)))


def _file(listener: Listener, name: str) -> pathlib.Path:
    value: str = getattr(listener, name)
    if not value:
        raise _error(listener, name, "is not set", f"Set {name}, or tls_disable = true to serve plain HTTP")
    return pathlib.Path(value)


def _certificates(listener: Listener, name: str, path: pathlib.Path) -> list[x509.Certificate]:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(_read(listener, name, path))
    except ValueError:
        raise _error(listener, name, f"{path} holds no certificate in PEM", "Give a PEM file") from None


def _read(listener: Listener, name: str, path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        why = (e.strerror or "cannot be read").lower()
        raise _error(listener, name, f"{path} cannot be read: {why}", "Correct the path or its permissions") from None


def _check_pair(listener: Listener, cert: pathlib.Path, key: pathlib.Path) -> None:
    _read(listener, "tls_key_file", key)

    def encrypted() -> str:
        raise _error(listener, "tls_key_file", f"{key} is encrypted", "Store the key without a passphrase")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, encrypted)
    except ssl.SSLError as e:
        if e.reason == "KEY_VALUES_MISMATCH":
            fix = "Give the key that the certificate was made for"
            raise _error(listener, "tls_key_file", f"{key} is not the key of {cert}", fix) from None
        raise _error(listener, "tls_key_file", f"{key} holds no usable private key in PEM", "Give a PEM file") from None


def _notes(listener: Listener, leaf: x509.Certificate) -> list[str]:
    notes = []
    now = datetime.datetime.now(datetime.UTC)
    if leaf.not_valid_after_utc < now:
        notes.append(f"the certificate {listener.tls_cert_file} expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
    if leaf.not_valid_before_utc > now:
        notes.append(f"the certificate {listener.tls_cert_file} is not valid yet")
    if listener.tls_max_version == "tls12":
        notes.append("tls_max_version is not honoured: TLS 1.3 stays enabled")
    if listener.tls_cipher_suites:
        notes.append("tls_cipher_suites is not honoured: only the library's modern suites are offered")
    if listener.tls_client_ca_file and not listener.tls_require_and_verify_client_cert:
        notes.append("clients are not asked for certificates unless tls_require_and_verify_client_cert is set")
    return notes


def _error(listener: Listener, name: str, message: str, fix: str) -> ConfigError:
    return listener.place.error(f"listener.tcp.{name}: {message}", fix)
