"""The catalog: types and aliases of what can be mounted, and what stands for a type that was taken away."""

from __future__ import annotations

import logging

import pytest

from strongroom.api.backend import Backend, backend
from strongroom.api.messages import Operation
from strongroom.api.routes import Engine
from strongroom.core.catalog import Catalog
from strongroom.errors import BadRequest, Unavailable

KV = Backend("kv", "secret", lambda _: Engine("kv"), aliases={"kv-v1": {"version": "1"}, "kv-v2": {"version": "2"}})
CATALOG = Catalog(
    (
        KV,
        backend(Engine("approle", kind="auth")),
        backend(Engine("cubbyhole"), mountable=False),
        backend(Engine("system", kind="system"), mountable=False),
    )
)


@pytest.mark.parametrize(
    ("kind", "name"), [("secret", "kv"), ("secret", "kv-v1"), ("secret", "kv-v2"), ("auth", "approle")]
)
def test_a_type_is_found_by_its_name_and_aliases(kind: str, name: str) -> None:
    found = CATALOG.find(kind, name)
    assert found is CATALOG.get(kind, name) is CATALOG.of(kind, name)


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("secret", "nothing", "plugin not found in the catalog: nothing"),
        ("secret", "KV", "plugin not found in the catalog: KV"),
        ("secret", "approle", "plugin not found in the catalog: approle"),
        ("auth", "kv", "plugin not found in the catalog: kv"),
        ("secret", "cubbyhole", 'mount type of "cubbyhole" is not mountable'),
        ("secret", "system", 'mount type of "system" is not mountable'),
    ],
)
def test_what_cannot_be_mounted_is_refused(kind: str, name: str, text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        CATALOG.find(kind, name)
    assert caught.value.errors == [text]


def test_names_are_sorted_and_without_aliases() -> None:
    assert CATALOG.names("secret") == ["kv"]
    assert CATALOG.names("auth") == ["approle"]
    assert CATALOG.names("system") == []


def test_the_servers_own_types_are_found_whatever_kind_is_stored() -> None:
    assert CATALOG.of("secret", "system").type == "system"


def test_a_type_that_was_taken_away_is_served_as_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        missing = CATALOG.of("secret", "from-elsewhere")
    assert "from-elsewhere" in caplog.text
    assert missing.mountable
    assert missing.prepare({"a": "b"}) == {"a": "b"}
    for operation in Operation:
        with pytest.raises(Unavailable, match="not installed"):
            missing.choose({}).match("any/path", operation)
