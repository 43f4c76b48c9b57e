"""What processes tell Prometheus: every metric is declared here once, and made from its declaration.

``catalogue`` has all of them; ``make`` turns one into an object that counts; ``serving`` answers scrapes.
"""

from core.metrics.serving import serve

__all__ = ["serve"]
