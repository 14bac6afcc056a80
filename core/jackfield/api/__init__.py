"""The HTTP API: OpenAI's at ``/v1``, management at ``/api``, health and metrics."""
