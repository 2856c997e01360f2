"""What can be counted of a data set's captions and questions without a judge."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chisquare

from fm_eval_harness.descriptions import Facts, statements
from fm_eval_harness.statistics import cluster_bootstrap
from fm_hub.records import LETTERS, Caption, Clip, Question
from fm_hub.scenes import Scenes
from fm_hub.tables import inside, read_records

__all__ = ["copies", "interval_of", "objective"]

_DETAIL = re.compile(r"\b(left|right|up|down|top|bottom|above|below|first|then|times|twice|once|faster|slower|\d+)\b")


def objective(root: Path, *, tick: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """What can be counted without a judge; ``tick`` is called once a caption. Numbers are shares, or counts."""
    captions: Sequence[Caption] = read_records(root, "captions")
    facts, scenes = Facts(root), Scenes(root)
    parts: dict[str, list[float]] = defaultdict(list)
    stated: Counter[str] = Counter()
    sentences = detailed = contradicting = 0
    for c in captions:
        found = facts.fields(c, c.text)
        for name in ("precision", "recall", "order"):
            if found[name] is not None:
                parts[name].append(found[name])
        stated.update(found["stated"])
        sentences += len(c.sentences)
        detailed += sum(bool(_DETAIL.search(s.text)) for s in c.sentences)
        contradicting += _contradicts(scenes, c)
        tick()
    means = {n: round(float(np.mean(parts[n])), 6) if parts[n] else None for n in ("precision", "recall", "order")}
    specific = {
        "sentences_a_caption": round(sentences / len(captions), 3) if captions else None,
        "sentences_with_how": round(detailed / sentences, 6) if sentences else None,
    }
    told = {**means, **specific, "contradicting": contradicting, "stated": dict(sorted(stated.items()))}
    return {"captions": {"n": len(captions), **told}, "questions": _questions(root)}


def _contradicts(scenes: Scenes, c: Caption) -> bool:
    """Whether two statements of a caption say different things of the same object, at the same time."""
    said: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for s in statements(scenes[c.clip_id], c.text):
        args = re.sub(r'"(is|then|first|to|from)":("[^"]*"|\w+),?', "", s.args)
        if s.predicate in ("direction", "speed", "speed_change", "depth", "relation", "speed_order", "path"):
            said[s.predicate, args, s.window].add(s.args)
    return any(len(v) > 1 for v in said.values())


def _questions(root: Path) -> dict[str, Any]:
    """Letters, kinds, directions, repeats and shortcuts of the benchmark, or of ``mcq`` where there is none."""
    config = "benchmark"
    questions: Sequence[Question] = read_records(root, config)
    if not questions:
        config, questions = "mcq", read_records(root, "mcq")
    letters: dict[int, Counter[int]] = defaultdict(Counter)
    for q in questions:
        letters[len(q.options)][q.answer] += 1
    even = {str(n): round(float(chisquare([c[i] for i in range(n)]).pvalue), 6) for n, c in sorted(letters.items())}
    ways = Counter(q.options[q.answer].text for q in questions if q.template.startswith("direction/"))
    same = Counter((q.clip_id, _plain(q)) for q in questions)
    return {
        "config": config,
        "n": len(questions),
        "kinds": dict(sorted(Counter(q.kind for q in questions).items())),
        "directions": dict(sorted(ways.items())),
        "letters": {LETTERS[i]: sum(c[i] for c in letters.values()) for i in range(len(LETTERS))},
        "letters_even_p": even,
        "repeated_in_a_clip": sum(n - 1 for n in same.values()),
        "above_chance": _above_chance(questions),
    }


def _plain(q: Question) -> tuple[str, ...]:
    return (q.text, *sorted(o.text for o in q.options), q.options[q.answer].text)


def _above_chance(questions: Sequence[Question]) -> dict[str, Any]:
    """How far each shortcut is above chance, in points, with its interval; over the questions that record it."""
    out = {}
    for name in ("letter", "length", "overlap", "frequent", "text", "blind"):
        pairs = [(getattr(q.shortcuts, name), q) for q in questions if q.shortcuts is not None]
        values = [(100 * (v - 1 / len(q.options)), q.source_id) for v, q in pairs if v is not None]
        if values:
            out[name] = interval_of(values)
    return out


def interval_of(values: Sequence[tuple[float, str]]) -> dict[str, Any]:
    """Number, mean and 95 % interval of values, each with the source video that it belongs to."""
    found = cluster_bootstrap([v for v, _ in values], [s for _, s in values])
    ci = None if found.ci95 is None else [round(x, 4) for x in found.ci95]
    return {"n": len(values), "mean": round(float(np.mean([v for v, _ in values])), 4), "ci95": ci, "note": found.note}


def copies(root: Path, *, tick: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Benchmark clips whose video is nearly one of another source that is for training or validation, and in turn.

    ``{pairs: [[benchmark clip, other clip, similarity]], questions: [ids of the benchmark's questions of these]}``;
    ``tick`` is called once a clip. Clips whose file is not there, or cannot be read, are in ``unread``.
    """
    from fm_hub.errors import ItemError
    from fm_hub.video_hash import NEAR, VideoHash, hash_video, similarity

    questions: Sequence[Question] = read_records(root, "benchmark")
    asked = {q.clip_id for q in questions}
    clips: Sequence[Clip] = read_records(root, "clips")
    hashes: dict[str, VideoHash] = {}
    unread = []
    for c in clips:
        path = inside(root, c.video_file)
        try:
            if path.is_file():
                hashes[c.clip_id] = hash_video(path)
            else:
                unread.append(c.clip_id)
        except ItemError:
            unread.append(c.clip_id)
        tick()
    pairs = []
    for a in (c for c in clips if c.clip_id in asked and c.clip_id in hashes):
        for b in (c for c in clips if c.split != "test" and c.clip_id in hashes):
            alike = similarity(hashes[a.clip_id], hashes[b.clip_id])
            if alike >= NEAR:
                pairs.append([a.clip_id, b.clip_id, round(alike, 4)])
    hit = {a for a, _, _ in pairs}
    return {"pairs": pairs, "questions": [q.question_id for q in questions if q.clip_id in hit], "unread": unread}
