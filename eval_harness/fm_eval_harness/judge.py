"""What a language model says of a data set's captions and questions; what can be counted is in ``judge_facts``.

The four dimensions are those of FoundationMotion (arXiv 2512.10927, App. A.4). There the judge was told which of two
sets was the better founded, saw them in one order and was asked once; here it is told nothing of where a text comes
from, sees every clip in both orders, several times, and what comes out has an interval and a measure of agreement.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from fm_eval_harness.judge_facts import interval_of
from fm_hub.endpoint.client import Client
from fm_hub.endpoint.request import Ask, Picture, Turn, pictures
from fm_hub.endpoint.structured import fill
from fm_hub.errors import ItemError, UserError
from fm_hub.scenes import Scenes
from fm_hub.tables import read_records

__all__ = ["DIMENSIONS", "agreement", "judge"]

DIMENSIONS = ("action_accuracy", "motion_detail", "temporal_coherence", "question_relevance")
QUESTIONS, FRAMES, LONG_SIDE = 8, 8, 512


class _Scores(BaseModel):
    model_config = ConfigDict(extra="forbid")
    action_accuracy: int = Field(ge=0, le=10)
    motion_detail: int = Field(ge=0, le=10)
    temporal_coherence: int = Field(ge=0, le=10)
    question_relevance: int = Field(ge=0, le=10)


class _Both(BaseModel):
    model_config = ConfigDict(extra="forbid")
    first: _Scores
    second: _Scores


def judge(
    root: Path,
    client: Client,
    *,
    against: Path | None = None,
    clips: int = 50,
    judges: int = 3,
    tick: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Scores in 0..10 of each dimension by a language model, for ``clips`` clips chosen by id.

    Every clip is judged ``judges`` times in each of two orders: of its questions, or, ``against`` another data set
    of the same clips, of the two sets. ``tick`` is called once a clip. What failed is counted by reason. Raises
    :class:`~fm_hub.errors.UserError` where there is nothing to judge.
    """
    if judges < 1 or clips < 1:
        raise UserError("--judges and --clips must be at least 1")
    sets = [_material(root)] + ([_material(against)] if against else [])
    common = set(sets[0]).intersection(*sets)
    if not common:
        raise UserError(
            f"{root}: has no captions or questions to judge" + (f" in common with {against}" if against else "")
        )
    order = sorted(common, key=lambda c: hashlib.sha256(f"judge {c}".encode()).digest())[:clips]
    scenes = Scenes(root)
    ratings: dict[str, dict[str, list[list[float]]]] = {n: defaultdict(list) for n in ("this", "other")}
    failed: Counter[str] = Counter()
    seeing = client.capabilities.pictures
    for clip_id in order:
        seen = _frames(root, scenes, clip_id, failed) if seeing else ()
        texts = [s[clip_id] for s in sets]
        asks = [_ask(texts, swapped, seen, number, judges) for swapped in (False, True) for number in range(judges)]
        replies: list[_Both | _Scores | ItemError]
        replies = [*fill(client, asks, _Both)] if against else [*fill(client, asks, _Scores)]
        for k, reply in enumerate(replies):
            if isinstance(reply, ItemError):
                failed[type(reply).__name__] += 1
                continue
            swapped = k >= judges
            pair = [reply.first, reply.second] if isinstance(reply, _Both) else [reply]
            for name, scores in zip(("this", "other"), pair[::-1] if swapped else pair, strict=False):
                ratings[name][clip_id].append([float(getattr(scores, d)) for d in DIMENSIONS])
        tick()
    homes = {c: scenes.clips[c].source_id for c in order}
    out: dict[str, Any] = {"model": client.model.rpartition("/")[2], "clips": len(order), "judges": judges}
    out |= {"frames": FRAMES if seeing else 0, "failed": dict(sorted(failed.items()))}
    out["scores"] = _summary(ratings["this"], homes)
    if against:
        out["other"] = _summary(ratings["other"], homes)
        both = [c for c in order if ratings["this"][c] and ratings["other"][c]]
        gains = {c: [(np.mean(ratings["this"][c], 0) - np.mean(ratings["other"][c], 0)).tolist()] for c in both}
        out["gain"] = _summary(gains, homes)
    return out


def _summary(ratings: dict[str, list[list[float]]], homes: dict[str, str]) -> dict[str, Any]:
    rated = {c: np.array(r) for c, r in ratings.items() if r}
    out = {}
    for i, name in enumerate((*DIMENSIONS, "overall")):
        columns = {c: r[:, i] if i < len(DIMENSIONS) else r.mean(axis=1) for c, r in rated.items()}
        if columns:
            found = interval_of([(float(v.mean()), homes[c]) for c, v in columns.items()])
            out[name] = {**found, "agreement": agreement([v.tolist() for v in columns.values()])}
    return out


def agreement(units: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha for numbers (interval metric): 1 is full agreement, 0 that of chance; None without pairs.

    ``units`` holds the ratings of one clip each (Krippendorff, Content Analysis, ch. 11).

    >>> agreement([[1, 1], [5, 5], [9, 9]]), agreement([[3, 3], [3, 3]])
    (1.0, 1.0)
    """
    several = [list(u) for u in units if len(u) > 1]
    values = [v for u in several for v in u]
    if len(values) < 2:
        return None
    within = sum(2 * sum((a - b) ** 2 for a, b in combinations(u, 2)) / (len(u) - 1) for u in several) / len(values)
    mean, n = float(np.mean(values)), len(values)
    expected = 2 * sum((v - mean) ** 2 for v in values) / (n - 1)
    return 1.0 if not expected else round(1 - within / expected, 4)


def _material(root: Path) -> dict[str, tuple[str, list[str]]]:
    """For each clip its caption and its questions with the answers, without a word about what made them."""
    captions = {c.clip_id: c.text for c in read_records(root, "captions")}
    asked: dict[str, list[str]] = defaultdict(list)
    for q in read_records(root, "mcq"):
        if len(asked[q.clip_id]) < QUESTIONS:
            wrong = "; ".join(o.text for i, o in enumerate(q.options) if i != q.answer)
            asked[q.clip_id].append(f"{q.text} Answer: {q.options[q.answer].text}. Other options: {wrong}.")
    return {c: (captions.get(c, "(none)"), asked.get(c, [])) for c in captions.keys() | asked.keys()}


def _ask(
    sets: Sequence[tuple[str, list[str]]], swapped: bool, seen: Iterable[Picture], number: int, judges: int
) -> Ask:
    pair = list(sets)[::-1] if swapped else list(sets)
    blocks = []
    for name, (caption, questions) in zip(("first", "second"), pair, strict=False):
        lines = questions[::-1] if swapped and len(pair) == 1 else questions
        head = f"The {name} set\n" if len(pair) > 1 else ""
        blocks.append(f"{head}Caption: {caption}\nQuestions:\n" + "\n".join(f"- {x}" for x in lines))
    form = "pair" if len(pair) > 1 else "one"
    text = (files("fm_eval_harness") / "judge_prompts" / f"{form}.txt").read_text(encoding="utf-8")
    said = text.replace("$material", "\n\n".join(blocks))
    return Ask((Turn("user", (*seen, said)),), max_tokens=200, temperature=0.7 if judges > 1 else 0.0, seed=number)


def _frames(root: Path, scenes: Scenes, clip_id: str, failed: Counter[str]) -> tuple[Picture, ...]:
    from fm_hub.tables import inside
    from fm_hub.video import index_video, read_frames

    path = inside(root, scenes.clips[clip_id].video_file)
    if not path.is_file():
        failed["no video"] += 1
        return ()
    try:
        index = index_video(path)
        times = np.linspace(0, float(scenes[clip_id].t[-1]), FRAMES).tolist()
        shrink = min(1.0, LONG_SIDE / max(index.width, index.height))
        size = (max(2, round(index.width * shrink)), max(2, round(index.height * shrink)))
        frames = [f for f in read_frames(index, times, size=size) if f is not None]
        return pictures(frames, times[: len(frames)])
    except ItemError as e:
        failed[type(e).__name__] += 1
        return ()
