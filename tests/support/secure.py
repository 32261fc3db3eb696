"""A real server process behind TLS."""

from __future__ import annotations

import http.client

from tests.support.certificates import client_context
from tests.support.process import Process


class SecureProcess(Process):
    """`Process` for a listener whose certificate is of `tests.support.certificates`."""

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=client_context())
