"""Where the server is and how to talk to it: the `VAULT_*` environment, which flags override."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from strongroom.client.durations import parse_duration
from strongroom.client.errors import AddressError

DEFAULT_ADDRESS = "https://127.0.0.1:8200"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Settings(NamedTuple):
    """All that a client needs. Times are seconds, and a timeout of 0 is none.

    `wrap_ttl` is "" or a duration as the header takes it.
    """

    address: str = DEFAULT_ADDRESS
    address_from: str = "the default"
    token: str = ""
    namespace: str = ""
    wrap_ttl: str = ""
    mfa: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    policy_override: bool = False
    ca_cert: str = ""
    ca_cert_bytes: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""
    tls_server_name: str = ""
    skip_verify: bool = False
    timeout: float = 60.0
    max_retries: int = 2
    redirects: bool = True
    proxy: str = ""
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""


def parse_bool(text: str) -> bool:
    """A truth value as Go reads it; raises `ValueError` on other words."""
    if text not in _TRUE | _FALSE:
        raise ValueError(text)
    return text in _TRUE


def from_environment(env: Mapping[str, str]) -> Settings:
    """Read the environment; raises `AddressError` naming the variable that cannot be used."""

    def word(*names: str) -> str:
        return next((env[name] for name in names if env.get(name)), "")

    def flag(name: str) -> bool:
        try:
            return parse_bool(env[name]) if env.get(name) else False
        except ValueError:
            raise AddressError(f"could not parse {name}: it must be true or false") from None

    address_from = next((name for name in ("VAULT_AGENT_ADDR", "VAULT_ADDR") if env.get(name)), "the default")
    return Settings(
        address=word("VAULT_AGENT_ADDR", "VAULT_ADDR") or DEFAULT_ADDRESS,
        address_from=address_from,
        namespace=word("VAULT_NAMESPACE"),
        wrap_ttl=word("VAULT_WRAP_TTL"),
        mfa=(env["VAULT_MFA"],) if env.get("VAULT_MFA") else (),
        ca_cert=word("VAULT_CACERT"),
        ca_cert_bytes=word("VAULT_CACERT_BYTES"),
        ca_path=word("VAULT_CAPATH"),
        client_cert=word("VAULT_CLIENT_CERT"),
        client_key=word("VAULT_CLIENT_KEY"),
        tls_server_name=word("VAULT_TLS_SERVER_NAME"),
        skip_verify=flag("VAULT_SKIP_VERIFY"),
        timeout=_seconds(word("VAULT_CLIENT_TIMEOUT")),
        max_retries=_count(word("VAULT_MAX_RETRIES")),
        redirects=not flag("VAULT_DISABLE_REDIRECTS"),
        proxy=word("VAULT_PROXY_ADDR", "VAULT_HTTP_PROXY"),
        # HTTP_PROXY in capitals can be set by a request's header where a web server runs us as CGI.
        http_proxy=word("http_proxy") if env.get("REQUEST_METHOD") else word("http_proxy", "HTTP_PROXY"),
        https_proxy=word("https_proxy", "HTTPS_PROXY"),
        no_proxy=word("no_proxy", "NO_PROXY"),
    )


def _seconds(text: str) -> float:
    if not text:
        return 60.0
    try:
        return parse_duration(text) / 1e9
    except ValueError as error:
        raise AddressError(f'could not parse VAULT_CLIENT_TIMEOUT "{text}": {error}') from None


def _count(text: str) -> int:
    if not text:
        return 2
    if not text.isdecimal() or len(text) > 9:
        raise AddressError(f'could not parse VAULT_MAX_RETRIES "{text}": it must be a whole number')
    return int(text)
