"""What bodies and hands do: how they turn, what they repeat, their gestures. By the model's joints and the plan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fm_builders.simulate.judge.sight import Args, Floats, Rule, Sight, Unsure, thirds
from fm_hub.records import Claim

__all__ = ["RULES"]

JOINTS = {"left_wrist": 9, "right_wrist": 10, "left_knee": 13, "right_knee": 14, "left_ankle": 15, "right_ankle": 16}
LIMBS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
BODY, HAND = 17, 21  # how many joints they have
WAVES = 1.2  # seconds of waving that anybody notices; 0.3 nobody
NEVER = ("jumps", "sits-down", "stands-up")  # no scene plans these


def _joints(sight: Sight, args: Args, claim: Claim) -> Floats:
    """(N, K, 2) the joints of a thing in the frames of the window that show it."""
    thing = sight.thing(args["track"])
    if not thing.points.shape[1]:
        raise Unsure
    return thing.points[sight.span(thing, claim)]


def _body(sight: Sight, args: Args, claim: Claim) -> tuple[Floats, Floats, float]:
    """The joints of a person, the middle of the hips (N, 2), and the length of the trunk in pixels."""
    joints = _joints(sight, args, claim)
    if joints.shape[1] != BODY:
        raise Unsure
    hips = joints[:, 11:13].mean(1)
    return joints, hips, float(np.median(np.linalg.norm(joints[:, 5:7].mean(1) - hips, axis=1)))


def _turned(sight: Sight, args: Args, claim: Claim) -> Floats:
    """(N,) degrees that the trunk, or the hand, has turned on the screen since the start, anticlockwise positive."""
    joints = _joints(sight, args, claim)
    if joints.shape[1] == HAND:
        axis = joints[:, 9] - joints[:, 0]
    else:
        axis = joints[:, 5:7].mean(1) - joints[:, 11:13].mean(1)
    angle = np.unwrap(np.arctan2(-axis[:, 1], axis[:, 0]))
    return np.asarray(np.degrees(angle - angle[0]))


def _net(turned: Floats) -> float:
    first, _, last = thirds(turned)
    return float(last.mean() - first.mean())


def _rotation(sight: Sight, args: Args, claim: Claim) -> bool:
    turned = _turned(sight, args, claim)
    if args["is"] == "none":
        return float(np.ptp(turned)) < 45
    net = _net(turned)
    return net >= 45 if args["is"] == "anticlockwise" else net <= -45


def _rotation_by(sight: Sight, args: Args, claim: Claim) -> bool:
    return bool(args["lo"] <= abs(_net(_turned(sight, args, claim))) <= args["hi"])


def _swing(sight: Sight, args: Args, claim: Claim) -> list[int]:
    """The frames, from the first of the window, at which a joint turns back against the hips."""
    from scipy.signal import find_peaks

    if args["joint"] == "centre":
        place = sight.path(args, claim)[:, 1:]
    else:
        joints, hips, _ = _body(sight, args, claim)
        place = joints[:, JOINTS[args["joint"]]] - hips
    centred = place - place.mean(0)
    line = centred @ np.linalg.svd(centred, full_matrices=False)[2][0]
    least = 0.4 * float(np.ptp(line))
    return sorted(int(i) for sign in (1, -1) for i in find_peaks(sign * line, prominence=least)[0])


def _repeats(sight: Sight, args: Args, claim: Claim) -> bool:
    """How often it goes there and back: by the plan, for a wave that lies in the window; else by its turns."""
    thing = sight.thing(args["track"])
    for event in sight.truth.events:
        its = event.kind == "waves" and event.who == thing.name and args["joint"] == "right_wrist"
        if its and claim.t0 <= event.t0 and event.t1 <= claim.t1:
            return bool(args["is"] == event.count)
    swings = len(_swing(sight, args, claim)) + 1
    if swings % 2:
        raise Unsure
    return bool(args["is"] == swings // 2)


def _period(sight: Sight, args: Args, claim: Claim) -> bool:
    at = _swing(sight, args, claim)
    if len(at) < 3:
        raise Unsure
    t = sight.truth.t[sight.span(sight.thing(args["track"]), claim)]
    seconds = 2 * float(t[at[-1]] - t[at[0]]) / (len(at) - 1)
    return bool(args["lo"] <= seconds <= args["hi"])


def _limb(sight: Sight, args: Args, claim: Claim) -> bool:
    """The limb whose end gets around most, as seen from the hips."""
    joints, hips, _ = _body(sight, args, claim)
    reach = {}
    for name in LIMBS:
        place = joints[:, JOINTS[name]] - hips
        reach[name] = float(np.hypot(*np.diff(np.quantile(place, [0.1, 0.9], axis=0), axis=0)[0]))
    own = reach.pop(args["is"])
    most = max(reach.values())
    if most <= own < 1.2 * most:
        raise Unsure
    return own > most


def _gesture(sight: Sight, args: Args, claim: Claim) -> bool:
    word, name = args["is"], sight.thing(args["track"]).name
    joints, hips, trunk = _body(sight, args, claim)
    if word in NEVER:
        return False
    if word.startswith("waves"):
        planned = [e for e in sight.truth.events if e.kind == "waves" and e.who == name]  # all wave with the right
        seconds = sum(max(0.0, min(e.t1, claim.t1) - max(e.t0, claim.t0)) for e in planned)
        if word == "waves-right-hand" and 0.3 < seconds < WAVES:
            raise Unsure
        return word == "waves-right-hand" and seconds >= WAVES
    if word.startswith(("raises", "lowers")):
        shoulder, wrist = (5, 9) if "left" in word else (6, 10)
        up = (joints[:, shoulder, 1] - joints[:, wrist, 1]) / trunk
        return _from_to(up if word.startswith("raises") else -up, 0.2)
    if word.startswith("turns"):
        facing = (joints[:, 5, 0] - joints[:, 6, 0]) / trunk  # the left shoulder on the right: it looks at us
        return _from_to(facing if word == "turns-to-camera" else -facing, 0.25)
    up = joints[:, 5:7].mean(1) - hips
    lean = np.degrees(np.arctan2(np.abs(up[:, 0]), -up[:, 1]))
    bent = (lean - 32.5) if word == "bends-down" else (32.5 - lean)
    return _from_to(bent, 7.5)


def _from_to(x: Floats, bound: float) -> bool:
    """Whether something is mostly below ``-bound`` at first and mostly above ``bound`` at last."""
    first, _, last = thirds(x)
    before, after = float(np.mean(first < -bound)), float(np.mean(last > bound))
    return min(before, after) > 0.5


def _hand_side(sight: Sight, args: Args, claim: Claim) -> bool:
    """No scene has a hand of its own on a body."""
    del sight, args, claim
    raise Unsure


RULES: Mapping[str, Rule] = {
    "rotation": _rotation,
    "rotation_by": _rotation_by,
    "repeats": _repeats,
    "period": _period,
    "limb": _limb,
    "gesture": _gesture,
    "hand_side": _hand_side,
}
