"""What is shipped with Lotkeeper may be: its own licence goes with it, and those of what it is made of."""

import re
from collections.abc import Iterator
from email.message import Message
from importlib.metadata import PackageMetadata, distribution
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements-runtime.lock"
PAGE_LICENCES = ROOT / "services" / "api" / "static" / "licences.txt"

ALLOWED: Final = {
    *("MIT", "MIT-0", "0BSD", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "CC0-1.0", "Unlicense"),
    *("Apache-2.0", "PSF-2.0", "MPL-2.0"),
}
"""What may go into one image with code under MIT, as long as its text goes along. MPL: it is not changed."""

OTHER_NAMES: Final = {
    "MIT License": "MIT",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "BSD License": "BSD",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
TOLD_ELSEWHERE: Final = {"pyrage": "MIT"}
"""What a package says in the file of its licence only."""


def locked() -> Iterator[str]:
    """The packages of an installation on this machine."""
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            wanted = Requirement(line.removesuffix("\\").strip())
            if wanted.marker is None or wanted.marker.evaluate():
                yield wanted.name


def told(about: PackageMetadata | Message) -> set[str]:
    """Each licence that a package has, or of which one may be chosen; what it says first counts."""
    expression = about.get("License-Expression")
    if expression:
        # It may be used under each, or has parts under each: so each has to be one that we may use.
        return {*re.split(r" (?:AND|OR) ", expression.replace("(", "").replace(")", ""))}
    field = (about.get("License") or "").strip().partition("\n")[0].strip()
    if field:
        return {OTHER_NAMES.get(field, field)}
    names = [one.rpartition(" :: ")[2] for one in about.get_all("Classifier") or () if one[:7] == "License"]
    return {OTHER_NAMES.get(name, name) for name in names}


@pytest.mark.parametrize("name", sorted({*locked()}))
def test_each_package_may_be_shipped(name: str) -> None:
    found = distribution(name)
    licences = told(found.metadata) or {TOLD_ELSEWHERE.get(name, "unknown")}
    assert licences <= ALLOWED, f"{name} is under {', '.join(sorted(licences))}"


def test_what_is_told_elsewhere_only_still_says_so_there() -> None:
    for name, licence in TOLD_ELSEWHERE.items():
        found = distribution(name)
        assert told(found.metadata) == set()
        (text,) = [one.read_text() for one in found.files or () if one.name == "LICENSE"]
        assert f"The {licence} License" in text


def test_an_unknown_licence_is_none_that_we_may_ship() -> None:
    about = Message()
    about["License-Expression"] = "MIT AND SSPL-1.0"
    assert told(about) - ALLOWED == {"SSPL-1.0"}


def test_the_page_has_the_licences_of_what_is_in_it() -> None:
    text = PAGE_LICENCES.read_text(encoding="utf-8")
    named = set(re.findall(r"^(\S+) [\d.]+ \(\S+\)$", text, re.MULTILINE))
    assert named >= {"svelte", "@sveltejs/kit", "tailwindcss"}
    granted = re.findall(r"^Permission (?:is hereby granted|to use, copy, modify)", text, re.MULTILINE)
    assert len(granted) == len(named)
