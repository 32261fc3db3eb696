"""`login -method=oidc`: the browser logs in at the issuer, and comes back to a listener on this machine.

What the listener gets is taken only if it repeats the state of this very login. Where the role is for devices, the
browser may be anywhere, and this machine polls. Sources: RFC 8252 (logins of native programs), RFC 6749 section 4.1.2,
RFC 8628 (devices), and Vault's documentation of the command.
"""

from __future__ import annotations

import hmac
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from strongroom.cli.run import Run
from strongroom.client.client import Client
from strongroom.client.errors import ClientError, ResponseError
from strongroom.client.secret import Secret

CALLBACK = "/oidc/callback"
PORT = 8250
#: The server forgets a login after ten minutes.
SECONDS = 600
MOST_QUERY = 16 << 10

_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>"""


class OIDCError(ClientError):
    """A login in a browser that cannot be begun, or does not come back."""


class _Listener(TCPServer):
    """Waits for the browser; `answer` is the query that it brought."""

    # On POSIX this frees the port of a login just ended; elsewhere it would let two listen at a time.
    allow_reuse_address = os.name == "posix"

    def __init__(self, address: tuple[str, int], state: str) -> None:
        self.state = state
        self.answer: dict[str, str] | None = None
        super().__init__(address, _Handler)

    def handle_error(self, *_: Any) -> None:
        """A browser that breaks off is no reason to print."""


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    timeout = 10

    def do_GET(self) -> None:
        """Take the browser's answer, or say that it is none."""
        path, _, query = self.path.partition("?")
        if path != CALLBACK or len(query) > MOST_QUERY:
            self._page(404, "Not found", "There is nothing here.")
            return
        given = {name: values[0] for name, values in parse_qs(query).items()}
        if not hmac.compare_digest(given.get("state", "").encode(), self.server.state.encode()):
            self._page(400, "Not this login", "This answer belongs to another login. Start again in the terminal.")
            return
        self.server.answer = given
        self._page(200, "Back to the terminal", "You can close this window; the login goes on in the terminal.")

    def _page(self, status: int, title: str, text: str) -> None:
        page = _PAGE.format(title=title, text=text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: Any) -> None:
        """Nothing: the query is secret."""


def log_in(run: Run, client: Client, mount: str, given: Mapping[str, Any]) -> Secret | None:
    """Log in with a browser; raises `ClientError`."""
    port = _port(given, "port", PORT)
    host = str(given.get("callbackhost") or "localhost")
    scheme = str(given.get("callbackmethod") or "http")
    redirect = f"{scheme}://{host}:{_port(given, 'callbackport', port)}{CALLBACK}"
    nonce = secrets.token_urlsafe(32)
    asked = {"redirect_uri": redirect, "client_nonce": nonce, "role": str(given.get("role") or "")}
    begun = client.write(f"auth/{mount}/oidc/auth_url", asked)
    data = (begun.data if begun else None) or {}
    url = str(data.get("auth_url") or "")
    if not url:
        raise OIDCError(
            f"the server does not let this login begin: the role is no oidc role, or does not allow {redirect}"
        )
    device = "user_code" in data
    state = str(data.get("state") or "") if device else parse_qs(urlsplit(url).query).get("state", [""])[0]
    if urlsplit(url).scheme not in ("http", "https") or not url.isprintable() or not state:
        raise OIDCError("the server's answer is no address for a browser")
    if device:
        return _by_device(run, client, mount, data, {"state": state, "client_nonce": nonce})
    answer = _answer(run, (str(given.get("listenaddress") or "localhost"), port), url, state, given)
    query = {"state": state, "client_nonce": nonce}
    query |= {name: answer[name] for name in ("code", "error", "error_description") if name in answer}
    return client.read(f"auth/{mount}/oidc/callback", query)


def _by_device(
    run: Run, client: Client, mount: str, data: Mapping[str, Any], login: Mapping[str, str]
) -> Secret | None:
    """Wait until a person has let this machine in, on whatever device has a browser."""
    code = str(data["user_code"])
    if not code.isprintable():
        raise OIDCError("the server's answer is no code to type")
    run.ui.warn(f"Complete the login on any device. Open\n\n    {data['auth_url']}\n\nand confirm the code {code}\n")
    run.ui.warn("Waiting for OIDC authentication to complete...")
    run.ui.stderr.flush()
    interval = data.get("poll_interval")
    pause = min(max(interval, 1), 60) if isinstance(interval, int) else 5
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up:
        time.sleep(pause)
        try:
            return client.write(f"auth/{mount}/oidc/poll", login)
        except ResponseError as error:
            if error.errors == ["slow_down"]:
                pause += 5
            elif error.errors != ["authorization_pending"]:
                raise
    raise OIDCError("nobody has confirmed the login in time")


def _port(given: Mapping[str, Any], name: str, default: int) -> int:
    text = str(given.get(name) or default)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise OIDCError(f"'{name}' is no port")
    return int(text)


def _answer(run: Run, address: tuple[str, int], url: str, state: str, given: Mapping[str, Any]) -> dict[str, str]:
    try:
        listener = _Listener(address, state)
    except OSError as error:
        why = (error.strerror or "it failed").lower()
        raise OIDCError(f"cannot listen on {address[0]}:{address[1]}: {why}. Choose another with port=...") from None
    with listener:
        skip = str(given.get("skip_browser") or "").lower() in ("1", "t", "true")
        opened = not skip and _open(url, run.env)
        how = "Launching browser to" if opened else "Open the following link in your browser"
        run.ui.warn(f"Complete the login via your OIDC provider. {how}:\n\n    {url}\n")
        run.ui.warn("Waiting for OIDC authentication to complete...")
        run.ui.stderr.flush()
        give_up = time.monotonic() + SECONDS
        while listener.answer is None:
            listener.timeout = give_up - time.monotonic()
            if listener.timeout <= 0:
                raise OIDCError("the browser did not come back in time")
            listener.handle_request()
        return listener.answer


def _open(url: str, env: Mapping[str, str]) -> bool:
    """Have the desktop open an address; False where there is none."""
    if sys.platform == "darwin":
        program = "open"
    elif env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"):
        program = "xdg-open"
    else:
        return False
    path = shutil.which(program)
    if path is None:
        return False
    try:
        quiet = subprocess.DEVNULL
        subprocess.Popen([path, url], stdin=quiet, stdout=quiet, stderr=quiet)  # noqa: S603 - no shell
    except OSError:
        return False
    return True
