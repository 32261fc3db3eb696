"""A server that answers what a test wrote down, and what a command line did."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Seen(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeServer:
    """`answers` maps "METHOD path" to a status and a body (an object, bytes, or None), or to a list of those."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.seen: list[Seen] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fake.seen.append(Seen(self.command, self.path, dict(self.headers), body))
                status, content, *headers = fake.find(f"{self.command} {self.path}")
                payload = (
                    b"" if content is None else content if isinstance(content, bytes) else json.dumps(content).encode()
                )
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = _answer  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    def find(self, key: str) -> Any:
        found = self.answers.get(key, (404, {"errors": []}))
        return found.pop(0) if isinstance(found, list) else found

    def kv(self, mount: str, version: str, *paths: str) -> None:
        """Answer the question which mount holds these paths."""
        data = {"path": f"{mount}/", "type": "kv", "options": {"version": version}}
        for path in paths:
            self.answers[f"GET /v1/sys/internal/ui/mounts/{path}"] = (200, {"data": data})

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


Vault = Callable[..., Result]
