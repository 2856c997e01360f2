"""Descriptions of motion, scored against what the tracks prove: statements become claims, and claims are checked.

A description is cut into clauses; each is read for things that the clip's tracks can be called and for what it
says of them. Precision is the share of the statements that are true, of those that the tracks decide; recall the
share of the reference's sentences that are said; order the share of pairs of events that are told in the order
in which they happen. What the grammar below does not know is not counted, for nor against.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from fm_eval_harness.parsing import answer_part, plain
from fm_eval_harness.typed import direction_of, number_of
from fm_hub.claims import MalformedClaim, Scene, check
from fm_hub.claims.view import VIEWS
from fm_hub.records import VISIBLE, Caption, Claim
from fm_hub.scenes import Scenes
from fm_hub.wording import plural, refer

__all__ = ["DESCRIPTIONS_VERSION", "Facts", "Said", "statements"]

DESCRIPTIONS_VERSION = 2
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
_CLAUSE = re.compile(r",?\s+(?=(?:and\s+)?then\s)|,\s+(?:and|while|but)\s+|\s+(?:while|whereas)\s+")
_TURN = re.compile(r"\bfirst\b(.+?),?\s*\bthen\b(.+)", re.I)
_TIMES = re.compile(r"between\s+(\d+(?:\.\d+)?)\s*s?\s+and\s+(\d+(?:\.\d+)?)\s*s(?:ec\w*)?\b:?", re.I)
_UNTIL = re.compile(r"\buntil\s+(\d+(?:\.\d+)?)\s*s(?:ec\w*)?\b:?", re.I)
_SINCE = re.compile(r"\bfrom\s+(\d+(?:\.\d+)?)\s*s(?:ec\w*)?\s+on\b:?", re.I)
_CALLED = re.compile(r"\b(?:who|that)\s+(?:appears\s+(?:first|last)|starts\s+on\s+the\s+(?:left|right))\b", re.I)
"""Of a name: says nothing of what the thing does in the end."""
_GOES = (
    r"moves?|goes|walks?|runs?|drives?|travels?|heads?|rolls?|flies|slides?|drifts?|shifts?|swings?|rides?|crosses|"
    r"moving|going|walking|running|driving|travelling|traveling|heading|rolling|flying|sliding|drifting"
)
_SIDE = r"(?:the\s+)?(?P<side>left|right|top|bottom)"
_CORNER = r"(?:the\s+)?(?P<v>top|upper|bottom|lower)[\s-]+(?P<h>left|right)"
_ONE: tuple[tuple[str, str], ...] = (
    ("enters", rf"\b(?:enters?|comes?\s+in(?:to\s+view)?|appears?)\b.{{0,30}}?\b(?:from|on|at)\s+{_SIDE}"),
    ("leaves", rf"\b(?:leaves?|exits?|goes\s+out\s+of\s+view|disappears?)\b.{{0,30}}?\b(?:over|to|at|on)\s+{_SIDE}"),
    ("starts", r"\b(?:starts?|begins?)\s+(?:to\s+move|moving|walking|driving|running)\b"),
    ("stops", r"\b(?:comes?\s+to\s+(?:a\s+)?(?:rest|stop|halt)|stops?(?:\s+moving)?)\b"),
    ("moves:no", r"\b(?:stays?\s+(?:still|put|in\s+(?:its|his|her|their)\s+place)|(?:does|do)\s+not\s+move|"
     r"(?:remains?|stands?|is|are)\s+(?:still|stationary|motionless))\b"),
    ("region:start", rf"\b(?:at\s+first|begins?|starts?|first)\b.{{0,40}}?\bin\s+{_CORNER}"),
    ("region:end", rf"\b(?:in\s+the\s+end|at\s+the\s+end|ends?(?:\s+up)?|finally)\b.{{0,40}}?\bin\s+{_CORNER}"),
    ("region:start", rf"\bin\s+{_CORNER}.{{0,30}}?\bat\s+(?:first|the\s+(?:start|beginning))\b"),
    ("region:end", rf"\bin\s+{_CORNER}.{{0,30}}?\b(?:in|at)\s+the\s+end\b"),
    ("path:back-and-forth", r"\bback\s+and\s+forth\b|\bto\s+and\s+fro\b"),
    ("path:curved", r"\b(?:curve[sd]?|arc)\b"),
    ("path:straight", r"\bstraight\b"),
    ("reversals", r"\b(?:turns?\s+back|reverses?)\b"),
    ("speed_change:speeds-up", r"\b(?:gets?\s+faster|speeds?\s+up|accelerates?)\b"),
    ("speed_change:slows-down", r"\b(?:gets?\s+slower|slows?\s+down|decelerates?)\b"),
    ("speed_change:steady", r"\b(?:steady|constant)\s+(?:pace|speed)\b"),
    ("speed:slow", r"\bslowly\b|\bat\s+a\s+slow\s+(?:pace|speed)\b"),
    ("speed:medium", r"\bmedium\s+(?:pace|speed)\b"),
    ("speed:fast", r"\b(?:fast|quickly|rapidly)\b(?!\s+than)"),
    ("depth:approaches", r"\b(?:grows?\s+in|gets?\s+larger|coming\s+closer|(?:towards?|closer\s+to)\s+the\s+camera)\b"),
    ("depth:recedes", r"\b(?:shrinks?|gets?\s+smaller|moving\s+away|away\s+from\s+the\s+camera)\b"),
)  # fmt: skip
_TWO: tuple[tuple[str, str], ...] = (
    ("speed_order:faster", r"\bfaster\s+than\b"),
    ("speed_order:slower", r"\bslower\s+than\b"),
    ("order_change:left-right", r"\bfrom\s+the\s+left\s+to\s+the\s+right\s+of\b"),
    ("order_change:right-left", r"\bfrom\s+the\s+right\s+to\s+the\s+left\s+of\b"),
    ("distance_change:closer", r"\b(?:come|get|move)s?\s+closer\s+(?:together|to)\b|\bapproach(?:es)?\b"),
    ("distance_change:apart", r"\bmoves?\s+apart\b|\bmoves?\s+away\s+from\b(?!\s+the\s+camera)"),
    ("distance_change:same", r"\bkeeps?\s+their\s+distance\b"),
    ("relation:left", r"\b(?:to|on)\s+the\s+left\s+(?:side\s+)?of\b"),
    ("relation:right", r"\b(?:to|on)\s+the\s+right\s+(?:side\s+)?of\b"),
    ("relation:above", r"\babove\b"),
    ("relation:below", r"\bbelow\b"),
)
_LENS = r"\b(?:camera|view|shot)\s+"
_EITHER = r"(?:\w+\s+or\s+)?"
_STILL = r"(?:still|static|fixed|stationary)\b"
_VIEW: tuple[tuple[str, str], ...] = (
    ("moves", rf"{_LENS}(?:(?:does\s+not|doesn't)\s+(?:stand|stay|hold|remain)|is\s+not|isn't)\s+{_STILL}"),
    ("static", rf"{_LENS}(?:stands?|stays?|holds?|remains?|is)\s+{_STILL}|{_STILL}\s+(?:camera|view|shot)\b"),
    ("shakes", rf"{_LENS}(?:shakes|trembles|is\s+shaky)\b"),
    ("in", rf"{_LENS}{_EITHER}(?:closes|zooms|moves)\s+in\b"),
    ("out", rf"{_LENS}{_EITHER}(?:widens|(?:zooms|moves)\s+out|pulls\s+back)\b"),
    ("anticlockwise", rf"{_LENS}(?:rolls|rotates|turns)\s+(?:anticlockwise|counter-?clockwise)\b"),
    ("clockwise", rf"{_LENS}(?:rolls|rotates|turns)\s+clockwise\b"),
)  # fmt: skip
_PANS = re.compile(rf"{_LENS}{_EITHER}(?:shifts?|pans?|tilts?|moves?|turns?|goes)\s+(.+)", re.I)
_COUNT = re.compile(r"\bat\s+most\b|\bcan\s+be\s+seen\b|\bare\s+visible\b|\bare\s+seen\b|\bthere\s+are\b", re.I)
_EVENTS = ("starts", "stops", "enters", "leaves")


@dataclass(frozen=True)
class Said:
    """A statement of a text: a predicate with its arguments, the window it names if any, and its place."""

    predicate: str
    args: str
    window: tuple[float, float] | None
    place: int

    @property
    def key(self) -> tuple[str, str]:
        """What two statements of the same thing share, whenever it happens."""
        return self.predicate, self.args


class Facts:
    """The proved facts of a data set's clips, for scoring descriptions of them."""

    def __init__(self, root: Path) -> None:
        self._scenes = Scenes(root)

    def fields(self, reference: Caption, text: str) -> dict[str, Any]:
        """The fields of a sample: ``prediction correct score precision recall order stated``."""
        scene = self._scenes[reference.clip_id]
        told = statements(scene, text)
        windows = _windows(scene, reference)
        verdicts = {s: _verdict(scene, s, windows) for s in told}
        true, false = sum(v is True for v in verdicts.values()), sum(v is False for v in verdicts.values())
        wanted = {_key(s.claim) for s in reference.sentences if s.claim.predicate in _READ}
        recall = len(wanted & {s.key for s in told}) / len(wanted) if wanted else None
        precision = true / (true + false) if true + false else None
        score = 2 * precision * recall / (precision + recall) if precision and recall else 0.0
        return {
            "answer": f"{len(wanted)} facts",
            "prediction": f"{len(told)} statements" if told else "",
            "correct": False,
            "score": round(score, 6),
            "precision": None if precision is None else round(precision, 6),
            "recall": None if recall is None else round(recall, 6),
            "order": _order(scene, [s for s, v in verdicts.items() if v]),
            "stated": {"true": true, "false": false, "undecided": len(told) - true - false},
        }


def statements(scene: Scene, text: str) -> list[Said]:
    """What a text says about the things of a scene, in the order of the text, each statement once."""
    found: dict[Said, None] = {}
    names = _names(scene)
    window: tuple[float, float] | None = None
    last: list[str] = []
    place = 0
    for sentence in _SENTENCE.split(answer_part(text)[0]):
        window, sentence = _timed(scene, sentence)
        turn = _turn(sentence)
        for clause in [sentence] if turn else _CLAUSE.split(sentence):
            body = clause.strip()
            who = _mentioned(body, names)
            if not who and re.match(r"(?:and\s+)?(?:then\b|it\b|he\b|she\b|they\b)", body, re.I):
                who = last
            about = [("sequence", {"track": who[0], **turn})] if turn and who else [*_about(body, who)]
            for predicate, args in (*_view(body), *about, *_counts(scene, body)):
                found.setdefault(Said(predicate, Claim.of("", args, 0, 0).args, window, place))
                place += 1
            last = who or last
    return list({s.key: s for s in reversed(found)}.values())[::-1]


def _timed(scene: Scene, sentence: str) -> tuple[tuple[float, float] | None, str]:
    """The seconds of which a sentence says that it speaks, if any; and the sentence without them."""
    start, end = float(scene.t[0]), float(scene.t[-1])
    if m := _TIMES.search(sentence):
        return (float(m[1]), float(m[2])), _TIMES.sub("", sentence)
    if m := _UNTIL.search(sentence):
        return (start, float(m[1])), _UNTIL.sub("", sentence)
    if m := _SINCE.search(sentence):
        return (float(m[1]), end), _SINCE.sub("", sentence)
    return None, sentence


def _turn(sentence: str) -> dict[str, str]:
    """A turn from one direction to another, as the arguments of its claim; empty if a sentence tells of none."""
    match = _TURN.search(sentence)
    first, then = (direction_of(match[1]), direction_of(match[2])) if match else ("", "")
    return {"first": first, "then": then} if first and then and first != then else {}


def _about(body: str, who: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if len(who) > 1:
        for name, pattern in _TWO:
            if re.search(pattern, body, re.I):
                predicate, _, value = name.partition(":")
                pair = {"a": who[0], "b": who[1]}
                yield (
                    predicate,
                    pair
                    | (
                        {"from": value.split("-")[0], "to": value.split("-")[1]}
                        if predicate == "order_change"
                        else {"is": value}
                    ),
                )
                return
    if not who:
        return
    body = _CALLED.sub("", body)
    given, events = {"track": who[0]}, False
    for name, pattern in _ONE:
        match = re.search(pattern, body, re.I)
        if not match:
            continue
        predicate, _, value = name.partition(":")
        events = events or predicate in ("enters", "leaves", "region")
        if predicate in ("enters", "leaves"):
            yield predicate, given | {"side": match["side"].lower()}
        elif predicate in ("starts", "stops"):
            yield predicate, given
        elif predicate == "region":
            vertical = "top" if match["v"].lower() in ("top", "upper") else "bottom"
            yield predicate, given | {"is": f"{vertical}-{match['h'].lower()}", "at": value}
        elif predicate == "reversals":
            times = number_of(body[match.start() :])
            if times:
                yield predicate, given | {"is": int(times)}
        else:
            yield predicate, given | {"is": False if value == "no" else value}
    if re.search(rf"\b(?:{_GOES})\b", body, re.I) and not events:
        way = direction_of(re.split(rf"\b(?:{_GOES})\b", body, maxsplit=1, flags=re.I)[1])
        if way:
            yield "direction", given | {"is": way}


def _view(body: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What a clause says of the view itself."""
    pans = _PANS.search(body)
    way = direction_of(pans[1]) if pans else ""
    words = [word for word, pattern in _VIEW if re.search(pattern, body, re.I)] or [way]
    if words[0] == "moves":
        yield "not", {"predicate": "view", "args": {"is": "static"}}
    elif words[0] in VIEWS:
        yield "view", {"is": words[0]}


def _counts(scene: Scene, body: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not _COUNT.search(body):
        return
    words = f" {plain(body)} "
    for label in sorted({t.label for t in scene.tracks.values()}):
        many = re.search(rf"(\S+) (?:{re.escape(plain(plural(label)))}|{re.escape(plain(label))}) ", words)
        n = number_of(many[1]) if many else ""
        if n:
            yield "at_once", {"label": label, "is": int(n)}


def _names(scene: Scene) -> list[tuple[str, str]]:
    """What each track may be called, longest first: as the wording names it, and its class where it is the only one."""
    labels = [t.label for t in scene.tracks.values()]
    found: dict[str, str] = {}
    for track_id, track in scene.tracks.items():
        seen = scene.t[track.frame[track.state == VISIBLE]]
        if not len(seen):
            continue
        full = refer(scene, track_id, float(seen[0]), float(seen[-1]))
        if full:
            found[plain(full)] = track_id
        if labels.count(track.label) == 1:
            found[plain(track.label)] = track_id
    return sorted(found.items(), key=lambda x: -len(x[0]))


def _mentioned(body: str, names: list[tuple[str, str]]) -> list[str]:
    """The tracks that a clause names, in the order of the clause."""
    words, found = f" {plain(body)} ", list[tuple[int, str]]()
    for name, track in names:
        at = words.find(f" {name} ")
        if at >= 0:
            found.append((at, track))
            words = words[: at + 1] + "|" * len(name) + words[at + 1 + len(name) :]
    return list(dict.fromkeys(track for _, track in sorted(found)))


def _windows(scene: Scene, reference: Caption) -> dict[str, list[tuple[float, float]]]:
    """The stretches in which a statement about a track may be true: those of the reference, and all that is seen."""
    out: dict[str, list[tuple[float, float]]] = {}
    whole = (float(scene.t[0]), float(scene.t[-1]))
    for sentence in reference.sentences:
        for actor in _actors(sentence.claim.arguments):
            out.setdefault(actor, []).append((sentence.claim.t0, sentence.claim.t1))
    for track_id, track in scene.tracks.items():
        seen = scene.t[track.frame[track.state == VISIBLE]]
        if len(seen):
            out.setdefault(track_id, []).append((float(seen[0]), float(seen[-1])))
    return {actor: list(dict.fromkeys([*spans, whole])) for actor, spans in out.items()}


def _verdict(scene: Scene, said: Said, windows: Mapping[str, list[tuple[float, float]]]) -> bool | None:
    """True if it holds in some stretch, false if it fails in every one that decides it, None if none does."""
    args = Claim(said.predicate, said.args, "image", 0.0, 0.0).arguments
    whole = (float(scene.t[0]), float(scene.t[-1]))
    spans = [said.window] if said.window else next((windows[t] for t in _actors(args) if t in windows), [whole])
    if said.predicate in _EVENTS or said.predicate == "at_once":
        spans = [whole]
    decided: bool | None = None
    for t0, t1 in spans:
        for claim in _claims(scene, said.predicate, args, t0, t1):
            try:
                verdict = check(scene, claim)
            except (MalformedClaim, KeyError, IndexError):
                continue
            if verdict.true:
                return True
            decided = False if verdict.false else decided
    return decided


def _claims(scene: Scene, predicate: str, args: dict[str, Any], t0: float, t1: float) -> Iterator[Claim]:
    """The claims that a statement could mean: of a turn, every time at which it could have been."""
    if predicate != "sequence":
        yield Claim.of(predicate, args, t0, t1)
        return
    for t in scene.t:
        if t0 < t < t1:
            yield Claim.of(predicate, {**args, "at": float(t)}, t0, t1)


def _order(scene: Scene, true: list[Said]) -> float | None:
    """Of the pairs of true events, the share that is told in the order in which they happen; None without a pair."""
    whole = (float(scene.t[0]), float(scene.t[-1]))
    events = [(s, {"event": s.predicate, **_arguments(s)}) for s in true if s.predicate in _EVENTS]
    good = bad = 0
    for (_, first), (_, then) in combinations(sorted(events, key=lambda e: e[0].place), 2):
        good += check(scene, Claim.of("before", {"first": first, "then": then}, *whole)).true
        bad += check(scene, Claim.of("before", {"first": then, "then": first}, *whole)).true
    return round(good / (good + bad), 6) if good + bad else None


def _arguments(said: Said) -> dict[str, Any]:
    return Claim(said.predicate, said.args, "image", 0.0, 0.0).arguments


def _actors(args: Mapping[str, Any]) -> list[str]:
    return [str(args[k]) for k in ("track", "a", "b") if k in args]


def _key(claim: Claim) -> tuple[str, str]:
    """A reference's claim as a statement of the same thing: a turn without its time."""
    args = {k: v for k, v in claim.arguments.items() if not (claim.predicate == "sequence" and k == "at")}
    return claim.predicate, Claim.of("", args, 0, 0).args


_READ = {"sequence", "direction", "at_once", "view", "not", *(name.partition(":")[0] for name, _ in (*_ONE, *_TWO))}
"""The predicates that a text is read for: the reference's other sentences are in no recall."""
