"""Score a baseline on a dataset, then check one of its answers by hand."""

from __future__ import annotations

import sys
from pathlib import Path

from fm_eval_harness.evaluate import run
from fm_hub.claims import check
from fm_hub.scenes import Scenes
from fm_hub.tables import read_records

if __name__ == "__main__":
    dataset = Path(sys.argv[1] if len(sys.argv) > 1 else "foundationmotion")
    config = next(c for c in ("benchmark", "mcq") if (dataset / c).is_dir())
    result = run("baseline:longest", dataset, config=config, output=Path(sys.argv[2] if len(sys.argv) > 2 else "runs"))
    print(f"accuracy {result.results['accuracy']:.2f}, chance {result.results['chance']:.2f}, n {result.results['n']}")

    question = read_records(dataset, config)[0]
    scene = Scenes(dataset)[question.clip_id]
    print(question.text)
    for option in question.options:
        verdict = check(scene, option.claim)
        print(f"  {'TRUE ' if verdict.true else 'false'} {option.text}  (margin {verdict.margin:+.1f} tolerances)")
