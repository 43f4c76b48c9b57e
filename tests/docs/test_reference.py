"""The reference pages say what the code says. ``UPDATE_DOCS=1`` writes them anew."""

import os
from pathlib import Path

from pydantic_core import PydanticUndefined

from core.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
SETTINGS_HEAD = """# Settings

Read from the environment, from `.env` in the current folder, or from a file that
`LOTKEEPER_<NAME>_FILE` names (for secrets). A wrong value is one sentence that names the variable, and
exit code 6. Nothing is read after the start.

| variable | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        if default is PydanticUndefined:
            shown = "the platform's user data folder"
        elif default is None:
            shown = ""
        else:
            shown = f"`{default}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description or ''} |")
    return SETTINGS_HEAD + "\n".join(rows) + "\n"


def test_the_settings_page_lists_every_setting() -> None:
    path = ROOT / "docs" / "reference" / "settings.md"
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(settings_page(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == settings_page(), "run `UPDATE_DOCS=1 pytest tests/docs`"


def test_every_setting_is_explained() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
