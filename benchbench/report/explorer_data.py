"""The interactive chart as the JSON that our script reads."""

from __future__ import annotations

from collections.abc import Iterable

from benchbench.report.embed import JsonData
from benchbench.report.explorer import Explorer, ExplorerFigure, ExplorerPoint
from benchbench.report.gallery_page import GalleryPage


def explorer_data(explorer: Explorer, galleries: Iterable[GalleryPage]) -> JsonData:
    """Measures, points and what the chart opens with; a picture is the id of an image of the page."""
    images = {
        (page.index, row.label, tile.heading): tile.id
        for page in galleries
        for row in page.rows
        for tile in row.tiles
        if tile.uri is not None
    }
    return {
        "measures": [
            {
                "name": measure.name,
                "title": measure.title,
                "factor": measure.factor,
                "direction": measure.direction,
                "distance": measure.is_distance,
            }
            for measure in explorer.measures
        ],
        "points": [_point(point, images) for point in explorer.points],
        "groups": list(explorer.groups),
        "x": explorer.x,
        "y": explorer.y,
        "size": explorer.size,
    }


def _point(point: ExplorerPoint, images: dict[tuple[int, str, str], str]) -> JsonData:
    return {
        "label": point.label,
        "colour": point.colour,
        "marker": point.marker,
        "isBaseline": point.is_baseline,
        "baseline": point.baseline,
        "group": point.group,
        "about": list(point.about),
        "picture": None if point.picture is None else images.get(point.picture),
        "figures": [_figure(figure) for figure in point.figures],
    }


def _figure(figure: ExplorerFigure | None) -> JsonData:
    if figure is None:
        return None
    interval: JsonData = None if figure.interval is None else list(figure.interval)
    return {"value": figure.value, "interval": interval, "text": figure.text}
