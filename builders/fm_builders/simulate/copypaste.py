"""Real people, cut out of real videos, on real backgrounds along known paths: real pixels, exact truth.

2 to 5 figures of 40 to 200 pixels. In two clips of five at least, one figure passes before another so that half of it
is hidden; in two of five the camera moves; in one of four the shutter is open long enough to blur. In two of three
everyone wears a shirt of another colour, so that they can be told apart in words; in the third all look alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fm_builders.simulate.film import EVERY, FPS, Film, Image, Seen, Shot, View, frame_times
from fm_builders.simulate.motion import Pace, Route

__all__ = ["FOLDER", "film"]

FOLDER = Path(__file__).parent / "cutouts"
SIZE = (640, 360)
FIGURES = ("walker", "walker", "runner", "stander")
BACKGROUNDS = ("yard", "yard", "brick", "grass")
TINTS = {"brick": (1.0, 0.82, 0.72), "grass": (0.8, 1.0, 0.6)}  # they are grey
CAMERAS = ("pan", "tilt", "zoom", "roll", "shake")
SHUTTER, BLURS = 0.5 / FPS, 5  # seconds open, and how many moments of it are averaged
STRIDE_S = 1.0  # seconds of one stride, as it was filmed
TINY, TALL = 40, 200
Dye = tuple[int, int, int]
DYES: tuple[Dye, ...] = ((200, 35, 35), (45, 80, 205), (35, 150, 60), (225, 200, 50), (235, 235, 235), (28, 28, 28))
SHIRT = (0.16, 0.5)  # where it lies, in shares of the height from the top

Complex = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class _Figure:
    name: str
    poses: tuple[Image, ...]  # RGBA, looking left, at their size in the first frame
    tall: float  # pixels of its longer side, in the first frame
    route: Route  # of the middle of its box, pixels of the first frame
    depth: float

    def pose(self, t: float) -> tuple[Image, bool]:
        """The picture at a time, and whether it looks right."""
        here, there = self.route.at([max(0.0, t - 0.05), t + 0.05])
        walks = np.hypot(*(there - here)) > 0.2
        number = int(t / STRIDE_S * len(self.poses)) % len(self.poses) if walks else 0
        spans = self.route.moving()
        started = [s for s in spans if s[0] <= t] or spans[:1]
        if not started:
            return self.poses[number], False
        a, b = self.route.at([started[-1][0], started[-1][0] + 0.2])
        return self.poses[number], bool(b[0] > a[0])


@dataclass(frozen=True, eq=False)
class _Pasted:
    """What a figure covers: a mask whose corner lies at (x, y) of the frame, and points that bound it, (N, 2)."""

    mask: NDArray[np.bool_]
    x: int
    y: int
    corners: NDArray[np.float64]


@lru_cache(maxsize=1)
def _pictures() -> Mapping[str, tuple[Image, ...]]:
    from PIL import Image as Pictures

    found: dict[str, list[Image]] = {}
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in (".webp", ".jpg"):
            mode = "RGBA" if path.suffix == ".webp" else "RGB"
            found.setdefault(path.stem.split("-")[0], []).append(np.asarray(Pictures.open(path).convert(mode)))
    return {name: tuple(images) for name, images in found.items()}


def film(seed: int, number: int) -> Film:
    """Plan clip ``number`` of the set with this seed."""
    rng = np.random.default_rng([seed, number, 1])
    seconds = float(rng.choice([5.0, 6.0, 7.0, 8.0]))
    crossing, moving, blurred = number % 5 in (0, 2), number % 5 in (1, 2), number % 4 == 3
    figures = _cast(rng, seconds, crossing=crossing, dyed=number % 3 != 0)
    kind = str(rng.choice(CAMERAS)) if moving else "static"
    path = _camera(rng, kind, seconds)
    where = str(rng.choice(BACKGROUNDS))
    clock = frame_times(seconds)[::EVERY]
    turn, shift = path(clock)

    def shoot(pictures: bool) -> Iterator[Shot]:
        behind = _background(np.random.default_rng([seed, number, 2]), where, kind) if pictures else None
        return _shoot(figures, behind, path, seconds, blurred=blurred)

    return Film(
        scene="copypaste",
        seed=seed,
        number=number,
        size=SIZE,
        seconds=seconds,
        things={f.name: "person" for f in figures},
        events=[e for f in figures for e in f.route.events(f.name)],
        view=View(kind, turn, shift, np.ones(len(clock), bool)),
        shoot=shoot,
        tags={
            "camera": kind,
            "blur": "yes" if blurred else "no",
            "crossing": "planned" if crossing else "chance",
            "smallest": _bin(min(f.tall for f in figures)),
        },
    )


def _bin(tall: float) -> str:
    return "40-80 px" if tall < 80 else "80-120 px" if tall < 120 else "120-200 px"


def _cast(rng: np.random.Generator, seconds: float, *, crossing: bool, dyed: bool) -> list[_Figure]:
    count = int(rng.integers(2, 6))
    shirts = [DYES[k] if dyed else None for k in rng.permutation(len(DYES))]
    figures = []
    for i in range(count):
        kind = FIGURES[int(rng.integers(len(FIGURES)))]
        tall = float(np.exp(rng.uniform(math.log(TINY), math.log(TALL))))
        colour = rng.uniform(0.85, 1.15, 3)
        route = _route(rng, seconds, tall, across=crossing and i < 2)
        depth = SIZE[1] - float(route.at(0)[0][1]) - tall / 2  # who stands lower in the picture is nearer
        figures.append(_Figure(f"figure {i + 1}", _poses(kind, tall, colour, shirts[i]), tall, route, depth))
        if i == 1 and crossing:
            figures = _meeting(rng, kind, colour, seconds, shirts)
    return figures


def _poses(kind: str, tall: float, colour: NDArray[np.float64], shirt: Dye | None) -> tuple[Image, ...]:
    """The poses of a kind, ``tall`` pixels long, their colours changed a little, in a shirt of that colour."""
    import cv2

    poses = _pictures()[kind]
    scale = tall / max(poses[0].shape[:2])
    out = []
    for pose in poses:
        rgba = cv2.resize(pose, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float64)
        rgba[..., :3] = np.clip(rgba[..., :3] * colour, 0, 255)
        if shirt is not None:
            _dye(rgba, shirt)
        out.append(rgba.astype(np.uint8))
    return tuple(out)


def _dye(rgba: NDArray[np.float64], shirt: Dye) -> None:
    """Give what lies between neck and hips of a figure that stands the colour of a shirt, with its own shades."""
    part = rgba[round(SHIRT[0] * len(rgba)) : round(SHIRT[1] * len(rgba)), :, :3]
    shade = part.mean(2, keepdims=True)
    part[:] = np.clip(np.array(shirt) * (0.4 + 0.6 * shade / max(float(np.median(shade)), 1.0)), 0, 255)


def _place(rng: np.random.Generator, tall: float) -> tuple[float, float]:
    inset = tall / 2 + 6
    return float(rng.uniform(inset, SIZE[0] - inset)), float(rng.uniform(max(inset, 90), SIZE[1] - inset))


def _route(rng: np.random.Generator, seconds: float, tall: float, *, across: bool) -> Route:
    """Stand, walk, walk and stop, turn back, come in, go out: by chance."""
    x, y = _place(rng, tall)
    what = "walk" if across else str(rng.choice(["stand", "walk", "stop", "go", "back", "turn", "enter", "leave"]))
    pace: Pace = str(rng.choice(["even", "even", "up", "down"]))  # type: ignore[assignment]  # one of these
    outside = (-tall, y) if rng.random() < 0.5 else (SIZE[0] + tall, y)
    far = (SIZE[0] - x if abs(SIZE[0] - 2 * x) > 160 else (x + 320) % (SIZE[0] - 80) + 40, _place(rng, tall)[1])
    part = float(rng.uniform(0.35, 0.65)) * seconds
    if what == "stand":
        return Route((x, y)).rest(seconds)
    if what == "walk":
        return Route((x, y)).go(far, seconds, pace)
    if what == "stop":
        return Route((x, y)).go(far, part).until(seconds)
    if what == "go":
        return Route((x, y)).rest(seconds - part).go(far, part)
    if what == "back":
        n = int(rng.integers(2, 5))
        route = Route((x, y))
        for i in range(n):
            route.go(far if i % 2 == 0 else (x, y), seconds / n, "eased")
        return route
    if what == "turn":
        return Route((x, y)).go((far[0], y), part).go((far[0], _place(rng, tall)[1]), seconds - part)
    if what == "enter":
        late = float(rng.uniform(0.5, 1.5))
        return Route(outside).rest(late).go((x, y), seconds - late)
    early = float(rng.uniform(0.3, 1.2))
    return Route((x, y)).go(outside, seconds - early).until(seconds)


def _meeting(
    rng: np.random.Generator, kind: str, colour: NDArray[np.float64], seconds: float, shirts: Sequence[Dye | None]
) -> list[_Figure]:
    """Two as large as each other, on ways that meet in the middle of the clip, the second before the first."""
    tall = float(rng.uniform(70, TALL - 20))
    y = float(rng.uniform(max(tall / 2 + 6, 120), SIZE[1] - tall / 2 - 6))
    left, right = (float(v) for v in (rng.uniform(60, 180), rng.uniform(460, 580)))
    first = Route((left, y)).go((right, y), seconds)
    second = Route((right, y + 4)).go((left, y + 4), seconds)
    if rng.random() < 0.3:  # one waits, the other passes before it
        first = Route(((left + right) / 2, y)).rest(seconds)
    other = rng.uniform(0.85, 1.15, 3)
    behind = _Figure("figure 1", _poses("walker", tall, other, shirts[0]), tall, first, 2.0)
    return [behind, _Figure("figure 2", _poses(kind, tall * 1.05, colour, shirts[1]), tall * 1.05, second, 1.0)]


class _Camera:
    """The view's path: ``turn`` and ``shift`` at times (N,), both complex; a smooth move of one kind."""

    def __init__(self, kind: str, amount: complex, seconds: float) -> None:
        self.kind, self.amount, self.seconds = kind, amount, seconds

    def __call__(self, t: NDArray[np.float64]) -> tuple[Complex, Complex]:
        u = np.clip(t / self.seconds, 0, 1)
        one, none = np.ones(len(t), complex), np.zeros(len(t), complex)
        if self.kind in ("pan", "tilt"):
            slide: Complex = self.amount * u.astype(complex)
            return one, slide
        if self.kind in ("zoom", "roll"):
            turn: Complex = np.exp(self.amount * u)
            return turn, none
        if self.kind == "shake":
            wave: NDArray[np.float64] = np.sin(2 * np.pi * 1.3 * t) + 0.5 * np.sin(2 * np.pi * 2.9 * t)
            other = np.sin(2 * np.pi * 1.7 * t) + 0.4 * np.sin(2 * np.pi * 3.1 * t)
            sway: Complex = (self.amount.real * (wave + 1j * other)).astype(complex)
            return one, sway
        return one, none


def _camera(rng: np.random.Generator, kind: str, seconds: float) -> _Camera:
    sign = float(rng.choice([-1, 1]))
    amount: complex = 0.0
    if kind == "pan":
        amount = sign * float(rng.uniform(12, 30)) * seconds
    elif kind == "tilt":
        amount = 1j * sign * float(rng.uniform(8, 16)) * seconds
    elif kind == "zoom":
        amount = sign * float(rng.uniform(0.15, 0.3))
    elif kind == "roll":
        amount = 1j * sign * math.radians(float(rng.uniform(5, 12)))
    elif kind == "shake":
        amount = float(rng.uniform(1.0, 4.0))
    return _Camera(kind, amount, seconds)


def _background(rng: np.random.Generator, name: str, kind: str) -> Image:
    """A picture three times as wide and high as the frame, whose middle third is the first frame."""
    import cv2

    image = _pictures()[name][0]
    wide, high = SIZE
    if name == "yard":
        scale = float(rng.uniform(0.55, 0.75)) if kind == "static" else float(rng.uniform(0.8, 1.1))
        image = np.asarray(cv2.resize(image, None, fx=scale, fy=scale), np.uint8)
    else:
        tint = np.array(TINTS[name]) * rng.uniform(0.85, 1.1, 3)
        image = np.clip(image * tint, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        image = image[:, ::-1]
    light = float(rng.uniform(0.8, 1.1))
    y, x = (max(0, (image.shape[i] - s) // 2) for i, s in ((0, high), (1, wide)))
    spare = [3 * wide - image.shape[1], 3 * high - image.shape[0]]
    left, top = max(0, wide - x), max(0, high - y)
    right, bottom = max(0, spare[0] - left), max(0, spare[1] - top)
    full = cv2.copyMakeBorder(image, top, bottom, left, right, cv2.BORDER_REFLECT)
    return np.asarray(np.clip(full[: 3 * high, : 3 * wide] * light, 0, 255), np.uint8)


def _shoot(
    figures: list[_Figure], background: Image | None, path: _Camera, seconds: float, *, blurred: bool
) -> Iterator[Shot]:
    for i, t in enumerate(frame_times(seconds).tolist()):
        sampled = i % EVERY == 0
        if background is None and not sampled:
            yield Shot(None, None)
            continue
        image, pasted = _compose(figures, background, path, t)
        if blurred and image is not None:
            moments = t + SHUTTER * (np.arange(BLURS) - BLURS // 2) / BLURS
            others = [_compose(figures, background, path, m)[0] for m in moments.tolist()]
            image = np.asarray(np.round(np.mean(np.array(others, np.float32), axis=0)), np.uint8)
        yield Shot(image, _seen(figures, pasted) if sampled else None)


def _compose(
    figures: list[_Figure], background: Image | None, path: _Camera, t: float
) -> tuple[Image | None, dict[str, _Pasted]]:
    """The picture at a time, and where each figure lies in it."""
    import cv2

    cv2.setNumThreads(1)
    turn, shift = (complex(v[0]) for v in path(np.array([t])))
    wide, high = SIZE
    image = None
    if background is not None:
        middle = background.shape[1] / 2, background.shape[0] / 2
        image = np.asarray(cv2.warpAffine(background, _matrix(turn, shift, middle), SIZE), np.uint8)
    pasted = {}
    for figure in sorted(figures, key=lambda f: -f.depth):
        pose, right = figure.pose(t)
        rgba = np.ascontiguousarray(pose[:, ::-1]) if right else pose
        centre = complex(*(figure.route.at(t)[0] - (wide / 2, high / 2)))
        h, w = rgba.shape[:2]
        matrix = _matrix(turn, turn * centre + shift, (w / 2, h / 2))
        corners = np.array([[-0.5, -0.5], [w - 0.5, -0.5], [-0.5, h - 0.5], [w - 0.5, h - 0.5]])
        corners = corners @ matrix[:, :2].T + matrix[:, 2] + 0.5
        x1, y1 = np.clip(np.floor(corners.min(0)) - 1, 0, SIZE).astype(int)
        x2, y2 = np.clip(np.ceil(corners.max(0)) + 1, 0, SIZE).astype(int)
        if abs(turn.imag) > 1e-9:  # a turned box is larger than what is in it
            corners = _turned(rgba[..., 3], matrix)
        alpha = np.zeros((0, 0), np.float32)
        if x2 > x1 and y2 > y1:
            there = matrix - np.array([[0, 0, x1], [0, 0, y1]])
            spot = cv2.warpAffine(rgba, there, (int(x2 - x1), int(y2 - y1)), borderMode=cv2.BORDER_CONSTANT)
            alpha = spot[..., 3].astype(np.float32) / 255
            if image is not None:
                under = image[y1:y2, x1:x2].astype(np.float32)
                image[y1:y2, x1:x2] = np.round(under + alpha[..., None] * (spot[..., :3] - under)).astype(np.uint8)
        pasted[figure.name] = _Pasted(alpha > 0.5, int(x1), int(y1), corners)
    return image, pasted


def _matrix(turn: complex, shift: complex, middle: tuple[float, float]) -> NDArray[np.float64]:
    """What maps a picture whose ``middle`` lies at 0 into the frame: z' = turn (z - middle) + shift.

    For ``warpAffine``, which speaks of the middles of pixels; everything else here speaks of their corners.
    """
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    offset = np.array([SIZE[0] / 2 + shift.real, SIZE[1] / 2 + shift.imag]) - linear @ np.array(middle)
    offset += linear @ np.array([0.5, 0.5]) - 0.5
    return np.column_stack([linear, offset])


def _turned(alpha: Image, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    ys, xs = np.nonzero(alpha > 127)
    points = np.column_stack([xs, ys]) @ matrix[:, :2].T + matrix[:, 2] + 0.5
    lo, hi = points.min(0) - 0.5, points.max(0) + 0.5
    return np.array([lo, hi])


def _seen(figures: list[_Figure], pasted: Mapping[str, _Pasted]) -> dict[str, Seen]:
    hidden = np.zeros((SIZE[1], SIZE[0]), bool)
    out = {}
    for figure in sorted(figures, key=lambda f: f.depth):
        p = pasted[figure.name]
        region = slice(p.y, p.y + p.mask.shape[0]), slice(p.x, p.x + p.mask.shape[1])
        there = p.mask & ~hidden[region]
        hidden[region] |= p.mask
        lo, hi = p.corners.min(0), p.corners.max(0)
        whole = (float(lo[0]), float(lo[1]), float(hi[0]), float(hi[1]))
        inside = np.clip([lo, hi], 0, SIZE)
        part = float(np.prod(inside[1] - inside[0]) / max(np.prod(hi - lo), 1e-9))  # of its box that is in the frame
        pixels, all_ = int(there.sum()), int(p.mask.sum())
        share = part * pixels / all_ if all_ else 0.0
        box = bounds(there)
        moved = None if box is None else (box[0] + p.x, box[1] + p.y, box[2] + p.x, box[3] + p.y)
        out[figure.name] = Seen(moved, whole, pixels, share, figure.depth)
    return out


def bounds(mask: NDArray[np.bool_]) -> tuple[float, float, float, float] | None:
    """The half-open box of a mask; None for an empty one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
