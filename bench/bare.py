"""A server that does nothing but answer: what the HTTP server, the loop and the wire cost by themselves.

It runs Granian as Strongroom does, on a socket of its own, and sends as many bytes as a KV read. Prints its address.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import uvloop

from strongroom.config import Listener
from strongroom.server.granian import Running
from strongroom.server.listeners import close, listen

BODY = json.dumps(
    {
        "request_id": "00000000-0000-4000-8000-000000000000",
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": {
            "data": {"api_key": "sk-proj-0123456789abcdefghijklmnop", "organization": "org-0123456789"},
            "metadata": {
                "created_time": "2025-01-07T10:30:00.123456789Z",
                "custom_metadata": None,
                "deletion_time": "",
                "destroyed": False,
                "version": 1,
            },
        },
        "wrap_info": None,
        "warnings": None,
        "auth": None,
    },
    separators=(",", ":"),
).encode()
HEADERS = [("content-type", "application/json"), ("server", "bare"), ("cache-control", "no-store")]


async def answer(scope: Any, wire: Any) -> None:
    if scope.method != "GET":
        await wire()
    wire.response_bytes(200, HEADERS, BODY)


async def main() -> None:
    listener = Listener(address="127.0.0.1:0", tls_disable=True)
    sock, bound = listen(listener)
    server = Running(answer, sock, listener, None)  # type: ignore[arg-type]  # any RSGI callable does
    await server.start()
    print(bound.url, flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        close(sock)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
