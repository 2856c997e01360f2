"""Question kinds: each proposes drafts; the base turns the provable ones into questions.

A kind writes one pure method, ``drafts``. The loop here owns everything else: it checks every candidate
claim, keeps a draft only if exactly one candidate is true and enough others are false with margin, words it,
and counts why the rest was dropped.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, TypeVar

from fm_builders.material import Material
from fm_hub.claims import Proposals, Verdict
from fm_hub.claims.verdict import difficulty
from fm_hub.records import Option, Provenance, Question, canonical_json, question_id
from fm_hub.registry import Registry
from fm_hub.wording import BadTemplate, Wording, families

__all__ = ["BUILT_IN", "KINDS", "Draft", "QuestionKind", "ask", "in_a_row", "seeded", "shuffled"]

T = TypeVar("T")

MAX_OPTIONS = 4
BUILT_IN = (
    *("direction", "trajectory", "distance", "rotation", "gesture", "speed", "whether", "repetition", "count"),
    *("order", "overlap", "actor", "contact", "absent", "location", "relation", "company", "presence"),
    *("camera", "prediction"),
)
GENERATOR = "templates@1"


class Draft(NamedTuple):
    """A question before it is measured: its wording family, arguments, and every option it could have.

    Exactly one candidate must prove true; at least ``min_options - 1`` others must prove false. With ``sets``
    (indices of candidates) the options are one whole set of these that holds the true one: where each of its members
    could have been the true one as well, the make-up of the options tells nothing; one that is named more often is as
    much likelier. The largest sets come first: of a pair of opposites either may be likely where a third thing hardly
    ever happens. Versions take one set of each size before another of the same. Where the
    true one is among the ``usual`` (what most things do: go straight, keep their size), one draft in ``thin`` is asked,
    so that the commonest answer is no safe guess.
    """

    family: str
    args: Mapping[str, Any]
    candidates: Proposals
    t0: float
    t1: float
    sets: tuple[tuple[int, ...], ...] = ()
    min_options: int = 3
    usual: tuple[int, ...] = ()
    thin: int = 3


class QuestionKind(ABC):
    """One kind of question. ``type`` is the paper's question type, ``answer_type`` how an open answer compares."""

    name: str
    type: str
    answer_type: str
    camera: Literal["still", "known"] = "still"
    """What a kind needs: a view that stands still, or one whose motion is known; then it speaks of the background."""

    @abstractmethod
    def drafts(self, m: Material) -> Iterator[Draft]:
        """Propose questions about one clip: pure, in a fixed order."""


KINDS: Registry[type[QuestionKind]] = Registry(
    "question kind",
    "fm_hub.questions",
    {name: f"fm_builders.questions.{name}:{name.capitalize()}Kind" for name in BUILT_IN},
)


@dataclass
class Asked:
    """What came of asking: the questions of one clip and the counted reasons for what was not asked.

    ``again`` has further versions of the questions, which differ in their distractors alone.
    """

    questions: list[Question] = field(default_factory=list)
    again: list[Question] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)


def seeded(*parts: Any) -> int:
    """A number that depends on the parts alone."""
    return int.from_bytes(hashlib.sha256(canonical_json(parts).encode()).digest()[:8], "big")


def shuffled(items: Iterable[T], number: int) -> list[T]:
    """The items in the order that a number of :func:`seeded` stands for; of orders of up to 20 each is as likely.

    >>> shuffled("abc", 0), shuffled("abc", 5)
    (['a', 'b', 'c'], ['c', 'b', 'a'])
    """
    rest, out = list(items), []
    while rest:
        number, place = divmod(number, len(rest))
        out.append(rest.pop(place))
    return out


def ask(
    m: Material, kinds: Sequence[str], *, seed: int, max_per_kind: int, max_per_clip: int, versions: int = 1
) -> Asked:
    """The questions about one clip: of each kind in turn the next that can be proved, until there are enough.

    At most ``max_per_kind`` of a kind and ``max_per_clip`` in all, each in up to ``versions``; the clip decides which
    kind begins. Drafts beyond that are not looked at, so that a clip costs what its questions cost; ``dropped`` counts
    those that were.
    """
    out = Asked()
    rounds: dict[str, Iterator[list[Question]]] = {}
    for name in shuffled(sorted(kinds), seeded(seed, m.clip.clip_id)):
        kind = KINDS.load(name)()
        if m.camera == "unknown" or (kind.camera == "still" and m.camera != "static"):
            out.dropped["CameraMoving" if m.camera == "moving" else "CameraUnknown"] += 1
        else:
            rounds[name] = _questions(kind, m, seed, versions, out.dropped)
    found: list[list[Question]] = []
    for _ in range(max_per_kind):
        for name in tuple(rounds):
            if len(found) == max_per_clip:
                break
            question = next(rounds[name], None)
            if question is None:
                del rounds[name]
            else:
                found.append(question)
    out.dropped["AmbiguousReference"] += len(m.nameless)
    out.dropped = +out.dropped
    for first, *others in _place_answers(sorted(found, key=lambda v: v[0].question_id), seed):
        out.questions.append(first)
        out.again += others
    return out


def _questions(
    kind: QuestionKind, m: Material, seed: int, versions: int, dropped: Counter[str]
) -> Iterator[list[Question]]:
    """The provable questions of a kind in their versions, each once, in the order of its drafts."""
    made = set()
    for draft in kind.drafts(m):
        verdicts = draft.candidates.measured(m.scene)
        true = [i for i, v in enumerate(verdicts) if v.true]
        if len(true) != 1:
            dropped["SmallMargin"] += 1
            continue
        number = seeded(seed, m.clip.clip_id, draft.family, draft.args, draft.t0, draft.t1)
        number, stem = divmod(number, len(families()[draft.family]["stems"]))
        false = [i for i, v in enumerate(verdicts) if v.false]
        chosen = _choose(draft, true[0], false, number, versions, dropped)
        made_of = (_make(kind, m, draft, stem, verdicts, options, seed) for options in chosen)
        worded = [q for q in made_of if q is not None]
        if len(worded) < len(chosen):
            dropped["AmbiguousReference"] += 1
        elif worded and worded[0].question_id not in made:
            made.add(worded[0].question_id)
            yield worded


def _make(
    kind: QuestionKind,
    m: Material,
    draft: Draft,
    stem: int,
    verdicts: Sequence[Verdict],
    chosen: Sequence[int],
    seed: int,
) -> Question | None:
    """The question with these candidates as its options, the true one first; None if it cannot be worded."""
    clip_id, t0, t1 = m.clip.clip_id, draft.t0, draft.t1
    words: dict[str, Any] = dict(draft.args)
    if draft.candidates[chosen[0]].window.frame == "stabilised":
        words["frame"] = "stabilised"
    template = f"{draft.family}/{stem}"
    try:
        wording = Wording(m.scene, template, words, t0, t1)
        text = wording.stem()
        claims = [m.spelled(draft.candidates[i], verdicts[i]) for i in chosen]
        options = tuple(Option(wording.option(c), c, m.scene.verdicts[c].margin) for c in claims)
    except BadTemplate:
        return None
    args = canonical_json(words)
    identity = question_id(clip_id, template, args, (o.claim for o in options), t0, t1)
    return Question(
        question_id=identity,
        clip_id=clip_id,
        source_id=m.clip.source_id,
        split=m.clip.split,
        video_file=m.clip.video_file,
        type=kind.type,
        kind=kind.name,
        difficulty=difficulty(o.margin for o in options),
        view_t0=t0,
        view_t1=t1,
        text=text,
        options=options,
        answer=0,
        answer_type=kind.answer_type,
        template=template,
        template_args=args,
        grounding="facts",
        provenance=Provenance(GENERATOR, seed),
    )


def _choose(
    draft: Draft, true: int, false: Sequence[int], number: int, versions: int, dropped: Counter[str]
) -> list[list[int]]:
    """The true candidate and its distractors, in so many versions; none, and a counted reason, if it is not asked.

    ``number`` decides whatever is left to chance.
    """
    number, often = divmod(number, draft.thin)
    if true in draft.usual and often:
        dropped["Commonplace"] += 1
        return []
    if draft.sets:
        known = {true, *false}
        fit = shuffled([s for s in draft.sets if true in s and known.issuperset(s)], number)
        whole = list(dict.fromkeys(fit))
        whole.sort(key=len, reverse=True)
        first = {len(s): s for s in reversed(whole)}
        whole = sorted(whole, key=lambda s: first[len(s)] != s)
        some = [[i for i in s if i != true] for s in whole[:versions]]
    elif len(false) < MAX_OPTIONS:
        some = [[*false]]
    else:
        false = shuffled(false, number)
        n = MAX_OPTIONS - 1  # each version goes on where the one before ended
        some = [[false[(n * v + j) % len(false)] for j in range(n)] for v in range(min(versions, len(false) // n + 1))]
    if not some or len(some[0]) < draft.min_options - 1:
        dropped["NoDistractors"] += 1
        return []
    return [[true, *others] for others in some]


def in_a_row(n: int) -> tuple[tuple[int, ...], ...]:
    """Any four of so many candidates in a row, or three."""
    return tuple(tuple(range(i, i + size)) for size in (MAX_OPTIONS, MAX_OPTIONS - 1) for i in range(n - size + 1))


def _place_answers(questions: list[list[Question]], seed: int) -> list[list[Question]]:
    """Shuffle the distractors by id, and give the key each letter in turn, from a start that the clip decides.

    Within a clip the letters are then as even as they can be, and no row depends on any other clip. The versions of a
    question have the same letter, but for one with fewer options, whose id decides.
    """
    out = []
    turns: dict[int, int] = {}
    for versions in questions:
        n = len(versions[0].options)
        if n not in turns:
            turns[n] = seeded(seed, versions[0].clip_id, n)
        place = turns[n] % n
        turns[n] += 1
        places = [place if len(q.options) == n else seeded(seed, q.question_id) % len(q.options) for q in versions]
        out.append([_placed(q, at, seed) for q, at in zip(versions, places, strict=True)])
    return out


def _placed(q: Question, place: int, seed: int) -> Question:
    """The question with its key, which is its first option, at a place among the others."""
    rest = shuffled(q.options[1:], seeded(seed, q.question_id))
    return replace(q, options=(*rest[:place], q.options[0], *rest[place:]), answer=place)
