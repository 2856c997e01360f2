"""The rule of paraphrases: what says the same is kept, what says another thing is refused."""

from __future__ import annotations

from collections import Counter

import pytest

from fm_hub.claims import Scene
from fm_hub.wording.paraphrase import difference, names_in
from paraphrases_made import Pair, changed, faithful
from scenes_made import annotation, clock, line, make_track, street


def refused(p: Pair) -> str:
    return difference(p.original, p.text, p.names, f"{p.family}/0")


def test_faithful_ones_are_kept() -> None:
    """Written by hand before the rule; ``benchmarks/quality.py`` tells the half apart that nobody looked at."""
    pairs = faithful()
    kept = [p for p in pairs if not refused(p)]
    assert len(pairs) >= 300
    assert len(kept) >= 0.9 * len(pairs)


def test_changed_ones_are_refused() -> None:
    pairs = changed(faithful())
    counts = Counter(p.changed for p in pairs)
    through = Counter(p.changed for p in pairs if not refused(p))
    assert sum(counts.values()) >= 1000
    for kind in ("number", "direction", "label", "order"):
        assert counts[kind] >= 100
        assert through[kind] <= 0.005 * counts[kind], [p for p in pairs if p.changed == kind and not refused(p)]


DOG, CAR = ("the dog",), ("the car",)


@pytest.mark.parametrize(
    ("template", "original", "text"),
    [
        ("direction/s0", "The dog moves to the left.", "The dog does not move to the left."),
        ("direction/s0", "The dog moves to the left.", "The dog moves quickly to the left."),
        ("direction/s0", "The dog moves to the left.", "The dog moves to the left twice."),
        ("direction/s0", "The dog moves to the left.", "The dog moves to the left and spins."),
        ("direction/s0", "The dog moves to the left.", "The dog moves to the left, then to the right."),
        ("direction/s0", "The dog moves to the left.", "A dog that looks happy moves to the left."),
        ("direction/s0", "The dog moves to the left.", "The dog and the car move to the left."),
        ("direction/s0", "The dog moves to the left.", "Does the dog move to the left?"),
        ("direction/s0", "The dog moves to the left.", "The dog moves to the left. It is fast."),
        ("direction/s0", "The dog moves to the left.", "The dog moves.\nTo the left."),
        ("direction/s0", "The dog moves to the left.", "The dog moves to the left <b>."),
        ("direction/s0", "The dog moves to the left.", "The dog " + "moves and moves and moves " * 9 + "to the left."),
        ("direction/0", "In which direction does the dog move across the picture?", "How fast does the dog move?"),
        ("direction/0", "In which direction does the dog move across the picture?", "Does the dog move across?"),
        ("direction/0", "In which direction does the dog move across the picture?", "Why does the dog move left?"),
        ("speed_order/s0", "Across the picture, the dog is faster than the car.", "The car is faster than the dog."),
        ("speed_order/s0", "Across the picture, the dog is faster than the car.", "The dog is as fast as the car."),
        ("speed/s0", "The dog moves slowly across the picture.", "The dog moves across the picture."),
        ("moves/s0", "The dog stays in its place.", "The dog does not stay in its place."),
        ("region_end/0", "Where is the dog when the video ends?", "Where is the dog when the video starts?"),
        ("enters/s0", "The dog enters the picture from the left.", "The dog leaves the picture from the left."),
        ("relation/s0", "In the picture, the dog is above the car.", "Above the dog is the car."),
    ],
)
def test_what_else_is_refused(template: str, original: str, text: str) -> None:
    assert difference(original, original, (DOG, CAR), template) == ""
    assert difference(original, text, (DOG, CAR), template) != ""


def test_the_names_of_a_text_are_found() -> None:
    scene = Scene.of(street())
    assert names_in(scene, "Which moves faster, the dog or the car?", 0, 6) == [("the car",), ("the dog",)]
    assert names_in(scene, "How many dogs are in view?", 0, 6) == [("dog", "dogs")]
    t = clock()
    two = [make_track(n, "person", t, line((x, 100), (x, 300))) for n, x in (("one", 100), ("other", 500))]
    names = names_in(
        Scene.of(annotation(two, t)), "Where does the person on the left go, and how many people go?", 0, 6
    )
    assert names == [("the person on the left",), ("person", "people")]
