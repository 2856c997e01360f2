"""A clip as a video with everything drawn on it, every frame at its own time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fm_builders.perceive import working_size
from fm_builders.show.at import BONES, Moment, Style, styles_of
from fm_builders.show.shown import Shown
from fm_hub.records import LOST, VISIBLE, Annotation, Contact, Track
from fm_hub.video import encode_clip, index_video, iter_frames

__all__ = ["draw", "write_overlay"]

LONG_SIDE = 1280
DASH = 8
MASK_ALPHA = 90
ARROW_S = 0.35  # seconds of the view's motion that its arrow is long
WORDS = {"touch": "touches", "hold": "holds"}

Image8 = NDArray[np.uint8]
Colour = tuple[int, int, int, int]


def write_overlay(shown: Shown, dest: Path, tick: Callable[[], None] = lambda: None) -> int:
    """Write the video (.mp4) with all of the clip's frames at their times; ``tick`` is called once a frame.

    Returns the number of frames. Raises what reading and encoding raise.
    """
    index = index_video(shown.path)
    size = working_size((index.width, index.height), LONG_SIDE)
    times = index.times.tolist()
    styles = styles_of(shown.annotation)

    def pictures() -> Iterator[Image8]:
        for k, picture in iter_frames(index, times, size=size):
            yield draw(picture, shown.annotation, times[k], styles)
            tick()

    encode_clip(pictures(), times, dest, crf=20)
    return len(times)


def draw(picture: Image8, annotation: Annotation, t: float, styles: dict[str, Style]) -> Image8:
    """One frame, uint8 RGB (h, w, 3) of any size, with what is known of the moment ``t`` (seconds) drawn on it."""
    canvas = Image.fromarray(picture).convert("RGBA")
    layer = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    pen = _Pen(layer, canvas.width / annotation.clip.width, Moment(annotation, t))
    for masks in annotation.masks:
        mask = pen.moment.mask(masks)
        if mask is not None:
            shape = Image.fromarray((mask * MASK_ALPHA).astype(np.uint8)).resize(layer.size, Image.Resampling.NEAREST)
            colour = Image.new("RGBA", layer.size, _rgba(styles[masks.track_id].colour, 255))
            layer.paste(colour, (0, 0), shape)
    for track in annotation.tracks:
        pen.trail(track, styles[track.track_id])
    for keypoints in annotation.keypoints:
        found = pen.moment.points(keypoints)
        if found is not None:
            pen.bones(*found, keypoints.kind, styles[keypoints.track_id])
    boxes = {}
    for track in annotation.tracks:
        where = pen.moment.box(track)
        if where is not None:
            boxes[track.track_id] = where[0]
            pen.box(*where, styles[track.track_id])
    for contact in annotation.contacts:
        if contact.t0 - 1e-3 <= t <= contact.t1 + 1e-3 and contact.a in boxes and contact.b in boxes:
            pen.contact(contact, boxes[contact.a], boxes[contact.b], styles)
    pen.view(annotation.camera.label)
    return np.asarray(Image.alpha_composite(canvas, layer).convert("RGB"))


class _Pen:
    """Draws in clip pixels on a layer of another size."""

    def __init__(self, layer: Image.Image, factor: float, moment: Moment) -> None:
        self.pen, self.factor, self.moment = ImageDraw.Draw(layer), factor, moment
        self.width, self.height = layer.size
        self.unit = max(1, round(max(layer.size) / 640))  # of line widths
        self.font = ImageFont.load_default(size=11 + 3 * self.unit)

    def trail(self, track: Track, style: Style) -> None:
        points = [tuple(p) for p in (self.moment.trail(track) * self.factor).tolist()]
        for k in range(1, len(points)):  # the newest part is the strongest
            alpha = round(60 + 160 * k / len(points))
            self.pen.line([points[k - 1], points[k]], fill=_rgba(style.colour, alpha), width=2 * self.unit)

    def bones(self, xy: NDArray[np.float64], sure: NDArray[np.bool_], kind: str, style: Style) -> None:
        p = xy * self.factor
        for a, b in BONES[kind]:
            if sure[a] and sure[b]:
                self.pen.line([tuple(p[a]), tuple(p[b])], fill=(255, 255, 255, 170), width=self.unit)
        for x, y in p[sure]:
            r = 1.2 * self.unit
            self.pen.ellipse([x - r, y - r, x + r, y + r], fill=_rgba(style.colour, 255))

    def box(self, box: NDArray[np.float64], state: int, style: Style) -> None:
        x1, y1, x2, y2 = (float(v) * self.factor for v in box)
        if x2 - x1 < 1 or y2 - y1 < 1:
            return
        if state == VISIBLE:
            self.pen.rectangle([x1, y1, x2, y2], outline=(0, 0, 0, 130), width=2 * self.unit + 2)
            self.pen.rectangle([x1, y1, x2, y2], outline=_rgba(style.colour, 255), width=2 * self.unit)
        else:
            self._dashed(x1, y1, x2, y2, _rgba(style.colour, 230 if state != LOST else 110))
        self.tag(style.name if state == VISIBLE else f"{style.name}?", style.colour, x1, y1)

    def _dashed(self, x1: float, y1: float, x2: float, y2: float, colour: Colour) -> None:
        for (ax, ay), (bx, by) in (
            ((x1, y1), (x2, y1)),
            ((x2, y1), (x2, y2)),
            ((x2, y2), (x1, y2)),
            ((x1, y2), (x1, y1)),
        ):
            length = max(abs(bx - ax), abs(by - ay), 1.0)
            for at in np.arange(0, length, DASH * self.unit):
                a, b = at / length, min(1.0, (at + 0.55 * DASH * self.unit) / length)
                ends = [(ax + (bx - ax) * s, ay + (by - ay) * s) for s in (a, b)]
                self.pen.line(ends, fill=colour, width=self.unit)

    def tag(self, text: str, colour: str, x: float, y: float) -> None:
        text = text if len(text) <= 60 else f"{text[:59]}…"
        left, top, right, bottom = self.pen.textbbox((0, 0), text, font=self.font)
        w, h = right - left + 6, bottom - top + 6
        x = min(max(0.0, x), max(0.0, self.width - w))
        y = y - h if y >= h else y  # inside the box where there is no room above it
        self.pen.rounded_rectangle([x, y, x + w, y + h], radius=3, fill=_rgba(colour, 230))
        self.pen.text((x + 3 - left, y + 3 - top), text, font=self.font, fill=(16, 16, 20, 255))

    def contact(
        self, contact: Contact, a: NDArray[np.float64], b: NDArray[np.float64], styles: dict[str, Style]
    ) -> None:
        ends = [((c[0] + c[2]) / 2 * self.factor, (c[1] + c[3]) / 2 * self.factor) for c in (a, b)]
        hold = contact.kind == "hold"
        self.pen.line(ends, fill=(255, 255, 255, 240 if hold else 150), width=(3 if hold else 1) * self.unit)
        if hold or not any(
            c.kind == "hold" and (c.a, c.b) == (contact.a, contact.b) and c.t0 <= self.moment.t <= c.t1
            for c in self.moment.annotation.contacts
        ):
            x, y = (ends[0][0] + ends[1][0]) / 2, (ends[0][1] + ends[1][1]) / 2
            said = f"{styles[contact.a].name} {WORDS[contact.kind]} {styles[contact.b].name}"
            self.tag(said, "#ffffff", x + 4, y + 4)

    def view(self, label: str) -> None:
        """An arrow for how the picture shifts, in the lower left corner, and the view and the time in words."""
        pace = self.moment.pace()
        r = 17.0 * self.unit
        cx, cy = 10 * self.unit + r, self.height - 10 * self.unit - r
        self.pen.ellipse([cx - r, cy - r, cx + r, cy + r], fill=(0, 0, 0, 110), outline=(255, 255, 255, 190))
        words = "view unknown"
        if pace is not None:
            dx, dy, dlogs, droll = pace
            shift = np.array([dx, dy]) * self.factor * ARROW_S
            length = float(np.linalg.norm(shift))
            shift = shift * min(1.0, 2.2 * r / max(length, 1e-9))
            tip = (cx + float(shift[0]), cy + float(shift[1]))
            self.pen.line([(cx, cy), tip], fill=(255, 255, 255, 255), width=2 * self.unit)
            self.pen.ellipse([tip[0] - 3, tip[1] - 3, tip[0] + 3, tip[1] + 3], fill=(255, 211, 63, 255))
            words = f"view {label}: {np.hypot(dx, dy):.0f} px/s"
            words += f", zoom {100 * np.expm1(dlogs):+.0f} %/s" if abs(dlogs) > 0.02 else ""
            words += f", roll {np.degrees(droll):+.0f}°/s" if abs(droll) > np.radians(1) else ""
        self.tag(f"{self.moment.t:5.2f} s  {words}", "#ffffff", cx + r + 6 * self.unit, self.height - 8.0 * self.unit)


def _rgba(colour: str, alpha: int) -> Colour:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16), alpha
