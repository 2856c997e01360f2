"""Scores of tracks: by hand, and on the tracks of TUD that the package motmetrics carries, against its own figures."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from fm_builders.simulate.score import match, score_tracks

Boxes = dict[str, dict[int, np.ndarray]]


def along(x0: float, frames: range) -> dict[int, np.ndarray]:
    return {f: np.array([x0 + f, 0.0, x0 + f + 20, 40.0]) for f in frames}


def test_scores_by_hand() -> None:
    exact: Boxes = {"a": along(0, range(10)), "b": along(200, range(10))}
    perfect = score_tracks(exact, {"x": along(0, range(10)), "y": along(200, range(10))})
    assert (perfect.recall, perfect.idf1, perfect.switches) == (1.0, 1.0, 0)
    assert perfect.hota == pytest.approx(1.0)
    broken = score_tracks(exact, {"x": along(0, range(5)), "z": along(0, range(5, 10)), "y": along(200, range(10))})
    assert (broken.recall, broken.switches) == (1.0, 1)
    assert broken.idf1 == pytest.approx(2 * 15 / 40)
    half = score_tracks(exact, {"y": along(200, range(10))})
    assert (half.recall, half.idf1) == (0.5, pytest.approx(2 * 10 / 30))
    assert half.hota == pytest.approx(np.sqrt(0.5))
    assert (perfect + half).recall == 0.75
    assert match(exact, {"y": along(203, range(10)), "z": along(90, range(10))}) == {"y": "b"}
    assert score_tracks(exact, {}).hota == 0.0


@pytest.mark.parametrize(
    ("name", "idf1", "recall", "switches", "hota"),
    [("TUD-Campus", 0.558, 0.582, 7, 0.391), ("TUD-Stadtmitte", 0.645, 0.609, 7, 0.398)],
)
def test_scores_of_tud(name: str, idf1: float, recall: float, switches: int, hota: float) -> None:
    """The figures that the page of motmetrics 1.4.0 gives for the tracks in its wheel; HOTA is held where it was."""
    spec = importlib.util.find_spec("motmetrics")  # its data are read, it is not imported
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("motmetrics is not installed")
    folder = Path(next(iter(spec.submodule_search_locations))) / "data" / name
    exact, found = (read(folder / f"{which}.txt") for which in ("gt", "test"))
    score = score_tracks(exact, found)
    assert round(score.idf1, 3) == idf1
    assert round(score.recall, 3) == recall
    assert score.switches == switches
    assert round(score.hota, 3) == hota


def read(path: Path) -> Boxes:
    boxes: Boxes = {}
    with path.open() as file:
        for row in csv.reader(file):
            x, y, w, h = (float(v) for v in row[2:6])
            boxes.setdefault(row[1], {})[int(row[0])] = np.array([x, y, x + w, y + h])
    return boxes
