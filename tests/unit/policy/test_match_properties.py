"""The compiled matcher against a plain one that looks at every rule."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strongroom.policy.match import ACL
from strongroom.policy.parse import parse_policy

SEGMENTS = st.sampled_from(["", "a", "b", "ab", "+", "+a", "é"])
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join)
RULES = st.builds(lambda path, end: path + end, PATHS, st.sampled_from(["", "", "*", "/*", "b*"])).filter(
    lambda path: "+*" not in path
)
CAPABILITIES = ["read", "list", "update", "deny", "sudo"]
POLICIES = st.lists(
    st.lists(st.tuples(RULES, st.lists(st.sampled_from(CAPABILITIES), unique=True, max_size=3)), max_size=6), max_size=4
)
Written = list[list[tuple[str, list[str]]]]


def compiled(policies: Written) -> ACL:
    texts = [
        "\n".join(f'path "{p}" {{ capabilities = {c} }}'.replace("'", '"') for p, c in rules) for rules in policies
    ]
    return ACL.compile([parse_policy(text, f"p{i}") for i, text in enumerate(texts)])


def covers(rule: str, path: str) -> bool:
    """Whether a rule's text covers a path, segment by segment and letter by letter."""
    glob = rule.endswith("*")
    wanted, asked = rule.removesuffix("*").split("/"), path.split("/")
    if len(asked) < len(wanted) or (not glob and len(asked) != len(wanted)):
        return False
    plus = rule == "+" or "/+" in rule or rule.startswith("+/")
    if not plus:
        return path.startswith(rule[:-1]) if glob else rule == path
    return all(
        want == "+" or want == have or (glob and i == len(wanted) - 1 and have.startswith(want))
        for i, (want, have) in enumerate(zip(wanted, asked, strict=False))
    )


def better(one: str, other: str) -> bool:
    """Whether `one` counts rather than `other`; both have wildcards and cover the same path."""

    def first(rule: str) -> int:
        plus = rule == "+" or "/+" in rule or rule.startswith("+/")
        return len((rule[: rule.index("+")] if plus else rule[:-1]).encode())

    if first(one) != first(other):
        return first(one) > first(other)
    if one.endswith("*") != other.endswith("*"):
        return other.endswith("*")
    plus_one, plus_other = (rule.removesuffix("*").split("/").count("+") for rule in (one, other))
    if plus_one != plus_other:
        return plus_one < plus_other
    long_one, long_other = (len(rule.removesuffix("*").encode()) for rule in (one, other))
    return (long_one, one) > (long_other, other)


def plain(policies: Written, path: str, *, listing: bool) -> list[str]:
    """The capabilities on a path, the slow way."""
    merged: dict[str, set[str]] = {}
    for rule, capabilities in (entry for rules in policies for entry in rules):
        merged.setdefault(rule.removeprefix("/"), set()).update(capabilities)
    path = path.lstrip("/")
    asked = [path, path.removesuffix("/")] if listing else [path]
    exact = [r for r in merged if not r.endswith("*") and not (r == "+" or "/+" in r or r.startswith("+/"))]
    winner = next((p for p in asked if p in exact), None)
    if winner is None:
        for rule in merged:
            if rule not in exact and any(covers(rule, p) for p in asked) and (winner is None or better(rule, winner)):
                winner = rule
    found = merged.get(winner, set()) if winner is not None else set()
    return ["deny"] if "deny" in found or not found else sorted(found)


@given(POLICIES, st.lists(PATHS, min_size=1, max_size=8))
def test_the_compiled_matcher_agrees_with_the_plain_one(policies: Written, paths: list[str]) -> None:
    acl = compiled(policies)
    for path in paths:
        assert acl.capabilities(path) == plain(policies, path, listing=True)
        for operation in ("read", "list", "update"):
            expected = plain(policies, path, listing=operation == "list")
            decision = acl.decide(path, operation)
            assert decision.allowed is (operation in expected), (path, operation)
            assert decision.sudo is ("sudo" in expected)
            assert decision.reason
            assert bool(decision.granting) is decision.allowed


@given(POLICIES, st.sampled_from(["a/", "a/b/", "ab/", "+/"]), st.lists(PATHS, max_size=8))
def test_what_is_granted_below_a_mount_is_noticed(policies: Written, mount: str, paths: list[str]) -> None:
    acl = compiled(policies)
    granted = [path for path in (mount + path for path in paths) if acl.capabilities(path) != ["deny"]]
    assert acl.allows_any(mount) or not granted


@given(POLICIES)
def test_the_order_of_policies_does_not_matter(policies: Written) -> None:
    one, other = compiled(policies), compiled(policies[::-1])
    assert one.rules() == other.rules()
