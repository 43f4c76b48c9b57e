"""The pages build as a site without a warning: links lead somewhere, no page is outside the navigation."""

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WARNING = "WARNING: "


def build(docs: Path, into: Path) -> subprocess.CompletedProcess[str]:
    """As ``make site`` does, elsewhere."""
    line = next(
        line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "-m sphinx" in line
    )
    options = line.split("-m sphinx", 1)[1].split()[: -len(("-d", "doctrees", "docs", "site"))]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "-d", into / "doctrees", docs, into / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


class _Asked(HTMLParser):
    """What a page has the browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {"script": "src", "img": "src", "link": "href", "iframe": "src"}
        self.addresses += [value for name, value in attrs if value and name == names.get(tag)]


def test_the_site_builds_without_a_warning_and_asks_no_other_host(tmp_path: Path) -> None:
    done = build(DOCS, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    pages = {page.relative_to(DOCS).with_suffix("") for page in DOCS.rglob("*.md")}
    site = tmp_path / "site"
    built = {page.relative_to(site).with_suffix("") for page in site.rglob("*.html")}
    assert pages <= built
    asked = _Asked()
    for page in pages:
        asked.feed((site / page).with_suffix(".html").read_text(encoding="utf-8"))
    assert asked.addresses
    assert [address for address in asked.addresses if "//" in address] == []


def test_a_link_that_leads_nowhere_and_a_page_outside_the_navigation_are_errors(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(DOCS / "conf.py", docs)
    nowhere = "[page](nowhere.md)\n\n[section](other.md#nowhere)\n\n[file](../nowhere.py)"
    (docs / "index.md").write_text(
        f"# One\n\n{nowhere}\n\n[good](other.md#two)\n\n```{{toctree}}\nother\n```\n", encoding="utf-8"
    )
    (docs / "other.md").write_text("# Other\n\n## Two\n", encoding="utf-8")
    (docs / "alone.md").write_text("# Alone\n", encoding="utf-8")
    done = build(docs, tmp_path)
    assert done.returncode != 0
    assert "isn't included in any toctree" in done.stderr
    assert done.stderr.count(WARNING) == 4, done.stderr
