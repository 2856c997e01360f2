"""Frames with their tracks drawn on them: boxes, trails and names, as small JPEG pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fm_hub.records import VISIBLE, Frames, Track

__all__ = ["COLOURS", "Style", "data_url", "draw_frame", "names_of", "pick_frames", "small_frame"]

Image8 = NDArray[np.uint8]
COLOURS = ("#ff5a36", "#22b8ff", "#ffd23f", "#5fd97a", "#c77dff", "#ff8fb3", "#2fd6b5", "#f4a259")
OTHER = "#d7d7d7"
SCALE = 2  # drawn at twice the size and scaled down, which smooths every edge
WIDTH = 320
DASH = 7


@dataclass(frozen=True)
class Style:
    """How one track is shown: its name and colour; the questions speak of it (``focus``) or not."""

    name: str
    colour: str
    focus: bool


def names_of(tracks: Sequence[Track], focus: set[str]) -> dict[str, Style]:
    """A name and a colour for each track, in order of first sight; numbered where a class has several."""
    ordered = sorted(tracks, key=lambda t: (int(t.frame[0]) if len(t.frame) else 0, t.track_id))
    per_label: dict[str, int] = {}
    for t in ordered:
        per_label[t.label] = per_label.get(t.label, 0) + 1
    seen: dict[str, int] = {}
    styles: dict[str, Style] = {}
    coloured = 0
    for t in ordered:
        seen[t.label] = seen.get(t.label, 0) + 1
        name = f"{t.label} {seen[t.label]}" if per_label[t.label] > 1 else t.label
        wanted = t.track_id in focus
        styles[t.track_id] = Style(name, COLOURS[coloured % len(COLOURS)] if wanted else OTHER, wanted)
        coloured += wanted
    return styles


def pick_frames(frames: Frames, t0: float, t1: float, n: int) -> list[int]:
    """Up to ``n`` rows of a clip's clock, spread evenly over ``t0..t1`` seconds."""
    inside = np.flatnonzero((frames.t >= t0 - 1e-3) & (frames.t <= t1 + 1e-3))
    return sorted({int(inside[round(x)]) for x in np.linspace(0, len(inside) - 1, n)}) if len(inside) else []


def draw_frame(
    picture: Image8,
    width: int,
    height: int,
    rows: tuple[int, int],
    tracks: Sequence[Track],
    styles: Mapping[str, Style],
) -> bytes:
    """One frame as a JPEG, 320 pixels wide, with every track as it is at the second of ``rows`` of the clock.

    ``width`` and ``height`` are the clip's, in which boxes are given. Boxes of frames in which the track was
    seen are solid; others are dashed and thin. The trail runs through the sightings from the first of ``rows``.
    """
    first, row = rows
    out_w, out_h = WIDTH, max(1, round(WIDTH * height / width))
    canvas = Image.fromarray(picture).convert("RGB").resize((out_w * SCALE, out_h * SCALE), Image.Resampling.BILINEAR)
    layer = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    factor = canvas.width / width
    for track in sorted(tracks, key=lambda t: styles[t.track_id].focus):  # what matters is drawn last, on top
        style = styles[track.track_id]
        if style.focus:
            _trail(pen, track, (first, row), factor, style.colour)
        _box(pen, track, row, factor, style, canvas.size)
    canvas = Image.alpha_composite(canvas.convert("RGBA"), layer).convert("RGB")
    canvas = canvas.resize((out_w, out_h), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    canvas.save(buffer, "JPEG", quality=76, optimize=True)
    return buffer.getvalue()


def small_frame(picture: Image8) -> bytes:
    """One frame as a JPEG, 320 pixels wide, with nothing drawn on it."""
    height, width = picture.shape[:2]
    small = Image.fromarray(picture).convert("RGB").resize((WIDTH, max(1, round(WIDTH * height / width))))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=76, optimize=True)
    return buffer.getvalue()


def data_url(jpeg: bytes) -> str:
    """A JPEG as a data URL."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _rgba(colour: str, alpha: int) -> tuple[int, int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16), alpha


def _trail(pen: ImageDraw.ImageDraw, track: Track, rows: tuple[int, int], factor: float, colour: str) -> None:
    keep = (track.state == VISIBLE) & (track.frame >= rows[0]) & (track.frame <= rows[1])
    centres = (track.bbox[keep][:, :2] + track.bbox[keep][:, 2:]) / 2 * factor
    points = [(float(x), float(y)) for x, y in centres]
    if len(points) > 1:
        pen.line(points, fill=(0, 0, 0, 110), width=5 * SCALE, joint="curve")
    for i, (a, b) in enumerate(pairwise(points)):
        age = (i + 1) / (len(points) - 1)  # the newest part is the strongest
        pen.line([a, b], fill=_rgba(colour, round(120 + 135 * age)), width=3 * SCALE, joint="curve")
    if points:
        x, y = points[0]
        pen.ellipse([x - 5, y - 5, x + 5, y + 5], fill=_rgba(colour, 255), outline=(0, 0, 0, 160))


def _box(pen: ImageDraw.ImageDraw, track: Track, row: int, factor: float, style: Style, size: tuple[int, int]) -> None:
    at = np.flatnonzero(track.frame == row)
    if not len(at):
        return
    x1, y1, x2, y2 = (float(v) * factor for v in track.bbox[at[0]])
    seen = int(track.state[at[0]]) == VISIBLE
    if x2 - x1 < 1 or y2 - y1 < 1:
        return
    if seen and style.focus:
        pen.rectangle([x1 - 2, y1 - 2, x2 + 2, y2 + 2], outline=(0, 0, 0, 120), width=3 * SCALE + 2)
        pen.rectangle([x1, y1, x2, y2], outline=_rgba(style.colour, 255), width=2 * SCALE)
    elif seen:
        pen.rectangle([x1, y1, x2, y2], outline=_rgba(style.colour, 170), width=SCALE)
    else:
        _dashed(pen, x1, y1, x2, y2, _rgba(style.colour, 230))
    if style.focus:
        _tag(pen, style, x1, y1, size)


def _dashed(
    pen: ImageDraw.ImageDraw, x1: float, y1: float, x2: float, y2: float, colour: tuple[int, int, int, int]
) -> None:
    step = DASH * SCALE
    for start, end in (((x1, y1), (x2, y1)), ((x2, y1), (x2, y2)), ((x2, y2), (x1, y2)), ((x1, y2), (x1, y1))):
        length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
        for k in range(0, int(length), step):
            a, b = k / length, min(1.0, (k + step * 0.55) / length)
            pen.line(
                [
                    (start[0] + (end[0] - start[0]) * a, start[1] + (end[1] - start[1]) * a),
                    (start[0] + (end[0] - start[0]) * b, start[1] + (end[1] - start[1]) * b),
                ],
                fill=colour,
                width=SCALE,
            )


def _tag(pen: ImageDraw.ImageDraw, style: Style, x: float, y: float, size: tuple[int, int]) -> None:
    font = ImageFont.load_default(size=15 * SCALE)
    name = style.name if len(style.name) <= 18 else f"{style.name[:17]}…"
    left, top, right, bottom = pen.textbbox((0, 0), name, font=font)
    w, h = right - left + 6 * SCALE, bottom - top + 4 * SCALE
    x = min(max(0.0, x), max(0.0, size[0] - w))
    y = y - h if y >= h else y  # inside the box where there is no room above it
    pen.rounded_rectangle([x, y, x + w, y + h], radius=2 * SCALE, fill=_rgba(style.colour, 235))
    pen.text((x + 3 * SCALE - left, y + 2 * SCALE - top), name, font=font, fill=(16, 16, 20, 255))
