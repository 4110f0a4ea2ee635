"""Latency side by side: interleaved rounds, paired ratios with intervals, an A/A control."""

from benchbench.measures.latency.compare import LatencyComparison, compare_latency
from benchbench.measures.latency.measure import measure
from benchbench.measures.latency.options import LatencyOptions

__all__ = ["LatencyComparison", "LatencyOptions", "compare_latency", "measure"]
