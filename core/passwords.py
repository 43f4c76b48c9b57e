"""Passwords: which ones are refused, and how they are kept."""

import re
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from core.common_passwords import COMMON_PASSWORDS
from core.errors import LotkeeperError

SHORTEST: Final = 12
LONGEST: Final = 128
"""Characters. Longer ones are refused, and never cut."""

_HASHER = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
"""OWASP's parameters of Argon2id: 19 MiB, twice over."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_PRODUCT = ("lotkeeper", "interactive", "brokers", "ibkr", "portfolio", "trading", "trader")
_COMMON = _words("""
abc abcd abcdef access admin administrator adobe alexander amanda andrea andrew angel angels anthony
apple april arsenal asdf asdfgh asdfghjkl ashley august austin autumn azerty backup banana barcelona
baseball basketball batman beautiful blink buster butterfly celtic change changeit changeme charlie
cheese chelsea chicken chocolate company computer cookie cowboys daniel database december default
demo diamond donald dragon eagles elizabeth everton facebook family february flower football forever
forget freedom friday friend friends george gfhjkm ginger god google guest hannah happy
harley heather hello hellokitty hockey home hottie hunter i icecream iloveu iloveyou in india
internet january jasmine jennifer jessica jesus jordan joshua july june juventus killer king kitty
lakers letme letmein linkedin liverpool login london love lovely loveme lover loveu maggie manager
manchester march marina master matrix matthew may me melissa merlin michael michelle mickey
microsoft million minecraft monday money monkey monster mother mustang my mynoob myspace naruto
nicole november number october office one onedirection oracle orange panda pass passphrase passw
password passwort people pepper pirate player please pokemon princess purple qazwsx qazwsxedc qweasd
qweasdzxc qwer qwerty qwertyu qwertyui qwertyuio qwertyuiop qwertz qwertzuiop rabbit rainbow ranger
realmadrid robert rock rockstar rockyou root samantha samsung saturday secret secretpassword secure
security september server service shadow silver single slipknot snoopy soccer spider spiderman
spring starwars steelers strong summer sunday sunflower sunshine superman superstar system taylor
tech temp temporary test tester testing the thomas thunder thursday tigger to trust trustno tuesday
tweety unknown user victoria vision wednesday welcome whatever william windows winter wizard
wonderful xbox yankees you zaq zxc zxcv zxcvbn zxcvbnm
""")
_SIGNS_FOR_LETTERS = str.maketrans("013457@$!|", "oleastasil")
_RUNS = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
)
_LETTERS = re.compile(r"[a-z]+")
_LONGEST_REPEATED = 6
_MOST_AROUND = 10


class PasswordRefusedError(LotkeeperError):
    """The password is too easily guessed; the sentence says why."""

    code = "password_refused"
    exit_code = 2


def check_new_password(password: str, name: str) -> None:
    """Refuse a password that is too short, too long, among the commonest, or its user's name.

    Raises:
        PasswordRefusedError: it is.
    """
    spelled = unicodedata.normalize("NFKC", password)
    if len(spelled) < SHORTEST:
        raise PasswordRefusedError(
            f"The password is too short: at least {SHORTEST} characters, better 15. Some words that have "
            "nothing to do with each other are easily remembered."
        )
    if len(spelled) > LONGEST:
        raise PasswordRefusedError(f"The password is too long: at most {LONGEST} characters.")
    if "\0" in spelled:
        raise PasswordRefusedError("The password holds a NUL character, which cannot be typed.")
    if _is_common(spelled.casefold(), name.casefold()):
        raise PasswordRefusedError(
            "The password is one of those that are tried first: common words, your name, Lotkeeper's, or "
            "a run of keys. Choose another."
        )


def _is_common(spelled: str, name: str) -> bool:
    repeated = any(
        spelled == (spelled[:length] * len(spelled))[: len(spelled)]
        for length in range(1, _LONGEST_REPEATED + 1)
    )
    if repeated or _is_run(spelled) or spelled in COMMON_PASSWORDS:
        return True
    known = {*_COMMON, *COMMON_PASSWORDS, *_PRODUCT, *_LETTERS.findall(name), name}
    # Digits and signs around words or in the place of letters make a password hardly less common.
    around = _LETTERS.sub("", spelled)
    if len(around) > _MOST_AROUND or not around.isascii():
        return False
    bare = "".join(_LETTERS.findall(spelled))
    disguised = "".join(_LETTERS.findall(spelled.strip("0123456789!?.$ ").translate(_SIGNS_FOR_LETTERS)))
    return any(_is_made_of(letters, known) for letters in (bare, disguised))


def _is_run(spelled: str) -> bool:
    either_way = (*_RUNS, *(run[::-1] for run in _RUNS))
    return any(spelled in run for run in either_way)


def _is_made_of(letters: str, known: set[str], most: int = 3) -> bool:
    """Whether these are nothing but a few known words, one after another."""
    ends = {0: 0}
    for end in range(1, len(letters) + 1):
        counts = [ends[start] for start in ends if letters[start:end] in known]
        if counts and min(counts) < most:
            ends[end] = min(counts) + 1
    return bool(letters) and len(letters) in ends


def hash_password(password: str) -> str:
    """What is kept of a password. Takes some dozen milliseconds and 19 MiB."""
    return _HASHER.hash(unicodedata.normalize("NFKC", password))


@cache
def _of_nobody() -> str:
    return _HASHER.hash("what is compared with where there is no such user")


def verify_password(kept: str | None, password: str) -> bool:
    """Whether it is the password. ``None`` takes as long, and is never right."""
    try:
        _HASHER.verify(kept or _of_nobody(), unicodedata.normalize("NFKC", password))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Whether it was hashed with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)
