"""What every process tells of itself and of its machine."""

from typing import Final

from core.metrics.declared import PROCESSES, Declarations

DECLARED: Final = Declarations(*PROCESSES)

DECLARED.gauge(
    "lotkeeper_build_info",
    "1; the labels say which Lotkeeper this is, the schema that it needs, its Python, and its portfolio.",
    *("version", "schema", "python", "profile"),
)
DECLARED.gauge(
    "lotkeeper_data_disk_free_bytes", "What is free where the data folder is, for our user.", unit="bytes"
)
DECLARED.gauge("lotkeeper_data_disk_used_bytes", "What is used there, by whomever.", unit="bytes")
DECLARED.gauge(
    "lotkeeper_database_connections", "Connections to PostgreSQL that are in use, by pool.", "pool"
)
DECLARED.gauge(
    "lotkeeper_database_connections_most", "How many a pool may have; whoever needs one more waits.", "pool"
)
