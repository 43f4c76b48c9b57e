"""The API and the page."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ops.grafana.boards.queries import quantile, rate
from ops.grafana.panels import A_SECOND, BYTES, NUMBER, SECONDS, SHARE, board, lines, row


def dashboard() -> Dashboard:
    """The API and the page."""
    errors = 'lotkeeper_http_requests_total{status=~"5.."}'
    return (
        board("api", "API and page", "Requests, answers, and who follows the stream.")
        .with_row(row("Requests"))
        .with_panel(
            lines(
                "Requests by status",
                "Answers a second.",
                A_SECOND,
                (rate("lotkeeper_http_requests_total", "status"), "{{status}}"),
            )
        )
        .with_panel(
            lines(
                "Share of errors",
                "Answers of the kind that is our fault (5xx).",
                SHARE,
                (
                    f"{rate(errors, 'instance')} / {rate('lotkeeper_http_requests_total', 'instance')}",
                    "{{instance}}",
                ),
                most=1,
            )
        )
        .with_panel(
            lines(
                "Time to answer",
                "To the end of an answer.",
                SECONDS,
                (quantile(0.5, "lotkeeper_http_request_seconds"), "half"),
                (quantile(0.95, "lotkeeper_http_request_seconds"), "95 of 100"),
                (quantile(0.99, "lotkeeper_http_request_seconds"), "99 of 100"),
            )
        )
        .with_panel(
            lines(
                "Slowest routes",
                "95 of 100 answers are quicker.",
                SECONDS,
                (f"topk(8, {quantile(0.95, 'lotkeeper_http_request_seconds', 'le, route')})", "{{route}}"),
            )
        )
        .with_panel(
            lines(
                "Refused",
                "By problem code.",
                A_SECOND,
                (rate("lotkeeper_refused_requests_total", "code"), "{{code}}"),
            )
        )
        .with_panel(
            lines(
                "Answered together",
                "Requests answered with the answer to the same one under way.",
                A_SECOND,
                (rate("lotkeeper_http_coalesced_requests_total", "instance"), "{{instance}}"),
            )
        )
        .with_row(row("The live page"))
        .with_panel(
            lines(
                "Clients",
                "WebSockets that are signed in.",
                NUMBER,
                ("lotkeeper_websocket_clients", "{{instance}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Resyncs",
                "Readers that fell behind and began anew.",
                A_SECOND,
                (rate("lotkeeper_websocket_resets_total", "topic"), "{{topic}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Waiting for the slowest reader",
                "Until it takes it, or begins anew.",
                BYTES,
                ("lotkeeper_websocket_queued_bytes", "{{instance}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Frames",
                "Numbered a second, by topic.",
                A_SECOND,
                (rate("lotkeeper_websocket_frames_total", "topic"), "{{topic}}"),
            )
        )
        .with_panel(
            lines(
                "Connections to PostgreSQL",
                "In use, and how many there may be.",
                NUMBER,
                ("lotkeeper_database_connections", "{{job}} {{pool}}"),
                ("max(lotkeeper_database_connections_most)", "most"),
            )
        )
    )
