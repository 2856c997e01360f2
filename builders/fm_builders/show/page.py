"""A clip as one page of HTML that needs nothing else: the video with overlay, a timeline, questions with proofs."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fm_builders.show.at import BONES, Moment, Style, styles_of
from fm_builders.show.shown import Shown
from fm_hub.claims import Scene, tracks_of
from fm_hub.claims.proofs import claim_words, proof, tracks_in
from fm_hub.errors import UserError
from fm_hub.records import LETTERS, VISIBLE, Claim, Question, Track
from fm_hub.video import copyable, encode_clip, index_video, iter_frames

__all__ = ["MOST_BYTES", "page", "write_page"]

MOST_BYTES = 200_000_000


def write_page(shown: Shown, dest: Path) -> None:
    """Write the page, whole or not at all. Raises :class:`~fm_hub.errors.UserError` for a video that is too large."""
    text = page(shown)
    tmp = dest.with_name(f".{dest.name}.{os.getpid()}.tmp")
    try:
        tmp.write_text(text, encoding="utf-8")
        tmp.replace(dest)
    finally:
        tmp.unlink(missing_ok=True)


def page(shown: Shown) -> str:
    """The page: self-contained and escaped; it loads nothing and runs only its own script."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fm_builders.show", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    told = _told(shown)
    # a script ends at "</", wherever that stands
    data = json.dumps(told, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return environment.get_template("page.html.j2").render(
        title=shown.title, told=told, data=data, video=_video(shown.path), letters=LETTERS
    )


def _video(path: Path) -> str:
    """The video as a data URL; encoded again where a browser would not show the same frames."""
    index = index_video(path)
    if copyable(index):
        data = path.read_bytes()
    else:
        with TemporaryDirectory() as folder:
            times = index.times.tolist()
            encode_clip((image for _, image in iter_frames(index, times)), times, Path(folder) / "clip.mp4")
            data = (Path(folder) / "clip.mp4").read_bytes()
    if len(data) > MOST_BYTES:
        raise UserError(f"{path}: {len(data) / 1e6:.0f} MB will not fit in a page; write a video: -o out.mp4")
    return f"data:video/mp4;base64,{base64.b64encode(data).decode()}"


def _told(shown: Shown) -> dict[str, Any]:
    """All that the page's script and its tables say, as plain values."""
    a = shown.annotation
    styles, scene = styles_of(a), Scene.of(a)
    names = {i: s.name for i, s in styles.items()}
    score = "not known" if a.clip.camera_score is None else f"{a.clip.camera_score:.2f}"
    rows = [_track_row(t, styles[t.track_id], shown) for t in sorted(a.tracks, key=lambda t: int(t.frame[0]))]
    rows += [
        {
            "name": f"{names[c.a]} {'holds' if c.kind == 'hold' else 'touches'} {names[c.b]}",
            "kind": "contact",
            "note": f"score {c.score:.2f}",
            "spans": [[c.t0, c.t1, c.kind]],
            "tracks": [c.a, c.b],
        }
        for c in a.contacts
    ]
    rows += [
        {
            "name": claim_words(f.claim, names),
            "kind": "fact",
            "note": f"{f.value:.3g} ± {f.tolerance:.2g}, margin {f.margin:+.1f}",
            "spans": [[f.claim.t0, f.claim.t1, "fact"]],
            "tracks": _known(f.claim, names),
        }
        for f in sorted(shown.facts, key=lambda f: (f.claim.t0, f.claim.t1, f.claim.predicate))
    ]
    return {
        "clip": {"id": a.clip.clip_id, "width": a.clip.width, "height": a.clip.height, "duration": a.clip.duration},
        "about": f"{a.clip.width} x {a.clip.height}, {a.clip.duration:.1f} s, {len(a.frames.t)} frames looked at",
        "view": f"{a.camera.label}; FoundationMotion's filter, which rejects above 0.3, gives {score}",
        "caption": shown.caption.text if shown.caption else "",
        "t": _rounded(a.frames.t, 4),
        "bones": BONES,
        "tracks": [
            {
                "id": t.track_id,
                "name": names[t.track_id],
                "colour": styles[t.track_id].colour,
                "first": int(t.frame[0]),
                "box": _rounded(_filled(t), 1),
                "state": t.state.tolist(),
            }
            for t in a.tracks
            if len(t.frame)
        ],
        "points": [
            {
                "id": k.track_id,
                "kind": k.kind,
                "frame": k.frame.tolist(),
                "xy": _rounded(k.xy, 1),
                "conf": _rounded(k.conf, 2),
            }
            for k in a.keypoints
        ],
        "masks": [
            {
                "id": m.track_id,
                "size": [m.height, m.width],
                "frame": m.frame.tolist(),
                "counts": [c.tolist() for c in m.counts],
            }
            for m in a.masks
        ],
        "contacts": [{"a": c.a, "b": c.b, "kind": c.kind, "t0": c.t0, "t1": c.t1} for c in a.contacts],
        "pace": [_pace(Moment(a, float(t))) for t in a.frames.t],
        "label": a.camera.label,
        "rows": rows,
        "questions": [_question(q, scene, names) for q in shown.questions],
    }


def _filled(track: Track) -> ArrayLike:
    """The boxes of a track whose frames have no hole, as every tracker gives them."""
    if len(track.frame) != track.frame[-1] - track.frame[0] + 1:
        frames = np.arange(track.frame[0], track.frame[-1] + 1)
        return np.stack([np.interp(frames, track.frame, track.bbox[:, k]) for k in range(4)], 1)
    return track.bbox


def _rounded(values: ArrayLike, digits: int) -> Any:
    return np.round(np.asarray(values, np.float64), digits).tolist()


def _pace(moment: Moment) -> list[float] | None:
    pace = moment.pace()
    return None if pace is None else [round(v, 4) for v in pace]


def _track_row(track: Track, style: Style, shown: Shown) -> dict[str, Any]:
    """The spans in which a track is seen, filled in, and lost."""
    t, spans = shown.annotation.frames.t[track.frame], []
    words = {VISIBLE: "seen", 1: "filled", 2: "lost"}
    breaks = np.flatnonzero(np.diff(track.state)) + 1
    for part in np.split(np.arange(len(t)), breaks):
        after = min(int(part[-1]) + 1, len(t) - 1)
        spans.append([round(float(t[part[0]]), 3), round(float(t[after]), 3), words[int(track.state[part[0]])]])
    owner = "" if not track.parent else ", has an owner"
    note = f"{track.label} {track.label_score:.2f}, quality {track.quality:.2f}, by {track.detector}{owner}"
    return {
        "name": style.name,
        "kind": "track",
        "note": note,
        "spans": spans,
        "tracks": [track.track_id],
        "colour": style.colour,
    }


def _question(question: Question, scene: Scene, names: dict[str, str]) -> dict[str, Any]:
    return {
        "text": question.text,
        "kind": f"{question.kind}, {question.difficulty}",
        "t0": question.view_t0,
        "t1": question.view_t1,
        "answer": question.answer,
        "tracks": sorted(tracks_in(scene, question)),
        "options": [{"text": o.text, **proof(scene, o, names)} for o in question.options],
    }


def _known(claim: Claim, names: dict[str, str]) -> list[str]:
    return sorted(i for i in tracks_of(claim) if i in names)
