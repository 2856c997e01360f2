"""Even answers: in the benchmark, what an option says, or how it looks, is right as often as chance.

An option stands in contexts: its claim within its kind of wording, the same beside the objects that are named, its rank
by length and by number. Where options of a context are right too often, questions that they answer leave, by id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fm_hub.records import Question

__all__ = ["contexts", "option_keys", "surplus"]

PASSES, SORTS = 160, 4
SLACK = 1.5
FEWEST = 20
"""A context with fewer options says nothing."""
_TRACK = re.compile(r"[0-9a-f]{24}")
_TIME = re.compile(r'"at":[\d.]+,?')


def option_keys(q: Question) -> list[str]:
    """What each option says, whichever objects it speaks of: its claim with objects numbered as the question has them.

    An object that the question does not name is numbered within its option.
    """
    named = _TRACK.findall(q.template_args)
    claims = ((o, o.claim) for o in q.options)
    return [
        f"{c.predicate} {_TIME.sub('', _numbered(c.args, named))}" if c.predicate else o.text.lower() for o, c in claims
    ]


def _numbered(args: str, named: Sequence[str]) -> str:
    """The arguments of a claim with objects for tracks: those that are named first, then in the order of the claim."""
    places = {track: f"object {i}" for i, track in enumerate(dict.fromkeys([*named, *_TRACK.findall(args)]))}
    return _TRACK.sub(lambda m: places[m[0]], args)


def contexts(q: Question) -> list[list[str]]:
    """For each option the contexts that it stands in."""
    family = q.template.partition("/")[0]
    nouns = " ".join(re.findall(r"\bthe (\w+)", q.text.lower()))
    lengths = [len(o.text) for o in q.options]
    numbers = [int(m[0]) if (m := re.search(r"\d+", o.text)) else -1 for o in q.options]
    out = []
    for i, key in enumerate(option_keys(q)):
        longer, above = sum(x < lengths[i] for x in lengths), sum(x < numbers[i] for x in numbers)
        form = [f"{family}|longer than {longer}", f"{family}|above {above}" if numbers[i] >= 0 else ""]
        out.append([f"{family}|{key}", f"{family}|{key}|{nouns}", *form])
    return out


def surplus(questions: Sequence[Question]) -> set[int]:
    """Places of the questions that have to leave, so that no context is right more often than chance."""
    if not questions:
        return set()
    names: dict[str, int] = {"": 0}
    sizes = np.array([len(q.options) for q in questions])
    coded = np.array(
        [[names.setdefault(c, len(names)) for c in option] for q in questions for option in contexts(q)], np.int64
    )
    ends = np.cumsum(sizes)
    answers = ends - sizes + np.array([q.answer for q in questions])
    owner = np.repeat(np.arange(len(questions)), sizes)
    chance = 1 / sizes[owner]
    order = np.array([_rank(q.question_id) for q in questions])
    left = np.ones(len(questions), bool)
    quiet = 0
    for turn in range(PASSES):  # one sort of context at a time: they share their excess
        gone = _excess(coded[:, turn % SORTS], turn % SORTS, answers, owner, chance, order, left, len(names))
        left[gone] = False
        quiet = 0 if len(gone) else quiet + 1
        if quiet == SORTS:
            break
    return set(np.nonzero(~left)[0].tolist())


def _excess(
    code: NDArray[np.int64],
    sort: int,
    answers: NDArray[np.int64],
    owner: NDArray[np.int64],
    chance: NDArray[np.float64],
    order: NDArray[np.float64],
    left: NDArray[np.bool_],
    n: int,
) -> NDArray[np.int64]:
    """Questions of one pass: for each context half of what is too much, but one at least."""
    shown, kept = left[owner], np.nonzero(left)[0]
    every = np.bincount(code[shown], minlength=n)
    fair = np.bincount(code[shown], weights=chance[shown], minlength=n)
    right = np.bincount(code[answers[kept]], minlength=n)
    slack = np.sqrt(fair) * (SLACK if sort == 1 else 0.0)  # the finer context is mostly noise
    over = np.where(every >= FEWEST, right - fair - slack, 0.0)
    over[0] = 0.0
    gone: list[int] = []
    for c in np.nonzero(over > 1.0)[0]:
        mine = kept[code[answers[kept]] == c]
        gone += mine[np.argsort(order[mine], kind="stable")[: max(1, int(over[c] / 2))]].tolist()
    return np.array(gone, np.int64)


def _rank(identity: str) -> float:
    return int.from_bytes(hashlib.sha256(f"balance {identity}".encode()).digest()[:6], "big") / 2**48
