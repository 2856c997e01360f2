"""How often claims are right, wrong or undecided where the truth is known, by jitter and by dropped samples.

Each predicate is asked about things that were drawn for one of its words: the verdict on that word is right if it is
true, on every other word if it is false; a margin within 2 is undecided. Jitter is the standard deviation of each side
of a box, or of each point of a body, in pixels of a frame of 640 by 360; dropped is the share of missing sightings.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from analytic_paths import CASES
from bench import Row, options, show

from fm_hub.claims import check

STEPS = ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (4.0, 0.0), (8.0, 0.0), (1.0, 0.2), (1.0, 0.4))
ROUNDS = 120


def told(name: str, jitter: float, dropped: float, seed: int) -> Counter[str]:
    """How often each verdict came out: right, wrong, undecided."""
    count: Counter[str] = Counter()
    rng = np.random.default_rng([seed, *name.encode()])
    for _ in range(ROUNDS):
        scene, claims = CASES[name](rng, jitter, dropped)
        for claim, truth in claims:
            v = check(scene, claim)
            count["undecided" if not (v.true or v.false) else "right" if v.true == truth else "wrong"] += 1
    return count


if __name__ == "__main__":
    chosen = options(__doc__)
    totals: dict[tuple[float, float], Counter[str]] = {step: Counter() for step in STEPS}
    heads = [f"jitter {j:g}" + (f", {d:.0%} dropped" if d else "") for j, d in STEPS]
    print(f"Right of decided (share decided), {ROUNDS} drawn scenes a cell.\n\n| predicate | {' | '.join(heads)} |")
    print(f"|---|{'---|' * len(heads)}")
    for name in CASES:
        cells = []
        for step in STEPS:
            count = told(name, *step, chosen.seed)
            totals[step] += count
            decided = count["right"] + count["wrong"]
            right = f"{count['right'] / decided:.1%}" if decided else "-"
            cells.append(f"{right} ({decided / count.total():.0%})")
        print(f"| {name} | {' | '.join(cells)} |")
    print()
    rows = []
    for (jitter, dropped), count in totals.items():
        share = 100 * count["right"] / max(1, count["right"] + count["wrong"])
        rows.append(Row(f"right of decided, jitter {jitter:g} px, {dropped:.0%} dropped", share, "%", ">=", 98.0))
    show("claims", rows, chosen)
