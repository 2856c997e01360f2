"""How well tracks follow things: recall, IDF1, HOTA, switches of identity, from exact and found boxes.

Boxes are matched where their IoU is at least 0.5 (HOTA: 0.05 to 0.95). CLEAR's switches: Bernardin and Stiefelhagen
2008; IDF1: Ristani and others 2016; HOTA: Luiten and others 2021.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fm_builders.boxes import iou

__all__ = ["Boxes", "TrackScore", "match", "score_tracks"]

Floats = NDArray[np.float64]
Boxes = Mapping[str, Mapping[int, Floats]]
"""For each id the box (4,) in each frame in which it has one."""
MATCH = 0.5
ALPHAS = np.arange(0.05, 0.99, 0.05)


@dataclass(frozen=True, slots=True)
class TrackScore:
    """Counts over any number of clips, which add up, and the figures that they give (each 0..1)."""

    boxes: int = 0
    found: int = 0
    matched: int = 0
    id_matched: int = 0
    switches: int = 0
    hota_sum: float = 0.0

    def __add__(self, other: TrackScore) -> TrackScore:
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return TrackScore(*(a + b for a, b in pairs))

    @property
    def recall(self) -> float:
        """The share of the exact boxes that are matched."""
        return self.matched / max(self.boxes, 1)

    @property
    def idf1(self) -> float:
        """Boxes with the right identity, over the mean number of exact and found boxes."""
        return 2 * self.id_matched / max(self.boxes + self.found, 1)

    @property
    def hota(self) -> float:
        """HOTA, the mean of the clips by their number of exact boxes."""
        return self.hota_sum / max(self.boxes, 1)


def score_tracks(exact: Boxes, found: Boxes) -> TrackScore:
    """The score of one clip."""
    names, ids = sorted(exact), sorted(found)
    table = [_frame(exact, found, names, ids, f) for f in sorted(_frames(exact) | _frames(found))]
    boxes, seen = (sum(len(b) for b in x.values()) for x in (exact, found))
    matched, switches = _clear(table)
    together = np.zeros((len(names), len(ids)))
    for rows, columns, overlap in table:
        together[np.ix_(rows, columns)] += overlap >= MATCH
    r, c = linear_sum_assignment(together, maximize=True)
    hota = _hota(table, exact, found, names, ids)
    return TrackScore(boxes, seen, matched, int(together[r, c].sum()), switches, hota * boxes)


def match(exact: Boxes, found: Boxes) -> dict[str, str]:
    """For each found id the exact one that it follows in most of its boxes; none where it follows nothing in half."""
    out = {}
    for track, boxes in found.items():
        votes = {
            name: sum(float(iou(box[None], theirs[f][None])[0, 0]) >= MATCH for f, box in boxes.items() if f in theirs)
            for name, theirs in exact.items()
        }
        best = max(votes, key=lambda name: (votes[name], name), default="")
        if best and votes[best] >= len(boxes) / 2:
            out[track] = best
    return out


_Frame = tuple[NDArray[np.intp], NDArray[np.intp], Floats]


def _frames(boxes: Boxes) -> set[int]:
    return {f for one in boxes.values() for f in one}


def _frame(exact: Boxes, found: Boxes, names: Iterable[str], ids: Iterable[str], f: int) -> _Frame:
    """Which exact (rows) and found (columns) have a box in a frame, and the IoU of each pair."""
    rows = [(i, exact[n][f]) for i, n in enumerate(names) if f in exact[n]]
    columns = [(j, found[k][f]) for j, k in enumerate(ids) if f in found[k]]
    a, b = (np.array([box for _, box in x], float).reshape(-1, 4) for x in (rows, columns))
    overlap = np.asarray(iou(a, b), float).reshape(len(rows), len(columns))
    return np.array([i for i, _ in rows], np.intp), np.array([j for j, _ in columns], np.intp), overlap


def _clear(table: Iterable[_Frame]) -> tuple[int, int]:
    """Matched boxes, and how often a thing is followed by another track than when it was matched last."""
    last: dict[int, int] = {}
    matched = switches = 0
    for rows, columns, overlap in table:
        pairs: dict[int, int] = {}
        for a, i in enumerate(rows.tolist()):  # what went well goes on
            b = np.flatnonzero(columns == last.get(i, -1))
            if len(b) and overlap[a, b[0]] >= MATCH and int(columns[b[0]]) not in pairs.values():
                pairs[i] = int(columns[b[0]])
        free_a = [a for a, i in enumerate(rows.tolist()) if i not in pairs]
        free_b = [b for b, j in enumerate(columns.tolist()) if j not in pairs.values()]
        rest = overlap[np.ix_(free_a, free_b)]
        r, c = linear_sum_assignment(np.where(rest >= MATCH, 1 + rest, 0.0), maximize=True)
        for x, y in zip(r, c, strict=True):
            if rest[x, y] >= MATCH:
                i, j = int(rows[free_a[x]]), int(columns[free_b[y]])
                switches += i in last and last[i] != j
                pairs[i] = j
        last.update(pairs)
        matched += len(pairs)
    return matched, switches


def _hota(table: list[_Frame], exact: Boxes, found: Boxes, names: list[str], ids: list[str]) -> float:
    n, m = len(names), len(ids)
    if not n or not m:
        return 0.0
    lengths = np.array([len(exact[k]) for k in names], float), np.array([len(found[k]) for k in ids], float)
    likely = np.zeros((n, m))
    for rows, columns, overlap in table:
        if overlap.size:
            shared = overlap.sum(0)[None] + overlap.sum(1)[:, None] - overlap
            likely[np.ix_(rows, columns)] += overlap / np.maximum(shared, 1e-9)
    likely /= np.maximum(lengths[0][:, None] + lengths[1][None] - likely, 1e-9)
    counts = np.zeros((len(ALPHAS), n, m))
    for rows, columns, overlap in table:
        if overlap.size:
            r, c = linear_sum_assignment(likely[np.ix_(rows, columns)] * overlap, maximize=True)
            for x, y in zip(r, c, strict=True):
                counts[overlap[x, y] >= ALPHAS - 1e-9, rows[x], columns[y]] += 1
    hits = counts.sum((1, 2))
    union = np.maximum(lengths[0][None, :, None] + lengths[1][None, None] - counts, 1.0)
    association = (counts * counts / union).sum((1, 2)) / np.maximum(hits, 1.0)
    detection = hits / np.maximum(lengths[0].sum() + lengths[1].sum() - hits, 1.0)
    return float(np.mean(np.sqrt(association * detection)))
