"""Which version of Lotkeeper this is."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of


def installed_version() -> str:
    """The version of Lotkeeper, as installed."""
    try:
        return version_of("lotkeeper")
    except PackageNotFoundError:
        return "0"
