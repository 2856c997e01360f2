"""The slow oracle's second part: figures of paths, comings and goings, the view. From `docs/claims.md` alone."""

import math
import statistics
from typing import Any

from oracle.slow_claims import (
    NAN,
    CannotCheck,
    Point,
    Result,
    Sample,
    Scene,
    View,
    affirmed,
    agree,
    along_axis,
    both_axes,
    centres,
    check_bow,
    check_path,
    demand_camera,
    diagonal,
    displacement,
    duration,
    extent,
    find_track,
    height,
    in_window,
    is_clear,
    jitter,
    kappa,
    legs,
    m_moves,
    main_axis,
    med,
    middle,
    need_whole,
    noise,
    norm,
    raw_displacement,
    smoothed,
    speeds,
    spread,
    step_of,
    supported_samples,
    tau,
    third,
    visible_samples,
    width,
    window_samples,
    wrap,
)

ROUND = ("clockwise", "anticlockwise")
SHAPES = ("straight", "arc", "circle", "zigzag", "back-and-forth")
VIEWS = ("static", "left", "right", "up", "down", "in", "out", "clockwise", "anticlockwise", "shakes")

ONE_TRACK: dict[str, dict[str, tuple[str, ...] | str]] = {
    "lengths": {"lo": "number", "hi": "number"},
    "shape": {"is": SHAPES},
    "winding": {"is": ROUND},
    "tips": {"is": ("over", "up")},
    "appears": {},
    "disappears": {},
    "hidden": {},
    "reappears": {},
    "pauses": {},
}
OTHER: dict[str, dict[str, tuple[str, ...] | str]] = {"hides": {"a": "id", "b": "id"}, "view": {"is": VIEWS}}


def sign(word: str, positive: str) -> float:
    return 1.0 if word == positive else -1.0


# --- figures --------------------------------------------------------------------------------------------------------


def check_lengths(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    own: list[float] = []
    for k in samples:
        x1, y1, x2, y2 = k.box
        plain = math.sqrt(max((x2 - x1) * (y2 - y1), 1.0))
        own.append(max(x2 - x1, y2 - y1) * k.s / plain)
    length = max(med(own), 1.0)
    q = norm(displacement(smoothed(samples))) / length
    tol = max(0.1 * q, tau(view.scene, samples) / length)
    raw = norm(raw_displacement(samples))
    lead, *others = (
        min(x - args["lo"], args["hi"] - x) / tol for x in (q, raw / length, raw / max(math.fsum(own) / len(own), 1.0))
    )
    return q, tol, agree(agree(lead, others[0]), others[1])


def across_share(path: list[Point]) -> tuple[float, float, list[float]]:
    """wid, max(U, 1e-6) and w."""
    u, w = both_axes(path)
    long = max(spread(u), 1e-6)
    return spread(w) / long, long, w


def circle_of(path: list[Point], place: float) -> tuple[float, float, float, float, float] | None:
    """S, back, delta_S, m_round and m_even."""
    wid, _, _ = across_share(path)
    if wid < 0.05:
        return None
    n = len(path)
    big_e = max(extent(path), 1e-6)
    mx = math.fsum(p[0] for p in path) / n
    my = math.fsum(p[1] for p in path) / n
    points = [((p[0] - mx) / big_e, (p[1] - my) / big_e) for p in path]
    # The normal equations of r² + a x + b y + c, whose points have mean 0: c falls out as -mean r².
    sxx = math.fsum(x * x for x, _ in points)
    syy = math.fsum(y * y for _, y in points)
    sxy = math.fsum(x * y for x, y in points)
    bx = -math.fsum(x * (x * x + y * y) for x, y in points)
    by = -math.fsum(y * (x * x + y * y) for x, y in points)
    a = (bx * syy - by * sxy) / (sxx * syy - sxy * sxy)
    b = (by * sxx - bx * sxy) / (sxx * syy - sxy * sxy)
    c = -math.fsum(x * x + y * y for x, y in points) / n
    zx, zy = -a / 2.0, -b / 2.0
    radius = math.sqrt(zx * zx + zy * zy - c)
    rho = math.sqrt(math.fsum((norm((x - zx, y - zy)) - radius) ** 2 for x, y in points) / n)
    turn = [math.degrees(math.atan2(-(y - zy), x - zx)) for x, y in points]
    total = [0.0]
    for k in range(1, n):
        total.append(total[-1] + wrap(turn[k] - turn[k - 1]))
    delta = max(10.0, math.degrees(math.atan2(place, radius * big_e)))
    m_round = (0.1 - rho) / max(0.02, place / big_e)
    m_even = (0.04 - rho) / max(0.01, 0.5 * place / big_e)
    return total[-1], spread(total) - abs(total[-1]), delta, m_round, m_even


def m_weave(samples: list[Sample], place: float) -> float:
    path = smoothed(samples)
    _, long, w = across_share(path)
    margins = []
    for x in (w, along_axis(centres(samples), main_axis(path) + math.pi / 2.0)):
        lengths = sorted(legs(x, 2.0 * place), reverse=True)
        fourth = lengths[3] if len(lengths) > 3 else 0.0
        margins.append((fourth - 0.1 * long) / place)
    return agree(*margins)


def check_shape(view: View, args: dict[str, Any]) -> Result:
    word = args["is"]
    if word == "back-and-forth":
        return check_any_path(view, {"track": args["track"], "is": word})
    samples = supported_samples(view, args["track"])
    path, place = smoothed(samples), tau(view.scene, samples)
    weave, moving = m_weave(samples, place), m_moves(view.scene, samples)
    u, _ = both_axes(path)
    all_legs = legs(u, max(2.0 * place, 0.2 * spread(u)))
    big_b = sum(all_legs) / max(spread(u), 1e-6) if all_legs else 1.0
    beta = max(0.1, place / max(spread(u), 1e-6))
    once = 0.0 if big_b < 1.5 and 2.0 * place > spread(u) / 3.0 else (1.5 - big_b) / beta
    if word == "zigzag":
        return big_b, beta, min(once, weave, moving)
    if word == "straight":
        straight = check_bow(samples, place, 0.1)
        return big_b, beta, min(once, straight, -weave, moving)
    wid, long, _ = across_share(path)
    broad = (wid - 0.1) / max(0.02, place / long)
    ring = circle_of(path, place)
    if ring is None:
        return NAN, NAN, min(broad, -weave, moving)
    swept, back, delta, m_round, m_even = ring
    if word == "circle":
        return abs(swept), delta, min((abs(swept) - 300.0) / delta, broad, m_round, moving)
    lead = min(min(abs(swept) - 40.0, 270.0 - abs(swept)) / delta, (30.0 - back) / delta)
    return abs(swept), delta, affirmed(min(lead, broad, m_round, -weave, moving), [m_even])


def check_any_path(view: View, args: dict[str, Any]) -> Result:
    """`path`, with what it says of circles."""
    value, tol, margin = check_path(view, args)
    if args["is"] == "back-and-forth":
        round_it = check_shape(view, {"track": args["track"], "is": "circle"})[2]
        margin = -round_it if round_it > 0.0 else margin
    return value, tol, margin


def check_winding(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    ring = circle_of(smoothed(samples), tau(view.scene, samples))
    if ring is None:
        raise CannotCheck("no circle")
    swept, _, delta, m_round, _ = ring
    lead = (sign(args["is"], "anticlockwise") * swept - 300.0) / delta
    moving = m_moves(view.scene, samples)
    if moving <= 0.0:
        return swept, delta, moving
    if m_round <= 0.0:
        return swept, delta, 0.0
    return swept, delta, min(lead, m_round, moving) if lead > 0.0 else max(lead, -m_round)


def upright(k: Sample) -> float:
    x1, y1, x2, y2 = k.box
    return math.log(max(y2 - y1, 1.0) / max(x2 - x1, 1.0))


def check_tips(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    g = [upright(k) for k in samples if is_clear(view.scene, k)]
    if len(g) < 5:
        raise CannotCheck("fewer than 5 clear samples")
    part, levels = third(len(samples)), []
    for some in (samples[:part], middle(samples), samples[-part:]):
        shown = [upright(k) for k in some if is_clear(view.scene, k)]
        if 2 * len(shown) <= len(some):
            raise CannotCheck("half of a third is not clear")
        levels.append(med(shown))
    a, _, b = levels
    tol, theta = max(0.1, kappa(len(g)) * noise(g)), math.log(1.25)
    margin = min(a - theta, -theta - b) if args["is"] == "over" else min(-theta - a, b - theta)
    return b, tol, margin / tol


def check_pauses(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    need_whole(view.scene, samples)
    theta = 0.05 * diagonal(view.scene)
    tol_v = max(0.15 * theta, 0.5 * tau(view.scene, samples))
    v, raw = speeds(samples), speeds(samples, raw=True)
    if len(v) < 10:
        raise CannotCheck("fewer than 10 speeds")
    best = -math.inf
    for j in range(len(v) - 3):
        ahead = [min(v[i : i + 3]) for i in range(len(v) - 2) if i + 2 < j]
        behind = [min(v[i : i + 3]) for i in range(len(v) - 2) if i > j + 3]
        if ahead and behind:
            fastest = max(*v[j : j + 4], statistics.fmean(raw[j : j + 4]))
            best = max(best, min(theta - fastest, max(ahead) - theta, max(behind) - theta) / tol_v)
    if best > 0.0:
        return 1.0, 1.0, best
    least = -math.inf
    for j in range(1, len(v) - 2):
        rest = theta - max(v[j : j + 2])
        least = max(least, min(rest, max(v[:j]) - theta, max(v[j + 2 :]) - theta) / tol_v)
    if least >= 0.0:
        raise CannotCheck("it may pause")
    return 0.0, 1.0, least


# --- comings and goings ---------------------------------------------------------------------------------------------


def room(scene: Scene, sample: Sample) -> float:
    x1, y1, x2, y2 = sample.box
    w, h = width(scene), height(scene)
    return min(x1 / w, (w - x2) / w, y1 / h, (h - y2) / h)


def place_noise(scene: Scene, samples: list[Sample]) -> float:
    return max(0.01, 2.0 * jitter(samples) / min(width(scene), height(scene)))


def seen_event(view: View, args: dict[str, Any], at_end: bool) -> Result:
    if view.frame != "image":
        raise CannotCheck("image only")
    samples = visible_samples(view.scene, find_track(view.scene, args["track"]))
    if len(samples) < 5:
        raise CannotCheck("fewer than 5 visible samples")
    event = samples[-1] if at_end else samples[0]
    if not in_window(event.t, view.t0, view.t1):
        raise CannotCheck("outside the window")
    gap = view.scene["t"][-1] - event.t if at_end else event.t - view.scene["t"][0]
    inner = (room(view.scene, event) - 0.05) / place_noise(view.scene, samples)
    away = min((gap - 0.5) / 0.1, inner)
    most = 0.0
    for track in view.scene["tracks"]:
        if track["track_id"] != args["track"]:
            for k in visible_samples(view.scene, track):
                if k.frame == event.frame:
                    most = max(most, share_within(event.box, k.box))
    behind = (most - 0.1) / 0.05
    if away > 0.0 >= behind:
        raise CannotCheck("not beside anything")
    late = view.t1 - event.t if at_end else event.t - view.t0
    return event.t, 0.2, affirmed(min(away, behind), [(late - 0.25) / 0.1])


def share_within(box: tuple[float, ...], other: tuple[float, ...]) -> float:
    across = max(min(box[2], other[2]) - max(box[0], other[0]), 0.0)
    down = max(min(box[3], other[3]) - max(box[1], other[1]), 0.0)
    return across * down / (max(box[2] - box[0], 1e-6) * max(box[3] - box[1], 1e-6))


def longest_gap(view: View, track_id: str) -> tuple[Sample, Sample, float]:
    """The samples before and after it, and the margin."""
    if view.frame != "image":
        raise CannotCheck("image only")
    samples = window_samples(view, find_track(view.scene, track_id))
    best, at = -math.inf, 0
    for k in range(len(samples) - 1):
        if samples[k + 1].t - samples[k].t > best:
            best, at = samples[k + 1].t - samples[k].t, k
    if len(samples) < 6 or at + 1 < 3 or len(samples) - (at + 1) < 3:
        raise CannotCheck("too few samples on a side of the gap")
    a, b = samples[at], samples[at + 1]
    inner = (min(room(view.scene, a), room(view.scene, b)) - 0.03) / place_noise(view.scene, samples)
    times = sorted(samples[k + 1].t - samples[k].t for k in range(len(samples) - 1))
    often = times[math.floor(0.9 * (len(times) - 1))]
    margin = min((b.t - a.t - step_of(view.scene) - 0.45) / 0.1, inner)
    return a, b, affirmed(margin, [(b.t - a.t - often - 0.45) / 0.1])


def check_hidden(view: View, args: dict[str, Any]) -> Result:
    a, b, margin = longest_gap(view, args["track"])
    return a.t, 0.2, out_of_sight(view, args["track"], a, b, margin)


def check_reappears(view: View, args: dict[str, Any]) -> Result:
    a, b, margin = longest_gap(view, args["track"])
    return b.t, 0.2, out_of_sight(view, args["track"], a, b, margin)


def out_of_sight(view: View, track_id: str, a: Sample, b: Sample, margin: float) -> float:
    if margin <= 0.0:
        return margin
    others = [t["track_id"] for t in view.scene["tracks"] if t["track_id"] != track_id]
    covers = [c for c in (cover_of(view, a, b, other) for other in others) if c is not None]
    cover = (max(covers, default=0.0) - 0.5) / 0.1
    if cover <= 0.0:
        raise CannotCheck("behind nothing")
    return min(margin, cover)


def cover_of(view: View, a: Sample, b: Sample, hider_id: str) -> float | None:
    hider = {k.frame: k.box for k in visible_samples(view.scene, find_track(view.scene, hider_id))}
    between = range(a.frame + 1, b.frame)
    shares = []
    for f in between:
        if f in hider:
            part = (view.scene["t"][f] - a.t) / (b.t - a.t)
            box = tuple(p + part * (q - p) for p, q in zip(a.box, b.box, strict=True))
            shares.append(share_within(box, hider[f]))
    return med(shares) if len(between) and 2 * len(shares) >= len(between) and shares else None


def comes_beside(view: View, a: Sample, b: Sample, hider_id: str) -> bool:
    for k in visible_samples(view.scene, find_track(view.scene, hider_id)):
        if a.frame < k.frame < b.frame:
            part = (k.t - a.t) / (b.t - a.t)
            box = [p + part * (q - p) for p, q in zip(a.box, b.box, strict=True)]
            across = min(box[2], k.box[2]) - max(box[0], k.box[0])
            down = min(box[3], k.box[3]) - max(box[1], k.box[1])
            if min(across, down) > -0.01 * diagonal(view.scene):
                return True
    return False


def check_hides(view: View, args: dict[str, Any]) -> Result:
    a, b, margin = longest_gap(view, args["a"])
    cover = cover_of(view, a, b, args["b"])
    if cover is None:
        if margin >= 0.0:
            raise CannotCheck("the other one is not seen")
        return NAN, 0.1, margin
    if cover < 0.5 and margin >= 0.0 and comes_beside(view, a, b, args["b"]):
        raise CannotCheck("a sliver beside what hides it")
    return cover, 0.1, min((cover - 0.5) / 0.1, margin)


# --- the view -------------------------------------------------------------------------------------------------------


def check_view(view: View, args: dict[str, Any]) -> Result:
    scene, camera = view.scene, view.scene["camera"]
    if view.frame != "image" or camera["label"] == "unknown":
        raise CannotCheck("not known")
    steps = [f for f, t in enumerate(scene["t"]) if in_window(t, view.t0, view.t1)][1:]
    if len(steps) < 8 or not all(camera["ok"][f] for f in steps):
        raise CannotCheck("too few frames, or the view is not known in one")
    if (med([camera["inliers"][f] for f in steps]) - 0.3) / 0.1 < 2.0:
        raise CannotCheck("too few points agree")
    big_d = diagonal(scene)
    rates = {
        "x": [-camera["dx"][f] / big_d for f in steps],
        "y": [-camera["dy"][f] / big_d for f in steps],
        "zoom": [camera["dlogs"][f] for f in steps],
        "roll": [math.degrees(camera["droll"][f]) for f in steps],
    }
    tols = {"x": 0.01, "y": 0.01, "zoom": 0.03, "roll": 2.0}
    bounds = {"x": 0.08, "y": 0.08, "zoom": 0.15, "roll": 10.0}
    net, span = {}, {}
    for name, values in rates.items():
        sums = [0.0]
        for value in values:
            sums.append(sums[-1] + value)
        net[name], span[name] = sums[-1], spread(sums)
    q = max(med([abs(r[i + 1] - r[i]) for i in range(len(r) - 1)]) for r in (rates["x"], rates["y"]))
    trembling = (q - 0.005) / 0.001
    if trembling < 0.0:
        trembling = min(0.0, (q - 0.0015) / 0.0004)
    if args["is"] == "shakes":
        return q, 0.001, min(trembling, (0.08 - max(abs(net["x"]), abs(net["y"]))) / 0.01)
    if args["is"] == "static":
        still = min((bounds[n] / 2.5 - span[n]) / tols[n] for n in rates)
        return span["x"], 0.01, min(still, (0.0015 - q) / 0.0004)
    name, way = {
        "right": ("x", 1.0),
        "left": ("x", -1.0),
        "down": ("y", 1.0),
        "up": ("y", -1.0),
        "in": ("zoom", 1.0),
        "out": ("zoom", -1.0),
        "anticlockwise": ("roll", 1.0),
        "clockwise": ("roll", -1.0),
    }[args["is"]]
    parts = [(way * net[name] - bounds[name]) / tols[name], (abs(net[name]) - 0.75 * span[name]) / tols[name]]
    for other in rates:
        if other != name:
            pair = {name, other} == {"x", "y"}
            limit = 0.5 * abs(net[name]) if pair else bounds[other]
            parts.append((limit - span[other]) / tols[other])
    return net[name], tols[name], min(parts)


CHECKS = {
    "lengths": check_lengths,
    "path": check_any_path,
    "shape": check_shape,
    "winding": check_winding,
    "tips": check_tips,
    "pauses": check_pauses,
    "appears": lambda view, args: seen_event(view, args, False),
    "disappears": lambda view, args: seen_event(view, args, True),
    "hidden": check_hidden,
    "reappears": check_reappears,
    "hides": check_hides,
    "view": check_view,
}
__all__ = ["CHECKS", "ONE_TRACK", "OTHER", "centres", "demand_camera", "duration"]
