"""Videos in, a proved dataset out: the builders as a library."""

from __future__ import annotations

import sys
from pathlib import Path

import fm_hub
from fm_builders.build import build
from fm_builders.recipe import load_recipe
from fm_builders.samples import folder
from fm_builders.sources import find_sources

if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "foundationmotion")
    built = build(find_sources([str(folder() / "cup.mp4")]), load_recipe("quickstart"), out)
    report = fm_hub.verify(out)
    print(f"{built.clips} clip(s), {report.questions} questions, {report.proved} proved")
    for split, rows in fm_hub.load_dataset(str(out), "mcq").items():
        for row in rows.select(range(min(3, len(rows)))):
            print(split, row["question"], "->", row[f"option_{row['answer'].lower()}"])
