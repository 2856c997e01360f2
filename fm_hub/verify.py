"""Re-derive every answer of a dataset from its published tables alone: no model, no video decoding.

A row is proved when its claims are checked again and say what the row says, its words are rendered again
from template and arguments and are the same, and its hash fits. Rows whose grounding is not ``facts`` are
counted as ungrounded: no claim can prove them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fm_hub.claims import MalformedClaim, Scene, check
from fm_hub.claims.verdict import difficulty
from fm_hub.content import content_sha256
from fm_hub.errors import BadDataset
from fm_hub.manifest import Manifest, file_sha256, published_files, read_manifest
from fm_hub.records import (
    LETTERS,
    Caption,
    Claim,
    Clip,
    Fact,
    Option,
    Provenance,
    Question,
    caption_id,
    fact_id,
    question_id,
)
from fm_hub.tables import QUESTION_CONFIGS, from_rows, read_records, read_table, row_sha
from fm_hub.wording import BadTemplate, option_text, short_caption, statement, stem
from fm_hub.wording.paraphrase import difference, names_in

__all__ = ["Problem", "Report", "Scenes", "verify"]

CLOSE = 1e-6
PREDICTION = "dynamics prediction"
"""The type of question whose claims speak of what comes after its view."""
KEEP_PROBLEMS = 50


@dataclass(frozen=True)
class Problem:
    """A row, or a file, that is not what it says."""

    where: str
    id: str
    why: str


@dataclass
class Report:
    """What verification found. ``ok`` is false if a ``facts`` row or a file fails."""

    questions: int = 0
    proved: int = 0
    failed: int = 0
    ungrounded: int = 0
    captions: int = 0
    sentences: int = 0
    facts: int = 0
    files: int = 0
    by_config: dict[str, int] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything that claims to be a fact is proved."""
        return self.failed == 0

    def fail(self, where: str, row_id: str, why: str) -> None:
        """Count a failed row; keep the first ones in full."""
        self.failed += 1
        self.reasons[why.split(":")[0]] += 1
        if len(self.problems) < KEEP_PROBLEMS:
            self.problems.append(Problem(where, row_id, why))

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        names = ("questions", "proved", "failed", "ungrounded", "captions", "sentences", "facts", "files", "by_config")
        out: dict[str, Any] = {n: getattr(self, n) for n in names}
        out["reasons"] = dict(self.reasons)
        out["problems"] = [{"where": p.where, "id": p.id, "why": p.why} for p in self.problems]
        return out


class Scenes:
    """The clips of a built dataset, ready for claims, by clip id."""

    def __init__(self, root: Path) -> None:
        self.clips: dict[str, Clip] = {c.clip_id: c for c in read_records(root, "clips")}
        self._frames = {f.clip_id: f for f in read_records(root, "frames")}
        self._camera = {c.clip_id: c for c in read_records(root, "camera")}
        self._tracks: dict[str, list[Any]] = {}
        self._keypoints: dict[str, list[Any]] = {}
        self._contacts: dict[str, list[Any]] = {}
        for config, by_clip in (("tracks", self._tracks), ("keypoints", self._keypoints), ("contacts", self._contacts)):
            for record in read_records(root, config):
                by_clip.setdefault(record.clip_id, []).append(record)
        self._made: dict[str, Scene] = {}

    def __getitem__(self, clip_id: str) -> Scene:
        """The scene of a clip. Raises :class:`KeyError` if a table lacks it."""
        if clip_id not in self._made:
            clip = self.clips[clip_id]
            parts = (x.get(clip_id, []) for x in (self._tracks, self._keypoints, self._contacts))
            frames, camera = self._frames[clip_id], self._camera[clip_id]
            self._made[clip_id] = Scene(clip.width, clip.height, frames, camera, *parts)
        return self._made[clip_id]


def verify(root: str | Path, *, tick: Callable[[], None] = lambda: None) -> Report:
    """Verify a built dataset folder; ``tick`` is called once a row. Raises :class:`BadDataset` if it is none."""
    root = Path(root)
    manifest = read_manifest(root)
    report = Report()
    try:
        scenes = Scenes(root)
    except (ValueError, TypeError) as e:
        raise BadDataset(f"{root}: tables that cannot be read: {e}") from None
    fetched = {} if manifest.videos else {c.video_file: c.sha256 for c in scenes.clips.values()}
    _verify_files(root, manifest, fetched, report)
    _verify_clips(scenes, manifest, report)
    _verify_tables(root, manifest, report)
    for config in QUESTION_CONFIGS:
        for row in read_table(root, config).to_pylist():
            report.questions += 1
            report.by_config[config] = report.by_config.get(config, 0) + 1
            _count(report, config, row, scenes, _question_problems)
            tick()
    for row in read_table(root, "captions").to_pylist():
        report.captions += 1
        report.sentences += len(row["sentences"])
        _count(report, "captions", row, scenes, _caption_problems)
        tick()
    for fact in read_records(root, "facts"):
        report.facts += 1
        try:
            why = next(_fact_problems(fact, scenes), None)
        except (KeyError, ValueError, TypeError, IndexError, MalformedClaim) as e:
            why = f"malformed row: {type(e).__name__} {e}"
        if why:
            report.fail("facts", fact.fact_id, why)
    _verify_counts(root, manifest, report)
    return report


def _count(
    report: Report, config: str, row: dict[str, Any], scenes: Scenes, problems: Callable[..., Iterator[str]]
) -> None:
    grounded = row["grounding"] == "facts"
    try:
        record = from_rows(config, [row])[0]
        why = next(problems(row, record, scenes, grounded), None)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, MalformedClaim) as e:
        why = f"malformed row: {type(e).__name__} {e}"
    if why:
        report.fail(config, str(row.get("id", "?")), why)
    elif config in QUESTION_CONFIGS:
        report.proved += grounded
        report.ungrounded += not grounded


def _home_problems(row: dict[str, Any], scenes: Scenes) -> Iterator[str]:
    clip = scenes.clips.get(row["clip_id"])
    if clip is None:
        yield "unknown clip: it is not in table clips"
        return
    for key in ("source_id", "split", "video_file"):
        if row[key] != getattr(clip, key):
            yield f"wrong {key}: {row[key]!r}, the clip has {getattr(clip, key)!r}"
    if row["row_sha"] != row_sha(row):
        yield "wrong row_sha: the row was changed after it was written"


def _question_problems(row: dict[str, Any], q: Question, scenes: Scenes, grounded: bool) -> Iterator[str]:
    yield from _home_problems(row, scenes)
    texts = [o.text for o in q.options]
    if not 2 <= len(texts) <= len(LETTERS) or len(set(texts)) != len(texts):
        yield "bad options: 2 to 4 different ones are needed"
    if "option_a" in row and [row[f"option_{x.lower()}"] for x in LETTERS[: len(texts)]] != texts:
        yield "bad options: the columns differ from the list"
    if not 0 <= q.answer < len(texts):
        yield "bad answer: it is no option"
        return
    clip = scenes.clips[q.clip_id]
    if not 0 <= q.view_t0 < q.view_t1 <= clip.duration + 0.001:
        yield f"bad view: {q.view_t0}..{q.view_t1} s of a clip of {clip.duration} s"
    if grounded:
        scene = scenes[q.clip_id]
        yield from _proof_problems(scene, q)
        yield from _wording_problems(scene, q)


def _proof_problems(scene: Scene, q: Question) -> Iterator[str]:
    for i, option in enumerate(q.options):
        claim = option.claim
        if q.type == PREDICTION:
            if claim.t0 < q.view_t1 - CLOSE:
                yield f"claim inside the view, of a prediction: option {LETTERS[i]}"
        elif not q.view_t0 - CLOSE <= claim.t0 <= claim.t1 <= q.view_t1 + CLOSE:
            yield f"claim outside the view: option {LETTERS[i]}"
        yield from _margin_problems(scene, option, LETTERS[i])
        verdict = check(scene, claim)
        if i == q.answer and not verdict.true:
            yield f"answer not proved: option {LETTERS[i]} has margin {verdict.margin:.2f}"
        if i != q.answer and not verdict.false:
            yield f"distractor not disproved: option {LETTERS[i]} has margin {verdict.margin:.2f}"


def _margin_problems(scene: Scene, option: Option, letter: str) -> Iterator[str]:
    margin = check(scene, option.claim).margin
    if not abs(margin - option.margin) <= CLOSE:  # so that what is not a number is wrong
        yield f"wrong margin: option {letter} says {option.margin}, the tables give {margin}"


def _wording_problems(scene: Scene, q: Question) -> Iterator[str]:
    claims = [o.claim for o in q.options]
    if q.question_id != question_id(q.clip_id, q.template, q.template_args, claims, q.view_t0, q.view_t1):
        yield "wrong id: it is not the hash of the question"
    if q.difficulty != difficulty(o.margin for o in q.options):
        yield f"wrong difficulty: the margins say {difficulty(o.margin for o in q.options)}"
    args = Claim("", q.template_args, "image", 0, 0).arguments
    if "stabilised" in {c.frame for c in claims} and args.get("frame") != "stabilised":
        yield "wrong frame: the words do not say that motion is meant against the background"
    try:
        text = stem(scene, q.template, args, q.view_t0, q.view_t1)
        texts = [option_text(scene, q.template, args, o.claim, q.view_t0, q.view_t1) for o in q.options]
    except BadTemplate as e:
        yield f"wording not rendered: {e}"
        return
    yield from _reworded(scene, text, q.text, q.provenance, q.template, q.view_t0, q.view_t1)
    for option, expected in zip(q.options, texts, strict=True):
        if option.text != expected:
            yield f"wording differs: option {option.text!r}, the claim gives {expected!r}"


def _reworded(
    scene: Scene, expected: str, text: str, made: Provenance, template: str, t0: float, t1: float
) -> Iterator[str]:
    """The template's text, or, in a row that a prompt made, one that the rule of paraphrases takes for the same."""
    if text == expected:
        return
    if made.prompt is None:
        yield f"wording differs: the template gives {expected!r}"
    elif why := difference(expected, text, names_in(scene, expected, t0, t1), template):
        yield f"paraphrase refused ({why}): the template gives {expected!r}"


def _caption_problems(row: dict[str, Any], c: Caption, scenes: Scenes, grounded: bool) -> Iterator[str]:
    yield from _home_problems(row, scenes)
    scene = scenes[c.clip_id]
    if grounded and not all(s.claim.predicate for s in c.sentences):
        yield "sentence without a claim: its caption is not one of facts"
    if c.text != " ".join(s.text for s in c.sentences):
        yield "wording differs: the caption is not its sentences"
    if c.short != short_caption(c.sentences):
        yield "wording differs: the short caption is not that of the sentences"
    if c.caption_id != caption_id(c.clip_id, (s.claim for s in c.sentences)):
        yield "wrong id: it is not the hash of the caption"
    whole = (round(float(scene.t[0]), 3), round(float(scene.t[-1]), 3))
    for s in c.sentences:
        if not s.claim.predicate:  # a sentence of a model, which no claim can prove
            continue
        verdict = check(scene, s.claim)
        if not verdict.true:
            yield f"sentence not proved: {s.text!r} has margin {verdict.margin:.2f}"
        args = Claim("", s.template_args, "image", 0, 0).arguments
        t0, t1 = s.claim.t0, s.claim.t1
        try:
            text = statement(scene, s.template, args, s.claim, t0, t1, whole=(t0, t1) == whole)
        except BadTemplate as e:
            yield f"wording not rendered: {e}"
            continue
        yield from _reworded(scene, text, s.text, c.provenance, s.template, t0, t1)


def _fact_problems(fact: Fact, scenes: Scenes) -> Iterator[str]:
    v = check(scenes[fact.clip_id], fact.claim)
    if fact.fact_id != fact_id(fact.clip_id, fact.claim):
        yield "wrong id: it is not the hash of the fact"
    if not v.true:
        yield f"fact not proved: margin {v.margin:.2f}"
    pairs = ((v.value, fact.value), (v.tolerance, fact.tolerance), (v.margin, fact.margin))
    if not all(abs(a - b) <= CLOSE for a, b in pairs):
        yield "wrong number: value, tolerance or margin is not what the tables give"


def _verify_files(root: Path, manifest: Manifest, fetched: dict[str, str], report: Report) -> None:
    """Every file is the one of the manifest; clips that were fetched later are those of the table."""
    here = {p.relative_to(root).as_posix(): p for p in published_files(root)}
    for name, info in manifest.files.items():
        report.files += 1
        path = here.pop(name, None)
        if path is None:
            report.fail("files", name, "missing file: it is in the manifest")
        elif file_sha256(path) != info:
            report.fail("files", name, "changed file: its hash is not the manifest's")
    for name, path in here.items():
        if name not in fetched:
            report.fail("files", name, "stray file: it is not in the manifest")
        elif file_sha256(path).sha256 != fetched[name]:
            report.fail("files", name, "changed file: its hash is not that of the clip")


def _verify_clips(scenes: Scenes, manifest: Manifest, report: Report) -> None:
    for clip in scenes.clips.values():
        info = manifest.files.get(clip.video_file)
        if clip.clip_id != clip.sha256[:24] or clip.video_file != f"videos/{clip.clip_id[:2]}/{clip.clip_id}.mp4":
            report.fail("clips", clip.clip_id, "wrong name: id and file are made of the hash of the bytes")
        elif manifest.videos and (info is None or info.sha256 != clip.sha256):
            report.fail("clips", clip.clip_id, "wrong bytes: the manifest has another hash, or no such file")


def _verify_tables(root: Path, manifest: Manifest, report: Report) -> None:
    """Ids are unique, every row lies in the file of its split, and the rows are those the manifest hashes."""
    for config, splits in manifest.counts.items():
        if config == "benchmark_videos":
            _verify_videos(root, manifest, report)
            continue
        digest, seen = hashlib.sha256(), set()
        for split in sorted(splits):
            table = read_table(root, config, split)
            digest.update(content_sha256(table).encode())
            key = next(
                (k for k in ("id", "fact_id", "track_id", "clip_id", "source_id") if k in table.column_names), ""
            )
            key = "" if config in ("contacts", "keypoints", "masks", "sources") else key
            for value in table.column(key).to_pylist() if key else ():
                if value in seen:
                    report.fail(config, str(value), "double id: two rows have it")
                seen.add(value)
            if "split" in table.column_names:
                for value in set(table.column("split").to_pylist()) - {split}:
                    report.fail(config, split, f"wrong split: the file of {split} holds a row of {value}")
        if digest.hexdigest() != manifest.content_sha256.get(config):
            report.fail(config, "all rows", "changed rows: content_sha256 of the manifest is another")


def _verify_videos(root: Path, manifest: Manifest, report: Report) -> None:
    for row in read_table(root, "benchmark_videos").to_pylist():
        info = manifest.files.get(row["video_file"])
        if info is None or hashlib.sha256(row["video"]["bytes"] or b"").hexdigest() != info.sha256:
            report.fail("benchmark_videos", row["clip_id"], "wrong bytes: they are not those of the clip's file")


def _verify_counts(root: Path, manifest: Manifest, report: Report) -> None:
    for config, splits in manifest.counts.items():
        if config == "benchmark_videos":
            continue
        for split, n in splits.items():
            rows = read_table(root, config, split).num_rows
            if rows != n:
                report.fail(config, split, f"wrong count: the manifest says {n}, the table has {rows}")
