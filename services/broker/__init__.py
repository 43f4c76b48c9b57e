"""The broker link: one long-running, read-only connection that turns callbacks into facts."""
