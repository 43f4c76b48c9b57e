"""Run every benchmark, one after another, and write their figures to ``bench/results.md``.

``python -m bench [NAME ...]``; of those that are not named the figures stay.
"""

import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results.md"
NOT_BENCHMARKS = {"__main__", "report", "rig", "seed"}


def main() -> int:
    names = sys.argv[1:] or sorted({path.stem for path in HERE.glob("*.py")} - NOT_BENCHMARKS)
    figures = _known() if sys.argv[1:] else {}
    failed = 0
    for name in names:
        print(f"== {name}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", f"bench.{name}"], stdout=subprocess.PIPE, text=True, check=False
        )
        print(done.stdout, flush=True)
        failed += done.returncode != 0
        figures |= _figures(done.stdout.splitlines())
    body = "\n".join(f"- {name}: {value}" for name, value in figures.items())
    head = f"# Measured figures\n\nPython {platform.python_version()}, {platform.machine()}.\n\n"
    RESULTS.write_text(f"{head}{body}\n", encoding="utf-8")
    return 1 if failed else 0


def _figures(lines: list[str]) -> dict[str, str]:
    told = [line.removeprefix("- ").rpartition(": ") for line in lines if " of floor " in line]
    return {name: value for name, _, value in told}


def _known() -> dict[str, str]:
    return _figures(RESULTS.read_text(encoding="utf-8").splitlines()) if RESULTS.exists() else {}


if __name__ == "__main__":
    raise SystemExit(main())
