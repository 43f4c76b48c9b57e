"""Run every benchmark, one after another, and write their figures to ``bench/results.md``.

``python -m bench [NAME ...]``
"""

import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT_BENCHMARKS = {"__main__", "report", "rig", "seed"}


def main() -> int:
    names = sys.argv[1:] or sorted({path.stem for path in HERE.glob("*.py")} - NOT_BENCHMARKS)
    lines: list[str] = []
    failed = 0
    for name in names:
        print(f"== {name}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"bench.{name}"], stdout=subprocess.PIPE, text=True, check=False
        )
        print(done.stdout, flush=True)
        failed += done.returncode != 0
        lines.extend(line for line in done.stdout.splitlines() if " of floor " in line)
    body = "\n".join(f"- {line}" for line in lines)
    head = f"# Measured figures\n\nPython {platform.python_version()}, {platform.machine()}.\n\n"
    (HERE / "results.md").write_text(f"{head}{body}\n", encoding="utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
