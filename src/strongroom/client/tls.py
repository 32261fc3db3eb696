"""TLS as the settings ask for it, and its failures in words."""

from __future__ import annotations

import ssl

from strongroom.client.errors import AddressError
from strongroom.client.settings import Settings


def client_context(settings: Settings) -> ssl.SSLContext:
    """Verify against the given CA, else the system's; TLS 1.2 at least."""
    try:
        context = _trust(settings)
    except (OSError, ValueError) as error:
        why = _why(error, settings.ca_cert or settings.ca_path)
        raise AddressError(f"failed to create client: error loading CA certificate: {why}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if settings.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if bool(settings.client_cert) != bool(settings.client_key):
        raise AddressError("failed to create client: both client cert and client key must be provided")
    if settings.client_cert:
        try:
            context.load_cert_chain(settings.client_cert, settings.client_key)
        except (OSError, ValueError) as error:
            why = _why(error, f"{settings.client_cert} with {settings.client_key}")
            raise AddressError(f"failed to create client: error loading client certificate: {why}") from None
    return context


def _trust(settings: Settings) -> ssl.SSLContext:
    if settings.ca_cert_bytes and not settings.ca_cert:
        return ssl.create_default_context(cadata=settings.ca_cert_bytes)
    if settings.ca_cert:
        return ssl.create_default_context(cafile=settings.ca_cert)
    if not settings.ca_path:
        return ssl.create_default_context()
    # OpenSSL wants hashed names in a CA folder; people put plain files there.
    from pathlib import Path

    files = sorted(path for path in Path(settings.ca_path).iterdir() if path.is_file())
    pems = [text for path in files if "BEGIN CERTIFICATE" in (text := path.read_text(errors="replace"))]
    if not pems:
        raise ValueError(f"no certificates in {settings.ca_path}")
    return ssl.create_default_context(cadata="\n".join(pems))


def _why(error: Exception, file: str) -> str:
    """What is wrong with which file: OpenSSL does not say which it was."""
    if not isinstance(error, OSError):
        return str(error)
    # An error of OpenSSL's has a line of Python's source in its text, and at best a reason.
    what = (error.reason or "no PEM") if isinstance(error, ssl.SSLError) else str(error.strerror or error)
    what = what.lower().replace("_", " ")
    where = str(error.filename or file)
    return f"{where}: {what}" if where else what


def describe(error: Exception) -> tuple[str, str]:
    """The words for a TLS failure, and the reason that selects the hint."""
    if isinstance(error, ssl.SSLCertVerificationError):
        detail = error.verify_message or "certificate verify failed"
        if error.verify_code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            return f"tls: failed to verify certificate: x509: {detail}", "name-mismatch"
        if error.verify_code in (9, 10):  # not yet valid, expired
            return f"tls: failed to verify certificate: x509: {detail}", "dates"
        detail = f"certificate signed by unknown authority ({detail})"
        return f"tls: failed to verify certificate: x509: {detail}", "untrusted"
    reason = getattr(error, "reason", "") or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return "http: server gave HTTP response to HTTPS client", "plain-server"
    if isinstance(error, ssl.SSLEOFError):
        return "EOF", "broken"
    if "ALERT" in reason:
        words = reason.replace("SSLV3_", "").replace("TLSV1_", "").replace("TLSV13_", "").replace("ALERT_", "")
        return f"remote error: tls: {words.replace('_', ' ').lower()}", "alert"
    return f"tls: {reason.replace('_', ' ').lower() or 'handshake failure'}", "tls"
