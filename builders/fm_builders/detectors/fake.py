"""A detector for tests and drawn clips: saturated blocks of colour, found without any weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fm_builders.detectors import Detections, Detector

__all__ = ["COLOURS", "FakeDetector"]

# By which of red, green, blue are lit.
COLOURS = {
    (True, False, False): "red block",
    (False, True, False): "green block",
    (False, False, True): "blue block",
    (True, True, False): "yellow block",
    (False, True, True): "cyan block",
    (True, False, True): "magenta block",
}
CONTRAST = 100  # between the strongest and the weakest channel; compression blurs the edges of colours below it
LEAST_AREA = 24  # pixels


class FakeDetector(Detector):
    """Connected regions of one bright colour; ``label`` is the colour, as in ``red block``; ``score`` its filling.

    Depends on the frame alone. A block that another one cuts in two gives two detections.
    """

    name = "fake"

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """Blocks of at least 24 pixels, by colour, then from the top."""
        low, high = frame.min(2).astype(np.int16), frame.max(2).astype(np.int16)
        vivid = high - low >= CONTRAST
        lit = frame > ((low + high) / 2)[..., None]
        bbox, score, label = [], [], []
        for pattern, name in COLOURS.items():
            regions, _ = ndimage.label(vivid & (lit == np.array(pattern)).all(2))
            for number, (rows, columns) in enumerate(ndimage.find_objects(regions), start=1):
                area = int(np.count_nonzero(regions[rows, columns] == number))
                if area >= LEAST_AREA:
                    height, width = rows.stop - rows.start, columns.stop - columns.start
                    bbox.append([columns.start, rows.start, columns.stop, rows.stop])
                    score.append(area / (width * height))
                    label.append(name)
        return Detections.of(self.name, bbox, score, label)
