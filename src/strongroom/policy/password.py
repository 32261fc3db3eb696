"""Password policies: what generated passwords are made of. Pure but for the randomness.

    length = 20
    rule "charset" {
      charset   = "abcdefghij0123456789"
      min-chars = 1
    }

HCL or JSON. The alphabet is the union of all charsets. Source: Vault's password policy documentation.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom import hcl
from strongroom.clock import random_text
from strongroom.errors import HCLError, PolicyError

SHORTEST: Final = 4
LONGEST: Final = 100
LARGEST_ALPHABET: Final = 256
#: Candidates drawn before one is built to rule.
TRIES: Final = 64

_random: Final = secrets.SystemRandom()


@dataclass(frozen=True, slots=True)
class Charset:
    """At least `minimum` characters of a password are among these."""

    characters: str
    minimum: int


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """How long a password is, and what it has to hold."""

    length: int
    charsets: tuple[Charset, ...]
    #: All characters that may be in it, once each.
    alphabet: str = field(init=False)
    #: What a password needs so many of, the fewest characters first: they are the likeliest to be missing.
    _wanted: tuple[tuple[int, frozenset[str]], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        characters = {c for charset in self.charsets for c in charset.characters}
        object.__setattr__(self, "alphabet", "".join(sorted(characters)))
        wanted = [(one.minimum, frozenset(one.characters)) for one in self.charsets if one.minimum > 0]
        object.__setattr__(self, "_wanted", tuple(sorted(wanted, key=lambda one: len(one[1]))))

    def generate(self) -> str:
        """A password, drawn from the operating system's randomness."""
        for _ in range(TRIES):
            # Drawn and judged as a whole, every password that fits the policy is equally likely.
            candidate = random_text(self.length, self.alphabet)
            if self._fits(candidate):
                return candidate
        # The minima leave too little to chance: draw what each wants, then the rest, and mix. This always ends.
        built = [c for charset in self.charsets for c in random_text(charset.minimum, charset.characters or " ")]
        built += random_text(self.length - len(built), self.alphabet)
        _random.shuffle(built)
        return "".join(built)

    def _fits(self, candidate: str) -> bool:
        for minimum, characters in self._wanted:
            if characters.isdisjoint(candidate):
                return False
            if minimum > 1 and sum(map(characters.__contains__, candidate)) < minimum:
                return False
        return True


def parse_password_policy(text: str) -> PasswordPolicy:
    """Read a policy. Raises `PolicyError`, whose text is for the client."""
    try:
        body = hcl.parse(text)
    except HCLError as error:
        raise PolicyError(f"invalid password policy: unable to decode: {_at(error)}") from None
    lengths = body.all("length")
    length = _whole("length", hcl.plain(lengths[-1].value), "invalid password policy") if lengths else 0
    try:
        blocks = body.blocks("rule")
    except HCLError as error:
        raise PolicyError(f"invalid password policy: unable to parse rules: {_at(error)}") from None
    policy = PasswordPolicy(length, tuple(_charset(block.labels[0], hcl.plain(block.body)) for block in blocks))
    problems = _problems(policy)
    if problems:
        count = f"{len(problems)} error{'s' if len(problems) > 1 else ''} occurred:"
        lines = "".join(f"\n\t* {problem}" for problem in problems)
        raise PolicyError(f"invalid password policy: {count}{lines}\n\n")
    if not SHORTEST <= length <= LONGEST:
        raise PolicyError(f"passwords must be between {SHORTEST} and {LONGEST} characters")
    return policy


def _problems(policy: PasswordPolicy) -> list[str]:
    alphabet = policy.alphabet
    needed = sum(charset.minimum for charset in policy.charsets)
    found = []
    if policy.length <= 0:
        found.append("length must be > 0")
    if not alphabet:
        found.append("no charset specified")
    if needed > policy.length > 0:
        found.append(f"specified rules require at least {needed} characters but {policy.length} is specified")
    if len(alphabet) > LARGEST_ALPHABET:
        found.append(f"the charsets have more than {LARGEST_ALPHABET} characters")
    if not alphabet.isprintable():
        found.append("non-printable character in charset")
    if any(charset.minimum and not charset.characters for charset in policy.charsets):
        found.append("a charset without characters cannot have a minimum")
    return found


def _charset(kind: str, settings: dict[str, Any]) -> Charset:
    where = f"invalid password policy: unable to parse rules: unable to parse rule {kind[:64]}"
    if kind != "charset":
        raise PolicyError(f"{where}: unrecognized rule type {kind[:64]}")
    where += ": failed to parse charset restriction"
    characters = settings.get("charset", "")
    if not isinstance(characters, str):
        raise PolicyError(f"{where}: 'charset' expected type 'string'")
    minimum = _whole("min-chars", settings.get("min-chars", 0), where)
    return Charset("".join(dict.fromkeys(characters)), max(minimum, 0))


def _whole(name: str, value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PolicyError(f"{where}: '{name}' expected type 'int'")
    return value


def _at(error: HCLError) -> str:
    return f"At {error.line}:{error.column}: {error.message}"
