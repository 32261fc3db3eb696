"""What to do about an error: one sentence or two, said after the error itself."""

from __future__ import annotations

from strongroom.client.errors import ClientError, ResponseError, TransportError
from strongroom.client.settings import Settings

_TRANSPORT = {
    "refused": 'Is the server running? The address is "{address}" (from {source}).',
    "timeout": 'No answer within {timeout:g} seconds from "{address}" (from {source}).',
    "name": 'The host of "{address}" (from {source}) is not known. Check its spelling.',
    "network": 'The address "{address}" (from {source}) cannot be reached.',
    "plain-server": 'The server at "{address}" (from {source}) does not speak TLS. A development server does not:\n'
    "export VAULT_ADDR='http{rest}'",
    "not-http": 'The answer from "{address}" (from {source}) is not HTTP. If the server speaks TLS:\n'
    "export VAULT_ADDR='https{rest}'",
    "untrusted": "Give the certificate of the authority that signed the server's with -ca-cert or VAULT_CACERT.",
    "name-mismatch": "The certificate is for another name. Use a name that is in it, or -tls-server-name.",
    "dates": "The server's certificate is not valid today. Check its dates and this machine's clock.",
    "alert": "The server refused the TLS handshake. It may want a client certificate: -client-cert and -client-key.",
}


_MFA = "The second factor may be what is wrong: a passcode counts once, and only for a short time."
_ALERT = (
    "The server refused the TLS handshake. It does not take the certificate of -client-cert: it has expired, is not\n"
    "for clients, or its authority is not in the listener's tls_client_ca_file."
)
_CERTIFICATES = {
    "client certificate must be supplied": "Give one with -client-cert and -client-key.",
    "tls connection required": "Certificates are shown over TLS: VAULT_ADDR must begin with https://",
}
_NOT_ASKED = "The listener did not ask for the certificate of -client-cert: it needs tls_client_ca_file."
_LOGIN = 'The server\'s log has the reason. Operators find it with "strongroom auth doctor", too.'


def hint_for(error: ClientError, settings: Settings) -> str:
    """A hint, or "" when there is nothing sensible to say."""
    if error.hint:
        return error.hint
    if isinstance(error, TransportError):
        reason = error.reason
        if reason == "alert" and settings.client_cert:
            return _ALERT
        if reason == "broken" and settings.address.startswith("http:"):
            reason = "not-http"
        rest = settings.address.partition(":")
        return _TRANSPORT.get(reason, "").format(
            address=settings.address, source=settings.address_from, timeout=settings.timeout, rest=rest[1] + rest[2]
        )
    if isinstance(error, ResponseError):
        return _response_hint(error, settings)
    return ""


def _response_hint(error: ResponseError, settings: Settings) -> str:
    texts = " ".join(error.errors)
    if error.status == 400 and "HTTPS server" in str(error):
        return "The server speaks TLS: begin VAULT_ADDR with https://"
    if error.status == 503 and "sealed" in texts:
        return (
            'The server is sealed. Unseal it with "vault operator unseal"; a new one needs "vault operator init" first.'
        )
    if error.status == 400 and "not initialized" in texts:
        return 'Initialize the server once with "vault operator init".'
    if error.status == 400 and (hint := _mount_hint(error, texts)):
        return hint
    for text, hint in _CERTIFICATES.items():
        if text in texts:
            return _NOT_ASKED if settings.client_cert and settings.address.startswith("https:") else hint
    if error.status == 400 and ("no chain matching" in texts or "invalid certificate or no client" in texts):
        return _LOGIN
    if error.status == 403 and not settings.token and "/login" not in error.url:
        return 'No token was sent. Log in with "vault login", or set VAULT_TOKEN.'
    if error.status == 403 and not settings.token and "permission denied" in texts:
        return _LOGIN if not settings.mfa else _MFA
    if error.errors == ["permission denied"]:
        return 'The server does not know this token: it expired, was revoked, or belongs elsewhere. See "vault login".'
    if error.status == 403 and "permission denied" in texts:
        return _not_allowed(error)
    return ""


def _mount_hint(error: ResponseError, texts: str) -> str:
    """What there is, where a mount could not be made."""
    half, kind = ("auth", "auth") if "/sys/auth/" in error.url else ("secrets", "secret")
    if "path is already in use" in texts:
        also = " A development server has KV version 2 at secret/ from its start." if " secret/" in texts else ""
        return f'"vault {half} list" shows what is there.{also}'
    if "plugin not found in the catalog" in texts and "/sys/" in error.url:
        return f'"vault plugin list {kind}" shows what can be enabled.'
    return ""


#: Method → the capability that policies call it by.
_CAPABILITIES = {"GET": '"read"', "PATCH": '"patch"', "DELETE": '"delete"'}


def _not_allowed(error: ResponseError) -> str:
    """What the policies of the token would have to allow."""
    path, _, query = error.url.partition("/v1/")[2].partition("?")
    capability = '"list"' if "list=true" in query else _CAPABILITIES.get(error.method, '"create" or "update"')
    also = ' (some paths below sys/ need "sudo" besides)' if path.startswith("sys/") else ""
    return (
        f'No policy of the token allows {capability} on "{path}"{also}.\n'
        f'"vault token capabilities {path}" shows what it may do there.'
    )
