"""Data sets for the measurements of fm-eval: clips of moving squares, and questions whose keys are of no interest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fm_hub.manifest import Manifest, write_manifest
from fm_hub.records import Claim, Option, Provenance, Question, content_id
from fm_hub.tables import to_table, write_table
from fm_hub.video import encode_clip

__all__ = ["QUESTIONS", "make_dataset", "wide_dataset"]

QUESTIONS = 10
"""Questions a clip."""


def make_dataset(root: Path, clips: int, questions: int, *, seed: int, side: tuple[int, int], seconds: float) -> Path:
    """Clips of moving squares, and as many questions about each; what is right is of no interest here."""
    rng, rows = np.random.default_rng(seed), []
    for c in range(clips):
        length = seconds * (0.75 + 0.5 * c / max(1, clips - 1))
        path = root / "videos" / f"{c:02x}" / f"{c}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        _draw(path, rng, side, length)
        clip_id = content_id("clip", c, seed)
        rows += [_question(clip_id, str(path.relative_to(root)), length, i) for i in range(questions)]
    table = to_table("mcq", rows)
    write_table(table, root / "mcq" / "test-00000.parquet")
    write_manifest(
        root,
        Manifest.measured(
            {("mcq", "test"): table}, data_version="0.1.0", generator="bench", recipe={}, models=[], dropped={}, repo=""
        ),
    )
    return root


def _draw(path: Path, rng: np.random.Generator, side: tuple[int, int], seconds: float) -> None:
    width, height = side
    n, size = max(2, int(seconds * 24)), height // 5
    ground = np.linspace(40, 200, width, dtype=np.uint8)[None, :, None].repeat(height, 0).repeat(3, 2)
    (x0, y0), (x1, y1) = rng.uniform(0, 1, (2, 2)) * (width - size, height - size)
    colour = rng.integers(0, 255, 3, dtype=np.uint8)

    def picture(i: int) -> Any:
        image, s = ground.copy(), i / (n - 1)
        x, y = int(x0 + s * (x1 - x0)), int(y0 + s * (y1 - y0))
        image[y : y + size, x : x + size] = colour
        return image

    encode_clip(map(picture, range(n)), [i / 24 for i in range(n)], path)


def _question(clip_id: str, video_file: str, seconds: float, i: int) -> Question:
    things = ("square", "ball", "left hand", "car", "person", "dog", "red box", "door", "cup", "wheel")
    ways = ("up", "down", "to the left", "to the right") if i % 2 else ("up", "down", "left", "right")
    claim = Claim.of("at_once", {"label": things[i % 10], "is": i}, 0, seconds)
    text = f"Which way does the {things[i % 10]} go" + (" at last" if i % 3 else "") + f" ({i})?"
    return Question(
        question_id=content_id("question", clip_id, i),
        clip_id=clip_id,
        source_id=clip_id,
        split="test",
        video_file=video_file,
        type="motion recognition",
        kind="direction",
        difficulty="easy",
        view_t0=0.0,
        view_t1=seconds,
        text=text,
        options=tuple(Option(w, claim, 0.0) for w in ways),
        answer=i % 4,
        answer_type="direction",
        template="t",
        template_args="{}",
        grounding="human",
        provenance=Provenance("bench", 0),
    )


def wide_dataset(root: Path, total: int) -> None:
    """Many questions, ten a clip; the clips are small files that no one opens."""
    rows = []
    for c in range(total // QUESTIONS):
        path = root / "videos" / f"{c % 256:02x}" / f"{c}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"clip %d" % c)
        clip_id = content_id("clip", c)
        rows += [_question(clip_id, str(path.relative_to(root)), 8.0, i) for i in range(QUESTIONS)]
    table = to_table("mcq", rows)
    write_table(table, root / "mcq" / "test-00000.parquet")
    measured = Manifest.measured(
        {("mcq", "test"): table}, data_version="0.1.0", generator="bench", recipe={}, models=[], dropped={}, repo=""
    )
    write_manifest(root, measured)
