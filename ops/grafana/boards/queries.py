"""Queries that many panels ask in the same way."""


def quantile(share: float, metric: str, by: str = "le") -> str:
    """A quantile of a histogram over the time of a point."""
    return f"histogram_quantile({share}, sum by ({by}) (rate({metric}_bucket[$__rate_interval])))"


def rate(metric: str, *by: str) -> str:
    """How often a second, together or by label."""
    return f"sum by ({', '.join(by)}) (rate({metric}[$__rate_interval]))"
