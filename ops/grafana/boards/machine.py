"""The processes and what they stand on."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.grafana.boards.queries import rate
from ops.grafana.panels import BYTES, NUMBER, SECONDS, SHARE, board, flag, lines, row, table


def dashboard() -> Dashboard:
    """The processes and what they stand on."""
    disk = (
        "lotkeeper_data_disk_used_bytes / (lotkeeper_data_disk_used_bytes + lotkeeper_data_disk_free_bytes)"
    )
    return (
        board("machine", "Machine", "The processes, their memory and time, the disk, PostgreSQL and Redis.")
        .with_row(row("Up"))
        .with_panel(
            flag("Processes", "Whether each answers.", ('up{job=~"lotkeeper-.+"}', "{{job}}"), width=12)
        )
        .with_panel(flag("PostgreSQL", "Whether it answers.", ("lotkeeper_database_up", ""), width=6))
        .with_panel(flag("Redis", "Whether it answers.", ("lotkeeper_redis_up", ""), width=6))
        .with_panel(
            table("Builds", "Which Lotkeeper each process is, its schema and Python.", "lotkeeper_build_info")
        )
        .with_row(row("Processes"))
        .with_panel(
            lines(
                "Processor",
                "Cores that each keeps busy.",
                NUMBER,
                (rate("process_cpu_seconds_total", "job", "instance"), "{{job}} {{instance}}"),
            )
        )
        .with_panel(
            lines(
                "Memory",
                "Resident.",
                BYTES,
                ('process_resident_memory_bytes{job=~"lotkeeper-.+"}', "{{job}} {{instance}}"),
            )
        )
        .with_panel(
            lines(
                "Open files",
                "Of those that each may have.",
                SHARE,
                ('process_open_fds{job=~"lotkeeper-.+"} / process_max_fds', "{{job}} {{instance}}"),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Running for",
                "Since the start of each.",
                SECONDS,
                ('time() - process_start_time_seconds{job=~"lotkeeper-.+"}', "{{job}} {{instance}}"),
            )
        )
        .with_row(row("The disk of the data folder"))
        .with_panel(lines("Used", "A tenth should stay free.", SHARE, (disk, "{{job}} {{instance}}"), most=1))
        .with_panel(
            lines("Free", "For our user.", BYTES, ("lotkeeper_data_disk_free_bytes", "{{job}} {{instance}}"))
        )
        .with_row(row("Prometheus itself"))
        .with_panel(
            lines(
                "Time of a scrape",
                "What it costs us to be asked.",
                SECONDS,
                ('scrape_duration_seconds{job=~"lotkeeper-.+"}', "{{job}} {{instance}}"),
            )
        )
        .with_panel(
            lines(
                "Size of a scrape",
                "Series that each tells.",
                NUMBER,
                ('scrape_samples_scraped{job=~"lotkeeper-.+"}', "{{job}} {{instance}}"),
            )
        )
    )
