"""What the engines offer to the catalog, and that no request makes one fail."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.engines.harness import Answer, run

from strongroom.core.catalog import Catalog
from strongroom.engines import BACKENDS
from strongroom.engines.kv import BACKEND, kv1, kv2
from strongroom.errors import BadRequest


def test_what_can_be_mounted():
    catalog = Catalog(BACKENDS)
    assert {"kv", "totp", "transit"} <= set(catalog.names("secret"))
    assert "cubbyhole" not in catalog.names("secret")
    with pytest.raises(BadRequest, match='mount type of "cubbyhole" is not mountable'):
        catalog.find("secret", "cubbyhole")


@pytest.mark.parametrize(
    ("name", "given_options", "engine"),
    [
        ("kv", {}, kv1),
        ("kv", {"version": "1"}, kv1),
        ("kv", {"version": "2"}, kv2),
        ("kv-v1", {}, kv1),
        ("kv-v2", {}, kv2),
    ],
)
def test_the_version_is_an_option_or_part_of_the_types_name(name, given_options, engine):
    backend = Catalog(BACKENDS).find("secret", name)
    options = backend.prepare({**backend.aliases.get(name, {}), **given_options})
    assert backend.choose(options) is engine
    assert backend.type == "kv"


@pytest.mark.parametrize("version", ["0", "3", "two", "1.0"])
def test_other_versions_are_refused(version):
    with pytest.raises(BadRequest, match=r"options\.version"):
        BACKEND.prepare({"version": version})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["1h", "-5s", "2", "a=b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["data", "options", "versions", "max_versions", "cas_required", "delete_version_after", "custom_metadata", "x"]
)
BODIES = st.dictionaries(FIELDS, JSON | st.fixed_dictionaries({"cas": JSON}), max_size=4)
PATHS = st.builds(
    lambda endpoint, path: endpoint + path,
    st.sampled_from(["data/", "metadata/", "delete/", "undelete/", "destroy/", "subkeys/", "config", ""]),
    st.sampled_from(["k", "k/", "", "dir/k", "..", "a//b"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)
CALLS = st.tuples(st.sampled_from(["GET", "POST", "PATCH", "DELETE", "LIST"]), PATHS, BODIES)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["1", "2"]), st.lists(CALLS, max_size=8))
def test_no_request_makes_an_engine_fail(version, calls):
    async def work(m):
        for method, path, body in calls:
            query = {name: json.dumps(value) for name, value in body.items()}
            answer = await m(method, path, body, query=query)
            assert isinstance(answer, Answer)
            assert answer.status in (200, 204, 400, 404, 405)

    run(work, BACKEND, {"version": version})
