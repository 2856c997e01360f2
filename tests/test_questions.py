"""Questions and captions from tracks whose motion is known by construction."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fm_builders.captions import ASPECTS, caption
from fm_builders.material import Material
from fm_builders.questions import KINDS, ask, in_a_row, presence, trajectory
from fm_builders.questions.count import leaning
from fm_builders.questions.direction import mirrored
from fm_hub.claims import Scene, check
from fm_hub.claims.shape import SHAPES
from fm_hub.records import Annotation, Claim, Question
from fm_hub.wording import Wording, families, refer
from golden_files import check_golden
from lively_scenes import lively
from scenes_made import HEIGHT, WIDTH, annotation, clock, line, make_track, rest, street, swing

ALL = tuple(KINDS.names())
OF_THINGS = tuple(k for k in ALL if k != "camera")  # a still view alone may be asked about
TYPES = {
    "motion recognition",
    "action order",
    "motion-related objects",
    "location-related motion",
    "repetition count",
    "camera motion",
    "dynamics prediction",
}


def asked(a: Annotation, kinds: tuple[str, ...] = ALL, most: int = 100) -> list[Question]:
    return ask(Material(a, 0.5), kinds, seed=0, max_per_kind=most, max_per_clip=99).questions


def random_clip(seed: int) -> Annotation:
    """Two to four tracks between random points, one of which swings."""
    rng = np.random.default_rng(seed)
    t = clock(float(rng.uniform(2, 8)))
    labels = ["person", "car", "dog", "person"][: int(rng.integers(2, 5))]
    tracks = []
    for i, label in enumerate(labels):
        a, b = rng.uniform((80, 80), (WIDTH - 80, HEIGHT - 80), (2, 2))
        path = swing((float(a[0]), float(a[1])), 70, 2.0) if i == 1 else line(tuple(a), tuple(b), float(t[-1]))
        tracks.append(make_track(f"{label}{i}", label, t, path, jitter=float(rng.uniform(0, 3)), seed=seed))
    return annotation(tracks, t)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.booleans())
def test_every_question_is_proved_and_worded_again(seed: int, much: bool) -> None:
    a = lively(seed) if much else random_clip(seed)
    m = Material(a, 0.5)
    for q in asked(a):
        verdicts = [check(m.scene, o.claim) for o in q.options]
        assert verdicts[q.answer].true
        assert all(v.false for i, v in enumerate(verdicts) if i != q.answer)
        texts = [o.text for o in q.options]
        assert len(set(texts)) == len(texts)
        assert 2 <= len(texts) <= 4
        assert q.type in TYPES
        assert not any(t.track_id in q.text + " ".join(texts) for t in a.tracks), "an id in the words"
        assert "{" not in q.text + "".join(texts)
        claims = [o.claim for o in q.options]
        if q.kind == "prediction":
            assert all(q.view_t1 <= c.t0 < c.t1 <= a.frames.t[-1] for c in claims)
        else:
            assert all(q.view_t0 <= c.t0 <= c.t1 <= q.view_t1 for c in claims)
        assert len({c.frame for c in claims}) == 1
        assert q.text.startswith("Against the background, ") == (claims[0].frame == "stabilised")
        words = " ".join((q.text, *texts))
        assert not re.search(r"  | [.?,]|the the", words), words


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_tracks_changes_nothing(seed: int, random: object) -> None:
    a = random_clip(seed)
    tracks = list(a.tracks)
    random.shuffle(tracks)  # type: ignore[attr-defined]
    assert asked(a) == asked(replace(a, tracks=tracks))
    assert caption(Material(a, 0.5), seed=0) == caption(Material(replace(a, tracks=tracks), 0.5), seed=0)


def test_every_kind_asks() -> None:
    """Over a dozen lively clips; of still ones and of those whose view moves."""
    clips = [lively(seed) for seed in range(46)]
    kinds: dict[str, set[str]] = {"static": set(), "moving": set()}
    for a in clips:
        kinds[a.clip.camera] |= {q.kind for q in asked(a, most=2)}
    assert kinds["static"] == set(ALL)
    assert kinds["moving"] == set(ALL) - {"rotation", "presence"}


def test_letters_are_even_within_a_clip() -> None:
    letters = Counter(q.answer for q in asked(street()) if len(q.options) == 4)
    assert max(letters.values()) - min(letters.values()) <= 1


def test_of_an_unknown_view_nothing_is_asked() -> None:
    a = street()
    made = ask(
        Material(annotation(a.tracks, a.frames.t, camera="unknown"), 0.5), ALL, seed=0, max_per_kind=9, max_per_clip=99
    )
    assert not made.questions
    assert made.dropped["CameraUnknown"] == len(ALL)


def test_a_poor_track_is_not_asked_about_and_keeps_others_from_being_named_by_class() -> None:
    t = clock()
    good = make_track("a", "person", t, line((100, 200), (500, 200)))
    poor = make_track("b", "person", t, rest((300, 100)), quality=0.2)
    other = make_track("c", "person", t, rest((500, 100)), quality=0.2)
    assert not asked(annotation([poor], t), OF_THINGS)
    assert asked(annotation([good], t))
    crowd = ask(
        Material(annotation([good, poor, other], t), 0.5), ("direction",), seed=0, max_per_kind=9, max_per_clip=99
    )
    assert not crowd.questions
    assert crowd.dropped["AmbiguousReference"]


def test_two_of_a_class_are_told_apart_by_side() -> None:
    t = clock()
    left = make_track("a", "person", t, line((100, 100), (100, 250)))
    right = make_track("b", "person", t, rest((500, 200)))
    m = Material(annotation([left, right], t), 0.5)
    assert refer(m.scene, left.track_id, 0, 6) == "the person on the left"
    assert refer(m.scene, right.track_id, 0, 6) == "the person on the right"
    near = make_track("c", "person", t, rest((110, 200)))
    m = Material(annotation([left, near], t), 0.5)
    assert refer(m.scene, left.track_id, 0, 6) is None


def test_a_track_that_is_lost_is_asked_about_only_while_it_is_seen() -> None:
    t = clock()
    track = make_track("a", "person", t, line((100, 200), (500, 200)), seen=(0.0, 2.5))
    views = {(q.view_t0, q.view_t1) for q in asked(annotation([track], t)) if q.kind in ("direction", "speed")}
    assert views == {(0.0, 2.5)}


def test_nothing_to_ask_has_a_reason() -> None:
    t = clock()
    made = ask(Material(annotation([], t), 0.5), OF_THINGS, seed=0, max_per_kind=4, max_per_clip=99)
    assert not made.questions
    blur = make_track("a", "person", t, line((300, 200), (345, 215)), jitter=6.0)
    made = ask(Material(annotation([blur], t), 0.5), ("direction",), seed=0, max_per_kind=4, max_per_clip=99)
    assert made.dropped["SmallMargin"]


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_every_sentence_of_a_caption_is_proved(seed: int) -> None:
    m = Material(random_clip(seed), 0.5)
    text = caption(m, seed=0)
    assert text is not None
    order = [ASPECTS.index(s.aspect) for s in text.sentences]
    assert order == sorted(order)
    assert all(check(m.scene, s.claim).true for s in text.sentences)
    assert text.text == " ".join(s.text for s in text.sentences)


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_of_an_unknown_view_only_the_picture_is_told(seed: int) -> None:
    a = lively(seed)
    unknown = annotation(a.tracks, a.frames.t, camera="unknown")
    m = Material(replace(unknown, keypoints=a.keypoints, contacts=a.contacts), 0.5)
    text = caption(m, seed=0)
    for s in text.sentences if text else ():
        assert s.claim.frame == "image"
        assert s.claim.predicate not in ("view", "direction", "moves", "speed", "depth", "travels")
        assert check(m.scene, s.claim).true
        assert "background" not in s.text


def test_an_unknown_view_has_a_caption_of_places() -> None:
    a = street()
    text = caption(Material(annotation(a.tracks, a.frames.t, camera="unknown"), 0.5), seed=0)
    assert text is not None
    assert {"location", "relation"} <= {s.aspect for s in text.sentences}


def test_where_there_is_nothing_else_to_tell_the_view_is_told() -> None:
    t = clock()
    poor = [make_track("a", "person", t, rest((300, 100)), quality=0.2)]
    still = caption(Material(annotation(poor, t), 0.5), seed=0)
    assert still is not None
    assert still.text == still.short == "The camera stands still."
    assert caption(Material(annotation(poor, t, camera="unknown"), 0.5), seed=0) is None
    drifting = annotation(poor, t, camera="moving")
    steps = np.where(np.arange(len(t)) % 20 < 10, 4.0, -4.0)  # to and fro: it goes nowhere, and does not stand still
    m = Material(replace(drifting, camera=replace(drifting.camera, dx=steps)), 0.5)
    text = caption(m, seed=0)
    assert text is not None
    assert text.text == "The camera does not stand still."
    assert check(m.scene, text.sentences[0].claim).true


@pytest.mark.parametrize(
    ("quality", "said"), [(0.9, "At most one person can be seen at the same time."), (0.2, "The camera does not ")]
)
def test_of_a_view_that_hardly_goes_the_least_is_told(quality: float, said: str) -> None:
    """It neither stands still nor goes anywhere; who is in the picture is neither here nor there in it."""
    t = clock()
    track = make_track("a", "person", t, line((310, 175), (355, 180)), quality=quality)
    slow = annotation([track], t, camera="moving")
    camera = replace(slow.camera, dx=np.where(np.arange(len(t)) > 0, 0.3, 0.0))
    m = Material(replace(slow, camera=camera), 0.5)
    text = caption(m, seed=0)
    assert text is not None
    assert text.text.startswith(said)
    assert len(text.sentences) == 1
    assert check(m.scene, text.sentences[0].claim).true


def test_a_partial_window_is_said_with_its_times() -> None:
    t = clock()
    track = make_track("a", "person", t, line((100, 200), (500, 200)), seen=(0.0, 3.0))
    text = caption(Material(annotation([track], t), 0.5), seed=0)
    assert text is not None
    assert "Until 3.0 s: " in text.text
    for seen, said in (((2.0, 6.0), "From 2.0 s on: "), ((2.0, 5.0), "Between 2.0 s and 5.0 s: ")):
        track = make_track("a", "person", t, line((100, 200), (500, 200)), seen=seen)
        text = caption(Material(annotation([track], t), 0.5), seed=0)
        assert text is not None
        assert said in text.text


def test_a_person_has_no_its() -> None:
    t = clock()
    both = [make_track("a", "person", t, line((60, 200), (560, 200))), make_track("b", "person", t, rest((300, 60)))]
    said = " ".join(" ".join([q.text, *(o.text for o in q.options)]) for q in asked(annotation(both[:1], t)))
    assert "their" in said
    assert not re.search(r"\bits\b", said), said
    of_two = [q for q in asked(annotation(both, t)) if q.template.startswith("actor_moves/")]
    assert of_two
    assert not any(re.search(r"\bits\b", q.text) for q in of_two)


def test_who_does_two_things_is_named_once() -> None:
    path = swing((300, 200), 100, 6.0)
    t = clock(10.0)
    still = make_track("a", "ball", t, lambda t: path(np.clip(t - 3, 0, 3)), size=(30, 30))
    orders = [q for q in asked(annotation([still], t), ("order",)) if q.template.startswith("before/")]
    assert any("the ball starts to move, and then comes to rest" in [o.text for o in q.options] for q in orders)


def test_what_a_name_says_is_not_asked() -> None:
    """Of two that are called by their sides, nobody is asked on which side, in which part or over which edge."""
    seen = 0
    for seed in range(80):
        for q in (q for a in (lively(seed), random_clip(seed)) for q in asked(a)):
            family, sided = q.template.partition("/")[0], re.findall(r" on the (?:left|right)\b", q.text)
            seen += len(sided) > 1
            if family in ("relation", "order_change"):
                assert len(sided) < 2, q.text
            if family in ("region_start", "region_end", "enters", "leaves", "presence"):
                assert not sided, q.text
    assert seen > 20


def test_that_a_thing_is_hidden_is_told_once() -> None:
    told: Counter[str] = Counter()
    for seed in range(60):
        text = caption(Material(lively(seed), 0.5), seed=0)
        by = {(s.claim.predicate, s.template_args) for s in text.sentences} if text else set()
        told.update(predicate for predicate, _ in by)
        assert not {a for p, a in by if p == "hides"} & {a for p, a in by if p == "hidden"}
        assert not text or "for a while, and then comes back into sight" not in text.text
    assert told["hides"] > 2


def test_a_short_caption_tells_what_moves() -> None:
    t = clock()
    tracks = [make_track("a", "chair", t, rest((100, 100))), make_track("b", "bench", t, rest((300, 100)))]
    tracks.append(make_track("c", "dog", t, line((100, 250), (500, 250))))
    text = caption(Material(annotation(tracks, t), 0.5), seed=0)
    assert text is not None
    assert "stays in its place" in text.text
    assert "stays" not in text.short
    assert "dog" in text.short


@pytest.mark.parametrize("family", sorted(set(families()) - {"plural", "one", "joint", "deed", "episode"}))
def test_at_least_six_wordings(family: str) -> None:
    stems = families()[family]["stems"]
    assert len(stems) == len(set(stems)) >= 6
    assert all(s.endswith("?") for s in stems)


def test_the_wording_is_frozen() -> None:
    m = Material(street(), 0.5)
    text = caption(m, seed=0)
    assert text is not None
    lines = [f"CAPTION {text.text}", f"SHORT {text.short}"]
    scenes = {a.clip.clip_id: a for a in (street(), *(lively(seed) for seed in range(12)))}
    for q in (q for a in scenes.values() for q in asked(a, most=3)):
        m = Material(scenes[q.clip_id], 0.5)
        args = json.loads(q.template_args)
        wording = Wording(m.scene, q.template, args, q.view_t0, q.view_t1)
        assert wording.stem() == q.text
        key = q.options[q.answer]
        assert wording.option(key.claim) == key.text
        lines.append(f"{q.kind} [{q.view_t0:.1f}-{q.view_t1:.1f}] {q.text} -> {' | '.join(o.text for o in q.options)}")
    check_golden("wording.txt", "\n".join(sorted(lines)) + "\n")


def test_the_place_of_a_number_tells_nothing() -> None:
    ranks: Counter[int] = Counter()
    for seed in range(60):
        for q in asked(random_clip(seed), ("count",)):
            numbers = sorted(int(o.text) for o in q.options)
            assert numbers == list(range(numbers[0], numbers[0] + 4))
            ranks[numbers.index(int(q.options[q.answer].text))] += 1
    assert sum(ranks.values()) > 40
    assert max(ranks.values()) < 0.6 * sum(ranks.values()), ranks


def test_of_numbers_that_halve_each_of_a_row_is_as_likely() -> None:
    """The true one of a row is its first as often as its last, where there is room below."""
    right: dict[tuple[int, ...], dict[int, float]] = {}
    for value in range(3, 12):
        rows = [row for row in leaning(7, 3) if len(row) == 4]
        for row in rows:
            numbers = tuple(value - 3 + i for i in row)
            shares = right.setdefault(numbers, {})
            shares[value] = shares.get(value, 0.0) + 0.5**value / len(rows)
    whole = [shares for numbers, shares in right.items() if numbers[0] >= 3 and numbers[-1] <= 11]
    assert len(whole) == 6
    for shares in whole:
        assert max(shares.values()) == pytest.approx(min(shares.values()))


def test_asked_again_it_is_one_of_two() -> None:
    """What is held beside one other thing, and which hand moves most beside the other: where each may be right."""
    found: Counter[str] = Counter()
    for seed in range(40):
        made = ask(
            Material(lively(seed), 0.5), ("contact", "gesture"), seed=0, max_per_kind=9, max_per_clip=99, versions=2
        )
        for q in made.questions:
            family = q.template.partition("/")[0]
            assert len(q.options) > 2 or family == "hand_side"
        for q in made.again:
            family = q.template.partition("/")[0]
            found[family] += 1
            if family == "limb":
                words = {o.claim.arguments["is"].partition("_")[2] for o in q.options}
                assert (len(q.options), len(words)) == (2, 1)
            elif family in ("held", "touched", "carried"):
                assert len(q.options) == 2
    assert found["limb"] > 5
    assert found["held"] + found["touched"] > 5


def test_orders_come_in_two_mirrored_pairs() -> None:
    seen = 0
    for seed in range(60):
        for q in asked(random_clip(seed), ("order",)):
            pairs = Counter()  # type: ignore[var-annotated]
            for o in q.options:
                args = o.claim.arguments
                pairs[frozenset((json.dumps(args["first"]), json.dumps(args["then"])))] += 1
            assert sorted(pairs.values()) == [2, 2]
            seen += 1
    assert seen > 10


def test_a_thing_without_a_class_is_not_counted_nor_named_beside_others() -> None:
    t = clock()
    things = [make_track(n, "object", t, line((100, y), (500, y))) for n, y in (("a", 80), ("b", 280))]
    cup = make_track("cup", "cup", t, rest((600, 180)))
    questions = asked(annotation([*things, cup], t))
    assert not any("object" in q.text for q in questions)
    alone = asked(annotation(things[:1], t))
    assert any("the object" in q.text for q in alone)


def test_a_clip_gives_so_many_questions_and_of_every_kind_in_turn() -> None:
    m = Material(street(), 0.5)
    everything = ask(m, ALL, seed=0, max_per_kind=99, max_per_clip=999).questions
    few = ask(m, ALL, seed=0, max_per_kind=99, max_per_clip=6).questions
    assert len(few) == 6 < len(everything)
    assert {q.question_id for q in few} <= {q.question_id for q in everything}
    assert len({q.kind for q in few}) == min(6, len({q.kind for q in everything}))


def test_the_likeliest_answer_is_no_safe_guess() -> None:
    """Of things that mostly go straight, keep their size and their pace, the others are asked about as often."""
    answers: dict[str, Counter[str]] = {}
    for seed in range(60):
        for q in asked(lively(seed), ("whether", "direction", "speed", "camera")):
            answers.setdefault(q.template.partition("/")[0], Counter())[q.options[q.answer].text] += 1
    assert sum(answers["whether"].values()) > 100
    for family in ("whether", "direction"):
        assert max(answers[family].values()) < 0.7 * sum(answers[family].values()), answers[family]


@pytest.mark.parametrize(
    ("sets", "n"), [(presence.SETS, len(presence.EVENTS)), (trajectory.SETS, len(SHAPES)), (in_a_row(6), 6)]
)
def test_every_answer_is_in_a_set_and_none_shows_itself(sets: tuple[tuple[int, ...], ...], n: int) -> None:
    """Of the sets of four that are asked first, each holds answers that others hold, too."""
    four = [s for s in sets if len(s) == 4]
    assert {i for s in sets for i in s} == {i for s in four for i in s} == set(range(n))
    assert all(len(set(s)) == len(s) for s in sets)
    assert all(any(set(s) & set(t) for t in four if t != s) for s in four)


def test_every_answer_about_two_can_be_right() -> None:
    """Also that neither of them goes that way, or does that."""
    right: dict[str, Counter[int]] = {"actor_direction": Counter(), "actor_event": Counter()}
    for seed in range(120):
        for q in (q for a in (lively(seed), random_clip(seed)) for q in asked(a, ("actor",))):
            right.get(q.template.partition("/")[0], Counter())[len(q.options[q.answer].claim.arguments["which"])] += 1
    assert min(right["actor_direction"][n] for n in range(3)) > 20, right
    assert min(right["actor_event"][n] for n in range(2)) > 5, right


def test_a_false_word_is_what_happens_as_often() -> None:
    """Of what goes one way it is said, where something false is said, that it goes the mirrored one."""
    told: Counter[str] = Counter()
    for a in (random_clip(seed) for seed in range(60)):
        scene = Scene.of(a)
        for q in asked(a, ("whether",)):
            args = json.loads(q.template_args)
            if args.get("deed", {}).get("predicate") == "direction":
                yes = q.options[[o.text for o in q.options].index("yes")].claim
                word = {"track": args["a"], "is": mirrored(args["deed"]["args"]["is"])}
                turned = Claim.of("direction", word, yes.t0, yes.t1, yes.frame)
                told["true" if check(scene, yes).true else "mirrored" if check(scene, turned).true else "other"] += 1
    assert 0.4 < told["true"] / told.total() < 0.6, told
    assert told["mirrored"] > 5 * told["other"] > 0, told


def test_a_name_that_fits_two_is_no_name() -> None:
    t = clock()
    cars = [make_track(f"c{i}", "car", t, line((60, 60 + 90 * i), (560, 60 + 90 * i))) for i in range(3)]

    def named(*colours: str) -> list[str | None]:
        tracks = [replace(c, colour=x) for c, x in zip(cars, colours, strict=True)]
        m = Material(annotation(tracks, t), 0.5)
        return [refer(m.scene, c.track_id, 0, 6) for c in tracks]

    assert named("", "", "") == [None] * 3
    assert named("red", "blue", "white") == ["the red car", "the blue car", "the white car"]
    assert named("red", "blue", "") == [None] * 3, "the third one might be red as well"
    assert named("red", "red", "white") == [None, None, "the white car"]
    assert named("red", "orange", "white") == [None, None, "the white car"], "some call it red"
    late = [replace(c, colour="") for c in cars[:2]] + [
        make_track("l", "car", t, line((60, 240), (560, 240)), seen=(2.0, 6.0))
    ]
    m = Material(annotation(late, t), 0.5)
    assert [refer(m.scene, c.track_id, 0, 6) for c in late] == [None, None, "the car that appears last"]


def test_hands_are_told_apart_by_their_owner_and_side() -> None:
    t = clock()
    person = make_track("p", "person", t, rest((320, 180)))
    hands = [
        replace(make_track(s, "hand", t, rest((280 + 80 * i, 180))), side=s, parent=person.track_id)  # type: ignore[arg-type]
        for i, s in enumerate(("left", "right"))
    ]
    m = Material(annotation([person, *hands], t), 0.5)
    assert [refer(m.scene, h.track_id, 0, 6) for h in hands] == ["the person's left hand", "the person's right hand"]


def test_no_order_can_be_told_without_looking() -> None:
    """A thing does nothing before it comes into view, and nothing after it has gone; who lets go had taken hold."""
    seen = 0
    for seed in range(60):
        for q in asked(lively(seed), ("order",)):
            if q.template.startswith("before/"):
                seen += 1
                for option in q.options:
                    first, then = (option.claim.arguments[k] for k in ("first", "then"))
                    if first.get("track", first.get("a")) == then.get("track", then.get("a")):
                        events = {first["event"], then["event"]}
                        assert not {"enters", "appears", "leaves", "disappears"} & events
                        assert events != {"grasps", "releases"} or first["b"] != then["b"]
    assert seen > 5


def test_a_thing_in_a_hand_is_not_called_hidden_or_gone() -> None:
    told = {"hidden", "reappears", "appears", "disappears", "hides"}
    seen = 0
    for seed in range(60):
        a = lively(seed)
        held = {c.b for c in a.contacts}
        m = Material(a, 0.5)
        text = caption(m, seed=0)
        claims = [q.options[q.answer].claim for q in asked(a, ("presence",))]
        claims += [s.claim for s in text.sentences] if text else []
        for claim in claims:
            if claim.predicate in told:
                seen += 1
                assert claim.arguments.get("track", claim.arguments.get("a")) not in held
    assert seen > 5


def test_what_stands_beside_a_still_camera_depends_on_the_clip() -> None:
    beside = set()
    for i in range(120):
        a = annotation([], clock())
        a = replace(a, clip=replace(a.clip, clip_id=f"clip{i}"))
        for q in asked(a, ("camera",)):
            beside.add(frozenset(o.text for k, o in enumerate(q.options) if k != q.answer))
    assert len(beside) > 3
