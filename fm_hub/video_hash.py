"""Whether two videos show the same pictures: perceptual hashes of frames, compared in any order of time.

A frame is a 64-bit hash of its coarse structure (the signs of its lowest 8 x 8 cosine coefficients against their
median, the constant one left out), which survives encoding, scaling, brightness and noise. A video is the set of the
hashes of frames spread over it; two are alike by the share of frames that have a partner in the other. So it does not
matter where a cut begins or how fast it plays. Mirrored copies and ones cropped at their edges are found too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fm_hub.video import VideoIndex, index_video, iter_frames

__all__ = [
    "NEAR",
    "VideoHash",
    "hash_picture",
    "hash_pictures",
    "hash_video",
    "sample_moments",
    "similarity",
    "small_size",
]

NEAR = 0.4  # share of frames with a partner from which on two videos are taken for copies
BITS = 14  # of 63 that tell: frames no further apart are partners; unrelated ones differ in 32 ± 4
EVERY, MOST = 0.25, 80  # seconds between frames, and how many at most
SIDE, KEEP = 32, 8
CROPS = (1.0, 0.9, 0.8)  # shares of each side, about the middle, that a copy may have kept
PLAIN = 4.0  # grey levels: a picture that varies less has no structure to compare

Bits = NDArray[np.uint64]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class VideoHash:
    """Hashes of the frames of a video that show anything.

    ``frames`` (N,) as they are; ``views`` (N, V) as copies of them may be: mirrored, cropped.
    """

    frames: Bits
    views: Bits


def hash_picture(picture: Picture) -> list[int] | None:
    """The hashes of a picture (H, W, 3): whole, then its views; None for one without structure.

    Even borders, as of a letterbox, are left out.
    """
    grey = _without_borders(picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))
    if float(grey.std()) < PLAIN:
        return None
    lows = [_low(_middle(grey, share)) for share in CROPS]
    flip = np.where(np.arange(KEEP) % 2, -1.0, 1.0)  # what a turn from left to right does to a cosine
    return [_bits(low) for low in lows] + [_bits(low * flip) for low in lows]


def hash_video(video: str | Path | VideoIndex) -> VideoHash:
    """The hashes of up to 80 frames, a quarter of a second apart or evenly spread where the video is longer.

    Raises :class:`~fm_hub.errors.ItemError` where the video cannot be read.
    """
    index = video if isinstance(video, VideoIndex) else index_video(video)
    times = sample_moments(index.duration)
    return hash_pictures(image for _, image in iter_frames(index, times, size=small_size(index)))


def sample_moments(duration: float) -> list[float]:
    """The seconds at which a video of a duration is looked at."""
    times = np.arange(0.0, max(duration, EVERY), EVERY)
    if len(times) > MOST:
        times = np.linspace(0.0, duration, MOST, endpoint=False)
    return [float(t) for t in times]


def small_size(index: VideoIndex) -> tuple[int, int]:
    """(width, height) that is enough for the hashes."""
    scale = min(1.0, 4 * SIDE / min(index.width, index.height))
    return max(SIDE, round(index.width * scale)), max(SIDE, round(index.height * scale))


def hash_pictures(pictures: Iterable[Picture]) -> VideoHash:
    """The hashes of pictures (H, W, 3)."""
    found = [hashes for hashes in map(hash_picture, pictures) if hashes]
    all_ = np.array(found, np.uint64).reshape(len(found), 2 * len(CROPS))
    return VideoHash(all_[:, 0], all_)


def similarity(a: VideoHash, b: VideoHash) -> float:
    """The share (0..1) of the frames of the one with fewer that have a partner in the other, in the best view.

    0 where one of them shows nothing.
    """
    few, many = (a, b) if len(a.frames) <= len(b.frames) else (b, a)
    if not len(few.frames):
        return 0.0
    pairs = [(few.frames, many.views[:, v]) for v in range(many.views.shape[1])]
    pairs += [(few.views[:, v], many.frames) for v in range(few.views.shape[1])]
    return max(_partnered(x, y) for x, y in pairs)


def _partnered(few: Bits, many: Bits) -> float:
    differ = np.bitwise_count(few[:, None] ^ many[None, :])
    return float(np.mean(differ.min(axis=1) <= BITS))


def _low(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    from PIL import Image
    from scipy.fft import dctn

    small = np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    low: NDArray[np.float64] = dctn(small, norm="ortho")[:KEEP, :KEEP]
    return low


def _middle(grey: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    h, w = (round(n * (1 - share) / 2) for n in grey.shape)
    return grey[h : grey.shape[0] - h, w : grey.shape[1] - w]


def _bits(low: NDArray[np.float64]) -> int:
    values = low.ravel()[1:]  # without the mean brightness
    return int.from_bytes(np.packbits(np.append(values > np.median(values), False)).tobytes(), "big")


def _without_borders(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The picture without rows and columns at its edges that are of one shade; at most a third of each side."""
    for _ in range(2):
        even = (grey.max(axis=1) - grey.min(axis=1)) < PLAIN * 2
        most = max(1, len(even) // 3)
        first, last = even[:most], even[::-1][:most]
        top = most if first.all() else int(np.argmin(first))
        bottom = most if last.all() else int(np.argmin(last))
        grey = grey[top : len(grey) - bottom].T
    return grey
