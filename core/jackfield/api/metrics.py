"""Measurements for Prometheus, in a registry of the application's own."""

from __future__ import annotations

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jackfield.application import Application
from jackfield.messages import UsageEvent

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counts the API's requests and tokens, and looks at the engine when asked."""

    def __init__(self, app: Application) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "jackfield_requests",
            "HTTP requests to the API",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "jackfield_request_seconds",
            "Time from an API request to the end of its answer",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.tokens = Counter(
            "jackfield_tokens",
            "Tokens of turns answered over the API, by kind: prompt, cached, completion",
            ["model", "kind"],
            registry=self.registry,
        )
        self.first_token = Histogram(
            "jackfield_first_token_seconds",
            "Time from an API request to the first token of its reply",
            ["model"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.registry.register(_Residents(app))

    def count(self, model: str, usage: UsageEvent) -> None:
        """Add the tokens of a turn."""
        self.tokens.labels(model, "prompt").inc(usage.prompt_tokens)
        self.tokens.labels(model, "cached").inc(usage.cached_tokens)
        self.tokens.labels(model, "completion").inc(usage.completion_tokens)
        self.first_token.labels(model).observe(usage.first_token_s)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class _Residents:
    """What the engine holds at the moment it is asked."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def collect(self) -> Iterator[Metric]:
        """One value for each resident model."""
        gauges = {
            "ready": "1 for a model that is ready, 0 for one that is loading or failed",
            "memory": "Bytes of a model's process",
            "active": "Requests that a model is answering",
            "queued": "Requests that wait for a model",
        }
        units = {"memory": "memory_bytes", "active": "active_requests", "queued": "queued_requests"}
        residents = self._app.engine.residents()
        for name, help_ in gauges.items():
            family = GaugeMetricFamily(
                f"jackfield_model_{units.get(name, name)}", help_, labels=["model"]
            )
            for one in residents:
                value = one.state == "ready" if name == "ready" else getattr(one, name)
                family.add_metric([one.model], float(value))
            yield family


class MeasuredRequests:
    """Measures each request on its way through, to the last byte."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note its status and time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, scope["method"], str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
