"""From claims to words: the one place that renders a question, an option or a sentence of a caption.

It lives in the core because ``verify`` renders every published text again from its template and arguments
and compares. Templates are data (``en.toml``); an object is named by what can be seen, never by its id.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from fm_hub.claims import Scene
from fm_hub.errors import FmError
from fm_hub.records import VISIBLE, Claim, Sentence, Track

__all__ = [
    "UNNAMED",
    "WORDING_VERSION",
    "BadTemplate",
    "families",
    "option_text",
    "plural",
    "refer",
    "short_caption",
    "statement",
    "stem",
]

WORDING_VERSION = 1
APART = 0.1
"""Two objects of one class are told apart by left and right if this share of the width lies between them."""
MIN_SIGHTINGS = 3
UNNAMED = "object"
"""The label of a thing whose class the detector does not tell: any other thing in view could be meant."""
NAMED_APART = ("person", "hand")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class BadTemplate(FmError):
    """A template id that does not exist, or arguments that do not fit it."""


@cache
def families() -> dict[str, dict[str, Any]]:
    """The wording tables by family."""
    return tomllib.loads((files("fm_hub.wording") / "en.toml").read_text(encoding="utf-8"))


def plural(label: str) -> str:
    """The plural of a class name.

    >>> plural("person"), plural("car")
    ('people', 'cars')
    """
    known: str = families()["plural"].get(label, f"{label}s")
    return known


def refer(scene: Scene, track_id: str, t0: float, t1: float) -> str | None:
    """The name of a track, as :func:`_name` finds it, once a scene."""
    names: dict[tuple[str, float, float], str | None] = scene.memo.setdefault(refer, {})
    key = (track_id, t0, t1)
    if key not in names:
        names[key] = _name(scene, track_id, t0, t1)
    return names[key]


def _name(scene: Scene, track_id: str, t0: float, t1: float) -> str | None:
    """Name a track so that a viewer of ``t0..t1`` knows which is meant; None if no name fits it alone.

    By its class where it is the only one of its class in the window; else, of two, by the side it is on (if
    they never change sides) or starts on.
    """
    track = scene.tracks.get(track_id)
    if track is None:
        return None
    rivals = []
    for other in scene.tracks.values():
        alike = other.label == track.label or (track.label == UNNAMED and other.label not in NAMED_APART)
        if alike and other.track_id != track_id:
            sightings = int(scene.inside(scene.t[scene.visible(other)], t0, t1).sum())
            if sightings >= MIN_SIGHTINGS:
                rivals.append(other)
            elif sightings:
                return None
    if not rivals:
        return f"the {track.label}"
    if len(rivals) > 1 or rivals[0].label != track.label:
        return None
    first = [_first_x(scene, x.track_id, t0, t1) for x in (track, rivals[0])]
    if first[0] is None or first[1] is None or abs(first[0] - first[1]) < APART * scene.width:
        return None
    who = "who" if track.label == "person" else "that"
    keeps = _keep_sides(scene, track, rivals[0], t0, t1)
    side = "left" if first[0] < first[1] else "right"
    return f"the {track.label} on the {side}" if keeps else f"the {track.label} {who} starts on the {side}"


def _first_x(scene: Scene, track_id: str, t0: float, t1: float) -> float | None:
    """The median x of a track's first three sightings, if they come within a second of the window's start."""
    track = scene.tracks[track_id]
    keep = (track.state == VISIBLE) & scene.inside(scene.t[track.frame], t0, t1)
    if scene.t[track.frame[keep][0]] > t0 + 1.0:
        return None
    boxes = track.bbox[keep][:MIN_SIGHTINGS].astype(np.float64)
    return float(np.median((boxes[:, 0] + boxes[:, 2]) / 2))


def _keep_sides(scene: Scene, a: Track, b: Track, t0: float, t1: float) -> bool:
    """Whether two tracks are never seen to swap their left-right order in the window."""
    common, ia, ib = np.intersect1d(scene.visible(a), scene.visible(b), return_indices=True)
    inside = scene.inside(scene.t[common], t0, t1)
    centres = [(x.bbox[x.state == VISIBLE][:, 0] + x.bbox[x.state == VISIBLE][:, 2]) / 2 for x in (a, b)]
    gap = (centres[0][ia] - centres[1][ib])[inside]
    return bool(np.all(gap > 0) or np.all(gap < 0))


def option_key(claim: Claim) -> str:
    """The key of a claim's words in its family's option table."""
    args = claim.arguments
    if claim.predicate == "exactly":
        which, among = args["which"], args["among"]
        return {0: "none", 1: "first" if which == among[:1] else "second"}.get(len(which), "both")
    if claim.predicate == "order_change":
        return f"{args['from']}-{args['to']}"
    if claim.predicate == "travels":
        return f"{float(args['lo'])}-{float(args['hi'])}"
    if claim.predicate == "moves":
        return "yes" if args["is"] else "no"
    return str(args.get("is", args.get("side", "")))


def _family(template: str) -> tuple[str, dict[str, Any], str]:
    name, _, which = template.partition("/")
    table = families().get(name)
    if table is None or name == "plural":
        raise BadTemplate(f"no wording family {name!r}")
    return name, table, which


def _names(scene: Scene, args: Mapping[str, Any], t0: float, t1: float) -> dict[str, str]:
    """The words for the placeholders of a template."""
    words: dict[str, str] = {}
    for role in ("a", "b"):
        if role in args:
            name = refer(scene, str(args[role]), t0, t1)
            if name is None:
                raise BadTemplate(f"no name fits track {args[role]} alone between {t0} and {t1} s")
            words[role] = name
            words[role.upper()] = name[0].upper() + name[1:]
    if "label" in args:
        words["label"], words["labels"] = str(args["label"]), plural(str(args["label"]))
    if "way" in args:
        words["way"] = families()["direction"]["options"][args["way"]]
    if "axis" in args:
        words["dimension"] = "width" if args["axis"] == "x" else "height"
    return words


def _pick(table: Mapping[str, Any], which: str, template: str) -> str:
    kind = "statements" if which.startswith("s") else "stems"
    try:
        text: str = table[kind][int(which.removeprefix("s"))]
    except (ValueError, IndexError, KeyError):
        raise BadTemplate(f"no template {template!r}") from None
    return text


def _fill(text: str, words: Mapping[str, str], template: str) -> str:
    try:
        return text.format_map(words)
    except KeyError as e:
        raise BadTemplate(f"template {template!r} needs {e}") from None


def stem(scene: Scene, template: str, args: Mapping[str, Any], t0: float, t1: float) -> str:
    """The words of a question. Raises :class:`BadTemplate`."""
    _, table, which = _family(template)
    return _fill(_pick(table, which, template), _names(scene, args, t0, t1), template)


def option_text(scene: Scene, template: str, args: Mapping[str, Any], claim: Claim, t0: float, t1: float) -> str:
    """The words of an option of a question. Raises :class:`BadTemplate`."""
    name, table, _ = _family(template)
    text = _option(scene, name, table, _names(scene, args, t0, t1), claim, t0, t1)
    if name in ("relation", "order_change"):
        text = f"{text} {_names(scene, args, t0, t1)['b']}"
    return text


def _option(
    scene: Scene, name: str, table: Mapping[str, Any], words: Mapping[str, str], claim: Claim, t0: float, t1: float
) -> str:
    options, given = table["options"], claim.arguments
    if not options:
        return str(given["is"])
    if name == "sequence":
        ways = families()["direction"]["options"]
        return _fill(options["format"], {"first": ways[given["first"]], "then": ways[given["then"]]}, name)
    if name == "before":
        parts = {}
        for key in ("first", "then"):
            event = given[key]
            x = _names(scene, {"a": event["track"]}, t0, t1)["a"]
            parts[key] = _fill(options[event["event"]], {"x": x, "side": event.get("side", "")}, name)
        return _fill(options["format"], parts, name)
    key = option_key(claim)
    if key not in options:
        raise BadTemplate(f"wording family {name!r} has no option {key!r}")
    return _fill(options[key], words, name)


def short_caption(sentences: Sequence[Sentence]) -> str:
    """The first two sentences about what moves and how; failing that, the first sentence."""
    actions = [s.text for s in sentences if s.aspect == "action"] or [sentences[0].text]
    return " ".join(actions[:2])


def statement(
    scene: Scene, template: str, args: Mapping[str, Any], claim: Claim, t0: float, t1: float, *, whole: bool
) -> str:
    """One sentence of a caption; with its times in front unless the claim speaks of the whole clip."""
    name, table, which = _family(template)
    words = _names(scene, args, t0, t1)
    words["option"] = _option(scene, name, table, words, claim, t0, t1)
    given = claim.arguments
    if isinstance(given.get("is"), int) and not isinstance(given["is"], bool):
        n = given["is"]
        word = NUMBERS[n] if n < len(NUMBERS) else str(n)
        words["times"] = {0: "not once", 1: "once", 2: "twice"}.get(n, f"{word} times")
        if "label" in words:
            words["number_of_labels"] = f"{word} {words['label'] if n == 1 else words['labels']}"
    text = _fill(_pick(table, which, template), words, template)
    text = text[0].upper() + text[1:]
    return text if whole else f"Between {t0:.1f} s and {t1:.1f} s: {text[0].lower()}{text[1:]}"
