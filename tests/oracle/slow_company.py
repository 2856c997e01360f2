"""The slow oracle's fourth part: two tracks, contacts, stretches of time, denials. From `docs/claims.md` alone."""

import math
from typing import Any

from oracle.slow_claims import (
    NAN,
    CannotCheck,
    Point,
    Result,
    Sample,
    View,
    agree,
    angle,
    centres,
    check_bow,
    check_in_view,
    common_samples,
    diagonal,
    displacement,
    extent,
    med,
    minus,
    need_whole,
    norm,
    raw_displacement,
    smoothed,
    speeds,
    step_of,
    supported_samples,
    tau,
    third,
    wrap,
)

FORMATIONS = ("follows", "leads", "alongside", "opposite")
RELATIONS = ("before", "after", "during", "contains", "overlaps", "overlapped")
TWO: dict[str, tuple[str, ...] | str] = {"a": "id", "b": "id"}
OTHER: dict[str, dict[str, tuple[str, ...] | str]] = {
    "formation": {**TWO, "is": FORMATIONS},
    "overtakes": TWO,
    "crosses": TWO,
    "touches": TWO,
    "holds": TWO,
    "carries": TWO,
    "grasps": TWO,
    "releases": TWO,
    "when": {"first": "episode", "then": "episode", "is": RELATIONS},
    "not": {"predicate": "id", "args": "dict"},
}


def ways(view: View, args: dict[str, Any]) -> dict[str, Any]:
    """Everything that `formation` names."""
    delta, tau_ab = common_samples(view, args["a"], args["b"])
    of: dict[str, Any] = {"delta": delta, "tau_ab": tau_ab}
    d, raw, length, place = {}, {}, {}, {}
    for name in ("a", "b"):
        samples = supported_samples(view, args[name])
        d[name] = displacement(smoothed(samples))
        raw[name] = norm(raw_displacement(samples))
        length[name], place[name] = norm(d[name]), tau(view.scene, samples)
    of["eta"] = abs(wrap(angle(d["a"]) - angle(d["b"])))
    off = [math.degrees(math.atan2(place[n], length[n])) for n in ("a", "b")]
    of["delta_angle"] = max(3.0, math.sqrt(off[0] ** 2 + off[1] ** 2))
    ex = sum(d[n][0] / max(length[n], 1e-6) for n in ("a", "b"))
    ey = sum(d[n][1] / max(length[n], 1e-6) for n in ("a", "b"))
    size = max(norm((ex, ey)), 1e-6)
    ex, ey = ex / size, ey / size
    f = [p[0] * ex + p[1] * ey for p in delta]
    part = third(len(f))
    of["ends"] = med(f[:5]), med(f[-5:])
    of["f"] = med(f[:part]), med(f[part : len(f) - part]), med(f[-part:])
    of["g"] = med([abs(p[0] * ey - p[1] * ex) for p in delta])
    of["apart"] = med([norm(p) for p in delta])
    big_d = diagonal(view.scene)
    of["near"] = (0.35 * big_d - of["apart"]) / tau_ab
    least = 0.06 * big_d
    of["go"] = min(agree((length[n] - least) / place[n], (raw[n] - least) / place[n]) for n in ("a", "b"))
    return of


def check_formation(view: View, args: dict[str, Any]) -> Result:
    x = ways(view, args)
    tau_ab, (f1, f2, f3) = x["tau_ab"], x["f"]
    same = (45.0 - x["eta"]) / x["delta_angle"]
    in_line = (0.5 * x["apart"] - x["g"]) / tau_ab
    parts = {
        "follows": [same, min(-f1, -f2, -f3) / tau_ab, in_line, x["near"], x["go"]],
        "leads": [same, min(f1, f2, f3) / tau_ab, in_line, x["near"], x["go"]],
        "alongside": [same, (x["g"] - 0.87 * x["apart"]) / tau_ab, x["near"], x["go"]],
        "opposite": [(x["eta"] - 135.0) / x["delta_angle"], x["go"]],
    }[args["is"]]
    return x["eta"], x["delta_angle"], min(parts)


def check_overtakes(view: View, args: dict[str, Any]) -> Result:
    x = ways(view, args)
    f_a, f_z = x["ends"]
    behind, ahead = agree(-x["f"][0], -f_a) / x["tau_ab"], agree(x["f"][2], f_z) / x["tau_ab"]
    return x["eta"], x["delta_angle"], min((45.0 - x["eta"]) / x["delta_angle"], behind, ahead, x["go"])


def side_of(path: list[Point], p: Point) -> float:
    """The signed distance of a point from the line through the ends of a path."""
    d = displacement(path)
    rel = minus(p, path[0])
    return (rel[0] * d[1] - rel[1] * d[0]) / max(norm(d), 1e-6)


def check_crosses(view: View, args: dict[str, Any]) -> Result:
    x = ways(view, args)
    paths, raw, half, straight = [], [], 0.0, math.inf
    for name in ("a", "b"):
        samples = supported_samples(view, args[name])
        paths.append(smoothed(samples))
        place, far = tau(view.scene, samples), max(extent(paths[-1]), 1e-6)
        once = (norm(displacement(paths[-1])) / far - 0.8) / max(0.02, place / far)
        straight = min(straight, check_bow(samples, place, 0.2), once)
        steps = centres(samples)
        half += max(norm(minus(steps[k + 1], steps[k])) for k in range(len(steps) - 1)) / 2.0
        raw.append(steps)
    q = math.inf
    for own, other in (paths, paths[::-1]):
        s, e = side_of(own, other[0]), side_of(own, other[-1])
        size = min(abs(s), abs(e))
        q = min(q, size if (s > 0 > e) or (s < 0 < e) else -size)
    big_d = diagonal(view.scene)
    margin = min(q / x["tau_ab"], straight, x["go"])
    if straight < 2.0 or abs(margin) < 2.0:
        room = min(norm(minus(p, r)) for p in raw[0] for r in raw[1]) - half
        if room > 0.0:
            return -room / big_d, x["tau_ab"] / big_d, -room / x["tau_ab"]
        if straight < 2.0:
            raise CannotCheck("not straight enough")
    return q / big_d, x["tau_ab"] / big_d, margin


def contact(view: View, a: str, b: str, kind: str) -> tuple[float, float, list[list[float]]]:
    """seconds, score, spells."""
    rows = []
    for row in view.scene["contacts"]:
        if (row["a"], row["b"]) not in ((a, b), (b, a)) or (kind == "hold" and row["kind"] != "hold"):
            continue
        if row["t1"] > view.t0 and row["t0"] < view.t1:
            rows.append([max(row["t0"], view.t0), min(row["t1"], view.t1), row["score"]])
    rows.sort()
    union: list[list[float]] = []
    spells: list[list[float]] = []
    for start, end, _ in rows:
        if union and start <= union[-1][1]:
            union[-1][1] = max(union[-1][1], end)
        else:
            union.append([start, end])
        if spells and start - spells[-1][1] <= 0.3:
            spells[-1][1] = max(spells[-1][1], end)
        else:
            spells.append([start, end])
    return math.fsum(e - s for s, e in union), max([r[2] for r in rows], default=0.0), spells


def sure(seconds: float, score: float) -> float:
    return min((seconds - 0.2) / 0.1, (score - 0.4) / 0.1)


def check_contact(view: View, args: dict[str, Any], kind: str) -> Result:
    seconds, score, spells = contact(view, args["a"], args["b"], kind)
    if spells:
        if sure(seconds, score) <= 0.0:
            raise CannotCheck("not sure")
        return seconds, 0.1, sure(seconds, score)
    _, tau_ab = common_samples(view, args["a"], args["b"])
    boxes = [{k.frame: k.box for k in supported_samples(view, args[n])} for n in ("a", "b")]
    gap = math.inf
    for frame in boxes[0]:
        if frame in boxes[1]:
            p, q = boxes[0][frame], boxes[1][frame]
            dx = max(p[0] - q[2], q[0] - p[2], 0.0)
            dy = max(p[1] - q[3], q[1] - p[3], 0.0)
            gap = min(gap, norm((dx, dy)))
    away = (gap - 0.01 * diagonal(view.scene)) / tau_ab
    if away <= 0.0:
        raise CannotCheck("near each other")
    return 0.0, 0.1, -away


def check_carries(view: View, args: dict[str, Any]) -> Result:
    held = check_contact(view, args, "hold")
    if held[2] <= 0.0:
        return held
    _, _, spells = contact(view, args["a"], args["b"], "hold")
    best = spells[0]
    for spell in spells:
        if spell[1] - spell[0] > best[1] - best[0]:
            best = spell
    inner = view._replace(t0=best[0], t1=best[1])
    _, tau_ab = common_samples(inner, args["a"], args["b"])
    d = {n: displacement(smoothed(supported_samples(inner, args[n]))) for n in ("a", "b")}
    place = tau(view.scene, supported_samples(inner, args["b"]))
    length, big_d = norm(d["b"]), diagonal(view.scene)
    apart = norm(minus(d["a"], d["b"])) / max(length, 1e-6)
    same = (0.5 - apart) / max(0.1, tau_ab / max(length, 1e-6))
    raw = norm(raw_displacement(supported_samples(inner, args["b"])))
    far = agree((length - 0.06 * big_d) / place, (raw - 0.06 * big_d) / place)
    return length / big_d, place / big_d, min(far, same, held[2])


def one_spell(view: View, args: dict[str, Any]) -> tuple[float, float, float] | None:
    seconds, score, spells = contact(view, args["a"], args["b"], "touch")
    return (spells[0][0], spells[0][1], sure(seconds, score)) if len(spells) == 1 else None


def check_change(view: View, args: dict[str, Any], at_end: bool) -> Result:
    spell = one_spell(view, args)
    if spell is None:
        margin = check_contact(view, args, "touch")[2]
        if margin >= 0.0:
            raise CannotCheck("more than one spell")
        return NAN, 0.4, margin
    start, end, certain = spell
    if certain <= 0.0:
        raise CannotCheck("not sure")
    inside = ((view.t1 - end if at_end else start - view.t0) - 0.25) / 0.1
    if inside <= 0.0:
        rows = [
            row
            for row in view.scene["contacts"]
            if {row["a"], row["b"]} == {args["a"], args["b"]} and row["t1"] > view.t0 and row["t0"] < view.t1
        ]
        beyond = view.t1 - max(r["t1"] for r in rows) if at_end else min(r["t0"] for r in rows) - view.t0
        inside = min(0.0, beyond / 0.4)
    return end if at_end else start, 0.4, min(inside, certain)


def moving(view: View, samples: list[Sample]) -> tuple[float, float, float]:
    theta = 0.05 * diagonal(view.scene)
    v = speeds(samples)
    fast = [i for i in range(len(v) - 2) if min(v[i : i + 3]) >= theta]
    if not fast:
        raise CannotCheck("it does not move")
    i, j = fast[0], fast[-1] + 2
    for k in range(i, j - 1):
        if max(v[k : k + 3]) < theta:
            raise CannotCheck("it rests between")
    tol_v = max(0.15 * theta, 0.5 * tau(view.scene, samples))
    return samples[i + 1].t, samples[j + 1].t, (med(v[i : j + 1]) - theta) / tol_v


def episode(view: View, of: dict[str, Any]) -> tuple[float, float, float]:
    if of["episode"] == "contact":
        spell = one_spell(view, of)
        if spell is None:
            raise CannotCheck("no contact, or several")
        return spell
    samples = supported_samples(view, of["track"])
    if of["episode"] == "moves":
        need_whole(view.scene, samples)
        return moving(view, samples)
    gap = max(samples[k + 1].t - samples[k].t for k in range(len(samples) - 1)) - step_of(view.scene)
    return samples[0].t, samples[-1].t, (0.45 - gap) / 0.1


def check_when(view: View, args: dict[str, Any]) -> Result:
    (a, b, m), (c, d, k) = episode(view, args["first"]), episode(view, args["then"])
    apart = {
        "before": c - b,
        "after": a - d,
        "during": min(a - c, d - b),
        "contains": min(c - a, b - d),
        "overlaps": min(c - a, b - c, d - b),
        "overlapped": min(a - c, d - a, b - d),
    }[args["is"]]
    tol = 0.4 if "contact" in (args["first"]["episode"], args["then"]["episode"]) else 0.2
    known = min(m, k)
    if known <= 0.0:
        return c - a, tol, 0.0
    return c - a, tol, max(-known, min(known, apart / tol))


def check_not(view: View, args: dict[str, Any]) -> Result:
    margin = check_in_view(view, args["predicate"], args["args"])[2]
    if margin == 0.0:
        raise CannotCheck("nothing is known")
    return float(margin < 0.0), 1.0, -margin


CHECKS = {
    "formation": check_formation,
    "overtakes": check_overtakes,
    "crosses": check_crosses,
    "touches": lambda view, args: check_contact(view, args, "touch"),
    "holds": lambda view, args: check_contact(view, args, "hold"),
    "carries": check_carries,
    "grasps": lambda view, args: check_change(view, args, False),
    "releases": lambda view, args: check_change(view, args, True),
    "when": check_when,
    "not": check_not,
}
