"""The sums in the objects of Prometheus' client, summed over workers. Imported only where somebody may ask for them.

Several workers find each other by `PROMETHEUS_MULTIPROC_DIR`, which must be set before this is imported: `blog serve` does so.
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
    """Move what was added since the last time into the objects that other workers see."""
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
    """All metrics of all workers in the format that the scraper prefers, and its media type."""
    encode, media_type = choose_encoder(accept)
    return encode(_registry()), media_type


def shutdown() -> None:
    """This worker ends: what it counted stays, its levels are gone."""
    flush()
    if MULTIPROC_DIR_VARIABLE in os.environ:
        multiprocess.mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


@functools.cache
def _child(instrument: Instrument, labels: Labels) -> Any:
    made = _collector(instrument)
    return made.labels(*labels) if labels else made


@functools.cache
def _collector(instrument: Instrument) -> Any:
    given = (instrument.name, instrument.help, instrument.labels)
    match instrument:
        case Histogram():
            return prometheus.Histogram(*given, buckets=instrument.buckets)
        case Gauge():
            return prometheus.Gauge(*given, multiprocess_mode=instrument.mode)
        case _:
            return prometheus.Counter(*given)


def _add_observations(histogram: Any, row: list[float]) -> None:
    """The client has no method that takes many observations at once; these are the sums that its own `observe` adds to."""
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
    """A worker that was killed could not take its levels along."""
    for process in {int(path.stem.rpartition("_")[2]) for path in folder.glob("gauge_live*.db")}:
        if not _is_alive(process):
            multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # there is one, of somebody else
        return True
    return True
