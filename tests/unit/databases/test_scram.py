import base64

from strongroom.databases import scram


def test_the_verifier_is_that_of_rfc_7677() -> None:
    # The RFC's exchange: user "user", password "pencil"; the server's signature there follows from this server key.
    verifier = scram.verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    scheme, iterations, keys = verifier.split("$")
    assert scheme == "SCRAM-SHA-256"
    assert iterations == "4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    assert keys == "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="


def test_no_two_verifiers_are_alike() -> None:
    assert scram.verifier("x") != scram.verifier("x")
