"""kv: who wrote, who read, and what nobody reads any more."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault

ANN = {"accessor_hmac": "hmac-sha256:1a", "display_name": "userpass-ann", "entity_id": "e1"}
ROOT = {"accessor_hmac": "", "display_name": "token", "entity_id": ""}
READ_ONCE = {"last_read_by": ANN, "last_read_time": "2026-01-02T03:04:05Z", "updated_time": "2026-01-01T00:00:00Z"}
NEVER_READ = {"last_read_by": None, "last_read_time": "", "updated_time": "2026-01-01T00:00:00Z"}

METADATA = """\
==== Metadata Path ====
secret/metadata/app/db

====== Metadata ======
Key             Value
---             -----
created_by      userpass-ann entity=e1 accessor=hmac-sha256:1a
last_read_by    token

====== Version 1 ======
Key               Value
---               -----
created_by        userpass-ann entity=e1 accessor=hmac-sha256:1a
created_time      t
deletion_time     n/a
destroyed         false
last_read_time    n/a

====== Version 2 ======
Key              Value
---              -----
created_time     t
deletion_time    n/a
destroyed        false
"""
STALE = """\
Path             Last Read                        By              Written
----             ---------                        --              -------
secret/app/db    2026-01-02 03:04:05 +0000 UTC    userpass-ann    2026-01-01 00:00:00 +0000 UTC
secret/never     never                            n/a             2026-01-01 00:00:00 +0000 UTC
"""
NOT_ALL = """\
May not look at secret/ops/
May not look at secret/root
No secret has been unread for 30d. Reads are noted at secret/ since 2026-01-01 00:00:00 +0000 UTC.
"""


@pytest.fixture
def v2(server: FakeServer) -> FakeServer:
    server.kv("secret", "2", "secret", "secret/app/db")
    server.kv("kv1", "1", "kv1/a")
    return server


def page(*names: str, following: str = "", refused: tuple[str, ...] = ()) -> tuple[int, dict[str, Any]]:
    """A part of the answer; what begins with n was never read."""
    info = {name: NEVER_READ if name.startswith("n") else READ_ONCE for name in names}
    told = {"next": following, "refused": refused, "since": "2026-01-01T00:00:00Z"}
    return 200, {"data": {"keys": list(names), "key_info": info, **told}}


def test_metadata_get_shows_people_in_a_line_each(vault: Vault, v2: FakeServer) -> None:
    version = {"created_time": "t", "deletion_time": "", "destroyed": False}
    versions = {
        "1": {**version, "created_by": ANN, "last_read_by": None, "last_read_time": ""},
        "2": version,  # another server's
    }
    data = {"created_by": ANN, "last_read_by": ROOT, "versions": versions}
    v2.answers["GET /v1/secret/metadata/app/db"] = (200, {"data": data})
    assert vault("kv", "metadata", "get", "secret/app/db").out == METADATA
    assert vault("kv", "metadata", "get", "-format=json", "secret/app/db").json["data"] == data


def test_stale_asks_page_by_page_and_prints_one_table(vault: Vault, v2: FakeServer) -> None:
    v2.answers["GET /v1/secret/stale?list=true&unused=7776000s"] = page("app/db", following="app/db")
    v2.answers["GET /v1/secret/stale?after=app%2Fdb&list=true&unused=7776000s"] = page(following="x")
    v2.answers["GET /v1/secret/stale?after=x&list=true&unused=7776000s"] = page("never")
    assert vault("kv", "stale", "secret/")[:] == (0, STALE, "")
    assert vault("kv", "stale", "-format=json", "secret").json == [
        {"path": "secret/app/db", **READ_ONCE},
        {"path": "secret/never", **NEVER_READ},
    ]


def test_stale_below_a_folder_and_for_a_time(vault: Vault, v2: FakeServer) -> None:
    v2.answers["GET /v1/secret/stale/app/db?list=true&unused=43200s"] = page("app/db/x")
    assert "secret/app/db/x" in vault("kv", "stale", "-unused=12h", "secret/app/db/").out
    v2.answers["GET /v1/secret/stale?list=true&unused=0s"] = page()
    assert vault("kv", "stale", "-unused=0", "-format=yaml", "secret").out == "[]\n"


def test_stale_says_since_when_the_server_knows_and_what_it_may_not_look_at(vault: Vault, v2: FakeServer) -> None:
    v2.answers["GET /v1/secret/stale?list=true&unused=2592000s"] = page(refused=("ops/", "root"))
    assert vault("kv", "stale", "-unused=30d", "secret")[:] == (2, "", NOT_ALL)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["-unused=-1h", "secret"], 1, "must not be negative"),
        (["kv1/a"], 1, "Only version 2"),
        (["secret/app/db"], 2, "No value found at secret/stale/app/db"),  # a server that does not know it
    ],
)
def test_what_stale_refuses(vault: Vault, v2: FakeServer, words: list[str], code: int, text: str) -> None:
    result = vault("kv", "stale", *words)
    assert (result.code, text in result.err) == (code, True)
