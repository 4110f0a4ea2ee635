"""Quality of images: distances between sets, scores of sets, errors of pairs."""

from benchbench.measures.quality.measure import measure

__all__ = ["measure"]
