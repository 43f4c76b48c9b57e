"""Write what Kubernetes needs to run what ``compose.yaml`` says: ``python -m ops.kubernetes.generate``."""

from pathlib import Path
from typing import Any

import yaml

from ops.kubernetes import objects
from ops.kubernetes.compose import services

FILE = Path(__file__).parent / "lotkeeper.yaml"

_HEAD = """\
# Made from compose.yaml by ops/kubernetes (make kubernetes): change it there. How to use it: docs/scaling.md
#
#   kubectl create namespace lotkeeper
#   kubectl -n lotkeeper create secret generic lotkeeper --from-file=secrets/database_url \\
#       --from-file=secrets/redis_url --from-file=secrets/api_token --from-file=secrets/second_factor_key
#   kubectl -n lotkeeper apply -f ops/kubernetes/lotkeeper.yaml
"""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - none, whatever it is
        """What stands twice is written twice."""
        return True


def content() -> str:
    """The whole file."""
    parts = services()
    migration = parts["migrate"]
    made = [
        objects.settings(list(parts.values())),
        objects.closed(),
        *objects.link(parts["broker"], migration),
        *objects.worker(parts["worker"], migration),
        *objects.api(parts["api"], migration),
    ]
    return "---\n".join(
        [_HEAD, *(yaml.dump(one, Dumper=_Dumper, sort_keys=False, width=110) for one in made)]
    )


def main() -> None:
    """Write it."""
    FILE.write_text(content(), encoding="utf-8")


if __name__ == "__main__":
    main()
