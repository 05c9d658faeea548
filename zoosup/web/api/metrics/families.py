"""Families of metrics out of rows: labels, and a figure. Refuses to know what they are about."""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from zoosup.runtime.events.histogram import BOUNDS, Histogram

Labels: TypeAlias = tuple[str, ...]
Row: TypeAlias = tuple[Labels, float | None]
"""The values of the labels, and a figure; None where it is not known."""


def gauge(name: str, text: str, labels: Labels, rows: Iterable[Row]) -> Metric:
    """What goes up and down."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, figure in rows:
        if figure is not None:
            family.add_metric(values, figure)
    return family


def counter(name: str, text: str, labels: Labels, rows: Iterable[tuple[Labels, float]]) -> Metric:
    """What only grows, until zoosup begins anew; the name without its `_total`."""
    family = CounterMetricFamily(name, text, labels=labels)
    for values, amount in rows:
        family.add_metric(values, amount)
    return family


def histogram(name: str, text: str, labels: Labels, found: Iterable[tuple[Labels, Histogram]]) -> Metric:
    """Durations in seconds."""
    family = HistogramMetricFamily(name, text, labels=labels)
    for values, each in found:
        counts = [*accumulate(each.counts)]
        bounds = [*map(str, BOUNDS), "+Inf"]
        family.add_metric(values, buckets=list(zip(bounds, counts, strict=True)), sum_value=each.sum)
    return family


def by_one(found: Mapping[str, Histogram]) -> list[tuple[Labels, Histogram]]:
    """The rows of what has one label."""
    return [((name,), each) for name, each in list(found.items())]
