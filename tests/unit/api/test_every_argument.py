"""Whatever a client sends for any parameter of any endpoint is read, or refused as the client's fault."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.api.args import Args
from strongroom.api.routes import Engine
from strongroom.app.compose import OWN
from strongroom.auth.methods import METHODS
from strongroom.engines import BACKENDS
from strongroom.errors import BadRequest


def engines() -> Iterator[Engine[Any]]:
    """Every engine that a mount can be, in each of its versions."""
    for backend in (*BACKENDS, *METHODS, *OWN):
        for options in ({}, *backend.aliases.values()):
            yield backend.choose(backend.prepare(options))


def declared() -> dict[str, type[Args]]:
    found = {route.args for engine in engines() for route in engine.routes if route.args is not None}
    named = {f"{args.__module__.removeprefix('strongroom.')}.{args.__qualname__}": args for args in found}
    return {name: named[name] for name in sorted(named)}


ARGS = declared()

#: What is close to the values that parsers look for.
# fmt: off
NEAR = st.sampled_from((
    "", " ", ",", "=", "a=b", "a,b", "true", "F", "none", "-", "+", ".", "/", "..", "*", "{{", "\0", "\ud800", "\u00e9",
    "0", "-0", "-1", "1e5", "1_0", "0x10", "\u0663", "9" * 30, "1.5", "nan", "inf", "1h", "-1h", "1h1", "1d",
    "\u00b5s", "1.s", ".5h", "A" * 5, "YQ==", "YQ", "YQ==\n", "-----BEGIN", "{}", "[]", "null", "10.0.0.0/8",
    "9" * 25 + "h", "x" * 5000,
))
# fmt: on
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | NEAR
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | NEAR, inner, max_size=3),
    max_leaves=6,
)


def raw(data: dict[str, Any]) -> dict[str, msgspec.Raw]:
    """A body's values as they were written, where they can be."""
    written = {}
    for name, value in data.items():
        try:
            written[name] = msgspec.Raw(msgspec.json.encode(value))
        except (UnicodeEncodeError, OverflowError):
            continue
    return written


def test_the_walk_finds_them() -> None:
    assert len(ARGS) > 120
    assert {"system.mounts.EnableArgs", "auth.token.TokenArgs"} & set(ARGS)


@pytest.mark.parametrize("args", ARGS.values(), ids=ARGS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_of_any_parameter_is_read_or_refused(args: type[Args], data: st.DataObject) -> None:
    names = sorted({name for field in args.fields.values() for name in (field.name, *field.aliases)})
    body = data.draw(st.dictionaries(st.sampled_from([*names, "unknown"]), VALUES, max_size=6), "body")
    params = data.draw(
        st.dictionaries(st.sampled_from(names or ["unknown"]), st.text(max_size=12) | NEAR, max_size=2), "path"
    )
    try:
        parsed, unknown = args.parse(params, body, raw(body))
    except BadRequest as refusal:
        texts = refusal.errors
    else:
        texts = ["-"]
        assert set(unknown) <= set(body)
        values = [getattr(parsed, field.name) for field in args.fields.values()]
        assert all(math.isfinite(value) for value in values if isinstance(value, float))
    assert texts
    assert all(isinstance(text, str) for text in texts)
