"""A listener's certificates: checked here, so that what is wrong is named before anything starts."""

from __future__ import annotations

import datetime
import pathlib
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.config import Listener
from strongroom.errors import ConfigError
from strongroom.server.handshake import Context
from strongroom.server.suites import UnknownSuite, openssl_names

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class TLS:
    """What the HTTP server needs. `notes` are for the log.

    `context` is set where Granian will not do and our own server takes the connections: it alone can ask clients for
    certificates and hand them over, and choose the newest TLS version and the cipher suites.
    """

    cert: pathlib.Path
    key: pathlib.Path
    min_version: str
    context: ssl.SSLContext | None = None
    notes: tuple[str, ...] = ()


def load(listener: Listener) -> TLS | None:
    """A listener's TLS settings; None where it speaks plain HTTP. Raises `ConfigError`."""
    if listener.tls_disable or listener.type == "unix":
        return None
    cert = _file(listener, "tls_cert_file")
    key = _file(listener, "tls_key_file")
    leaf = _certificates(listener, "tls_cert_file", cert)[0]
    context = _load_pair(listener, cert, key)
    own = _asks(listener) or listener.tls_max_version == "tls12" or listener.tls_cipher_suites
    if own:
        _set_up(listener, context)
    return TLS(cert, key, listener.tls_min_version, context if own else None, tuple(_notes(listener, leaf)))


def _asks(listener: Listener) -> bool:
    """Whether clients are asked for certificates."""
    required = listener.tls_require_and_verify_client_cert
    return required or bool(listener.tls_client_ca_file and not listener.tls_disable_client_certs)


def _set_up(listener: Listener, context: ssl.SSLContext) -> None:
    context.minimum_version = _VERSIONS[listener.tls_min_version]
    context.maximum_version = _VERSIONS[listener.tls_max_version]
    context.set_alpn_protocols(["http/1.1"])
    # A resumed session would bring no chain of certificates, and none that was looked at today.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    if listener.tls_cipher_suites:
        _set_suites(listener, context)
    if _asks(listener):
        path = _file(listener, "tls_client_ca_file")
        _certificates(listener, "tls_client_ca_file", path)
        context.load_verify_locations(path)
        # Whatever is in the file is trusted by itself: an intermediate CA, or a single client's own certificate.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_REQUIRED if listener.tls_require_and_verify_client_cert else ssl.CERT_OPTIONAL


def _set_suites(listener: Listener, context: ssl.SSLContext) -> None:
    try:
        names = openssl_names(listener.tls_cipher_suites)
    except UnknownSuite as e:
        fix = "Use names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        raise _error(listener, "tls_cipher_suites", f'"{str(e)[:64]}" is not known', fix) from None
    if not names:
        if listener.tls_min_version == "tls13":
            return
        fix = 'Name one, or set tls_min_version = "tls13": the suites of TLS 1.3 are always offered'
        raise _error(listener, "tls_cipher_suites", "no suite of TLS 1.2 is among them", fix)
    try:
        context.set_ciphers(names)
    except ssl.SSLError:
        message = "this machine's OpenSSL offers none of them"
        raise _error(listener, "tls_cipher_suites", message, "Name others, or leave it out") from None


_VERSIONS = {"tls12": ssl.TLSVersion.TLSv1_2, "tls13": ssl.TLSVersion.TLSv1_3}


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


def _load_pair(listener: Listener, cert: pathlib.Path, key: pathlib.Path) -> ssl.SSLContext:
    _read(listener, "tls_key_file", key)

    def encrypted() -> str:
        raise _error(listener, "tls_key_file", f"{key} is encrypted", "Store the key without a passphrase")

    context = Context(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, encrypted)
    except ssl.SSLError as e:
        if e.reason == "KEY_VALUES_MISMATCH":
            fix = "Give the key that the certificate was made for"
            raise _error(listener, "tls_key_file", f"{key} is not the key of {cert}", fix) from None
        raise _error(listener, "tls_key_file", f"{key} holds no usable private key in PEM", "Give a PEM file") from None
    return context


def _notes(listener: Listener, leaf: x509.Certificate) -> list[str]:
    notes = []
    now = datetime.datetime.now(datetime.UTC)
    if leaf.not_valid_after_utc < now:
        notes.append(f"the certificate {listener.tls_cert_file} expired on {leaf.not_valid_after_utc:%Y-%m-%d}")
    if leaf.not_valid_before_utc > now:
        notes.append(f"the certificate {listener.tls_cert_file} is not valid yet")
    return notes


def _error(listener: Listener, name: str, message: str, fix: str) -> ConfigError:
    return listener.place.error(f"listener.tcp.{name}: {message}", fix)
