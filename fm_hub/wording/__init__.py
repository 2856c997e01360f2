"""From claims to words: the one place that renders a question, an option or a sentence of a caption.

It lives in the core because ``verify`` renders every published text again from its template and arguments
and compares. Templates are data (``en.toml``); an object is named by what can be seen, never by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fm_hub.claims import Scene
from fm_hub.claims.events import actor_of
from fm_hub.errors import FmError
from fm_hub.records import Claim, Sentence
from fm_hub.wording.names import UNNAMED, families, one, plural, refer, says_side, says_turn

__all__ = [
    "UNNAMED",
    "WORDING_VERSION",
    "BadTemplate",
    "Wording",
    "families",
    "plural",
    "refer",
    "says_side",
    "says_turn",
    "short_caption",
]

WORDING_VERSION = 3
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
WORDS_ALONE = ("plural", "one", "joint", "deed", "episode")
"""Tables of words that belong to no family of their own."""
BACKGROUND = "Against the background, "
THINGS = ("held", "touched", "carried", "hider", "predict_contact")
"""Families whose options name the second object of their claim."""
TELLING = ("action", "order", "association")
"""Aspects of which a short caption is made."""
BOUNDS = ("travels", "lengths", "rotation_by", "period")


class BadTemplate(FmError):
    """A template id that does not exist, or arguments that do not fit it."""


def _name(scene: Scene, track: object, t0: float, t1: float) -> str:
    name = refer(scene, str(track), t0, t1)
    if name is None:
        raise BadTemplate(f"no name fits track {track} alone between {t0} and {t1} s")
    return name


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def option_key(claim: Claim) -> str:
    """The key of a claim's words in its family's option table."""
    args = claim.arguments
    if claim.predicate == "exactly":
        which, among = args["which"], args["among"]
        return {0: "none", 1: "first" if which == among[:1] else "second"}.get(len(which), "both")
    if claim.predicate == "order_change":
        return f"{args['from']}-{args['to']}"
    if claim.predicate in BOUNDS:
        return f"{float(args['lo'])}-{float(args['hi'])}"
    if claim.predicate == "moves":
        return "yes" if args["is"] else "no"
    if claim.predicate == "not" and args["predicate"] == "view":
        return f"not-{args['args']['is']}"
    if "is" in args:
        return str(args["is"])
    return f"{claim.predicate}-{args['side']}" if "side" in args else claim.predicate


def _family(template: str) -> tuple[str, dict[str, Any], str]:
    name, _, which = template.partition("/")
    table = families().get(name)
    if table is None or name in WORDS_ALONE:
        raise BadTemplate(f"no wording family {name!r}")
    return name, table, which


def _names(scene: Scene, args: Mapping[str, Any], t0: float, t1: float) -> dict[str, str]:
    """The words for the placeholders of a template."""
    still = args.get("frame") != "stabilised"
    words = {"across": " across the picture" if still else "", "where": " in the picture" if still else ""}
    for role in ("a", "b"):
        if role in args:
            words[role] = _name(scene, args[role], t0, t1)
            words[role.upper()] = _capital(words[role])
    named = [args[role] for role in ("a", "b") if role in args]
    if named:
        people = [scene.tracks[track].label == "person" for track in named]
        words["its"] = "their" if people[0] else "its"
        words["whose"] = "their" if all(people) else "its"
        words["own_length"] = "their own body length" if people[0] else "its own length"
    for role in ("first", "then"):
        if role in args:
            words[role] = _episode(scene, args[role], t0, t1)
            words[role.capitalize()] = _capital(words[role])
    if "label" in args:
        words["label"], words["labels"] = one(str(args["label"])), plural(str(args["label"]))
    if "way" in args:
        words["way"] = families()["direction"]["options"][args["way"]]
    if "axis" in args:
        words["dimension"] = "width" if args["axis"] == "x" else "height"
    if "joint" in args:
        words["joint"] = families()["joint"][args["joint"]]
    if "deed" in args:
        words["deed"] = _deed(args["deed"])
    return words


def _deed(deed: Mapping[str, Any]) -> str:
    """What a claim of one track says of it, as a verb in the third person.

    >>> _deed({"predicate": "direction", "args": {"is": "up"}})
    'moves up'
    """
    predicate, args = deed["predicate"], deed["args"]
    plain = families()["deed"].get(predicate)
    if plain is not None:
        return str(plain)
    if predicate == "direction":
        return f"moves {families()['direction']['options'][args['is']]}"
    try:
        if predicate in ("enters", "leaves"):
            return str(families()["presence"]["options"][f"{predicate}-{args['side']}"])
        return str(families()[predicate]["options"][args["is"]])
    except KeyError:
        raise BadTemplate(f"no words for {predicate} {dict(args)}") from None


def _episode(scene: Scene, episode: Mapping[str, Any], t0: float, t1: float) -> str:
    text: str = families()["episode"][episode["episode"]]
    return _fill(text, _actors(scene, episode, t0, t1), "episode")


def _actors(scene: Scene, of: Mapping[str, Any], t0: float, t1: float) -> dict[str, str]:
    """``x`` and ``y``: the thing that an event speaks of, and the other one if there is one."""
    words = {"side": str(of.get("side", ""))}
    for role, keys in (("x", ("track", "a")), ("y", ("b",))):
        for key in keys:
            if key in of:
                words[role] = _name(scene, of[key], t0, t1)
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


def _grounded(text: str, args: Mapping[str, Any]) -> str:
    """A text that says against what its motion is meant, where that is not the picture."""
    if args.get("frame") != "stabilised":
        return text
    return f"{BACKGROUND}{text[0].lower()}{text[1:]}"


def _option(
    scene: Scene, name: str, options: Mapping[str, Any], words: Mapping[str, str], claim: Claim, t0: float, t1: float
) -> str:
    given = claim.arguments
    if not options:
        return str(given["is"])
    if name == "sequence":
        ways = families()["direction"]["options"]
        return _fill(options["format"], {"first": ways[given["first"]], "then": ways[given["then"]]}, name)
    if name == "before":
        said = {k: options[e["event"]] for k, e in given.items()}
        if actor_of(given["first"]) == actor_of(given["then"]):  # one thing does both, and is named once
            said["then"] = said["then"].removeprefix("{x} ")
            held = scene.tracks.get(given["then"].get("b", ""))
            if held is not None and held.track_id == given["first"].get("b") and held.label != "person":
                said["then"] = said["then"].replace("{y}", "it")
        events = {k: _fill(said[k], _actors(scene, e, t0, t1), name) for k, e in given.items()}
        return _fill(options["format"], events, name)
    if name in THINGS:
        return _name(scene, given["b"], t0, t1)
    if name == "crosses":
        return _fill(options["crosses"], _actors(scene, given, t0, t1), name)
    if name == "whether":
        return str(options["no" if claim.predicate == "not" else "yes"])
    if name == "absent":
        inner = given["args"]
        return f"{_name(scene, inner['track'], t0, t1)} {_deed({'predicate': given['predicate'], 'args': inner})}"
    key = option_key(claim)
    if claim.predicate == "overtakes":
        key = "overtakes-first" if _name(scene, given["a"], t0, t1) == words["a"] else "overtakes-second"
    elif key not in options:
        key = str(given.get("side", key))
    if key not in options:
        raise BadTemplate(f"wording family {name!r} has no option {key!r}")
    return _fill(options[key], words, name)


def short_caption(sentences: Sequence[Sentence]) -> str:
    """The first two sentences about what moves and how; failing that, the first sentence."""
    telling = [s.text for s in sentences if s.aspect in TELLING and s.claim.predicate != "moves"]
    return " ".join(telling[:2] or [sentences[0].text])


class Wording:
    """A template with its arguments, in words; ``t0`` and ``t1`` bound what the reader sees.

    What its objects are called is found once for the question and all of its options. Raises :class:`BadTemplate`,
    here and in all of its methods.
    """

    def __init__(self, scene: Scene, template: str, args: Mapping[str, Any], t0: float, t1: float) -> None:
        self._scene, self._template, self._args, self._t0, self._t1 = scene, template, args, t0, t1
        self._family, self._table, self._which = _family(template)
        self._words = _names(scene, args, t0, t1)

    def stem(self) -> str:
        """The words of a question."""
        return _grounded(
            _fill(_pick(self._table, self._which, self._template), self._words, self._template), self._args
        )

    def option(self, claim: Claim) -> str:
        """The words of an option of a question."""
        text = self._option(claim, self._table["options"])
        return f"{text} {self._words['b']}" if self._family in ("relation", "order_change") else text

    def statement(self, claim: Claim) -> str:
        """One sentence of a caption; with its times in front unless the claim speaks of the whole clip."""
        words = dict(self._words)
        words["option"] = self._option(claim, self._table.get("said", self._table["options"]))
        words["Option"] = _capital(words["option"])
        given = claim.arguments
        if isinstance(given.get("is"), int) and not isinstance(given["is"], bool):
            n = given["is"]
            word = NUMBERS[n] if n < len(NUMBERS) else str(n)
            words["times"] = {0: "not once", 1: "once", 2: "twice"}.get(n, f"{word} times")
            if "label" in words:
                words["number_of_labels"] = f"{word} {words['label'] if n == 1 else words['labels']}"
        picked = _pick(self._table, self._which, self._template)
        text = _grounded(_capital(_fill(picked, words, self._template)), self._args)
        when = self._when()
        return f"{when}: {text[0].lower()}{text[1:]}" if when else text

    def _when(self) -> str:
        """The seconds of which a sentence speaks; empty where it is the whole clip."""
        start, end = (round(float(self._scene.t[i]), 3) for i in (0, -1))
        if self._t0 <= start:
            return "" if self._t1 >= end else f"Until {self._t1:.1f} s"
        return f"From {self._t0:.1f} s on" if self._t1 >= end else f"Between {self._t0:.1f} s and {self._t1:.1f} s"

    def _option(self, claim: Claim, options: Mapping[str, Any]) -> str:
        return _option(self._scene, self._family, options, self._words, claim, self._t0, self._t1)
