"""What a service tells Prometheus of itself."""

from __future__ import annotations

import os
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several processes count."""


class Monitoring:
    """Counts of one process, or of all where they share a folder."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: Any = {"registry": self.registry, "namespace": "ganvas"}
        self.requests = Counter("requests", "Requests", ["method", "route", "status"], **own)
        self.seconds = Histogram(
            "seconds", "Until an answer began", ["route"], buckets=SECONDS, **own
        )
        self.batch_size = Histogram(
            "batch_size", "Requests that were answered together", buckets=BATCH_SIZES, **own
        )
        self.in_flight = Gauge(
            "in_flight", "Requests that are being answered", multiprocess_mode="livesum", **own
        )
        self.queued = Gauge(
            "queued", "Work items that wait for the models", multiprocess_mode="livesum", **own
        )
        self.trainings = Gauge(
            "trainings", "Trainings that are running", multiprocess_mode="livemax", **own
        )

    def render(self) -> bytes:
        """All counts in the format of Prometheus."""
        if SHARED not in os.environ:
            return generate_latest(self.registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)
        return generate_latest(shared)
