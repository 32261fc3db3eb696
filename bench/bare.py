"""A server that does nothing but answer: what the HTTP server, the loop and the wire cost by themselves.

It is Granian embedded as its documentation has it, with a task for each request, and sends as many bytes as a KV read.
Prints its address.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from bench.servers import free_port

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


class Bare(Server):
    """Says where it listens as soon as it does."""

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        print(f"http://127.0.0.1:{self.bind_port}", flush=True)


async def main() -> None:
    await Bare(answer, port=free_port(), interface=Interfaces.RSGI, websockets=False, log_enabled=False).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
