# Shared by the install scripts. Sourced, not run.

set -eu

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
VENV=$ROOT/.venv
TOOLS=$VENV/tools/bin
NODE_HOME=$VENV/node

say() { printf '\033[1m==>\033[0m %s\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
warn() { printf '!!! %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }

# A machine without a usable HOME must not stop an install that needs none.
if [ ! -w "${HOME:-/nonexistent}" ]; then
    export HOME="$VENV/home"
    mkdir -p "$HOME"
fi

# Node 20.19 is the oldest that the build tools of the web page run on.
node_is_new_enough() {
    "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
        >/dev/null 2>&1
}
