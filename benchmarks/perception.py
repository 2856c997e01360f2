"""How right the labels are, on clips whose truth is exact. ``--seed`` draws a fresh set; nothing is tuned on one.

``truth``: questions about exact tracks, against the simulator's own judge, which knows nothing of our formulas.
``jitter``: the same with boxes that tremble and a tenth of them gone. ``copypaste``: the embedded tier on real people
on real backgrounds: tracks, and questions end to end; also the view's motion. ``speed``: what looking at a clip costs
over bare decoding and forwards. ``memory``: a source of 10 s against one of 10 minutes. ``scenes``: rendering.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench import Row, peak_mb, show
from numpy.typing import NDArray
from perception_clips import Tally, films, row_of, share
from perception_costs import memory, rendering, speed

from fm_builders.boxes import iou
from fm_builders.colours import coloured, thumbnail
from fm_builders.contacts import find_contacts
from fm_builders.material import Material
from fm_builders.measured import write_measured
from fm_builders.perceive import perceive
from fm_builders.perception_models import model_ids
from fm_builders.questions import KINDS, ask
from fm_builders.recipe import load_recipe
from fm_builders.simulate import SCENES
from fm_builders.simulate.film import Film, Seen, Touch
from fm_builders.simulate.judge import Judge
from fm_builders.simulate.score import Boxes, TrackScore, match, score_tracks
from fm_builders.simulate.tables import LEAST_SHARE, Measured, measure
from fm_builders.simulate.truth import Truth
from fm_builders.simulate.write import encode_film
from fm_hub.errors import UserError
from fm_hub.records import INTERPOLATED, Annotation, Contact, Question, Track
from fm_hub.video import index_video, sample_times

MOST_A_KIND, MOST_A_CLIP = 12, 60
PARTS = ("truth", "jitter", "copypaste", "speed", "memory", "scenes")


def questions(a: Annotation) -> list[Question]:
    """All that can be asked about a clip, within wide bounds."""
    asked = ask(Material(a, 0.4), tuple(KINDS.table), seed=0, max_per_kind=MOST_A_KIND, max_per_clip=MOST_A_CLIP)
    return asked.questions


def shot(film: Film) -> Measured:
    """The exact tables of a film, without its pictures."""
    seen = [s.seen for s in film.shoot(False) if s.seen is not None]
    return measure(film, row_of(film, film.name), seen, "exact")


def jittered(a: Annotation, rng: np.random.Generator) -> Annotation:
    """Boxes whose every side is off by up to 1 to 6 pixels, and a tenth of them not there."""
    most = float(rng.uniform(1, 6))
    tracks, points = [], {k.track_id: k for k in a.keypoints}
    for t in a.tracks:
        keep = rng.random(len(t.frame)) >= 0.1
        box = t.bbox + rng.uniform(-most, most, t.bbox.shape)
        box = np.concatenate([np.minimum(box[:, :2], box[:, 2:] - 1), np.maximum(box[:, 2:], box[:, :2] + 1)], 1)
        inside = np.asarray(np.clip(box, 0, [a.clip.width, a.clip.height] * 2), np.float32)
        tracks.append(replace(t, frame=t.frame[keep], bbox=inside[keep], score=t.score[keep], state=t.state[keep]))
        if t.track_id in points:  # what a hand's points are worth is no better than its box
            k = points[t.track_id]
            xy = np.asarray(k.xy[keep] + rng.uniform(-most, most, k.xy[keep].shape), np.float32)
            points[t.track_id] = replace(k, frame=k.frame[keep], xy=xy, conf=k.conf[keep])
    tracks = [t for t in tracks if len(t.frame)]
    return replace(a, tracks=tracks, keypoints=[k for k in points.values() if len(k.frame)], contacts=())


def contact_iou(found: Sequence[Contact], truth: Truth) -> tuple[list[float], int]:
    """Of each two things that were planned to touch, how well what was found covers it, 0..1; false pairs found.

    Intervals of any kind count, on both sides: a touch that a hold goes on from is one contact.
    """
    ids = {x.name: x.track for x in truth.things}
    grid = np.arange(0, float(truth.t[-1]), 0.01)

    def covered(rows: Iterable[Touch | Contact]) -> NDArray[np.bool_]:
        return np.asarray(np.any([np.zeros(len(grid), bool), *((grid >= r.t0) & (grid <= r.t1) for r in rows)], axis=0))

    planned = defaultdict(list)
    for touch in truth.touches:
        planned[frozenset((ids[touch.a], ids[touch.b]))].append(touch)
    pairs = {frozenset((c.a, c.b)) for c in found}
    out = []
    for pair, touches in planned.items():
        real, ours = covered(touches), covered(c for c in found if {c.a, c.b} == pair)
        out.append(float((real & ours).sum() / max((real | ours).sum(), 1)))
    return out, len(pairs - set(planned))


def on_tracks(chosen: argparse.Namespace) -> list[Row]:
    """The rows ``truth`` and ``jitter``."""
    exact, shaken, covers = Tally(), Tally(), []
    number = asked = shaken_asked = false_contacts = 0
    by_scene: dict[str, Tally] = defaultdict(Tally)
    for film in films(chosen.seed):
        if asked >= chosen.questions or time.perf_counter() > chosen.until:
            break
        made = shot(film)
        judge, number = Judge(made.truth), number + 1
        for q in questions(made.annotation):
            asked += 1
            exact.add(q, judge, film.name)
            by_scene[film.scene].add(q, judge, film.name)
        if "jitter" in chosen.parts:
            a = jittered(made.annotation, np.random.default_rng([chosen.seed, number, 99]))
            size = (a.clip.width, a.clip.height)
            a = replace(a, contacts=find_contacts(a.frames, a.camera, a.tracks, a.keypoints, size))
            for q in questions(a):
                shaken_asked += 1
                shaken.add(q, judge, film.name)
            ious, false = contact_iou(a.contacts, made.truth)
            covers += ious
            false_contacts += false
    print(f"\n{asked} questions of {number} clips on exact tracks")
    for scene, tally in sorted(by_scene.items()):
        n = sum(tally.keys.values())
        print(
            f"  {scene}: {n} keys, {share(tally.keys):.2f} % right; distractors {share(tally.distractors):.2f} % false"
        )
    tell(exact)
    tell_unjudged(exact)
    rows = [
        Row("exact tracks: questions", asked, "", ">=", 10_000),
        Row("exact tracks: keys right", share(exact.keys), "%", ">=", 100),
        Row("exact tracks: distractors false", share(exact.distractors), "%", ">=", 100),
        Row("exact tracks: options that nobody could judge", 100 - exact.judged_share, "%", "<=", 5),
    ]
    if "jitter" in chosen.parts:
        print(f"\n{shaken_asked} questions on boxes that tremble")
        tell(shaken)
        rows += [
            Row("boxes off by 1-6 px, 10 % gone: keys right", share(shaken.keys), "%", ">=", 98),
            Row("the same: questions, of those on exact tracks", 100 * shaken_asked / max(asked, 1), "%", ">=", 0),
            Row("the same: counts exact", share(shaken.counts), "%", ">=", 97),
            Row("the same: contact interval IoU", float(np.mean(covers)) if covers else 0.0, "", ">=", 0.8),
            Row("the same: false pairs in contact, a clip", false_contacts / max(number, 1), "", "<=", 0.1),
        ]
    return rows


def tell_unjudged(tally: Tally) -> None:
    """Print what the judge does not say, by predicate."""
    print("| predicate | options | not judged |\n|---|---|---|")
    for name, n in tally.told.most_common():
        if tally.silent[name]:
            print(f"| {name} | {n} | {tally.silent[name]} |")


def tell(tally: Tally) -> None:
    """Print what was wrong, and the first cases."""
    for what, n in tally.wrong.most_common():
        print(f"  wrong: {what}: {n}")
    for example in tally.examples[:8]:
        print(f"    {example}")


def boxes_of(seen: Sequence[Mapping[str, Seen]], film: Film) -> Boxes:
    """The exact boxes of visible parts, as far as a fifth of the thing is seen."""
    exact: dict[str, dict[int, NDArray[np.float64]]] = {name: {} for name in film.things}
    for f, things in enumerate(seen):
        for name, s in things.items():
            if s.box is not None and s.share >= max(0.2, LEAST_SHARE):
                exact[name][f] = np.array(s.box)
    return {name: boxes for name, boxes in exact.items() if boxes}


def found_boxes(tracks: Sequence[Track]) -> Boxes:
    """The boxes of tracks where they were detected or interpolated."""
    near = ((t, t.state < 2) for t in tracks if t.label != "hand")
    return {t.track_id: {int(f): b.astype(float) for f, b in zip(t.frame[k], t.bbox[k], strict=True)} for t, k in near}


def flow_errors(film: Film, ours: Any) -> tuple[list[float], bool]:
    """Of each step of the view, how far our motion takes a 3 x 3 grid from the true one (mean, pixels); the class."""
    true = film.view.camera("", film.size)
    half = complex(film.size[0] / 2, film.size[1] / 2)
    grid = np.array([complex(x, y) for x in (-0.8, 0, 0.8) for y in (-0.8, 0, 0.8)])
    z = grid.real * half.real + 1j * grid.imag * half.imag
    out = []
    for g in range(1, len(true.frame)):
        if ours.ok[g] and true.ok[g]:
            a, b = (np.exp(c.dlogs[g] + 1j * c.droll[g]) * z + c.dx[g] + 1j * c.dy[g] for c in (true, ours))
            out.append(float(np.abs(a - b).mean()))
    return out, true.label == ours.label


def signature(q: Question, names: Mapping[str, str]) -> tuple[str, str]:
    """What a question is about, whatever the tracks are called and whenever exactly it is asked."""
    args = q.template_args
    for track, name in names.items():
        args = args.replace(track, name)
    return q.template.split("/")[0], args


def under_true_ids(
    a: Annotation, names: Mapping[str, str], ids: Mapping[str, str]
) -> tuple[Annotation, dict[str, str]]:
    """An annotation whose tracks are called as the exact ones (``ids`` by name), and the names by these ids.

    Which word is put, and which of several is asked, is drawn by ids: under others the same would be asked in other
    words, and taken for something else. Where two tracks are one thing, the longer one is called so.
    """
    new: dict[str, str] = {}
    for track in sorted(a.tracks, key=lambda track: -len(track.frame)):
        own = ids.get(names.get(track.track_id, ""), "")
        if own and own not in new.values():
            new[track.track_id] = own

    def called(track_id: str) -> str:
        return new.get(track_id, track_id)

    tracks = [replace(t, track_id=called(t.track_id), parent=called(t.parent)) for t in a.tracks]
    keypoints = [replace(k, track_id=called(k.track_id)) for k in a.keypoints]
    contacts = [replace(c, a=called(c.a), b=called(c.b)) for c in a.contacts]
    renamed = replace(a, tracks=tracks, keypoints=keypoints, contacts=contacts)
    return renamed, {called(track): name for track, name in names.items()}


def between_sights(tracks: Iterable[Track], real: Boxes, names: Mapping[str, str]) -> Iterator[bool]:
    """Of each box that a track only leads to (state 1): whether the thing is there, by an IoU of one half."""
    for track in (x for x in tracks if x.label != "hand"):
        theirs = real.get(names.get(track.track_id, ""), {})
        for k in np.flatnonzero(track.state == INTERPOLATED):
            box = theirs.get(int(track.frame[k]))
            yield box is not None and float(iou(track.bbox[[k]].astype(float), box[None])[0, 0]) >= 0.5


def on_pixels(chosen: argparse.Namespace) -> list[Row]:
    """The rows ``copypaste``: the embedded tier on clips as a build would see them."""
    maker = SCENES.load("copypaste")
    bins: dict[str, TrackScore] = defaultdict(TrackScore)
    tally, errors, classes, led = Tally(), [], Counter[bool](), Counter[bool]()
    askable: set[tuple[Any, ...]] = set()
    asked: set[tuple[Any, ...]] = set()
    n_asked = 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(chosen.clips):
            if time.perf_counter() > chosen.until:
                break
            film = maker(chosen.seed, number)
            seen: list[Mapping[str, Seen]] = []
            small: list[NDArray[np.uint8]] = []
            path = Path(folder) / f"{number}.mp4"

            def pictures(film: Film = film, seen: Any = seen, small: Any = small) -> Iterator[Any]:
                for s in film.shoot(True):
                    if s.seen is not None and s.image is not None:
                        seen.append(s.seen)
                        small.append(thumbnail(s.image))
                    yield s.image

            encode_film(film, pictures(), path)
            exact = measure(film, row_of(film, film.name), seen, "exact")
            named = coloured(exact.annotation.tracks, small, film.size)
            exact = replace(exact, annotation=replace(exact.annotation, tracks=named))
            index = index_video(path)
            pts, t = sample_times(index, 10.0)
            ours = perceive(index, t, film.name, "embedded")
            path.unlink()
            a = replace(
                exact.annotation,
                frames=replace(exact.annotation.frames, pts=pts),
                camera=ours.camera,
                tracks=ours.tracks,
                keypoints=ours.keypoints,
                contacts=ours.contacts,
            )
            real, found = boxes_of(seen, film), found_boxes(ours.tracks)
            score = score_tracks(real, found)
            for tag, value in (("all", ""), *film.tags.items()):
                bins[f"{tag} {value}".strip()] += score
            steps, right_class = flow_errors(film, ours.camera)
            errors += steps
            classes[right_class] += 1
            names = match(real, found)
            led.update(between_sights(ours.tracks, real, names))
            known = {x.track: x.name for x in exact.truth.things if x.track}
            a, names = under_true_ids(a, names, {name: track for track, name in known.items()})
            judge = Judge(exact.truth)
            things = {x.name: x for x in exact.truth.things}
            judge.things = {track: things[name] for track, name in names.items()}
            phantoms = frozenset(t.track_id for t in a.tracks) - set(names)
            askable |= {(number, *signature(q, known)) for q in questions(exact.annotation)}
            for q in questions(a):
                n_asked += 1
                tally.add(q, judge, film.name, phantoms)
                asked.add((number, *signature(q, names)))
    print(f"\nembedded on copypaste, {sum(classes.values())} clips, {n_asked} questions, {tally.unjudged} not judged")
    print("| bin | recall@0.5 | IDF1 | HOTA | id switches | boxes |\n|---|---|---|---|---|---|")
    for name, s in sorted(bins.items()):
        print(f"| {name} | {s.recall:.3f} | {s.idf1:.3f} | {s.hota:.3f} | {s.switches} | {s.boxes} |")
    tell(tally)
    whole = bins["all"]
    return [
        Row("embedded: recall at IoU 0.5", 100 * whole.recall, "%", ">=", 97),
        Row("embedded: IDF1", 100 * whole.idf1, "%", ">=", 90),
        Row("embedded: HOTA", 100 * whole.hota, "%", ">=", 0),
        Row("embedded: boxes of state 1, of all", 100 * led.total() / max(whole.found, 1), "%", ">=", 0),
        Row("embedded: right of these", share(led), "%", ">=", 0),
        Row("embedded: id switches a clip", whole.switches / max(sum(classes.values()), 1), "", "<=", 1),
        Row("embedded, end to end: keys right", share(tally.keys), "%", ">=", 97),
        Row(
            "embedded, end to end: asked of the askable",
            100 * len(asked & askable) / max(len(askable), 1),
            "%",
            ">=",
            60,
        ),
        Row("camera: median flow error", float(np.median(errors)) if errors else 99.0, "px", "<=", 0.05),
        Row("camera: wrong class", 100 - share(classes), "%", "<=", 2),
    ]


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="draws another set")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["truth", "jitter", "copypaste", "speed"])
    parser.add_argument("--questions", type=int, default=10_000, help="questions on exact tracks")
    parser.add_argument("--clips", type=int, default=40, help="clips that the embedded tier looks at")
    parser.add_argument("--minutes", type=float, default=10.0, help="of the long video of the part memory")
    parser.add_argument("--within", type=float, default=float("inf"), help="seconds after which no clip is begun")
    parser.add_argument("--write", action="store_true", help="keep the figures in the package, for cards to print")
    chosen = parser.parse_args()
    chosen.until = time.perf_counter() + chosen.within
    rows: list[Row] = []
    try:
        if {"truth", "jitter"} & set(chosen.parts):
            rows += on_tracks(chosen)
        for part, run in (("copypaste", on_pixels), ("speed", speed), ("memory", memory), ("scenes", rendering)):
            if part in chosen.parts:
                chosen.until = time.perf_counter() + chosen.within
                rows += run(chosen)
    except UserError as e:
        sys.exit(str(e))
    print()
    show("perception", rows, chosen)
    print(f"peak memory {peak_mb():.0f} MB")
    if chosen.write:
        how = {"seed": chosen.seed, "questions": chosen.questions, "clips": chosen.clips}
        given = " ".join(f"--{name} {n}" for name, n in how.items() if name == "seed" or n != parser.get_default(name))
        command = f"benchmarks/perception.py {given} --parts {' '.join(chosen.parts)}"
        when = datetime.datetime.now(datetime.UTC).date().isoformat()
        recipe = load_recipe("default")
        figures = [{"figure": r.figure, "value": round(r.value, 4), "unit": r.unit} for r in rows]
        print(f"kept in {write_measured(recipe, model_ids(recipe.perception), figures, command, chosen.seed, when)}")


if __name__ == "__main__":
    main()
