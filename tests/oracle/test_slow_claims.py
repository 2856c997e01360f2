"""Hand-computed cases for the slow implementation of `docs/claims.md`.

The clip is 800 x 600, so D = 1000 and 0.06 D = 60; frames lie 0.1 s apart. Boxes are 125 x 125 unless a case says
otherwise, so for motion without jitter tau = sqrt(5^2 + (0.03 * 125)^2) = sqrt(25 + 14.0625) = 6.25 pixels.
On a monotone run the smoothed path is the path itself, except that c~_0 = c_1, c~_1 = (c_1 + c_2)/2 and the same at
the end: a run of n samples with step s has the smoothed length (n - 3) s.
"""

import math
from typing import Any

import pytest

from oracle.slow import MalformedClaim, check

TAU = 6.25
TAU_AB = 6.25 * math.sqrt(2.0)
UNCHECKED = (math.nan, math.nan, 0.0)


def track(name: str, centres: list[tuple[float, float]], first: int = 0, size: float = 125.0) -> dict[str, Any]:
    half = size / 2.0
    return {
        "track_id": name,
        "label": "ball",
        "frame": list(range(first, first + len(centres))),
        "bbox": [[x - half, y - half, x + half, y + half] for x, y in centres],
        "state": [0] * len(centres),
    }


def scene(*tracks: dict[str, Any], frames: int = 31) -> dict[str, Any]:
    camera: dict[str, Any] = {"label": "static", "ok": [True] * frames}
    for name in ("dx", "dy", "dlogs", "droll"):
        camera[name] = [0.0] * frames
    return {"width": 800, "height": 600, "t": [f / 10 for f in range(frames)], "camera": camera, "tracks": list(tracks)}


def ask(clip: dict[str, Any], predicate: str, /, t0: float = 0.0, t1: float = 3.0, **args: Any) -> tuple[float, ...]:
    args = {name.rstrip("_"): value for name, value in args.items()}
    frame = args.pop("frame", "image")
    result: tuple[float, ...] = check(clip, {"predicate": predicate, "args": args, "frame": frame, "t0": t0, "t1": t1})
    return result


def same(expected: tuple[float, float, float]) -> Any:
    return pytest.approx(expected, abs=1e-9, nan_ok=True)


def line(n: int, x: float, y: float, step_x: float, step_y: float = 0.0) -> list[tuple[float, float]]:
    return [(x + step_x * k, y + step_y * k) for k in range(n)]


# 11 samples, step 30: smoothed from 230 to 470, so L = E = U = 240 and m_moves = (240 - 60)/6.25 = 28.8.
RIGHT = scene(track("a", line(11, 200, 300, 30)))
STAYS = scene(track("a", line(11, 400, 300, 0)))
# Up to 500 in frame 10 and back: the smoothed peak is med(440, 470, 500, 470, 440) = 470, the ends are 230.
TO_AND_FRO = scene(track("a", line(11, 200, 300, 30) + line(10, 470, 300, -30)))


def test_moves_right() -> None:
    assert ask(RIGHT, "moves", track="a", is_=True) == same((0.24, 0.00625, 28.8))
    assert ask(RIGHT, "moves", track="a", is_=False) == same((0.24, 0.00625, -33.6))


def test_stays() -> None:
    # E = 0, (0 - 60)/6.25 = -9.6
    assert ask(STAYS, "moves", track="a", is_=True) == same((0.0, 0.00625, -9.6))
    assert ask(STAYS, "moves", track="a", is_=False) == same((0.0, 0.00625, 4.8))


def test_noise_widens_the_tolerance() -> None:
    # x alternates between 396 and 404: |r_k| = 8 everywhere; the smoothed path has medians of 5 (396 or 404) inside,
    # of 3 at both ends and of 4 next to them, so its range is 8.
    noisy = scene(track("a", [(400 + 4 * (-1) ** k, 300) for k in range(12)]))
    tau = math.sqrt(4 * 1.4826**2 * 64 / 1.5 + 39.0625)
    assert ask(noisy, "moves", track="a", is_=True) == same((0.008, tau / 1000, -52 / tau))


def test_one_outlier_changes_nothing() -> None:
    centres = line(11, 400, 300, 0)
    centres[5] = (700, 100)
    # 6 of the 9 second differences are 0, and the median of five drops the outlier.
    assert ask(scene(track("a", centres)), "moves", track="a", is_=False) == same((0.0, 0.00625, 4.8))


@pytest.mark.parametrize(
    ("word", "margin"),
    [("right", 6.0), ("up-right", -7.5), ("down-right", -7.5), ("up", -22.5), ("left", -52.5), ("down-left", -37.5)],
)
def test_direction_of_a_move_right(word: str, margin: float) -> None:
    # atan2(6.25, 240) = 1.5 degrees, so delta = 3; parts (22.5 - away)/3, 28.8 and (1 - 0.7)/0.05 = 6.
    assert ask(RIGHT, "direction", track="a", is_=word) == same((0.0, 3.0, margin))


def test_up_is_minus_y() -> None:
    clip = scene(track("a", line(11, 300, 500, 0, -30)))
    assert ask(clip, "direction", track="a", is_="up") == same((90.0, 3.0, 6.0))
    assert ask(clip, "direction", track="a", is_="down")[2] == pytest.approx(-52.5)


def test_path_of_a_straight_line() -> None:
    # One leg of 240: B = 1, beta = 0.1; V = 0, nu = 6.25/240, 0.1/nu = 3.84.
    assert ask(RIGHT, "path", track="a", is_="straight") == same((1.0, 0.1, 3.84))
    assert ask(RIGHT, "path", track="a", is_="curved") == same((1.0, 0.1, -3.84))
    assert ask(RIGHT, "path", track="a", is_="back-and-forth") == same((1.0, 0.1, -5.0))


def test_path_back_and_forth() -> None:
    # Legs 240 and 240 at h = max(12.5, 48): B = 2.
    assert ask(TO_AND_FRO, "path", track="a", is_="back-and-forth") == same((2.0, 0.1, 5.0))
    # d = 0: V is a distance to the point c~_0 over 1e-6, far beyond the clipping.
    assert ask(TO_AND_FRO, "path", track="a", is_="straight") == same((2.0, 0.1, -99.0))
    assert ask(TO_AND_FRO, "path", track="a", is_="curved") == same((2.0, 0.1, -5.0))


def test_path_with_a_corner_is_curved() -> None:
    # 11 samples right by 30, then 10 up by 30: smoothed ends (230, 500) and (500, 230), corner (500, 500); median of
    # five of a run monotone in each coordinate is the run itself. L = 270 sqrt 2, the corner lies 135 sqrt 2 off the
    # line: V = 0.5. E = 270 sqrt 2; nu = max(0.02, 6.25/381.8) = 0.02; (0.5 - 0.1)/0.02 = 20. B = 1: (1.5 - 1)/0.1 = 5.
    clip = scene(track("a", line(11, 200, 500, 30) + line(10, 500, 470, 0, -30)))
    assert ask(clip, "path", track="a", is_="curved") == same((1.0, 0.1, 5.0))
    assert ask(clip, "path", track="a", is_="straight") == same((1.0, 0.1, -20.0))


def test_travels() -> None:
    # q = 240/800 = 0.3, tol = 6.25/800 = 0.0078125; not smoothed 300/800 = 0.375, which is nearer to 0.4
    assert ask(RIGHT, "travels", track="a", axis="x", lo=0.2, hi=0.4) == same((0.3, 0.0078125, 3.2))
    assert ask(RIGHT, "travels", track="a", axis="x", lo=0.4, hi=0.5) == same((0.3, 0.0078125, -3.2))
    assert ask(RIGHT, "travels", track="a", axis="y", lo=0.0, hi=1.0) == same((0.0, 6.25 / 600, 0.0))


def test_region() -> None:
    # y = 200 is 100 above the middle; x: first five 200..320 -> 260 (140 left), last five 380..500 -> 440 (40 right).
    clip = scene(track("a", line(11, 200, 200, 30)))
    start = (100 / 600, 6.25 / 800, 100 / TAU)
    assert ask(clip, "region", track="a", is_="top-left", at="start") == same(start)
    assert ask(clip, "region", track="a", is_="top-right", at="end") == same((40 / 800, 6.25 / 800, 40 / TAU))
    assert ask(clip, "region", track="a", is_="bottom-left", at="all") == same((50 / 800, 6.25 / 800, -100 / TAU))
    assert ask(clip, "region", track="a", is_="top-left", at="all", frame="stabilised") == same(UNCHECKED)


def growing(scale: float) -> dict[str, Any]:
    result = track("a", line(11, 400, 300, 0))
    sizes = [100 * math.exp(scale * k) for k in range(11)]
    result["bbox"] = [[400 - s / 2, 300 - s / 2, 400 + s / 2, 300 + s / 2] for s in sizes]
    return result


def test_depth() -> None:
    # ln s rises by 0.1 per sample: thirds of 3 samples have medians 1 and 9 steps up, q = 0.8, tol = 0.1.
    clip = scene(growing(0.1))
    margin = (0.8 - math.log(1.4)) / 0.1
    assert ask(clip, "depth", track="a", is_="approaches") == same((0.8, 0.1, margin))
    assert ask(clip, "depth", track="a", is_="keeps") == same((0.8, 0.1, -margin))
    assert ask(clip, "depth", track="a", is_="recedes")[2] == pytest.approx((-0.8 - math.log(1.4)) / 0.1)


def test_depth_needs_whole_boxes() -> None:
    # x1 = 0, 2, ..., 20 for half = 62.5; whole only where x1 > 8, in 6 samples, then (window to 0.8) in 4.
    clip = scene(track("a", line(11, 62.5, 300, 2)))
    assert ask(clip, "depth", track="a", is_="keeps") == same((0.0, 0.1, math.log(1.4) / 0.1))
    assert ask(clip, "depth", 0.0, 0.8, track="a", is_="keeps") == same(UNCHECKED)


def test_speed() -> None:
    # v = 150, 225, 300 (5 times), 225, 150 px/s: median 300, q = 0.3, tol = 0.045.
    assert ask(RIGHT, "speed", track="a", is_="fast") == same((0.3, 0.045, 0.05 / 0.045))
    assert ask(RIGHT, "speed", track="a", is_="medium") == same((0.3, 0.045, -0.05 / 0.045))
    assert ask(RIGHT, "speed", track="a", is_="slow") == same((0.3, 0.045, -0.22 / 0.045))


def test_speed_change() -> None:
    # 11 samples with step 10, then 10 with step 30. 19 speeds, thirds of 6. First six: 50, 75, 100, 100, 100, 100 ->
    # 100; last six: 300, 300, 300, 300, 225, 150 -> 300. q = ln 3. T = 2, tau = 6.25:
    # sqrt((18.75/200)^2 + (18.75/600)^2) = 0.09375 sqrt(1 + 1/9) = 0.0988 < 0.15. Means: 87.5, 262.5, the same ratio.
    clip = scene(track("a", line(11, 100, 300, 10) + line(10, 230, 300, 30)))
    margin = (math.log(3) - math.log(1.6)) / 0.15
    assert ask(clip, "speed_change", track="a", is_="speeds-up") == same((math.log(3), 0.15, margin))
    assert ask(clip, "speed_change", track="a", is_="steady") == same((math.log(3), 0.15, -margin))


def test_reversals() -> None:
    # Each leg is 240 = U: (240 - 60)/6.25 = 28.8 = m_moves; a path without width: m_slim = 0.5/0.1 = 5.
    assert ask(TO_AND_FRO, "reversals", track="a", is_=1) == same((1.0, 1.0, 5.0))
    assert ask(TO_AND_FRO, "reversals", track="a", is_=0) == same((1.0, 1.0, -5.0))
    assert ask(RIGHT, "reversals", track="a", is_=0) == same((0.0, 1.0, 5.0))
    assert ask(STAYS, "reversals", track="a", is_=0) == same(UNCHECKED)


def test_sequence_right_then_up() -> None:
    # Each half has 11 samples, the corner belongs to both: `direction` gives 6 for each.
    clip = scene(track("a", line(11, 200, 500, 30) + line(10, 500, 470, 0, -30)))
    assert ask(clip, "sequence", 0.0, 2.0, track="a", first="right", then="up", at=1.0) == same((0.0, 3.0, 6.0))
    assert ask(clip, "sequence", 0.0, 2.0, track="a", first="right", then="down", at=1.0) == same((0.0, 3.0, -52.5))
    # At 0.3 the first half holds 4 samples: it counts as 0.
    unchecked_first = ask(clip, "sequence", 0.0, 2.0, track="a", first="right", then="down-left", at=0.3)
    assert math.isnan(unchecked_first[0])
    assert unchecked_first[2] < -20
    assert ask(clip, "sequence", 0.0, 2.0, track="a", first="right", then="up-right", at=0.3)[2] == 0.0


STARTS = scene(track("a", line(10, 200, 300, 0) + line(11, 230, 300, 30)))
STOPS = scene(track("a", line(11, 200, 300, 30) + line(10, 500, 300, 0)))


def test_starts() -> None:
    # Still up to frame 9, so v_9 = 30/0.2 = 150 >= 50 is the first of three: t = 0.9, the 8 speeds before are 0.
    # tol_v = 7.5; (50 - 0)/7.5 = 6.67, (300 - 50)/7.5, (0.9 - 0 - 0.4)/0.1 = 5.
    assert ask(STARTS, "starts", track="a") == same((0.9, 0.2, 5.0))
    # Moving from the outset and on: z_k = 300 throughout (smoothed ends are 150, theirs are 300), (50 - 300)/7.5.
    assert ask(RIGHT, "starts", track="a") == same((math.nan, 0.2, -250 / 7.5))
    # It comes to rest: after two speeds of rest all speeds are 0, (0 - 50)/7.5.
    assert ask(STOPS, "starts", track="a") == same((math.nan, 0.2, -50 / 7.5))
    # Three speeds of rest come before: neither.
    early = scene(track("a", line(5, 200, 300, 0) + line(11, 230, 300, 30)))
    assert ask(early, "starts", track="a") == same(UNCHECKED)
    # Never: all speeds are 0, (0 - 50)/7.5.
    assert ask(STAYS, "starts", track="a") == same((math.nan, 0.2, -50 / 7.5))


def test_stops() -> None:
    # Backwards: still down to frame 10, v_10 = 150: t = 1.0; (2.0 - 1.0 - 0.4)/0.1 = 6 < 50/7.5 = 6.67.
    assert ask(STOPS, "stops", track="a") == same((1.0, 0.2, 6.0))


def test_enters_from_the_left() -> None:
    # First box at x1 = 8 in frame 5: (0.5 - 0.25)/0.1 = 2.5; (32 - 8)/8 = 3; (270 - 16)/8 = 31.75.
    clip = scene(track("a", line(15, 70.5, 300, 30), first=5))
    assert ask(clip, "enters", track="a", side="left") == same((0.5, 0.2, 2.5))
    # From the right: x2 = 133, (32 - 667)/8; inward -270, (-270 - 16)/8 = -35.75.
    assert ask(clip, "enters", track="a", side="right") == same((0.5, 0.2, -635 / 8))
    assert ask(clip, "enters", 0.6, 3.0, track="a", side="left") == same(UNCHECKED)
    assert ask(clip, "enters", track="a", side="left", frame="stabilised") == same(UNCHECKED)


def test_leaves_at_the_bottom() -> None:
    # 15 samples down by 20, the last in frame 25 with y2 = 594: 0.5 s before the end 3.0: 2.5;
    # (24 - 6)/6 = 3; backwards the ten centres go up by 180: (180 - 12)/6 = 28.
    clip = scene(track("a", line(15, 400, 251.5, 0, 20), first=11))
    assert ask(clip, "leaves", track="a", side="bottom") == same((2.5, 0.2, 2.5))


# a moves right past b, which moves left: Delta x = -300, -240, ..., 300; at 100 px above.
SWAP = scene(track("a", line(11, 200, 200, 30)), track("b", line(11, 500, 300, -30)))


def test_crosses() -> None:
    # Two lines, 100 px apart: both ends of each lie that far on one side of the other.
    assert ask(SWAP, "crosses", a="a", b="b") == same((-0.1, TAU_AB / 1000, -100 / TAU_AB))
    # To and fro is no chord; from (400, 100) the nearest of its centres is (410, 300), half a step of 30 is 15.
    clip = scene(*TO_AND_FRO["tracks"], track("b", line(21, 400, 100, 0)))
    room = math.hypot(10, 200) - 15
    assert ask(clip, "crosses", a="a", b="b") == same((-room / 1000, TAU_AB / 1000, -room / TAU_AB))
    # What lies on its way is not apart from it.
    clip = scene(*TO_AND_FRO["tracks"], track("b", line(21, 410, 300, 0)))
    assert ask(clip, "crosses", a="a", b="b") == same(UNCHECKED)


def test_order_change() -> None:
    # Thirds of 3: medians -240 and 240.
    expected = (0.3, TAU_AB / 800, 240 / TAU_AB)
    assert ask(SWAP, "order_change", a="a", b="b", from_="left", to="right") == same(expected)
    assert ask(SWAP, "order_change", a="b", b="a", from_="right", to="left")[2] == pytest.approx(240 / TAU_AB)
    assert ask(SWAP, "order_change", a="a", b="b", from_="left", to="left")[2] == pytest.approx(-240 / TAU_AB)


def test_relation() -> None:
    # All: Delta = (0, -100), straight above, tol = atan2(8.84, 100) = 5.05 degrees. First third: (-240, -100), at
    # 180 - 22.62 degrees, 67.38 away from above: (45 - 67.38)/3 (atan2(8.84, 260) = 1.95 degrees).
    tol = math.degrees(math.atan2(TAU_AB, 100))
    away = 90 - math.degrees(math.atan2(100, 240))
    assert ask(SWAP, "relation", a="a", b="b", is_="above") == same((90.0, tol, (45 - away) / 3))
    still = scene(track("a", line(6, 200, 300, 0)), track("b", line(6, 500, 300, 0)))
    assert ask(still, "relation", a="a", b="b", is_="left")[2] == pytest.approx(15.0)
    assert ask(still, "relation", a="b", b="a", is_="right") == same((0.0, 3.0, 15.0))
    assert ask(still, "relation", a="a", b="b", is_="above")[2] == pytest.approx(-15.0)


def test_distance_change() -> None:
    # b stands at 700; a goes from 200 to 500: distances 500..200, thirds 470 and 230.
    clip = scene(track("a", line(11, 200, 300, 30)), track("b", line(11, 700, 300, 0)))
    q = math.log(230 / 470)
    tol = max(0.08, TAU_AB * math.sqrt(1 / 470**2 + 1 / 230**2))
    assert tol == 0.08
    expected = (q, tol, (-math.log(1.3) - q) / tol)
    assert ask(clip, "distance_change", a="a", b="b", is_="closer") == same(expected)
    assert ask(clip, "distance_change", a="b", b="a", is_="apart")[2] == pytest.approx((q - math.log(1.3)) / tol)


def test_speed_order() -> None:
    # 300 against 150 px/s: q = ln 2; tol = max(0.1, sqrt((6.25/300)^2 + (6.25/150)^2) = 0.047) = 0.1;
    # m_moves of b = (8 * 15 - 60)/6.25 = 9.6.
    clip = scene(track("a", line(11, 200, 200, 30)), track("b", line(11, 200, 400, 15)))
    margin = (math.log(2) - math.log(1.25)) / 0.1
    assert ask(clip, "speed_order", a="a", b="b", is_="faster") == same((math.log(2), 0.1, margin))
    assert ask(clip, "speed_order", a="b", b="a", is_="slower") == same((-math.log(2), 0.1, margin))
    assert ask(clip, "speed_order", a="a", b="b", is_="same")[2] == pytest.approx(-margin)


def test_before() -> None:
    late = STARTS["tracks"][0] | {"track_id": "late"}
    entering = track("in", line(15, 70.5, 300, 30), first=5)
    clip = scene(late, entering)
    first: dict[str, Any] = {"event": "enters", "track": "in", "side": "left"}
    then = {"event": "starts", "track": "late"}
    # 0.5 s before 0.9 s: 0.4/0.2 = 2; the events exist by 2.5 and 6.
    assert ask(clip, "before", first=first, then=then) == same((0.4, 0.2, 2.0))
    assert ask(clip, "before", first=then, then=first) == same((-0.4, 0.2, -2.0))
    # An event that cannot be checked: its time is NaN, both its parts count as 0.
    assert ask(clip, "before", first=first | {"track": "none"}, then=then) == same((math.nan, 0.2, 0.0))


def test_at_once() -> None:
    # Frames 0..9: a in all, b in frames 0..4: f(1) = 1, f(2) = 0.5, f(3) = 0.
    clip = scene(track("a", line(10, 400, 300, 0)), track("b", line(5, 200, 300, 0)))
    assert ask(clip, "at_once", 0.0, 0.9, label="ball", is_=2) == same((2.0, 1.0, 2.0))
    assert ask(clip, "at_once", 0.0, 0.9, label="ball", is_=1) == same((2.0, 1.0, -8.0))
    assert ask(clip, "at_once", 0.0, 0.9, label="ball", is_=0) == same((2.0, 1.0, -18.0))
    assert ask(clip, "at_once", 0.0, 0.9, label="cup", is_=0) == same((0.0, 1.0, 2.0))
    assert ask(clip, "at_once", 0.02, 0.08, label="ball", is_=1) == same(UNCHECKED)


def test_moving_count() -> None:
    clip = scene(track("a", line(11, 200, 300, 30)), track("b", line(11, 400, 100, 0)), track("c", line(4, 9, 9, 99)))
    assert ask(clip, "moving_count", label="ball", is_=1) == same((1.0, 1.0, 9.6))
    assert ask(clip, "moving_count", label="ball", is_=2) == same((1.0, 1.0, -9.6))
    assert ask(clip, "moving_count", label="cup", is_=0) == same(UNCHECKED)


def test_exactly() -> None:
    clip = scene(track("a", line(11, 200, 300, 30)), track("b", line(11, 400, 100, 0)))

    def exactly(which: list[str], among: list[str]) -> tuple[float, ...]:
        return ask(clip, "exactly", which=which, among=among, predicate="moves", args={"is": True})

    assert exactly(["a"], ["a", "b"]) == same((1.0, 1.0, 9.6))
    assert exactly([], ["a", "b"]) == same((0.0, 1.0, -28.8))
    assert exactly(["a"], ["a", "b", "none"]) == same((1.0, 1.0, 0.0))
    with pytest.raises(MalformedClaim):
        exactly(["c"], ["a", "b"])


def test_stabilised_pan() -> None:
    # The view moves everything by 30 to the right per frame: what goes 200..500 in the image stays in the scene.
    clip = scene(track("a", line(11, 200, 300, 30)))
    clip["camera"]["dx"] = [0.0] + [30.0] * 30
    assert ask(clip, "moves", track="a", is_=False, frame="stabilised") == same((0.0, 0.00625, 4.8))
    assert ask(clip, "moves", track="a", is_=False) == same((0.24, 0.00625, -33.6))
    clip["camera"]["ok"][11] = False  # after the last frame used (10)
    assert ask(clip, "moves", track="a", is_=False, frame="stabilised")[2] == pytest.approx(4.8)
    clip["camera"]["ok"][0] = False  # frame 0 is not asked
    assert ask(clip, "moves", track="a", is_=False, frame="stabilised")[2] == pytest.approx(4.8)
    clip["camera"]["ok"][10] = False
    assert ask(clip, "moves", track="a", is_=False, frame="stabilised") == same(UNCHECKED)
    clip["camera"] |= {"ok": [True] * 31, "label": "unknown"}
    assert ask(clip, "moves", track="a", is_=False, frame="stabilised") == same(UNCHECKED)
    assert ask(clip, "moves", track="a", is_=False)[2] == pytest.approx(-33.6)


def test_stabilised_roll_and_shift() -> None:
    # Each frame turns the view by 90 degrees about the middle (400, 300) and then shifts it by (10, 0). From (100, 0)
    # off the middle: (10, 100), (-90, 10), (0, -90), (100, 0), and so on: fixed in the scene.
    off = [(100, 0), (10, 100), (-90, 10), (0, -90)] * 3
    clip = scene(track("a", [(400 + x, 300 + y) for x, y in off]))
    clip["camera"]["dx"] = [0.0] + [10.0] * 30
    clip["camera"]["droll"] = [0.0] + [math.pi / 2] * 30
    assert ask(clip, "moves", track="a", is_=False, frame="stabilised") == same((0.0, 0.00625, 4.8))
    clip["camera"]["dx"][0] = clip["camera"]["droll"][0] = 7.0  # frame 0 is never used
    assert ask(clip, "moves", track="a", is_=False, frame="stabilised") == same((0.0, 0.00625, 4.8))


def test_stabilised_zoom() -> None:
    clip = scene(growing(0.1))
    clip["camera"]["dlogs"] = [0.0] + [0.1] * 30
    expected = (0.0, 0.1, math.log(1.4) / 0.1)
    assert ask(clip, "depth", track="a", is_="keeps", frame="stabilised") == same(expected)


def test_support_and_unknown_tracks() -> None:
    # 5 samples over 0.4 s are enough (0.0 .. 0.4), 4 are not; a hidden sample does not count; the slack is 0.0005 s.
    assert ask(STAYS, "moves", 0.0, 0.4, track="a", is_=False)[2] == pytest.approx(4.8)
    assert ask(STAYS, "moves", 0.0004, 0.3996, track="a", is_=False)[2] == pytest.approx(4.8)
    assert ask(STAYS, "moves", 0.0, 0.399, track="a", is_=False) == same(UNCHECKED)
    assert ask(STAYS, "moves", track="z", is_=False) == same(UNCHECKED)
    hidden = scene(track("a", line(5, 400, 300, 0)) | {"state": [0, 0, 1, 0, 0]})
    assert ask(hidden, "moves", track="a", is_=False) == same(UNCHECKED)


def test_margin_is_clipped() -> None:
    # y = 300 - 230: with a tiny box tau = sqrt(25 + 0.0009) = 5.00009; travels over lo = -1: (0 + 1)/(tau/800) = 160.
    clip = scene(track("a", line(11, 400, 70, 0), size=1.0))
    assert ask(clip, "travels", track="a", axis="x", lo=-1.0, hi=1.0)[2] == 99.0
    assert ask(clip, "travels", track="a", axis="x", lo=1.0, hi=2.0)[2] == -99.0


@pytest.mark.parametrize(
    "change",
    [
        {"predicate": "flies"},
        {"frame": "world"},
        {"t1": -1.0},
        {"args": {"track": "a"}},
        {"args": {"track": "a", "is": "right", "more": 1}},
        {"args": {"track": "a", "is": "north"}},
        {"predicate": "sequence", "args": {"track": "a", "first": "up", "then": "up", "at": 0.0}},
        {"predicate": "at_once", "args": {"label": "ball", "is": -1}},
        {"predicate": "before", "args": {"first": {"event": "starts", "track": "a"}, "then": {"event": "enters"}}},
        {
            "predicate": "exactly",
            "args": {"which": [], "among": ["a", "a"], "predicate": "moves", "args": {"is": True}},
        },
        {
            "predicate": "exactly",
            "args": {"which": [], "among": ["a"], "predicate": "moves", "args": {"is": True, "track": "a"}},
        },
    ],
)
def test_malformed(change: dict[str, Any]) -> None:
    good = {"predicate": "direction", "args": {"track": "a", "is": "right"}, "frame": "image", "t0": 0.0, "t1": 1.0}
    assert check(RIGHT, good)[2] == pytest.approx(6.0)
    with pytest.raises(MalformedClaim):
        check(RIGHT, good | change)
