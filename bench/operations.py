"""What is measured: a row each."""

from __future__ import annotations

from dataclasses import dataclass

from bench.load import Shot

SECRET = '{"data":{"api_key":"sk-proj-0123456789abcdefghijklmnop","organization":"org-0123456789"}}'
#: How many secrets the reads and writes are spread over.
NAMES = 100


@dataclass(frozen=True)
class Row:
    """An operation and the share of a bare server's rate that it should reach."""

    name: str
    shot: Shot
    target: float


def operations(token: str, names: int = NAMES) -> list[Row]:
    """The operations, for a server where `token` may do them."""
    data = "/v1/secret/data/bench/s{n}"
    return [
        Row("health", Shot("GET", "/v1/sys/health"), 0.6),
        Row("token lookup-self", Shot("GET", "/v1/auth/token/lookup-self", token=token), 0.25),
        Row("KV v2 read", Shot("GET", data, token=token, names=names), 0.25),
        Row("KV v2 write", Shot("POST", data, SECRET, token, names), 0.12),
    ]


def filling(token: str, names: int) -> Shot:
    """The writes that put the secrets there."""
    return Shot("POST", "/v1/secret/data/bench/s{n}", SECRET, token, names)
