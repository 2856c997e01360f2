"""What every segmenter keeps to, on drawn frames."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fm_builders.segmenters import SEGMENTERS, Hint, Mask, Segmenter
from tiny_plugins import plugin

BOX = np.array([40.0, 30.0, 80.0, 60.0])
RIGHT = np.array([5.0, 0.0, 5.0, 0.0])  # what it moves by from frame to frame


def clip(n: int = 6) -> list[NDArray[np.uint8]]:
    """A red block that goes right, in 90 x 160 pixels."""
    frames = np.full((n, 90, 160, 3), 120, np.uint8)
    for i in range(n):
        frames[i, 30:60, 40 + 5 * i : 80 + 5 * i] = (220, 30, 30)
    return list(frames)


@pytest.fixture(params=SEGMENTERS.names())
def segmenter(request: pytest.FixtureRequest) -> Segmenter:
    made: Segmenter = plugin(SEGMENTERS, request.param)
    return made


def equal(a: list[Mask], b: list[Mask]) -> bool:
    return len(a) == len(b) and all(
        x.frame == y.frame and x.seen == y.seen and np.array_equal(x.mask, y.mask) for x, y in zip(a, b, strict=True)
    )


def test_name_and_models(segmenter: Segmenter) -> None:
    assert SEGMENTERS.load(segmenter.name) is type(segmenter)
    assert all("@" in model for model in segmenter.model_ids)


def test_form_and_order(segmenter: Segmenter) -> None:
    part = segmenter.open(clip())
    for reverse, frames in ((False, [2, 3, 4, 5]), (True, [2, 1, 0])):
        masks = list(part.follow([Hint(2, BOX + 2 * RIGHT)], reverse=reverse))
        assert [m.frame for m in masks] == frames
        assert all(m.mask.shape == (90, 160) and m.mask.dtype == bool for m in masks)
        assert all(0 <= m.seen <= 1 for m in masks)


def test_what_was_followed_before_does_not_matter(segmenter: Segmenter) -> None:
    frames = clip()
    before = [f.copy() for f in frames]
    first = list(segmenter.open(frames).follow([Hint(0, BOX)]))
    part = segmenter.open(frames)
    list(part.follow([Hint(5, BOX + 5 * RIGHT)], reverse=True))
    list(part.follow([Hint(1, BOX), Hint(3, BOX)]))
    assert equal(first, list(part.follow([Hint(0, BOX)])))
    assert all(np.array_equal(a, b) for a, b in zip(before, frames, strict=True))


def test_a_mask_is_a_hint_too(segmenter: Segmenter) -> None:
    mask = np.zeros((90, 160), bool)
    mask[30:60, 40:80] = True
    (first, *_) = segmenter.open(clip()).follow([Hint(0, mask)])
    assert np.count_nonzero(first.mask & mask) >= 0.9 * np.count_nonzero(first.mask | mask)
    assert first.seen > 0.5


def test_the_fake_one_follows_the_block() -> None:
    masks = list(plugin(SEGMENTERS, "fake").open(clip()).follow([Hint(0, BOX)]))
    assert [int(np.flatnonzero(m.mask.any(0))[0]) for m in masks] == [40 + 5 * i for i in range(6)]
