"""The pictures of a card: counts as bars, and one frame with the tracks that its question is about."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from fm_hub.errors import DecodeError
from fm_hub.records import Track

__all__ = ["bars_svg", "frame_jpeg"]

WIDTH, ROW, LEFT, RIGHT = 640, 20, 190, 60
SIDE = 640  # pixels of the longer side of the frame
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


def frame_jpeg(video: Path, t: float, tracks: Sequence[Track], frame: int, width: int) -> bytes:
    """The frame at ``t`` seconds with the boxes that the tracks have at frame number ``frame``, as JPEG.

    ``width`` is that of the displayed frame, in whose pixels the boxes are.
    Raises :class:`~fm_hub.errors.ItemError` if the video cannot be read.
    """
    from PIL import Image, ImageDraw

    from fm_hub.video import index_video, read_frames

    pixels = read_frames(index_video(video), [t])[0]
    if pixels is None:
        raise DecodeError(f"{video.name}: no picture at {t} s")
    picture = Image.fromarray(pixels)
    small = min(1.0, SIDE / max(picture.size))
    picture = picture.resize((round(picture.width * small), round(picture.height * small)))
    scale = picture.width / width
    pen = ImageDraw.Draw(picture)
    for i, track in enumerate(tracks):
        for box in track.bbox[track.frame == frame]:
            x1, y1, x2, y2 = (float(v) * scale for v in box)
            colour = COLOURS[i % len(COLOURS)]
            pen.rectangle((x1, y1, x2, y2), outline=colour, width=2)
            pen.text((x1 + 3, y1 + 2), track.label, fill=colour)
    out = BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()
