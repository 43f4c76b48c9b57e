"""The environment of processes that tests start."""

import os
import ssl

_OF_A_TEST = ("LOTKEEPER_", "COVERAGE_")

NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients that speak plain HTTP: to read those that the system trusts takes each 50 ms."""


def of_the_machine() -> dict[str, str]:
    """This process's variables without Lotkeeper's, and without coverage.

    Processes that are killed report no coverage, and six processes that measure it start at half speed.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_TEST)}
