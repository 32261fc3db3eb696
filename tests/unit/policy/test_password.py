from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.errors import PolicyError
from strongroom.policy.password import Charset, PasswordPolicy, parse_password_policy

BAD = "invalid password policy: "
RULES = BAD + "unable to parse rules: "


def policy(length: object = 10, *rules: str) -> str:
    return f"length = {length}\n" + "\n".join(f'rule "charset" {{ {rule} }}' for rule in rules)


@pytest.mark.parametrize(
    ("text", "length", "charsets"),
    [
        (policy(12, 'charset = "7"'), 12, [("7", 0)]),
        (policy(4, 'charset = "aab"', 'charset = "bc" min-chars = 4'), 4, [("ab", 0), ("bc", 4)]),
        (policy(100, 'charset = "é€"\nmin-chars = -1'), 100, [("é€", 0)]),
        ('{"length": 5, "rule": [{"charset": {"charset": "ab", "min-chars": 1}}]}', 5, [("ab", 1)]),
        ('{"length": 5, "rule": {"charset": {"charset": "ab"}}}', 5, [("ab", 0)]),
        ("length = 99\n" + policy(8, 'charset = "a"'), 8, [("a", 0)]),
        ("note = 1\n" + policy(8, 'charset = "a"'), 8, [("a", 0)]),
    ],
)
def test_policies_are_read(text: str, length: int, charsets: list[tuple[str, int]]) -> None:
    assert parse_password_policy(text) == PasswordPolicy(length, tuple(Charset(*c) for c in charsets))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", BAD + "2 errors occurred:\n\t* length must be > 0\n\t* no charset specified\n\n"),
        ("length = 10", BAD + "1 error occurred:\n\t* no charset specified\n\n"),
        (policy(10, 'charset = ""'), BAD + "1 error occurred:\n\t* no charset specified\n\n"),
        (policy(0, 'charset = "a"'), BAD + "1 error occurred:\n\t* length must be > 0\n\n"),
        (policy(-5, 'charset = "a"'), BAD + "1 error occurred:\n\t* length must be > 0\n\n"),
        (policy(3, 'charset = "a"'), "passwords must be between 4 and 100 characters"),
        (policy(101, 'charset = "a"'), "passwords must be between 4 and 100 characters"),
        (
            policy(10, 'charset = "a" min-chars = 6', 'charset = "b" min-chars = 5'),
            BAD + "1 error occurred:\n\t* specified rules require at least 11 characters but 10 is specified\n\n",
        ),
        (policy(10, 'charset = "a\\tb"'), BAD + "1 error occurred:\n\t* non-printable character in charset\n\n"),
        (
            policy(10, 'charset = "a"', "min-chars = 1"),
            BAD + "1 error occurred:\n\t* a charset without characters cannot have a minimum\n\n",
        ),
        (
            'length = 10\nrule "nosuch" { charset = "a" }',
            RULES + "unable to parse rule nosuch: unrecognized rule type nosuch",
        ),
        (policy('"12"', 'charset = "a"'), BAD + "'length' expected type 'int'"),
        (policy("true", 'charset = "a"'), BAD + "'length' expected type 'int'"),
        (
            policy(10, 'charset = "a" min-chars = "two"'),
            RULES + "unable to parse rule charset: failed to parse charset restriction: "
            "'min-chars' expected type 'int'",
        ),
        (
            policy(10, "charset = 5"),
            RULES + "unable to parse rule charset: failed to parse charset restriction: "
            "'charset' expected type 'string'",
        ),
    ],
)
def test_what_cannot_be_met_is_refused_with_its_reason(text: str, error: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse_password_policy(text)
    assert str(caught.value) == error


@pytest.mark.parametrize("text", ["length = 12 rule", "{", "length = 1e99", 'rule = "x"', "rule = 5", "length = [1]"])
def test_what_does_not_parse_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match="^" + BAD):
        parse_password_policy(text)


def test_an_alphabet_has_a_limit() -> None:
    characters = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 257))
    assert parse_password_policy(policy(10, f'charset = "{characters[1:]}"'))
    with pytest.raises(PolicyError, match="more than 256"):
        parse_password_policy(policy(10, f'charset = "{characters}"'))


@given(st.text() | st.dictionaries(st.sampled_from(["length", "rule", "x"]), st.integers() | st.text()).map(json.dumps))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed = parse_password_policy(text)
    except PolicyError:
        return
    assert 4 <= parsed.length <= 100


CHARSETS = st.lists(
    st.builds(Charset, st.text("abcdefgh0123-", min_size=1, max_size=13), st.integers(0, 8)), min_size=1, max_size=5
)


@given(CHARSETS, st.integers(0, 60))
def test_a_password_is_as_its_policy_says(charsets: list[Charset], more: int) -> None:
    length = max(4, sum(c.minimum for c in charsets) + more)
    made = PasswordPolicy(length, tuple(charsets))
    password = made.generate()
    assert len(password) == length
    assert set(password) <= set(made.alphabet)
    for charset in charsets:
        assert sum(c in charset.characters for c in password) >= charset.minimum


def test_minima_that_leave_nothing_to_chance_are_met_at_once() -> None:
    wide = "".join(chr(code) for code in range(0x4E00, 0x4E00 + 200))
    made = PasswordPolicy(100, (Charset(wide, 0), Charset("x", 99), Charset("y", 1)))
    assert sorted(made.generate()) == ["x"] * 99 + ["y"]


def test_all_characters_are_drawn_alike() -> None:
    made = PasswordPolicy(100, (Charset("0123456789", 0),))
    drawn = "".join(made.generate() for _ in range(200))
    # 2,000 of each are expected, with a standard deviation of 42: eight of those is never.
    assert all(1660 < drawn.count(digit) < 2340 for digit in "0123456789")
