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


#: A role whose role id is known beforehand, and which needs no secret id: the login's own work is what is measured.
LOGIN = '{"role_id":"bench-role"}'
SIGNED = '{"input":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}'
PLAINTEXT = '{"plaintext":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}'


def operations(token: str, names: int = NAMES) -> list[Row]:
    """The operations, for a server where `token` may do them."""
    data = "/v1/secret/data/bench/s{n}"
    return [
        Row("health", Shot("GET", "/v1/sys/health"), 0.6),
        Row("token lookup-self", Shot("GET", "/v1/auth/token/lookup-self", token=token), 0.25),
        Row("KV v2 read", Shot("GET", data, token=token, names=names), 0.25),
        Row("KV v2 write", Shot("POST", data, SECRET, token, names), 0.12),
        Row("transit encrypt 32 B", Shot("POST", "/v1/transit/encrypt/bench", PLAINTEXT, token), 0.25),
        Row("transit sign Ed25519", Shot("POST", "/v1/transit/sign/signer", SIGNED, token), 0.18),
        Row("AppRole login", Shot("POST", "/v1/auth/approle/login", LOGIN), 0.06),
    ]


def filling(token: str, names: int) -> Shot:
    """The writes that put the secrets there."""
    return Shot("POST", "/v1/secret/data/bench/s{n}", SECRET, token, names)
