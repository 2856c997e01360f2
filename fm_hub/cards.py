"""The dataset card: every number in it is read from the tables that it describes."""

from __future__ import annotations

import difflib
import json
import re
import shutil
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

from fm_hub.card_front import WHAT, front_matter
from fm_hub.card_pictures import bars_svg
from fm_hub.card_samples import clean, first_rows, samples, write_pictures
from fm_hub.contributions import credit_rows
from fm_hub.manifest import Manifest, write_text
from fm_hub.records import LETTERS
from fm_hub.schemas import SPLITS
from fm_hub.tables import counted, read_table, values

__all__ = ["check_card", "render_card", "write_card"]

CARD = "README.md"
STATISTICS = "card/statistics.svg"
EVAL = "eval.yaml"
PEOPLE = ("person", "hand")  # labels of tracks that show a person
LENGTHS = ((2.0, "under 2 s"), (4.0, "2 to 4 s"), (6.0, "4 to 6 s"), (8.0, "6 to 8 s"), (10.0, "8 to 10 s"))


def write_card(root: Path, manifest: Manifest) -> None:
    """Write ``README.md`` of a dataset folder, its pictures, and ``eval.yaml`` if there is a benchmark."""
    shutil.rmtree(root / "card", ignore_errors=True)
    (root / EVAL).unlink(missing_ok=True)
    (root / "card").mkdir(parents=True)
    write_pictures(root)
    for name, text in _texts(root, manifest).items():
        write_text(root / name, text)


def check_card(root: Path, manifest: Manifest) -> list[str]:
    """What a card says that the data do not, line by line; empty if it is as it would be written now.

    The card is also read by ``huggingface_hub``, whose objections are listed too.
    """
    from huggingface_hub import DatasetCard

    problems = []
    for name, text in _texts(root, manifest).items():
        path = root / name
        if not path.is_file():
            problems.append(f"{name}: is missing")
            continue
        there = path.read_text(encoding="utf-8").splitlines()
        for line in difflib.unified_diff(there, text.splitlines(), n=0, lineterm=""):
            if line[:1] in "+-" and line[:3] not in ("+++", "---"):
                problems.append(f"{name}: {'says' if line[0] == '-' else 'the data say'}: {line[1:].strip()[:200]}")
    try:
        DatasetCard.load(root / CARD)
    except Exception as e:  # whatever the client's YAML and card code raises
        problems.append(f"{CARD}: huggingface_hub cannot read it: {' '.join(str(e).split())[:200]}")
    return problems


def _texts(root: Path, manifest: Manifest) -> dict[str, str]:
    """The files of a card that are text."""
    letters = counted(root, "mcq", "answer")
    difficulties = Counter({k or "not stated": n for k, n in counted(root, "mcq", "difficulty").items()})
    counts = {c: sum(s.values()) for c, s in manifest.counts.items() if c in ("mcq", "qa", "captions")}
    groups: dict[str, dict[str, int]] = {
        "Rows": counts,
        "Questions by kind": dict(sorted(_cleaned(counted(root, "mcq", "kind")).items())),
        "Right answers by letter": {x: letters[x] for x in LETTERS},
        "Questions by difficulty": dict(sorted(difficulties.items())),
        "Clips by length": _lengths(root),
        "Tracks by label": _labels(root),
    }
    texts = {CARD: render_card(root, manifest), STATISTICS: bars_svg(groups)}
    return {**texts, EVAL: _eval_yaml(root, manifest)} if manifest.counts.get("benchmark") else texts


def _lengths(root: Path) -> dict[str, int]:
    found = Counter(
        next((name for most, name in LENGTHS if seconds < most), "10 s and more")
        for seconds in values(root, "clips", "duration")
    )
    return {name: found[name] for name in (*(name for _, name in LENGTHS), "10 s and more") if found[name]}


def _cleaned(counts: Counter[str]) -> Counter[str]:
    """Counts of texts, by what a card shows of them."""
    found = Counter[str]()
    for text, n in counts.items():
        found[clean(text)] += n
    return found


def _labels(root: Path) -> dict[str, int]:
    """The most frequent labels of tracks."""
    found = _cleaned(counted(root, "tracks", "label"))
    return dict(sorted(found.items(), key=lambda kv: (-kv[1], kv[0]))[:15])


def _eval_yaml(root: Path, manifest: Manifest) -> str:
    """What registers the benchmark on the Hub."""
    import yaml

    tasks = [{"id": "all", "config": "benchmark", "split": s} for s in manifest.counts["benchmark"]]
    text = "Multiple-choice questions about motion in short videos"
    text += "; every answer follows from published tracks." if _all_facts(root, "benchmark") else "."
    head = {"name": _title(root, manifest), "description": text, "evaluation_framework": "fm-eval", "tasks": tasks}
    return yaml.safe_dump(head, sort_keys=False, allow_unicode=True, width=120)


def _all_facts(root: Path, *configs: str) -> bool:
    return all(counted(root, c, "grounding").keys() <= {"facts"} for c in configs)


def _title(root: Path, manifest: Manifest) -> str:
    """The name of the repository, wherever it was pulled to; of what is not released yet, that of the folder."""
    name = manifest.repo.rpartition("/")[2] or root.resolve().name
    return "FoundationMotion" if name == "foundationmotion" else clean(name)


def render_card(root: Path, manifest: Manifest) -> str:
    """The card as text: YAML front matter for the Hub, then the page."""
    from jinja2 import Environment, StrictUndefined

    template = files("fm_dataset_cards") / "foundationmotion" / "README.md.j2"
    # Markdown, not HTML: cells are cleaned below; autoescape would spell quotes as entities.
    env = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701
    page = env.from_string(template.read_text(encoding="utf-8")).render(**_facts(root, manifest))
    return front_matter(root, manifest) + re.sub(r"\n{3,}", "\n\n", page)


def _facts(root: Path, manifest: Manifest) -> dict[str, Any]:
    letters = counted(root, "mcq", "answer")
    sources = read_table(root, "sources").to_pylist()
    clips = read_table(root, "clips").to_pylist()
    counts = manifest.counts
    configs = [c for c in WHAT if c in counts]
    people = read_table(root, "tracks", columns=["clip_id", "label"]).to_pylist()
    return {
        "m": manifest,
        "title": _title(root, manifest),
        "load_name": manifest.repo or root.resolve().name,
        "cite": re.sub(r"\W+", "_", manifest.repo or root.resolve().name).lower(),
        "splits": SPLITS,
        "first_split": next(iter(counts.get("mcq", {"train": 0}))),
        "configs": [{"name": c, "counts": counts[c], "what": WHAT[c]} for c in configs],
        "samples": samples(root),
        "rows": first_rows(root, manifest, configs),
        "generators": _shares(root, "generator"),
        "prompts": [row for row in _shares(root, "prompt") if row[0] != "None"],
        "shares": _shares(root, "grounding"),
        "all_facts": _all_facts(root, "mcq", "captions"),
        "versions": _versions(root),
        "contributions": credit_rows(root),
        "recipe": json.dumps(manifest.recipe, sort_keys=True, ensure_ascii=False).replace("`", "'"),
        "n_sources": len(sources),
        "n_sources_ok": sum(s["status"] == "ok" for s in sources),
        "n_clips": len(clips),
        "n_with_questions": sum(c["status"] == "ok" for c in clips),
        "n_with_people": len({t["clip_id"] for t in people if t["label"] in PEOPLE}),
        "has_tracks": bool(counts.get("tracks")),
        "kinds": sorted(_cleaned(counted(root, "mcq", "kind")).items()),
        "letters": [(x, letters[x]) for x in LETTERS],
        "failed": [(clean(s["name"]), s["reason"]) for s in sources if s["status"] != "ok"][:50],
        "licenses": sorted(Counter(clean(s["license"]) or "unknown" for s in sources if s["sha256"]).items()),
    }


def _shares(root: Path, column: str) -> list[tuple[str, int, int]]:
    """For each value of a column of origin: rows of mcq, rows of captions."""
    mcq, captions = (counted(root, c, column) for c in ("mcq", "captions"))
    return [(clean(str(k)), mcq[k], captions[k]) for k in sorted({*mcq, *captions}, key=str)]


def _versions(root: Path) -> list[tuple[str, int, int]]:
    """For each version: rows of mcq and captions that it added and that are still there."""
    shares = _shares(root, "added_in")
    return sorted(shares, key=lambda row: [int(x) if x.isdigit() else 0 for x in row[0].split(".")])
