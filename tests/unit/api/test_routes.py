"""Routes: which pattern a path finds, in which order, and what is said where none does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.api.messages import Operation
from strongroom.api.routes import Engine
from strongroom.errors import NotFound, UnsupportedOperation, UnsupportedPath

OPERATIONS = {
    "GET": Operation.READ,
    "POST": Operation.UPDATE,
    "DELETE": Operation.DELETE,
    "LIST": Operation.LIST,
    "PATCH": Operation.PATCH,
    "HEAD": Operation.HEADER,
    "HELP": Operation.HELP,
    "CREATE": Operation.CREATE,
}


class OneArgs(Args):
    name: Name = field("Which.")


async def handler(ctx: Context, args: OneArgs) -> None:
    """Do it.

    With much more to say.
    """


def build() -> Engine[Context]:
    engine: Engine[Context] = Engine("test")
    engine.list("roles")(handler)
    engine.read("roles/{name}")(handler)
    engine.write("roles/{name}")(handler)
    engine.delete("roles/{name}")(handler)
    engine.read("status", terse=True)(handler)
    engine.read("data/{path:path}")(handler)
    engine.patch("data/{path:path}")(handler)
    engine.list("meta/{path:path}")(handler)
    engine.read("meta/{path:path}")(handler)
    engine.read("mounts")(handler)
    engine.read("mounts/{path:subpath}/tune")(handler)
    engine.delete("mounts/{path:subpath}")(handler)
    engine.write("hash/{kind:segment}")(handler)
    engine.read("one/special")(handler)
    engine.read("one/{name}")(handler)
    engine.read("a-{name}/x")(handler)
    engine.read("regex.[x]")(handler)
    return engine


ENGINE = build()

FOUND = [
    ("LIST", "roles", "roles", {}),
    ("LIST", "roles/", "roles", {}),
    ("GET", "roles/a", "roles/{name}", {"name": "a"}),
    ("GET", "roles/a.b-c", "roles/{name}", {"name": "a.b-c"}),
    ("POST", "roles/a", "roles/{name}", {"name": "a"}),
    ("CREATE", "roles/a", "roles/{name}", {"name": "a"}),
    ("GET", "data/", "data/{path:path}", {"path": ""}),
    ("GET", "data/a/b", "data/{path:path}", {"path": "a/b"}),
    ("GET", "data/a\nb", "data/{path:path}", {"path": "a\nb"}),
    ("PATCH", "data/a", "data/{path:path}", {"path": "a"}),
    ("LIST", "meta/", "meta/{path:path}", {"path": ""}),
    ("LIST", "meta/a/b/", "meta/{path:path}", {"path": "a/b"}),
    ("GET", "meta/a/b/", "meta/{path:path}", {"path": "a/b/"}),
    ("GET", "mounts", "mounts", {}),
    ("GET", "mounts/a/tune", "mounts/{path:subpath}/tune", {"path": "a"}),
    ("GET", "mounts/a/tune/tune", "mounts/{path:subpath}/tune", {"path": "a/tune"}),
    ("DELETE", "mounts/a/tune", "mounts/{path:subpath}", {"path": "a/tune"}),
    ("DELETE", "mounts/a/", "mounts/{path:subpath}", {"path": "a/"}),
    ("POST", "hash/sha2-256", "hash/{kind:segment}", {"kind": "sha2-256"}),
    ("POST", "hash/any thing", "hash/{kind:segment}", {"kind": "any thing"}),
    ("GET", "one/special", "one/special", {}),
    ("GET", "one/other", "one/{name}", {"name": "other"}),
    ("GET", "a-b/x", "a-{name}/x", {"name": "b"}),
    ("GET", "regex.[x]", "regex.[x]", {}),
]


@pytest.mark.parametrize(("method", "path", "pattern", "params"), FOUND)
def test_a_path_finds_its_route(method: str, path: str, pattern: str, params: dict[str, str]) -> None:
    route, found = ENGINE.match(path, OPERATIONS[method])
    assert (route.pattern, found) == (pattern, params)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "roles"),
        ("GET", "roles/"),
        ("PATCH", "roles/a"),
        ("LIST", "data/a"),
        ("POST", "data/a"),
        ("HEAD", "data/a"),
        ("HELP", "data/a"),
        ("POST", "meta/a"),
        ("POST", "mounts"),
        ("POST", "mounts/a"),
        ("GET", "hash/x"),
    ],
)
def test_a_path_that_exists_for_other_operations_says_so(method: str, path: str) -> None:
    with pytest.raises(UnsupportedOperation) as caught:
        ENGINE.match(path, OPERATIONS[method])
    assert caught.value.errors == ["1 error occurred:\n\t* unsupported operation\n\n"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "nothing"),
        ("GET", "roles/a/b"),
        ("GET", "roles/-a"),
        ("GET", "roles/a\n"),
        ("GET", "roles/\u00e9"),
        ("GET", "data"),
        ("LIST", "roles/a/"),
        ("LIST", "mounts/"),
        ("GET", "mounts/"),
        ("DELETE", "mounts/"),
        ("POST", "hash/a/b"),
        ("POST", "hash/"),
        ("GET", "regexx[x]"),
        ("GET", "STATUS"),
    ],
)
def test_a_path_that_no_pattern_matches_says_so(method: str, path: str) -> None:
    with pytest.raises(UnsupportedPath) as caught:
        ENGINE.match(path, OPERATIONS[method])
    assert caught.value.errors == ["1 error occurred:\n\t* unsupported path\n\n"]


def test_a_terse_endpoint_refuses_other_methods_without_words() -> None:
    with pytest.raises(UnsupportedOperation) as caught:
        ENGINE.match("status", Operation.UPDATE)
    assert caught.value.errors == []


def test_an_engine_words_its_own_404() -> None:
    engine = build()
    engine.unknown_path = lambda path, operation: NotFound(f"{operation} {path}")
    with pytest.raises(NotFound, match="read nothing"):
        engine.match("nothing", Operation.READ)


def test_routes_declared_after_the_first_match_count() -> None:
    engine = build()
    engine.match("one/special", Operation.READ)
    engine.write("late/{name}")(handler)
    engine.write("one/special")(handler)
    assert engine.match("late/x", Operation.UPDATE)[0].pattern == "late/{name}"
    assert engine.match("one/special", Operation.UPDATE)[0].operation is Operation.UPDATE


def test_of_two_patterns_the_one_declared_first_wins() -> None:
    engine: Engine[Context] = Engine("test")
    engine.read("{path:path}")(handler)
    engine.read("late")(handler)
    assert engine.match("late", Operation.READ)[0].pattern == "{path:path}"


def test_at_gives_every_route_of_a_path() -> None:
    assert [r.operation for r in ENGINE.at("roles/a")] == [Operation.READ, Operation.UPDATE, Operation.DELETE]
    assert [r.pattern for r in ENGINE.at("roles")] == ["roles"]
    assert ENGINE.at("nothing") == []


def test_a_route_knows_its_words_flags_and_arguments() -> None:
    route = ENGINE.match("status", Operation.READ)[0]
    assert (route.summary, route.description) == ("Do it.", "With much more to say.")
    assert route.args is OneArgs
    assert route.flags.terse
    assert not route.flags.sudo
    assert ENGINE.match("roles/a", Operation.READ)[0].parameters == ["name"]


def test_a_flag_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(TypeError):
        ENGINE.read("x", sudoo=True)(handler)


def test_what_no_route_knows_is_not_remembered() -> None:
    engine = build()
    engine.match("roles/a", Operation.READ)
    before = len(engine._by_head)
    for number in range(1000):
        with pytest.raises(UnsupportedPath):
            engine.match(f"guess-{number}", Operation.READ)
    assert len(engine._by_head) == before


@given(
    st.sampled_from(list(OPERATIONS.values())),
    st.text(max_size=40) | st.from_regex(r"(roles|data|meta|mounts|one)/.{0,20}"),
)
def test_every_path_is_found_or_refused(operation: Operation, path: str) -> None:
    try:
        route, params = ENGINE.match(path, operation)
    except (UnsupportedPath, UnsupportedOperation):
        return
    rebuilt: Any = route.pattern
    for name, value in params.items():
        for shape in ("", ":path", ":subpath", ":segment"):
            rebuilt = rebuilt.replace("{" + name + shape + "}", value)
    assert rebuilt.rstrip("/") == path.rstrip("/")
