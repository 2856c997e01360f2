"""The pictures of a card: counts as bars, and the frames of a sample with the tracks that it is about."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from fm_hub.errors import DecodeError
from fm_hub.records import Track

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["bars_svg", "strip_jpeg"]

WIDTH, ROW, LEFT, RIGHT = 640, 20, 190, 60
SIDE, GAP = 320, 4  # pixels: the longer side of a frame, and between two
COLOURS = ("#e6550d", "#3182bd", "#31a354", "#756bb1", "#636363")


def bars_svg(groups: Mapping[str, Mapping[str, int]]) -> str:
    """Horizontal bars, a group under each title; the same counts give the same bytes."""
    parts: list[str] = []
    y = 8
    for title, counts in groups.items():
        most = max(counts.values(), default=0)
        if not most:
            continue
        y += ROW
        parts.append(f'<text x="8" y="{y}" font-weight="bold">{html.escape(title)}</text>')
        y += 8
        for label, n in counts.items():
            length = round((WIDTH - LEFT - RIGHT) * n / most, 1)
            parts.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{html.escape(label)}</text>')
            parts.append(f'<rect x="{LEFT}" y="{y + 3}" width="{length}" height="{ROW - 6}" fill="#3182bd"/>')
            parts.append(f'<text x="{LEFT + length + 6}" y="{y + 14}">{n}</text>')
            y += ROW
    body = "\n".join(parts)
    size = f'width="{WIDTH}" height="{y + 12}" viewBox="0 0 {WIDTH} {y + 12}"'
    style = 'font-family="sans-serif" font-size="12" fill="#333"'
    back = f'<rect width="{WIDTH}" height="{y + 12}" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{back}\n{body}\n</svg>\n'


def strip_jpeg(video: Path, moments: Sequence[tuple[float, int]], tracks: Sequence[Track], width: int) -> bytes:
    """Frames side by side, each with the boxes of that moment and where the tracks have come from, as JPEG.

    A moment is (seconds, frame number of the clock); ``width`` is that of the displayed frame, in whose pixels the
    boxes are. Raises :class:`~fm_hub.errors.ItemError` if the video cannot be read.
    """
    from PIL import Image

    from fm_hub.video import index_video, read_frames

    pictures = []
    for pixels, (t, frame) in zip(read_frames(index_video(video), [t for t, _ in moments]), moments, strict=True):
        if pixels is None:
            raise DecodeError(f"{video.name}: no picture at {t} s")
        picture = Image.fromarray(pixels)
        small = min(1.0, SIDE / max(picture.size))
        picture = picture.resize((round(picture.width * small), round(picture.height * small)))
        _draw(picture, tracks, frame, picture.width / width)
        pictures.append(picture)
    step = pictures[0].width + GAP
    strip = Image.new("RGB", (step * len(pictures) - GAP, pictures[0].height), "white")
    for i, picture in enumerate(pictures):
        strip.paste(picture, (i * step, 0))
    out = BytesIO()
    strip.save(out, "JPEG", quality=85)
    return out.getvalue()


def _draw(picture: Image, tracks: Sequence[Track], frame: int, scale: float) -> None:
    """Boxes at a frame, and the way that their centres came."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(picture)
    for i, track in enumerate(tracks):
        colour = COLOURS[i % len(COLOURS)]
        way = track.bbox[track.frame <= frame]
        centres = [((x1 + x2) / 2 * scale, (y1 + y2) / 2 * scale) for x1, y1, x2, y2 in way.tolist()]
        if len(centres) > 1:
            pen.line(centres, fill=colour, width=1)
        for x1, y1, x2, y2 in (track.bbox[track.frame == frame] * scale).tolist():
            pen.rectangle((x1, y1, x2, y2), outline=colour, width=2)
            pen.text((x1 + 3, y1 + 2), track.label, fill=colour)
