"""Export of the metrics of all workers with Prometheus' client. Imported only if METRICS_TOKEN is set.

Workers share their metrics in the folder `PROMETHEUS_MULTIPROC_DIR`. `blog serve` sets it before this module is imported.
"""

import functools
import os
from pathlib import Path
from typing import Any

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, multiprocess
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from blog.observability.metrics import INSTRUMENTS
from blog.observability.metrics.instruments import Counter, Gauge, Histogram, Instrument, Labels

MULTIPROC_DIR_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]


def flush() -> None:
    """Add the measurements since the last call to the objects of Prometheus' client, which all workers share."""
    for instrument in INSTRUMENTS:
        match instrument:
            case Counter():
                for labels, count in instrument.drain().items():
                    _child(instrument, labels).inc(count)
            case Histogram():
                for labels, row in instrument.drain().items():
                    _add_observations(_child(instrument, labels), row)
            case Gauge():
                for labels, value in instrument.values().items():
                    _child(instrument, labels).set(value)


def render(accept: str) -> tuple[bytes, str]:
    """Return the metrics of all workers in the format that the `Accept` header prefers, and its media type."""
    encode, media_type = choose_encoder(accept)
    return encode(_registry()), media_type


def shutdown() -> None:
    """Flush, and remove the gauges of this worker. Its counters stay."""
    flush()
    if MULTIPROC_DIR_VARIABLE in os.environ:
        multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


@functools.cache
def _child(instrument: Instrument, labels: Labels) -> Any:
    collector = _collector(instrument)
    return collector.labels(*labels) if labels else collector


@functools.cache
def _collector(instrument: Instrument) -> Any:
    arguments = (instrument.name, instrument.help, instrument.labels)
    match instrument:
        case Histogram():
            return prometheus.Histogram(*arguments, buckets=instrument.buckets)
        case Gauge():
            return prometheus.Gauge(*arguments, multiprocess_mode=instrument.mode)
        case _:
            return prometheus.Counter(*arguments)


def _add_observations(histogram: Any, row: list[float]) -> None:
    """Add many observations at once. The client has no method for it, so this updates the sums that its `observe` updates."""
    *counts, seconds = row
    for bucket, count in zip(histogram._buckets, counts, strict=True):
        if count:
            bucket.inc(count)
    histogram._sum.inc(seconds)


def _registry() -> Collector:
    if MULTIPROC_DIR_VARIABLE not in os.environ:
        return prometheus.REGISTRY
    _remove_dead_workers(Path(os.environ[MULTIPROC_DIR_VARIABLE]))
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _remove_dead_workers(folder: Path) -> None:
    """Remove the gauges of workers that were killed."""
    for process in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}:
        if not _is_alive(process):
            multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # the process exists and belongs to another user
        return True
    return True
