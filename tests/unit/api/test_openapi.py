"""The generated views of the routes: OpenAPI, and the help of a path."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from openapi_spec_validator import validate

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, Duration, Name
from strongroom.api.help import help_for
from strongroom.api.openapi import document
from strongroom.api.routes import Engine
from strongroom.app.compose import OWN
from strongroom.engines import BACKENDS


def engines() -> dict[str, Engine[Any]]:
    """Every engine there is, each in all its versions."""
    found: dict[str, Engine[Any]] = {}
    for backend in (*BACKENDS, *OWN):
        for options in ({}, *backend.aliases.values()):
            engine = backend.choose(backend.prepare(dict(options)))
            place = "auth/" if backend.kind == "auth" else ""
            found[f"{place}{backend.type}{len(found)}/"] = engine
    return found


ENGINES = engines()


@pytest.mark.parametrize("mount", ENGINES)
def test_every_engine_is_valid_openapi(mount: str) -> None:
    validate(document({mount: ENGINES[mount]}))


def test_all_engines_together_have_operation_ids_of_their_own() -> None:
    whole = document(ENGINES)
    ids = [o["operationId"] for item in whole["paths"].values() for o in item.values() if isinstance(o, dict)]
    assert ids
    assert [name for name, count in Counter(ids).items() if count > 1] == []


@pytest.mark.parametrize("mount", ENGINES)
def test_no_two_paths_of_an_engine_differ_only_in_the_names_of_parameters(mount: str) -> None:
    paths = document({mount: ENGINES[mount]})["paths"]
    assert len({re.sub(r"\{\w+\}", "{}", path) for path in paths}) == len(paths)


@pytest.mark.parametrize("mount", ENGINES)
def test_every_endpoint_and_parameter_says_what_it_is(mount: str) -> None:
    for route in ENGINES[mount].routes:
        assert route.summary, route.pattern
        for name, declared in route.args.fields.items() if route.args else ():
            assert declared.help, (route.pattern, name)


class ThingArgs(Args):
    name: Name = field("Which thing.")
    ttl: Duration = field("For how long.")
    tags: CommaList = field("Its tags.", deprecated=True)
    color: str = field("Its color.", choices=("red", "blue"), required="missing color")


class FilterArgs(Args):
    name: Name = field("Which thing.")
    after: str = field("Begin after this.", deprecated=True)


async def _there(ctx: Context, args: ThingArgs) -> bool:
    return True


def small() -> Engine[Context]:
    engine: Engine[Context] = Engine("small", help="A small engine.")

    @engine.list("things")
    async def names(ctx: Context) -> None:
        """List the things."""

    @engine.read("things/{name}")
    async def read(ctx: Context, args: FilterArgs) -> None:
        """Read a thing.

        It says much.
        """

    @engine.list("things/{name}")
    async def parts(ctx: Context, args: FilterArgs) -> None:
        """List its parts."""

    @engine.write("things/{name}", exists=_there, batch="batch_input", sudo=True)
    async def write(ctx: Context, args: ThingArgs) -> None:
        """Write a thing."""

    @engine.delete("things/{name}", unauthenticated=True)
    async def delete(ctx: Context, args: FilterArgs) -> None:
        """Delete a thing."""

    return engine


def test_an_endpoint_is_described_from_its_declaration() -> None:
    paths = document({"m{/": small()})["paths"]
    assert list(paths) == ["/m%7B/things", "/m%7B/things/{name}"]
    item = paths["/m%7B/things/{name}"]
    assert item["parameters"] == [
        {"name": "name", "in": "path", "required": True, "description": "Which thing.", "schema": {"type": "string"}}
    ]
    assert item["x-vault-sudo"] is item["x-vault-unauthenticated"] is item["x-vault-createSupported"] is True
    assert [p["name"] for p in item["get"]["parameters"]] == ["after", "list"]
    assert item["get"]["parameters"][0]["deprecated"] is True
    schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert sorted(schema["properties"]) == ["batch_input", "color", "tags", "ttl"]
    assert schema["required"] == ["color"]
    assert schema["properties"]["color"]["enum"] == ["red", "blue"]
    assert schema["properties"]["tags"]["deprecated"] is True
    assert schema["properties"]["ttl"] == {"description": "For how long.", "type": "integer", "format": "seconds"}
    assert list(item["get"]["responses"]) == ["200", "default"]
    assert list(item["delete"]["responses"]) == ["204", "200", "default"]
    assert paths["/m%7B/things"]["get"]["operationId"] == "list-m-things"


def test_mounts_whose_names_differ_in_signs_alone_keep_their_ids_apart() -> None:
    whole = document({"a-b/": small(), "a/b/": small(), "a_b/": small()})
    validate(whole)
    assert {item["get"]["operationId"] for path, item in whole["paths"].items() if path.endswith("things")} == {
        "list-a-b-things",
        "list-a-b-things-2",
        "list-a-b-things-3",
    }


def test_help_of_a_path_is_that_of_its_endpoints() -> None:
    answer = help_for(small(), "things/x")
    for words in (
        "Matching Route: ^things/{name}$",
        "READ: Read a thing.",
        "It says much.",
        "color (str)",
        "Its tags.",
    ):
        assert words in answer["help"]
    assert list(answer["openapi"]["paths"]) == ["/things/{name}"]


@pytest.mark.parametrize("path", ["", "/", "nothing/like/it"])
def test_help_of_anything_else_is_the_engines(path: str) -> None:
    answer = help_for(small(), path)
    assert "A small engine." in answer["help"]
    assert "^things$\n        List the things." in answer["help"]
    validate(answer["openapi"])
