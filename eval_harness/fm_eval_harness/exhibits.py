"""What the report shows of one clip: frames with tracks, its questions, their proofs, and the answers to them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fm_eval_harness.console import percent
from fm_eval_harness.drawing import Style, data_url, draw_frame, names_of, pick_frames, small_frame
from fm_eval_harness.items import Item
from fm_eval_harness.media import file_of
from fm_eval_harness.runs import RunResult
from fm_eval_harness.samples import Sample
from fm_hub.claims import Scene, tracks_of
from fm_hub.claims.proofs import proof, tracks_in
from fm_hub.errors import ItemError
from fm_hub.records import Annotation, Clip, Question
from fm_hub.tables import inside
from fm_hub.video import read_frames

__all__ = ["Exhibit", "exhibit", "weight"]

FRAMES = 6
SHARED = 0.5
"""Questions share a strip of frames if their views overlap by this much of their union."""
WHOLE = 0.2  # seconds: a view shorter than the clip by less is not worth a remark
QUESTION_BYTES = 3000
TEXT = 400  # characters of a written answer that are shown

Exhibit = dict[str, Any]


@dataclass
class _Part:
    """Questions about the same stretch of a clip."""

    t0: float
    t1: float
    questions: list[Question] = field(default_factory=list)

    def overlap(self, q: Question) -> float:
        """The shared time, as a part of the whole that both span."""
        shared = min(self.t1, q.view_t1) - max(self.t0, q.view_t0)
        return shared / max(1e-9, max(self.t1, q.view_t1) - min(self.t0, q.view_t0))


def weight(shown: Exhibit) -> int:
    """About how many bytes an exhibit takes on the page."""
    pictures = sum(len(f["url"]) for part in shown["parts"] for f in part["frames"])
    return pictures + QUESTION_BYTES * sum(len(part["questions"]) for part in shown["parts"])


def exhibit(
    root: Path,
    clip_id: str,
    annotation: Annotation | None,
    items: Sequence[Item],
    runs: Sequence[RunResult],
    answers: Sequence[Mapping[str, Sample]],
) -> Exhibit:
    """One clip, in parts: a strip of frames, and the questions about that stretch of time.

    A clip of other people has frames and no tracks.
    """
    shown: Exhibit = {"id": clip_id, "parts": [], "error": "", "facts": ""}
    seen = {i.question.question_id: _seen(i, answers) for i in items}
    questions = [
        replace(i.question, view_t0=seen[i.question.question_id][0], view_t1=seen[i.question.question_id][1])
        for i in items
    ]
    captions = {i.question.question_id: i.caption.text for i in items if i.caption}
    foreign = bool(items) and bool(items[0].videos)
    scene, styles, told = None, dict[str, Style](), set[str]()
    if foreign:
        shown["id"], shown["facts"] = items[0].files[0], ""
    elif annotation is None:
        shown["error"] = "the data set has no tracks of this clip"
    else:
        scene = Scene.of(annotation)
        told = {t for i in items if i.caption for s in i.caption.sentences for t in tracks_of(s.claim)}
        styles = names_of(annotation.tracks, told.union(*(tracks_in(scene, q) for q in questions)))
        shown["facts"] = _clip_facts(annotation.clip)
    names = {k: s.name for k, s in styles.items()}
    for part in _parts(questions):
        view: Exhibit = {"frames": [], "tracks": [], "others": 0, "window": f"{part.t0:.1f} to {part.t1:.1f} s"}
        if annotation is not None and scene is not None:
            focus = told.union(*(tracks_in(scene, q) for q in part.questions))
            mine = {k: s if k in focus else replace(s, focus=False) for k, s in styles.items()}
            view["tracks"] = [s for s in mine.values() if s.focus]
            view["others"] = len(mine) - len(view["tracks"])
            if not shown["error"]:
                try:
                    view["frames"] = _frames(root, annotation, part, mine)
                except ItemError as e:
                    shown["error"] = f"{type(e).__name__}: the file of this clip cannot be read"
        elif foreign and not shown["error"]:
            try:
                view["frames"] = _plain_frames(root, items[0], part)
            except ItemError as e:
                shown["error"] = (
                    str(e)
                    if str(e).startswith(type(e).__name__)
                    else f"{type(e).__name__}: {Path(items[0].files[0]).name}"
                )
        view["questions"] = [
            _question(q, scene, names, annotation, runs, answers) | {"reference": captions.get(q.question_id, "")}
            for q in part.questions
        ]
        shown["parts"].append(view)
    return shown


def _seen(item: Item, answers: Sequence[Mapping[str, Sample]]) -> tuple[float, float]:
    """The seconds that were shown: those of a question of other people may end with its video."""
    q = item.question
    views = [a[q.question_id]["view"] for a in answers if q.question_id in a]
    return max(((float(v[0]), float(v[1])) for v in views), key=lambda v: v[1] - v[0], default=(q.view_t0, q.view_t0))


def _plain_frames(root: Path, item: Item, part: _Part) -> list[dict[str, str]]:
    step = (part.t1 - part.t0) / FRAMES
    times = [part.t0 + (i + 0.5) * step for i in range(FRAMES)]
    path = file_of(root, item)
    return [
        {"url": data_url(small_frame(p)), "t": f"{t:.1f} s"}
        for t, p in zip(times, read_frames(path, times), strict=True)
        if p is not None
    ]


def _parts(questions: Sequence[Question]) -> list[_Part]:
    parts: list[_Part] = []
    for q in sorted(questions, key=lambda q: (q.view_t0, -q.view_t1, q.question_id)):
        part = max(parts, key=lambda p: p.overlap(q), default=None)
        if part is None or part.overlap(q) < SHARED:
            part = _Part(q.view_t0, q.view_t1)
            parts.append(part)
        part.t0, part.t1 = min(part.t0, q.view_t0), max(part.t1, q.view_t1)
        part.questions.append(q)
    return parts


def _frames(root: Path, a: Annotation, part: _Part, styles: Mapping[str, Style]) -> list[dict[str, str]]:
    rows = pick_frames(a.frames, part.t0, part.t1, FRAMES)
    times = [float(a.frames.t[r]) for r in rows]
    pictures = read_frames(inside(root, a.clip.video_file), times)
    drawn = [
        (draw_frame(p, a.clip.width, a.clip.height, (rows[0], row), a.tracks, styles), t)
        for row, t, p in zip(rows, times, pictures, strict=True)
        if p is not None
    ]
    return [{"url": data_url(jpeg), "t": f"{t:.1f} s"} for jpeg, t in drawn]


def _clip_facts(clip: Clip) -> str:
    camera = {"static": "camera still", "moving": "camera moves", "unknown": "camera unknown"}[clip.camera]
    return f"{clip.duration:.1f} s · {clip.width} by {clip.height} · {camera}"


def _question(
    q: Question,
    scene: Scene | None,
    names: Mapping[str, str],
    annotation: Annotation | None,
    runs: Sequence[RunResult],
    answers: Sequence[Mapping[str, Sample]],
) -> dict[str, Any]:
    letters = str(runs[0].config["task"]["letters"])
    whole = annotation is None or q.view_t1 - q.view_t0 >= annotation.clip.duration - WHOLE
    return {
        "id": q.question_id,
        "text": q.text,
        "kind": q.kind,
        "type": q.type,
        "difficulty": q.difficulty,
        "view": "" if whole else f"models see {q.view_t0:.1f} to {q.view_t1:.1f} s",
        "grounding": q.grounding,
        "options": [
            {"letter": letters[i], "text": o.text, "key": i == q.answer, **proof(scene, o, names)}
            for i, o in enumerate(q.options)
        ],
        "answers": [_answer(r.model, a.get(q.question_id)) for r, a in zip(runs, answers, strict=True)],
    }


def _answer(model: str, sample: Sample | None) -> dict[str, Any]:
    if sample is None:
        return {"model": model, "said": None, "state": "none", "share": "", "error": "not asked", "text": ""}
    if sample["error"]:
        return {"model": model, "said": "", "state": "failed", "share": "", "error": sample["error"], "text": ""}
    text = str(sample.get("text", ""))
    shown = {
        "model": model,
        "said": sample["prediction"],
        "error": "",
        "share": "",
        "text": text[:TEXT] + "…" * (len(text) > TEXT),
    }
    if "precision" in sample:
        parts = ", ".join(f"{k} {percent(sample[k])}" for k in ("precision", "recall", "order"))
        return {**shown, "state": "scored", "share": f"{sample['score']:.2f} ({parts})"}
    weights = {k: math.exp(v) for k, v in sample["scores"].items()}
    total = sum(weights.values())
    share = f"{100 * weights[sample['prediction']] / total:.0f} %" if total and sample["prediction"] in weights else ""
    state = "scored" if sample["correct"] is None else "right" if sample["correct"] else "wrong"
    return {**shown, "state": state, "share": share}
