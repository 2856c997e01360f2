"""A tiny data set of the published form, drawn here: every pixel, track and claim of it is known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fm_hub.claims import Scene, check
from fm_hub.manifest import Manifest, write_manifest
from fm_hub.records import (
    Annotation,
    Camera,
    Claim,
    Clip,
    Fact,
    Frames,
    Option,
    Provenance,
    Question,
    Source,
    Split,
    Track,
    content_id,
)
from fm_hub.tables import to_table, write_table
from fm_hub.video import encode_clip

WIDTH, HEIGHT, RATE, SECONDS, SIZE = 128, 96, 10, 2.4, 22
N = int(RATE * SECONDS)

Path2 = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class Story:
    """What the square of one clip does: its centre by share of the time, and the words for it."""

    name: str
    centre: Path2
    direction: str
    moves: bool = True


STORIES = (
    Story("right", lambda s: (24 + 80 * s, 48), "right"),
    Story("left", lambda s: (104 - 80 * s, 40), "left"),
    Story("down", lambda s: (64, 18 + 60 * s), "down"),
    Story("up", lambda s: (70, 78 - 60 * s), "up"),
    Story("up-right", lambda s: (30 + 56 * s, 76 - 56 * s), "up-right"),
    Story("down-left", lambda s: (100 - 56 * s, 20 + 56 * s), "down-left"),
)
_OPPOSITE = ("right", "left", "up", "down", "up-right", "down-left")
_WORDS = {
    "right": "to the right",
    "left": "to the left",
    "up": "up",
    "down": "down",
    "up-right": "up and to the right",
    "down-left": "down and to the left",
}


def make_dataset(
    root: Path, clips: int = 6, *, question: str | None = None, label: str = "square", generator: str = "made by hand"
) -> Path:
    """Write ``clips`` (up to 6) clips with two or three questions each; the first clip is for training.

    ``question`` and ``label`` replace the words of the first question and of every track.
    """
    tables: dict[tuple[str, str], list[Any]] = {}
    for i, story in enumerate(STORIES[:clips]):
        split: Split = "train" if i == 0 and clips > 1 else "test"
        a, source = _annotated(root, story, split, label)
        questions = _questions(a, story, i, question if i == (1 if clips > 1 else 0) else None)
        for config, records in {
            "sources": [source],
            "clips": [a.clip],
            "frames": [a.frames],
            "camera": [a.camera],
            "tracks": a.tracks,
            "mcq": questions,
            "qa": questions,
            "benchmark": questions if split == "test" else [],
            "facts": _facts(a, questions),
        }.items():
            tables.setdefault((config, split), []).extend(records)
    written = {}
    for (config, name), records in tables.items():
        if records:
            written[config, name] = to_table(config, records)
            write_table(written[config, name], root / config / f"{name}-00000.parquet")
    manifest = Manifest.measured(
        written, data_version="0.1.0", generator=generator, recipe={}, models=[], dropped={}, repo=""
    )
    write_manifest(root, manifest)
    return root


def _annotated(root: Path, story: Story, split: Split, label: str) -> tuple[Annotation, Source]:
    t = np.arange(N) / RATE
    boxes = []
    pictures = []
    for k in range(N):
        cx, cy = story.centre(k / (N - 1))
        picture = np.full((HEIGHT, WIDTH, 3), (226, 224, 216), np.uint8)
        picture[HEIGHT - 16 :] = (176, 184, 170)
        x, y, h = round(cx), round(cy), SIZE // 2
        picture[max(0, y - h) : y + h, max(0, x - h) : x + h] = (196, 72, 52)
        picture[8:20, 100:112] = (60, 90, 150)  # something that stays in its place
        pictures.append(picture)
        boxes.append((x - h, y - h, x + h, y + h))
    drawn = root / "drawn.mp4"
    root.mkdir(parents=True, exist_ok=True)
    encode_clip(pictures, t.tolist(), drawn)
    sha = hashlib.sha256(drawn.read_bytes()).hexdigest()
    clip_id = sha[:24]
    file = f"videos/{clip_id[:2]}/{clip_id}.mp4"
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    drawn.replace(root / file)
    frame = np.arange(N)
    clip = Clip(
        **{"clip_id": clip_id, "source_id": clip_id, "video_file": file, "sha256": sha, "t0": 0.0, "t1": SECONDS},
        **{"copied": True, "fps": float(RATE), "width": WIDTH, "height": HEIGHT, "n_frames": N},
        **{"duration": SECONDS, "camera": "static", "split": split, "status": "ok"},
    )
    state = np.zeros(N, np.int8)
    state[5:7] = 1  # two frames that were filled in, so that reports show the difference
    still = np.tile([100, 8, 112, 20], (N, 1))
    tracks = [
        Track(clip_id, content_id(clip_id, "made", i), name, 0.9, 0.9, "drawn", "", frame, box, np.full(N, 0.9), s)
        for i, (name, box, s) in enumerate([(label, np.array(boxes), state), ("sign", still, np.zeros(N, np.int8))])
    ]
    zero = np.zeros(N)
    camera = Camera(clip_id, "static", frame, zero, zero, zero, zero, np.ones(N), np.ones(N, bool))
    frames = Frames(clip_id, frame, (t * 90_000).round().astype(np.int64), t)
    source = Source(
        **{"source_id": clip_id, "name": f"{story.name}.mp4", "sha256": sha},
        **{"bytes": (root / file).stat().st_size, "codec": "h264", "width": WIDTH, "height": HEIGHT, "rotation": 0},
        **{"n_frames": N, "duration": SECONDS, "vfr": False, "license": "Apache-2.0", "status": "ok"},
    )
    return Annotation(clip, frames, camera, tracks), source


def _questions(a: Annotation, story: Story, i: int, text: str | None) -> list[Question]:
    mover, sign = (t.track_id for t in a.tracks)
    end = float(a.frames.t[-1])
    label = a.tracks[0].label
    ways = [story.direction, *(w for w in _OPPOSITE if w != story.direction)][:4]
    ways = ways[-i % 4 :] + ways[: -i % 4]  # the key stands at a different letter in every clip
    direction = [(_WORDS[w], Claim.of("direction", {"track": mover, "is": w}, 0, end)) for w in ways]
    moving = [
        (f"the {label}" if track == mover else "the sign", Claim.of("moves", {"track": track, "is": True}, 0, end))
        for track in ((mover, sign) if i % 2 else (sign, mover))
    ]
    speed = [(w, Claim.of("path", {"track": mover, "is": w}, 0, end)) for w in ("straight", "curved", "back-and-forth")]
    made = [
        _question(
            a, "motion recognition", "direction", "direction", text or f"Which way does the {label} go?", direction
        ),
        _question(a, "motion-related objects", "actor", "exactly", "Which of them moves?", moving),
        _question(a, "motion recognition", "relation", "path", f"What is the path of the {label} like?", speed),
    ]
    return made if i % 2 else made[:2]


def _question(
    a: Annotation, type_: str, kind: str, template: str, text: str, options: list[tuple[str, Claim]]
) -> Question:
    scene = Scene.of(a)
    checked = tuple(Option(words, claim, check(scene, claim).margin) for words, claim in options)
    true = [k for k, o in enumerate(checked) if o.margin >= 2]
    assert len(true) == 1, (text, [(o.text, o.margin) for o in checked])
    view = (0.0, a.clip.duration)
    claims = sorted(o.claim.as_list() for o in checked)
    return Question(
        **{"question_id": content_id("question", a.clip.clip_id, template, "{}", claims, list(view))},
        **{"clip_id": a.clip.clip_id, "source_id": a.clip.source_id, "split": a.clip.split},
        **{"video_file": a.clip.video_file, "type": type_, "kind": kind, "difficulty": "easy"},
        **{"view_t0": view[0], "view_t1": view[1], "text": text, "options": checked, "answer": true[0]},
        **{"answer_type": "phrase", "template": template, "template_args": "{}", "grounding": "facts"},
        provenance=Provenance("made by hand", 0),
    )


def _facts(a: Annotation, questions: list[Question]) -> list[Fact]:
    scene = Scene.of(a)
    claims = [q.options[q.answer].claim for q in questions]
    verdicts = [(c, check(scene, c)) for c in claims]
    return [
        Fact(content_id("fact", a.clip.clip_id, c.as_list()), a.clip.clip_id, c, v.value, v.tolerance, v.margin)
        for c, v in verdicts
    ]


if __name__ == "__main__":
    import sys

    print(make_dataset(Path(sys.argv[1])))
