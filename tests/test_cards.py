"""The card says what the data are, and nothing that comes from a file can break out of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from huggingface_hub import DatasetCard

from dataset_made import make_dataset
from fm_hub.cards import render_card
from fm_hub.manifest import read_manifest
from fm_hub.stats import statistics
from fm_hub.tables import read_records, shards, to_table, write_table


def test_every_count_of_the_card_is_the_data(made: Path) -> None:
    card = (made / "README.md").read_text()
    counts = read_manifest(made).counts
    rows = re.findall(r"^\| `(\w+)`(?: \(default\))? \| (\d+) \| (\d+) \| (\d+) \|", card, re.MULTILINE)
    assert {r[0] for r in rows} == set(counts)
    for config, *numbers in rows:
        assert [int(n) for n in numbers] == [counts[config].get(s, 0) for s in ("train", "validation", "test")]
    found = statistics(made)["mcq"]
    for kind, n in found["kind"].items():
        assert f"| {kind} | {n} |" in card
    for letter, n in found["answer"].items():
        assert f"| {letter} | {n} |" in card


def test_the_front_matter_is_what_the_hub_reads(made: Path) -> None:
    card = DatasetCard.load(made / "README.md")
    data = card.data.to_dict()
    assert data["license"] == "cc0-1.0"
    assert [c["config_name"] for c in data["configs"] if c.get("default")] == ["mcq"]
    assert {c["config_name"] for c in data["configs"]} == set(read_manifest(made).counts)


def test_foreign_text_cannot_break_out(dataset: Path) -> None:
    sources = [
        replace(s, name="<script>x</script> | [a](http://b)\n# h", license="<b>", status="failed", reason="NotAVideo")
        for s in read_records(dataset, "sources")
    ]
    write_table(to_table("sources", sources), shards(dataset, "sources")[0])
    card = render_card(dataset, read_manifest(dataset))
    body = card.split("---\n", 2)[2]
    assert "<script" not in body
    assert "](http" not in body
    assert "\n# h" not in body


def test_composing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    trees = []
    for name in ("a", "b"):
        root = tmp_path / name / "foundationmotion"
        make_dataset(root)
        files = [p for p in root.rglob("*") if p.is_file() and ".fm_hub" not in p.parts]
        trees.append({p.relative_to(root).as_posix(): p.read_bytes() for p in files})
    assert trees[0] == trees[1]
