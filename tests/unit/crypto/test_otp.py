"""Codes by counter: which of the neighbours a code is of."""

import pytest

from strongroom.crypto import otp

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("moment", "skew", "found"),
    [(99, 1, 100), (99, 0, None), (100, 0, 100), (101, 0, None), (101, 1, 100), (102, 1, None)],
)
def test_a_code_is_found_among_the_neighbours(moment, skew, found):
    code = otp.hotp(SECRET, 100, 6, "SHA1")
    assert otp.matching(SECRET, code, moment, 6, "SHA1", skew) == found
    assert otp.matches(SECRET, code, moment, 6, "SHA1", skew) is (found is not None)


def test_what_is_no_code_is_found_nowhere():
    for text in ("", "12345", "äöü123", "1234567"):
        assert otp.matching(SECRET, text, 0, 6, "SHA1", 1) is None
