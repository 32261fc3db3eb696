"""What can go wrong between us and a server, in the words people know from Vault.

ClientError             a root of its own within `StrongroomError`
├── AddressError        the address or another setting cannot be used; nothing was sent
├── TransportError      no answer: refused, timed out, TLS, a broken reply
├── ResponseError       the server answered with an error status
└── NotSent             the request was only wanted as text (a cURL command, a policy)
"""

from __future__ import annotations

from typing import Any

from strongroom.errors import StrongroomError


class ClientError(StrongroomError):
    """The root. `hint` says what to do about it, or is empty."""

    hint = ""


class AddressError(ClientError):
    """A setting that cannot be used."""


class TransportError(ClientError):
    """No usable answer. `reason` is a key of the table of hints."""

    def __init__(self, method: str, url: str, cause: str, reason: str = "") -> None:
        super().__init__(f'{method.capitalize()} "{url}": {cause}')
        self.reason = reason


class ResponseError(ClientError):
    """An error status. `body` is the decoded answer where it was JSON, for warnings and data beside the errors."""

    def __init__(self, method: str, url: str, status: int, body: Any, raw: str = "", namespace: str = "") -> None:
        self.method, self.url, self.status, self.body = method, url, status, body
        listed = body.get("errors") if isinstance(body, dict) else None
        self.errors = [str(error) for error in listed] if isinstance(listed, list) else []
        lines = ["Error making API request.", ""]
        if namespace:
            lines.append(f"Namespace: {namespace}")
        lines.append(f"URL: {method} {url}")
        if isinstance(body, dict):
            lines += [f"Code: {status}. Errors:", "", *(f"* {error}" for error in self.errors)]
        else:
            lines += [f"Code: {status}. Raw Message:", "", raw]
        super().__init__("\n".join(lines))


class NotSent(ClientError):
    """Carries the text that was asked for instead of sending the request."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
