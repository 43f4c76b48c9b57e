"""Become the program we were asked to run: drop privileges, die with the parent, then ``exec``.

Run as a plain script (``python -I -S launcher.py '<json>' program args…``), not in the child of a fork: our
threads make that unsafe. The death signal must be set after the change of user, which clears it.
"""

import ctypes
import json
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, signal_number: int) -> None:
    """Ask the kernel (Linux) for ``signal_number`` when ``parent`` is gone, also after its SIGKILL."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent:
        # It died before we asked: nobody would ever send the signal.
        os._exit(1)


def drop_to(uid: int, gid: int) -> None:
    """Give up root for good, with all its groups."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(argv: list[str]) -> None:
    """Apply the options in ``argv[1]`` and become ``argv[2:]``."""
    options = json.loads(argv[1])
    if options["uid"] is not None:
        drop_to(options["uid"], options["gid"])
    if sys.platform == "linux":
        die_with_parent(options["parent"], options["signal"])
    command = argv[2:]
    try:
        os.execv(command[0], command)  # noqa: S606 - becoming another program is this file's purpose
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv)
