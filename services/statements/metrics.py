"""What the worker tells of the Flex Web Service."""

from core.metrics.make import gauge

TOKEN_EXPIRY = gauge("lotkeeper_flex_token_expiry_timestamp_seconds")
LAST_SUCCESS = gauge("lotkeeper_flex_last_success_timestamp_seconds")
