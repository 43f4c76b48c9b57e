"""No container engine runs here: the Dockerfile is read, line by line."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    name: str
    image: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [rest for name, rest in self.instructions if name == instruction]


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    for line in text.splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            image, _, name = rest.partition(" AS ")
            found[name] = Stage(name, image)
        elif instruction and found:
            list(found.values())[-1].instructions.append((instruction, rest))
    return found


def lock(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;]+)", text, re.MULTILINE))


def test_what_builds_is_not_in_the_result(stages: dict[str, Stage]) -> None:
    assert list(stages) == ["web", "build", "runtime"]
    assert stages["web"].image.startswith("node:")
    assert all("apt-get" not in run and "npm" not in run for run in stages["runtime"].all("RUN"))


def test_it_does_not_run_as_root(stages: dict[str, Stage]) -> None:
    (user,) = stages["runtime"].all("USER")
    uid, _, gid = user.partition(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert stages["runtime"].instructions[-1][0] == "CMD"


def test_every_copied_source_exists(stages: dict[str, Stage]) -> None:
    for stage in stages.values():
        for copy in stage.all("COPY"):
            words = copy.split()
            if words[0].startswith("--from="):
                assert words[0].removeprefix("--from=") in stages
                continue
            for source in words[:-1]:
                assert (ROOT / source).exists(), source


def test_the_build_context_holds_what_is_copied_and_no_more(stages: dict[str, Stage]) -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in rules
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    sources = {
        word.rstrip("/")
        for stage in stages.values()
        for copy in stage.all("COPY")
        if not copy.startswith("--from")
        for word in copy.split()[:-1]
    }
    assert {source.split("/")[0] for source in sources} == let_in
    assert ".env" not in let_in
    assert "secrets" not in let_in


def test_its_python_is_one_that_the_project_supports() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    match = re.search(r"^ARG PYTHON_VERSION=3\.(\d+)$", text, re.MULTILINE)
    assert match is not None
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "requires-python"
    ]
    assert wanted == ">=3.11,<3.15"
    assert 11 <= int(match[1]) <= 14


def test_it_serves_the_api_with_a_health_check(stages: dict[str, Stage]) -> None:
    runtime = stages["runtime"]
    assert runtime.all("ENTRYPOINT") == ['["lotkeeper"]']
    assert runtime.all("CMD") == ['["api"]']
    (check,) = runtime.all("HEALTHCHECK")
    assert "/livez" in check


def test_dependencies_are_checked_against_their_sums(stages: dict[str, Stage]) -> None:
    assert "uv pip sync --require-hashes requirements-runtime.lock" in stages["build"].all("RUN")
    assert any("npm ci" in run for run in stages["web"].all("RUN"))


def test_the_image_has_the_versions_that_the_tests_ran_with() -> None:
    everything, runtime = lock("requirements.lock"), lock("requirements-runtime.lock")
    assert runtime.items() <= everything.items()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    names = {re.split(r"[\[=<>; ]", requirement)[0].lower().replace("_", "-") for requirement in declared}
    assert names <= {name.lower().replace("_", "-") for name in runtime}
    assert not {"pytest", "ruff", "mypy", "playwright"} & set(runtime)


def test_the_image_is_installed_by_the_same_uv_as_everything_else(stages: dict[str, Stage]) -> None:
    (pinned,) = re.findall(r"uv==[\d.]+", (ROOT / "ops/bin/install-python").read_text(encoding="utf-8"))
    assert any(f"pip install --no-cache-dir {pinned} " in run for run in stages["build"].all("RUN"))
