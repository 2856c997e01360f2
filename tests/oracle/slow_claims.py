"""A second, slow implementation of every predicate of `docs/claims.md`, written from docs/claims.md alone.

It shares no code with `fm_hub.claims`: plain loops over plain floats, one small function for each quantity that the
page names. It exists to be compared with the fast implementation. Where the page leaves two readings open, a comment
that starts with "Reading:" says which one is taken here.
"""

import itertools
import math
import statistics
from typing import Any, NamedTuple

Point = tuple[float, float]
Result = tuple[float, float, float]  # value, tolerance, margin
Scene = dict[str, Any]
Claim = dict[str, Any]
Track = dict[str, Any]

NAN = math.nan
SLACK = 0.0005  # seconds either side of a window
VISIBLE = 0

DIRECTIONS: dict[str, float] = {
    "right": 0.0,
    "up-right": 45.0,
    "up": 90.0,
    "up-left": 135.0,
    "left": 180.0,
    "down-left": -135.0,
    "down": -90.0,
    "down-right": -45.0,
}
RELATIONS: dict[str, float] = {"right": 0.0, "above": 90.0, "left": 180.0, "below": -90.0}
SIDES = ("left", "right", "top", "bottom")

# The arguments of each predicate of one track (beside `track`): either the words allowed, or the kind of value.
INNER_ARGS: dict[str, dict[str, tuple[str, ...] | str]] = {
    "moves": {"is": "bool"},
    "direction": {"is": tuple(DIRECTIONS)},
    "path": {"is": ("straight", "curved", "back-and-forth")},
    "travels": {"axis": ("x", "y"), "lo": "number", "hi": "number"},
    "region": {"is": ("top-left", "top-right", "bottom-left", "bottom-right"), "at": ("start", "end", "all")},
    "depth": {"is": ("approaches", "recedes", "keeps")},
    "speed": {"is": ("slow", "medium", "fast")},
    "speed_change": {"is": ("speeds-up", "slows-down", "steady")},
    "reversals": {"is": "int"},
    "sequence": {"first": tuple(DIRECTIONS), "then": tuple(DIRECTIONS), "at": "number"},
    "starts": {},
    "stops": {},
    "enters": {"side": SIDES},
    "leaves": {"side": SIDES},
}
OTHER_ARGS: dict[str, dict[str, tuple[str, ...] | str]] = {
    "relation": {"a": "id", "b": "id", "is": tuple(RELATIONS)},
    "order_change": {"a": "id", "b": "id", "from": ("left", "right"), "to": ("left", "right")},
    "distance_change": {"a": "id", "b": "id", "is": ("closer", "apart", "same")},
    "speed_order": {"a": "id", "b": "id", "is": ("faster", "slower", "same")},
    "before": {"first": "event", "then": "event"},
    "at_once": {"label": "id", "is": "int"},
    "moving_count": {"label": "id", "is": "int"},
    "exactly": {"which": "ids", "among": "ids", "predicate": "id", "args": "dict"},
}
EVENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("starts", "stops", "appears", "disappears", "hidden", "reappears"), ("track",)),
    **dict.fromkeys(("enters", "leaves"), ("track", "side")),
    **dict.fromkeys(("grasps", "releases"), ("a", "b")),
}
EPISODES: dict[str, tuple[str, ...]] = {"moves": ("track",), "seen": ("track",), "contact": ("a", "b")}


class MalformedClaim(ValueError):
    """The claim itself is wrong: unknown predicate, missing or extra argument, unknown word, window that ends early."""


class CannotCheck(Exception):
    """The claim is well formed, but this clip does not allow it to be checked."""


class Sample(NamedTuple):
    """One visible sample of a track, in the frame of reference of the claim; `box` is always as in the image."""

    frame: int
    t: float
    x: float
    y: float
    s: float
    box: tuple[float, float, float, float]
    h: float = 0.0  # how far its middle may lie off, for what is hidden


class View(NamedTuple):
    """Where a claim (or a part of one) looks: the scene, its frame of reference and its window."""

    scene: Scene
    frame: str
    t0: float
    t1: float


# ----------------------------------------------------------------------------------------------------------------------
# Section 1: what a claim must look like
# ----------------------------------------------------------------------------------------------------------------------


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def validate_keys(what: str, args: object, wanted: list[str]) -> None:
    if not isinstance(args, dict):
        raise MalformedClaim(f"{what}: the arguments are not a mapping")
    for name in wanted:
        if name not in args:
            raise MalformedClaim(f"{what}: argument {name!r} is missing")
    for name in args:
        if name not in wanted:
            raise MalformedClaim(f"{what}: argument {name!r} is not one of this predicate")


def validate_value(what: str, name: str, value: object, kind: tuple[str, ...] | str) -> None:
    if isinstance(kind, tuple):
        good = isinstance(value, str) and value in kind
    elif kind == "bool":
        good = isinstance(value, bool)
    elif kind == "number":
        good = is_number(value)
    elif kind == "int":
        good = is_int(value)
    elif kind == "id":
        good = isinstance(value, str)
    elif kind == "ids":
        good = isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    elif kind == "dict":
        good = isinstance(value, dict)
    else:
        raise AssertionError(kind)
    if not good:
        raise MalformedClaim(f"{what}: {name} = {value!r}")


def validate_event(event: object) -> None:
    validate_part(event, "event", EVENTS)
    assert isinstance(event, dict)
    if "side" in event and event["side"] not in SIDES:
        raise MalformedClaim(f"no side: {event!r}")


def validate_part(part: object, key: str, kinds: dict[str, tuple[str, ...]]) -> None:
    if not isinstance(part, dict) or not isinstance(part.get(key), str) or part[key] not in kinds:
        raise MalformedClaim(f"no {key}: {part!r}")
    if set(part) != {key, *kinds[part[key]]} or not all(isinstance(value, str) for value in part.values()):
        raise MalformedClaim(f"wrong arguments: {part!r}")


def validate_one_track(predicate: str, args: object, t0: float, t1: float) -> None:
    kinds = INNER_ARGS[predicate]
    validate_keys(predicate, args, ["track", *kinds])
    assert isinstance(args, dict)
    validate_value(predicate, "track", args["track"], "id")
    for name, kind in kinds.items():
        validate_value(predicate, name, args[name], kind)
    # Reading: "Needs t0 < at < t1" is a demand on the claim itself, so a claim that breaks it is malformed.
    if predicate == "sequence" and not t0 < args["at"] < t1:
        raise MalformedClaim("sequence: needs t0 < at < t1")


def validate_exactly(args: dict[str, Any], t0: float, t1: float) -> None:
    which, among = args["which"], args["among"]
    if not 1 <= len(among) <= 4 or len(set(among)) != len(among):
        raise MalformedClaim("exactly: among must be 1 to 4 distinct tracks")
    if len(set(which)) != len(which) or any(track not in among for track in which):
        raise MalformedClaim("exactly: which must be a subset of among")
    if args["predicate"] not in INNER_ARGS:
        raise MalformedClaim(f"exactly: the inner predicate cannot be {args['predicate']!r}")
    if "track" in args["args"]:
        raise MalformedClaim("exactly: the inner arguments name no track")
    for track in among:
        validate_one_track(args["predicate"], {**args["args"], "track": track}, t0, t1)


def validate(claim: object) -> None:
    if not isinstance(claim, dict):
        raise MalformedClaim("the claim is not a mapping")
    for name in ("predicate", "args", "frame", "t0", "t1"):
        if name not in claim:
            raise MalformedClaim(f"the claim has no {name!r}")
    if claim["frame"] not in ("image", "stabilised"):
        raise MalformedClaim(f"unknown frame {claim['frame']!r}")
    t0, t1 = claim["t0"], claim["t1"]
    if not is_number(t0) or not is_number(t1) or not t0 <= t1:
        raise MalformedClaim(f"window [{t0!r}, {t1!r}]")
    predicate, args = claim["predicate"], claim["args"]
    if not isinstance(predicate, str):
        raise MalformedClaim(f"unknown predicate {predicate!r}")
    if predicate in INNER_ARGS:
        validate_one_track(predicate, args, t0, t1)
        if predicate in ("reversals", "repeats") and args["is"] < 0:
            raise MalformedClaim("n >= 0")
        return
    if predicate not in OTHER_ARGS:
        raise MalformedClaim(f"unknown predicate {predicate!r}")
    kinds = OTHER_ARGS[predicate]
    validate_keys(predicate, args, list(kinds))
    for name, kind in kinds.items():
        if kind == "event":
            validate_event(args[name])
        elif kind == "episode":
            validate_part(args[name], "episode", EPISODES)
        else:
            validate_value(predicate, name, args[name], kind)
    if predicate in ("at_once", "moving_count") and args["is"] < 0:
        raise MalformedClaim("n >= 0")
    if predicate == "exactly":
        validate_exactly(args, t0, t1)
    if predicate == "not":
        if args["predicate"] in ("not", "exactly"):
            raise MalformedClaim(f"not of {args['predicate']}")
        validate({**claim, **args})


# ----------------------------------------------------------------------------------------------------------------------
# Section 2: quantities
# ----------------------------------------------------------------------------------------------------------------------


def med(values: list[float]) -> float:
    return float(statistics.median(values))


def med_point(points: list[Point]) -> Point:
    return med([p[0] for p in points]), med([p[1] for p in points])


def mean_point(points: list[Point]) -> Point:
    return statistics.fmean(p[0] for p in points), statistics.fmean(p[1] for p in points)


def clip(x: float, lo: float, hi: float) -> float:
    return min(max(x, lo), hi)


def wrap(x: float) -> float:
    return (x + 180.0) % 360.0 - 180.0


def angle(p: Point) -> float:
    return math.degrees(math.atan2(-p[1], p[0]))


def norm(p: Point) -> float:
    return math.sqrt(p[0] * p[0] + p[1] * p[1])


def minus(p: Point, q: Point) -> Point:
    return p[0] - q[0], p[1] - q[1]


def width(scene: Scene) -> float:
    return float(scene["width"])


def height(scene: Scene) -> float:
    return float(scene["height"])


def diagonal(scene: Scene) -> float:
    return math.sqrt(width(scene) ** 2 + height(scene) ** 2)


def in_window(t: float, t0: float, t1: float) -> bool:
    return t0 - SLACK <= t <= t1 + SLACK


def find_track(scene: Scene, track_id: str) -> Track:
    for track in scene["tracks"]:
        if track["track_id"] == track_id:
            found: Track = track
            return found
    raise CannotCheck(f"track {track_id!r} is unknown to the clip")


def visible_samples(scene: Scene, track: Track) -> list[Sample]:
    """All visible samples of a track in the clip, as in the image, in order of time."""
    samples = sights(scene, track)
    j_w = noise([k.box[2] - k.box[0] for k in samples])
    j_h = noise([k.box[3] - k.box[1] for k in samples])
    near = [k for k in samples if not is_cut(scene, track, k, j_w, j_h)]
    out = []
    for k in samples:
        if k in near:
            out.append(k)
            continue
        wide, high = k.box[2] - k.box[0], k.box[3] - k.box[1]
        if near:
            box = min(near, key=lambda other: (abs(other.t - k.t), other.t)).box
            w, h = box[2] - box[0], box[3] - box[1]
        else:
            w, h = max(j.box[2] - j.box[0] for j in samples), max(j.box[3] - j.box[1] for j in samples)
        e = max(1.0, (wide - j_w) / max(w, 1.0), (high - j_h) / max(h, 1.0))
        missing = max(0.0, w * e - wide - j_w), max(0.0, h * e - high - j_h)
        out.append(k._replace(h=norm(missing) / 2.0))
    return out


def is_cut(scene: Scene, track: Track, sample: Sample, j_w: float, j_h: float) -> bool:
    """Whether the box ends at the border, or comes near a box of another track in the same frame."""
    x1, y1, x2, y2 = sample.box
    w, h = width(scene), height(scene)
    at_side = x1 <= 0.01 * w + j_w or x2 >= 0.99 * w - j_w
    return at_side or y1 <= 0.01 * h + j_h or y2 >= 0.99 * h - j_h or is_crowded(scene, track, sample)


def is_crowded(scene: Scene, track: Track, sample: Sample) -> bool:
    """Whether the box comes near a box of another track in the same frame."""
    for other in scene["tracks"]:
        if other["track_id"] == track["track_id"]:
            continue
        for k in sights(scene, other):
            if k.frame == sample.frame:
                common_x = min(k.box[2], sample.box[2]) - max(k.box[0], sample.box[0])
                common_y = min(k.box[3], sample.box[3]) - max(k.box[1], sample.box[1])
                if min(common_x, common_y) > -0.01 * diagonal(scene):
                    return True
    return False


def sights(scene: Scene, track: Track) -> list[Sample]:
    """The same, without what is hidden of them."""
    samples: list[Sample] = []
    for frame, box, state in zip(track["frame"], track["bbox"], track["state"], strict=True):
        if state != VISIBLE:
            continue
        x1, y1, x2, y2 = (float(v) for v in box)
        s = math.sqrt(max((x2 - x1) * (y2 - y1), 1.0))
        t = float(scene["t"][frame])
        samples.append(Sample(int(frame), t, (x1 + x2) / 2.0, (y1 + y2) / 2.0, s, (x1, y1, x2, y2)))
    return sorted(samples, key=lambda sample: sample.t)


def window_samples(view: View, track: Track) -> list[Sample]:
    return [k for k in visible_samples(view.scene, track) if in_window(k.t, view.t0, view.t1)]


def is_supported(samples: list[Sample]) -> bool:
    return len(samples) >= 5 and samples[-1].t - samples[0].t >= 0.4


def demand_camera(scene: Scene, f_last: int) -> None:
    camera = scene["camera"]
    if camera["label"] == "unknown":
        raise CannotCheck("camera unknown")
    for g in range(1, f_last + 1):
        if not camera["ok"][g]:
            raise CannotCheck(f"camera not known at frame {g}")


def carried_back(scene: Scene, sample: Sample) -> Sample:
    """One sample, carried back through the view's motion to frame 0."""
    camera = scene["camera"]
    mx, my = width(scene) / 2.0, height(scene) / 2.0
    x, y = sample.x, sample.y
    total = 0.0
    for g in range(sample.frame, 0, -1):
        px = x - float(camera["dx"][g]) - mx
        py = y - float(camera["dy"][g]) - my
        shrink = math.exp(-float(camera["dlogs"][g]))
        a = float(camera["droll"][g])  # Reading: in radians
        # R(a) = [[cos a, -sin a], [sin a, cos a]], so its inverse is [[cos a, sin a], [-sin a, cos a]].
        x = shrink * (math.cos(a) * px + math.sin(a) * py) + mx
        y = shrink * (-math.sin(a) * px + math.cos(a) * py) + my
        total += float(camera["dlogs"][g])
    return sample._replace(x=x, y=y, s=sample.s * math.exp(-total))


def in_frame_of_reference(view: View, samples: list[Sample]) -> list[Sample]:
    if view.frame == "image":
        return samples
    # Reading: the last sampled frame used is that of the last sample in the window, also where (as in `depth`)
    # some of the samples do not count.
    demand_camera(view.scene, samples[-1].frame)
    return [carried_back(view.scene, k) for k in samples]


def supported_samples(view: View, track_id: str) -> list[Sample]:
    """The samples of a track in the window and in the frame of reference, if the track is supported there."""
    samples = window_samples(view, find_track(view.scene, track_id))
    if not is_supported(samples):
        raise CannotCheck(f"track {track_id!r} is not supported in the window")
    return in_frame_of_reference(view, samples)


def centres(samples: list[Sample]) -> list[Point]:
    return [(k.x, k.y) for k in samples]


def smoothed(samples: list[Sample]) -> list[Point]:
    c = centres(samples)
    n = len(c)
    path: list[Point] = []
    for k in range(n):
        around = [c[j] for j in range(max(0, k - 2), min(n - 1, k + 2) + 1)]
        path.append(med_point(around))
    return path


def second_differences(values: list[float]) -> list[float]:
    """|x_k - (x_{k-1} + x_{k+1}) / 2| for 0 < k < n-1."""
    return [abs(values[k] - (values[k - 1] + values[k + 1]) / 2.0) for k in range(1, len(values) - 1)]


def noise(values: list[float]) -> float:
    """J, 0 of fewer than 3."""
    return 2.0 * 1.4826 * med(second_differences(values)) / math.sqrt(1.5) if len(values) >= 3 else 0.0


def kappa(n: int) -> float:
    return min(1.0, math.sqrt(8.0 / n))


def jitter(samples: list[Sample]) -> float:
    sigma_x = 1.4826 * med(second_differences([k.x for k in samples])) / math.sqrt(1.5)
    sigma_y = 1.4826 * med(second_differences([k.y for k in samples])) / math.sqrt(1.5)
    return max(sigma_x, sigma_y)


def tau(scene: Scene, samples: list[Sample], less: float = 1.0) -> float:
    sigma = jitter(samples) * less
    med_s = med([k.s for k in samples])
    hidden = max(k.h for k in samples)
    return math.sqrt((2.0 * sigma) ** 2 + (0.005 * diagonal(scene)) ** 2 + (0.03 * med_s) ** 2 + hidden**2)


def spread(values: list[float]) -> float:
    return max(values) - min(values)


def displacement(path: list[Point]) -> Point:
    return minus(path[-1], path[0])


def extent(path: list[Point]) -> float:
    return math.sqrt(spread([p[0] for p in path]) ** 2 + spread([p[1] for p in path]) ** 2)


def duration(samples: list[Sample]) -> float:
    return samples[-1].t - samples[0].t


def raw_displacement(samples: list[Sample]) -> Point:
    return minus(centres(samples)[-1], centres(samples)[0])


def agree(m: float, other: float) -> float:
    """The smaller one of two margins of one sign; 0 where they contradict each other."""
    if m > 0.0 and other > 0.0:
        return min(m, other)
    if m < 0.0 and other < 0.0:
        return max(m, other)
    return 0.0


def affirmed(m: float, needed: list[float]) -> float:
    """A margin that holds only with all of ``needed``, and is not denied by their failing."""
    if m <= 0.0:
        return m
    if min(needed) <= 0.0:
        return 0.0
    return min([m, *needed])


def m_moves(scene: Scene, samples: list[Sample]) -> float:
    big_e, least, place = extent(smoothed(samples)), 0.06 * diagonal(scene), tau(scene, samples)
    return agree((big_e - least) / place, (extent(centres(samples)) - least) / place)


def along(path: list[Point]) -> list[float]:
    """u_k: the projection on the main axis of the path."""
    return both_axes(path)[0]


def m_slim(path: list[Point], place: float) -> float:
    u, w = both_axes(path)
    length = max(spread(u), 1e-6)
    return (0.5 - spread(w) / length) / max(0.1, place / length)


def main_axis(path: list[Point]) -> float:
    """The angle of the main axis of a path, radians."""
    n = len(path)
    mean_x = math.fsum(p[0] for p in path) / n
    mean_y = math.fsum(p[1] for p in path) / n
    xx = math.fsum((p[0] - mean_x) ** 2 for p in path) / n
    yy = math.fsum((p[1] - mean_y) ** 2 for p in path) / n
    xy = math.fsum((p[0] - mean_x) * (p[1] - mean_y) for p in path) / n
    # The main axis of [[xx, xy], [xy, yy]] lies at half the angle of (xx - yy, 2 xy). Where both eigenvalues are
    # equal the page names no axis; this gives the x axis.
    return 0.5 * math.atan2(2.0 * xy, xx - yy)


def along_axis(points: list[Point], phi: float) -> list[float]:
    """The projections of points on an axis; where from does not matter."""
    return [p[0] * math.cos(phi) + p[1] * math.sin(phi) for p in points]


def both_axes(path: list[Point]) -> tuple[list[float], list[float]]:
    """u_k and w_k: the projections on the main axis of the path and on the other one."""
    phi = main_axis(path)
    return along_axis(path, phi), along_axis(path, phi + math.pi / 2.0)


def legs(u: list[float], h: float) -> list[float]:
    heading = 0
    lowest = highest = u[0]
    extreme = u[0]
    points: list[float] = []
    for value in u:
        if heading == 0:
            lowest = min(lowest, value)
            highest = max(highest, value)
            if value - lowest > h:
                heading = 1
                points.append(lowest)
                extreme = value
            elif highest - value > h:
                heading = -1
                points.append(highest)
                extreme = value
        elif heading == 1:
            if value > extreme:
                extreme = value
            if extreme - value > h:
                points.append(extreme)
                heading = -1
                extreme = value
        else:
            if value < extreme:
                extreme = value
            if value - extreme > h:
                points.append(extreme)
                heading = 1
                extreme = value
    if heading == 0:
        return []
    points.append(extreme)
    return [abs(q - p) for p, q in itertools.pairwise(points)]


def speeds(samples: list[Sample], raw: bool = False) -> list[float]:
    """v_1 ... v_{n-2}; `speeds(...)[j]` is v_{j+1}; with `raw`, of the centres that are not smoothed."""
    path = centres(samples) if raw else smoothed(samples)
    result: list[float] = []
    for k in range(1, len(samples) - 1):
        way = norm(minus(path[k + 1], path[k - 1]))
        result.append(way / (samples[k + 1].t - samples[k - 1].t))
    return result


def step_of(scene: Scene) -> float:
    t = scene["t"]
    return med([t[i + 1] - t[i] for i in range(len(t) - 1)]) if len(t) > 1 else 0.0


def third(count: int) -> int:
    return max(1, count // 3)


def common_samples(view: View, a: str, b: str) -> tuple[list[Point], float]:
    """Delta_k in order of time, and tau_ab."""
    samples_a = supported_samples(view, a)
    samples_b = supported_samples(view, b)
    delta: list[Point] = []
    for k in samples_a:
        for j in samples_b:
            if k.frame == j.frame:
                delta.append((k.x - j.x, k.y - j.y))
    if len(delta) < 5:
        raise CannotCheck("fewer than 5 common samples")
    tau_ab = math.sqrt(tau(view.scene, samples_a) ** 2 + tau(view.scene, samples_b) ** 2)
    return delta, tau_ab


# ----------------------------------------------------------------------------------------------------------------------
# Section 3: predicates of one track
# ----------------------------------------------------------------------------------------------------------------------


def three_way(q: float, theta: float, tol: float, which: int) -> float:
    """(q - theta)/tol for +1, (-theta - q)/tol for -1, (theta - |q|)/tol for 0."""
    if which > 0:
        return (q - theta) / tol
    if which < 0:
        return (-theta - q) / tol
    return (theta - abs(q)) / tol


def trend(q: float, m: float, theta: float, tol: float, which: int) -> float:
    """Rises for +1, falls for -1, stays for 0; q is the change to the last third, m to the middle."""
    if which > 0:
        return min((q - theta) / tol, (m + theta) / tol, (q - m + theta) / tol)
    if which < 0:
        return min((-theta - q) / tol, (theta - m) / tol, (m - q + theta) / tol)
    return min((theta - abs(q)) / tol, (theta - abs(m)) / tol)


def middle(items: list[float]) -> list[float]:
    """The items in neither the first nor the last third."""
    part = third(len(items))
    return items[part : len(items) - part]


def check_moves(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    big_d = diagonal(view.scene)
    margin = m_moves(view.scene, samples)
    if not args["is"]:
        margin = (0.03 * big_d - extent(smoothed(samples))) / tau(view.scene, samples, 0.6)
    return extent(smoothed(samples)) / big_d, tau(view.scene, samples) / big_d, margin


def check_direction(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    path = smoothed(samples)
    place = tau(view.scene, samples)
    big_e = max(extent(path), 1e-6)
    delta = max(3.0, math.degrees(math.atan2(place, norm(displacement(path)))))
    margins = []
    for d in (displacement(path), raw_displacement(samples)):
        lead = (22.5 - abs(wrap(angle(d) - DIRECTIONS[args["is"]]))) / delta
        far = (norm(d) - 0.06 * diagonal(view.scene)) / place
        direct = (norm(d) / big_e - 0.7) / max(0.05, place / big_e)
        margins.append(min(lead, far, direct))
    return angle(displacement(path)), delta, agree(*margins)


def usual_speeds(samples: list[Sample]) -> list[float]:
    """The median speed, and those at four and at six tenths of the speeds in order."""
    every = speeds(samples)
    v = sorted(every[2 : len(every) - 2] if len(every) >= 9 else every)
    last = len(v) - 1
    return [med(every), v[math.floor(0.4 * last)], v[math.ceil(0.6 * last)]]


def bend(path: list[Point], first: Point, last: Point) -> float:
    """max_k of the distance from c_k to the line through two points."""
    length = norm(minus(last, first))
    worst = 0.0
    for p in path:
        if length < 1e-9:
            distance = norm(minus(p, first))
        else:
            cross = (last[0] - first[0]) * (p[1] - first[1]) - (last[1] - first[1]) * (p[0] - first[0])
            distance = abs(cross) / length
        worst = max(worst, distance)
    return worst


def check_bow(samples: list[Sample], place: float, bound: float) -> float:
    """The margin of "it leaves its chord by less than `bound`"."""
    path = smoothed(samples)
    nu = max(0.02, place / max(extent(path), 1e-6))
    ends = [(path[0], path[-1]), (centres(samples)[0], centres(samples)[-1])]
    bows = [bend(path, p, q) / max(norm(minus(q, p)), 1e-6) for p, q in ends]
    return agree((bound - bows[0]) / nu, (bound - bows[1]) / nu)


def check_path(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    path = smoothed(samples)
    place = tau(view.scene, samples)
    u = along(path)
    big_u = spread(u)
    all_legs = legs(u, max(2.0 * place, 0.2 * big_u))
    big_b = sum(all_legs) / max(big_u, 1e-6) if all_legs else 1.0
    beta = max(0.1, place / max(big_u, 1e-6))
    once = (1.5 - big_b) / beta
    if big_b < 1.5 and 2.0 * place > big_u / 3.0:
        once = 0.0
    straight = check_bow(samples, place, 0.1)
    moving = m_moves(view.scene, samples)
    if args["is"] == "straight":
        margin = min(once, straight, moving)
    elif args["is"] == "curved":
        if once < 0.0 and m_slim(path, place) <= 0.0:
            once = 0.0
        margin = min(once, -straight, moving)
    else:
        margin = affirmed(min(-once, moving), [m_slim(path, place)])
    return big_b, beta, margin


def check_travels(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    axis, side = (0, width(view.scene)) if args["axis"] == "x" else (1, height(view.scene))
    q = abs(displacement(smoothed(samples))[axis]) / side
    raw = abs(raw_displacement(samples)[axis]) / side
    tol = tau(view.scene, samples) / side
    return q, tol, agree(*(min(x - args["lo"], args["hi"] - x) / tol for x in (q, raw)))


def check_region(view: View, args: dict[str, Any]) -> Result:
    if view.frame != "image":
        raise CannotCheck("region is of the image only")
    samples = supported_samples(view, args["track"])
    place = tau(view.scene, samples)
    c = centres(samples)
    few = min(5, len(c))
    if args["at"] == "start":
        c = c[:few]
    elif args["at"] == "end":
        c = c[len(c) - few :]
    w, h = width(view.scene), height(view.scene)
    vertical, horizontal = args["is"].split("-")
    sign_x = 1.0 if horizontal == "right" else -1.0
    sign_y = 1.0 if vertical == "bottom" else -1.0
    values, margins = [], []
    for p in (med_point(c), mean_point(c)):
        off_x, off_y = p[0] - w / 2.0, p[1] - h / 2.0
        values.append(min(abs(off_x) / w, abs(off_y) / h))
        margins.append(min(sign_x * off_x, sign_y * off_y) / place)
    return values[0], place / w, agree(*margins)


def is_whole(scene: Scene, sample: Sample) -> bool:
    x1, y1, x2, y2 = sample.box
    w, h = width(scene), height(scene)
    return x1 > 0.01 * w and y1 > 0.01 * h and x2 < 0.99 * w and y2 < 0.99 * h


def check_depth(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    clear = [k for k in samples if is_clear(view.scene, k)]
    if len(clear) < 5:
        raise CannotCheck("fewer than 5 clear samples")
    which = {"approaches": 1, "recedes": -1, "keeps": 0}[args["is"]]
    grown = [k.s / plain_size(k) for k in clear]
    wide = [math.log(max(k.box[2] - k.box[0], 1.0) * z) for k, z in zip(clear, grown, strict=True)]
    high = [math.log(max(k.box[3] - k.box[1], 1.0) * z) for k, z in zip(clear, grown, strict=True)]
    results = []
    for g in ([math.log(k.s) for k in clear], wide, high):
        part = third(len(g))
        q = med(g[-part:]) - med(g[:part])
        m = med(middle(g)) - med(g[:part])
        tol = max(0.1, kappa(len(g)) * noise(g))
        results.append((q, tol, trend(q, m, math.log(1.4), tol, which)))
    margin = agree(agree(results[0][2], results[1][2]), results[2][2])
    return results[0][0], results[0][1], margin


def plain_size(k: Sample) -> float:
    """The size as in the image."""
    return math.sqrt(max((k.box[2] - k.box[0]) * (k.box[3] - k.box[1]), 1.0))


def is_clear(scene: Scene, k: Sample) -> bool:
    return is_whole(scene, k) and k.h <= 0.05 * plain_size(k)


def need_whole(scene: Scene, samples: list[Sample]) -> None:
    if 10 * sum(is_whole(scene, k) for k in samples) < 9 * len(samples):
        raise CannotCheck("cut by the border")


def check_speed(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    need_whole(view.scene, samples)
    big_d = diagonal(view.scene)
    q = med(speeds(samples)) / big_d
    tol = max(0.15 * q, tau(view.scene, samples) / (big_d * duration(samples)))
    leads = []
    for v in (speed / big_d for speed in usual_speeds(samples)):
        if args["is"] == "slow":
            leads.append((0.08 - v) / tol)
        elif args["is"] == "medium":
            leads.append(min(v - 0.08, 0.25 - v) / tol)
        else:
            leads.append((v - 0.25) / tol)
    lead = agree(agree(leads[0], leads[1]), leads[2])
    return q, tol, min(lead, m_moves(view.scene, samples))


def check_speed_change(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    need_whole(view.scene, samples)
    place = tau(view.scene, samples)
    big_t = duration(samples)
    part = third(len(speeds(samples)))
    eps = place / big_t
    which = {"speeds-up": 1, "slows-down": -1, "steady": 0}[args["is"]]
    results = []
    for middle_of, v in ((med, speeds(samples)), (statistics.fmean, speeds(samples, raw=True))):
        a = max(middle_of(v[:part]), eps)
        b = max(middle_of(v[-part:]), eps)
        q = math.log(b / a)
        m = math.log(max(middle_of(middle(v)), eps) / a)
        tol = max(0.15, math.sqrt((3.0 * place / (a * big_t)) ** 2 + (3.0 * place / (b * big_t)) ** 2))
        results.append((q, tol, trend(q, m, math.log(1.6), tol, which)))
    margin = agree(results[0][2], results[1][2])
    return results[0][0], results[0][1], min(margin, m_moves(view.scene, samples))


def check_reversals(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    place = tau(view.scene, samples)
    u = along(smoothed(samples))
    big_u = spread(u)
    all_legs = legs(u, 2.0 * place)
    if not all_legs:
        raise CannotCheck("no legs")
    if len(all_legs) != len(legs(along_axis(centres(samples), main_axis(smoothed(samples))), 2.0 * place)):
        raise CannotCheck("smoothing took legs away")
    if 2.0 * place > 0.25 * big_u:
        raise CannotCheck("a leg may be lost in the noise")
    slim = m_slim(smoothed(samples), place)
    m = min(min((leg - 0.25 * big_u) / place for leg in all_legs), slim, m_moves(view.scene, samples))
    if m <= 0.0:
        raise CannotCheck("the legs are not clear")
    turns = len(all_legs) - 1
    return float(turns), 1.0, m if turns == args["is"] else -m


def check_sequence(view: View, args: dict[str, Any]) -> Result:
    # Reading: each part is a `direction` claim of its own; one that cannot be checked (also for the camera's sake)
    # counts as 0, the claim as a whole keeps the other part.
    before_at = view._replace(t1=float(args["at"]))
    after_at = view._replace(t0=float(args["at"]))
    first = check_in_view(before_at, "direction", {"track": args["track"], "is": args["first"]})
    then = check_in_view(after_at, "direction", {"track": args["track"], "is": args["then"]})
    return first[0], first[1], min(first[2], then[2])


# ----------------------------------------------------------------------------------------------------------------------
# Section 4: events of one track
# ----------------------------------------------------------------------------------------------------------------------


def start_of(scene: Scene, samples: list[Sample]) -> Result:
    theta = 0.05 * diagonal(scene)
    tol_v = max(0.15 * theta, 0.5 * tau(scene, samples))
    need_whole(scene, samples)
    v = speeds(samples)  # v[j] is v_{j+1}, at the time of samples[j + 1]
    if len(v) < 3:
        raise CannotCheck("fewer than 3 speeds")
    for i in range(len(v) - 2):
        if v[i] >= theta and v[i + 1] >= theta and v[i + 2] >= theta:
            if i < 4:
                break
            full = [g for g in range(i, len(v)) if v[g] >= theta + 2.0 * tol_v]
            slow = [r for r in range(full[0] if full else len(v), len(v) - 1) if max(v[r : r + 2]) < theta + tol_v]
            if slow and any(min(v[j : j + 3]) >= theta for j in range(slow[0] + 1, len(v) - 2)):
                break
            t_i = samples[i + 1].t
            raw = speeds(samples, raw=True)
            rest = agree((theta - med(v[:i])) / tol_v, (theta - med(raw[:i])) / tol_v)
            motion = (med(v[i : i + 5]) - theta) / tol_v
            stirs = (extent(smoothed(samples)) - 0.03 * diagonal(scene)) / tau(scene, samples)
            wait = (t_i - samples[0].t - 0.4) / 0.1
            if min(rest, motion, wait) > 0.0:
                return t_i, 0.2, affirmed(min(rest, motion, wait), [stirs])
            break
    z, raw = list(v), speeds(samples, raw=True)
    for k in {0, 1, len(v) - 2, len(v) - 1}:
        z[k] = max(v[k], raw[k] - 2.0 * jitter(samples) / step_of(scene))
    best = max(min(theta - z[0], z[k] - theta) for k in range(2, len(z)))
    for j in range(len(z) - 2):
        best = max(best, max(min(theta - max(z[j : j + 2]), z[k] - theta) for k in range(j + 2, len(z))))
    if best >= 0.0:
        raise CannotCheck("it may start")
    return NAN, 0.2, best / tol_v


def check_starts(view: View, args: dict[str, Any]) -> Result:
    return start_of(view.scene, supported_samples(view, args["track"]))


def check_stops(view: View, args: dict[str, Any]) -> Result:
    samples = supported_samples(view, args["track"])
    backwards = [k._replace(t=-k.t) for k in reversed(samples)]
    time, tol, margin = start_of(view.scene, backwards)
    return -time, tol, margin


def border_event(view: View, args: dict[str, Any], at_end: bool) -> Result:
    """`enters`; with `at_end`, `leaves`: the same with time reversed."""
    if view.frame != "image":
        raise CannotCheck("enters and leaves are of the image only")
    samples = visible_samples(view.scene, find_track(view.scene, args["track"]))
    if len(samples) < 5:
        raise CannotCheck("fewer than 5 visible samples")
    sigma = jitter(samples)
    ordered = list(reversed(samples)) if at_end else samples
    event = ordered[0]
    step = med([q - p for p, q in itertools.pairwise([float(t) for t in view.scene["t"]])])
    returns = [q for p, q in itertools.pairwise(ordered) if abs(q.t - p.t) > 1.5 * step]
    # Reading: "in the window" has the same slack of 0.0005 s as for samples.
    if not in_window(event.t, view.t0, view.t1):
        raise CannotCheck("the event lies outside the window")
    gap = float(view.scene["t"][-1]) - event.t if at_end else event.t - float(view.scene["t"][0])
    w, h = width(view.scene), height(view.scene)
    ahead = centres(ordered[: min(10, len(ordered))])
    move = minus(ahead[-1], ahead[0])
    inward = {"left": move[0], "right": -move[0], "top": move[1], "bottom": -move[1]}

    def near(k: Sample, side: str) -> float:
        x1, y1, x2, y2 = k.box
        dist = {"left": x1, "right": w - x2, "top": y1, "bottom": h - y2}[side]
        dim = w if side in ("left", "right") else h
        return (0.04 * dim - dist) / max(0.01 * dim, 2.0 * sigma)

    def margin_of(side: str) -> float:
        dim = w if side in ("left", "right") else h
        way = (inward[side] - 0.02 * dim) / max(0.01 * dim, 2.0 * sigma)
        return min((gap - 0.25) / 0.1, near(event, side), way)

    margin = margin_of(args["side"])
    if margin > 0.0:
        if any(margin_of(side) > -1.0 for side in SIDES if side != args["side"]):
            raise CannotCheck("over a corner")
    else:
        if any(near(k, args["side"]) > -2.0 for k in returns):
            raise CannotCheck("it may have been there and back")
        if gap > 0.0 and is_crowded(view.scene, find_track(view.scene, args["track"]), event):
            raise CannotCheck("something covers it")
    late = view.t1 - event.t if at_end else event.t - view.t0
    return event.t, 0.2, affirmed(margin, [(late - 0.25) / 0.1])


def check_enters(view: View, args: dict[str, Any]) -> Result:
    return border_event(view, args, at_end=False)


def check_leaves(view: View, args: dict[str, Any]) -> Result:
    return border_event(view, args, at_end=True)


# ----------------------------------------------------------------------------------------------------------------------
# Section 5: predicates of two tracks
# ----------------------------------------------------------------------------------------------------------------------


def check_relation(view: View, args: dict[str, Any]) -> Result:
    delta, tau_ab = common_samples(view, args["a"], args["b"])
    part = third(len(delta))
    angles: list[float] = []
    tols: list[float] = []
    margins: list[float] = []
    for some in (delta, delta[:part], delta[-part:], delta[part : len(delta) - part]):
        at = med_point(some)
        tol = max(3.0, math.degrees(math.atan2(tau_ab, norm(at))))
        angles.append(angle(at))
        tols.append(tol)
        both = [(45.0 - abs(wrap(angle(p) - RELATIONS[args["is"]]))) / tol for p in (at, mean_point(some))]
        margins.append(agree(*both))
    return angles[0], tols[0], min(margins)


def check_order_change(view: View, args: dict[str, Any]) -> Result:
    delta, tau_ab = common_samples(view, args["a"], args["b"])
    part = third(len(delta))
    x_last = med([p[0] for p in delta[-part:]])
    sign_from = 1.0 if args["from"] == "right" else -1.0
    sign_to = 1.0 if args["to"] == "right" else -1.0
    w = width(view.scene)
    margins = []
    for middle_of in (med, statistics.fmean):
        parts = [
            sign_from * middle_of([p[0] for p in delta[:part]]),
            sign_to * middle_of([p[0] for p in delta[-part:]]),
        ]
        if args["from"] == args["to"]:
            parts.append(sign_to * middle_of([p[0] for p in delta[part : len(delta) - part]]))
        margins.append(min(parts) / tau_ab)
    return x_last / w, tau_ab / w, agree(*margins)


def check_distance_change(view: View, args: dict[str, Any]) -> Result:
    delta, _ = common_samples(view, args["a"], args["b"])
    both = [supported_samples(view, args[name]) for name in ("a", "b")]
    tau_ab = norm((tau(view.scene, both[0], kappa(len(both[0]))), tau(view.scene, both[1], kappa(len(both[1])))))
    part = third(len(delta))
    apart = [norm(p) for p in delta]
    which = {"closer": -1, "apart": 1, "same": 0}[args["is"]]
    results = []
    for middle_of in (med, statistics.fmean):
        d_first = max(middle_of(apart[:part]), 1e-6)
        d_last = max(middle_of(apart[-part:]), 1e-6)
        q = math.log(d_last / d_first)
        m = math.log(max(middle_of(middle(apart)), 1e-6) / d_first)
        tol = max(0.08, math.sqrt((tau_ab / d_first) ** 2 + (tau_ab / d_last) ** 2))
        results.append((q, tol, trend(q, m, math.log(1.3), tol, which)))
    return results[0][0], results[0][1], agree(results[0][2], results[1][2])


def check_speed_order(view: View, args: dict[str, Any]) -> Result:
    samples_a = supported_samples(view, args["a"])
    samples_b = supported_samples(view, args["b"])
    need_whole(view.scene, samples_a)
    need_whole(view.scene, samples_b)
    v_a = max(med(speeds(samples_a)), 1e-6)
    v_b = max(med(speeds(samples_b)), 1e-6)
    q = math.log(v_a / v_b)
    part_a = tau(view.scene, samples_a) / (v_a * duration(samples_a))
    part_b = tau(view.scene, samples_b) / (v_b * duration(samples_b))
    tol = max(0.1, math.sqrt(part_a**2 + part_b**2))
    which = {"faster": 1, "slower": -1, "same": 0}[args["is"]]
    (_, low_a, high_a), (_, low_b, high_b) = usual_speeds(samples_a), usual_speeds(samples_b)
    lead = three_way(q, math.log(1.25), tol, which)
    ratios = [math.log(max(a, 1e-6) / max(b, 1e-6)) for a, b in ((low_a, high_b), (high_a, low_b))]
    for ratio in [*ratios, 0.0] if ratios[0] < 0.0 < ratios[1] else ratios:
        lead = agree(lead, three_way(ratio, math.log(1.25), tol, which))
    return q, tol, min(lead, m_moves(view.scene, samples_a), m_moves(view.scene, samples_b))


def check_before(view: View, args: dict[str, Any]) -> Result:
    # Reading: an event that cannot be checked counts as 0 in the conjunction and leaves the time NaN; the tolerance
    # stays 0.2, because the claim as a whole is still a conjunction.
    results: list[Result] = []
    for name in ("first", "then"):
        event = args[name]
        inner = {key: value for key, value in event.items() if key != "event"}
        results.append(check_in_view(view, event["event"], inner))
    first, then = results
    apart = then[0] - first[0]
    if math.isnan(apart):
        return apart, 0.2, min(0.0, first[2], then[2])
    tol = max(first[1], then[1])
    return apart, tol, min(apart / tol, first[2], then[2])


# ----------------------------------------------------------------------------------------------------------------------
# Section 6: predicates of many tracks
# ----------------------------------------------------------------------------------------------------------------------


def tracks_of(scene: Scene, label: str) -> list[Track]:
    return [track for track in scene["tracks"] if track["label"] == label]


def check_at_once(view: View, args: dict[str, Any]) -> Result:
    if view.frame != "image":
        raise CannotCheck("at_once is of the image only")
    frames = [f for f, t in enumerate(view.scene["t"]) if in_window(t, view.t0, view.t1)]
    if not frames:
        raise CannotCheck("the window holds no frame")
    tracks = tracks_of(view.scene, args["label"])
    present = [{k.frame for k in visible_samples(view.scene, track)} for track in tracks]
    counts = [sum(1 for held in present if f in held) for f in frames]

    def share(k: int) -> float:
        return sum(1 for count in counts if count >= k) / len(frames)

    n = args["is"]
    largest = max(k for k in range(len(tracks) + 1) if share(k) > 0.1)
    return float(largest), 1.0, min((share(n) - 0.1) / 0.05, (0.1 - share(n + 1)) / 0.05)


def check_moving_count(view: View, args: dict[str, Any]) -> Result:
    counted = [track for track in tracks_of(view.scene, args["label"]) if len(sights(view.scene, track)) >= 5]
    all_samples = [window_samples(view, track) for track in counted]
    supported = [samples for samples in all_samples if is_supported(samples)]
    if any(samples and not is_supported(samples) for samples in all_samples):
        raise CannotCheck("one is seen for a moment")
    if not supported:
        raise CannotCheck("no supported track of that label")
    # Reading: these are not parts of a conjunction; if the camera fails one of them, the whole cannot be checked.
    moving = [m_moves(view.scene, in_frame_of_reference(view, samples)) for samples in supported]
    m = min(abs(value) for value in moving)
    number = sum(1 for value in moving if value > 0.0)
    return float(number), 1.0, m if number == args["is"] else -m


def check_exactly(view: View, args: dict[str, Any]) -> Result:
    # Reading: an inner claim that cannot be checked counts as 0; value and tolerance stay.
    margins: list[float] = []
    for track in args["among"]:
        inner = check_in_view(view, args["predicate"], {**args["args"], "track": track})[2]
        margins.append(inner if track in args["which"] else -inner)
    return float(len(args["which"])), 1.0, min(margins)


# ----------------------------------------------------------------------------------------------------------------------
# Section 1 again: what a check returns
# ----------------------------------------------------------------------------------------------------------------------

CHECKS: dict[str, Any] = {
    "moves": check_moves,
    "direction": check_direction,
    "path": check_path,
    "travels": check_travels,
    "region": check_region,
    "depth": check_depth,
    "speed": check_speed,
    "speed_change": check_speed_change,
    "reversals": check_reversals,
    "sequence": check_sequence,
    "starts": check_starts,
    "stops": check_stops,
    "enters": check_enters,
    "leaves": check_leaves,
    "relation": check_relation,
    "order_change": check_order_change,
    "distance_change": check_distance_change,
    "speed_order": check_speed_order,
    "before": check_before,
    "at_once": check_at_once,
    "moving_count": check_moving_count,
    "exactly": check_exactly,
}


def check_in_view(view: View, predicate: str, args: dict[str, Any]) -> Result:
    """A well-formed claim, or a part of one, not clipped; (nan, nan, 0) if it cannot be checked."""
    try:
        result: Result = CHECKS[predicate](view, args)
    except CannotCheck:
        return NAN, NAN, 0.0
    return result


def check(scene: dict[str, Any], claim: dict[str, Any]) -> tuple[float, float, float]:
    """Value, tolerance and signed margin (clipped to +-99) of a claim; `MalformedClaim` if it is none."""
    validate(claim)
    view = View(scene, claim["frame"], float(claim["t0"]), float(claim["t1"]))
    value, tol, margin = check_in_view(view, claim["predicate"], claim["args"])
    return value, tol, clip(margin, -99.0, 99.0) + 0.0  # + 0.0: no negative zero
