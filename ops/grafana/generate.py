"""Write the dashboards for Grafana: ``python -m ops.grafana.generate``."""

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from ops.grafana.boards import every

FOLDER = Path(__file__).parent / "dashboards"


def files() -> dict[str, str]:
    """The content of each file, by its name."""
    found = {}
    for builder in every():
        dashboard = builder.build()
        content = json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True)
        found[f"{dashboard.uid}.json"] = f"{content}\n"
    return found


def main() -> None:
    """Write them, and remove what is none of them."""
    FOLDER.mkdir(exist_ok=True)
    made = files()
    for path in FOLDER.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, content in made.items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
