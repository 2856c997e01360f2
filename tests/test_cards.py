"""The card says what the data are, and nothing that comes from a file can break out of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard

from dataset_made import make_dataset
from fm_builders import measured
from fm_builders.recipe import load_recipe
from fm_hub.cards import check_card, render_card
from fm_hub.manifest import read_manifest
from fm_hub.stats import statistics
from fm_hub.tables import read_records, shards, to_table, write_table
from golden_files import check_golden


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


def test_the_front_matter_counts_what_datasets_counts(made: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    infos = {i["config_name"]: i for i in DatasetCard.load(made / "README.md").data.to_dict()["dataset_info"]}
    for config, splits in read_manifest(made).counts.items():
        loaded = load_dataset(str(made), config, cache_dir=str(tmp_path))
        said = {s["name"]: s["num_examples"] for s in infos[config]["splits"]}
        assert said == splits == {s: t.num_rows for s, t in loaded.items()}
        assert [f["name"] for f in infos[config]["features"]] == loaded["test"].column_names


def test_the_page_is_frozen(made: Path) -> None:
    """All of it but what was measured last, and what follows from the drawn videos' bytes, as encoders differ."""
    page = (made / "README.md").read_text().split("\n---\n", 1)[1]
    page = re.sub(r"(?<=That of the same recipe was, on made clips).*?(?=\n\n[^|])", " …", page, flags=re.DOTALL)
    page = re.sub(r"^{.*}$", lambda m: " ".join(json.loads(m[0])), page, flags=re.MULTILINE)
    page = re.sub(r"^> .*\n|^Claim of the answer.*", "> …\n", page, flags=re.MULTILINE)
    page = re.sub(r"(> …\n)+", "> …\n", page)
    page = re.sub(r"^\| ([A-D]) \| \d+ \|$", r"| \1 | <n> |", page, flags=re.MULTILINE)
    check_golden("card.txt", page)


def test_a_card_that_was_edited_or_is_old_is_told(dataset: Path) -> None:
    manifest = read_manifest(dataset)
    assert check_card(dataset, manifest) == []
    text = (dataset / "README.md").read_text()
    (dataset / "README.md").write_text(re.sub(r"\| direction \| (\d+) \|", "| direction | 9999 |", text))
    problems = check_card(dataset, manifest)
    assert any("says: | direction | 9999 |" in p for p in problems)
    assert any("the data say: | direction |" in p for p in problems)
    (dataset / "README.md").write_text("---\nlicense: [\n---\n")
    assert any("cannot read it" in p for p in check_card(dataset, manifest))
    (dataset / "eval.yaml").unlink()
    assert "eval.yaml: is missing" in check_card(dataset, manifest)


def test_measured_accuracy_is_printed_for_the_recipe_it_was_measured_with(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured, "FILE", tmp_path / "measured.json")
    recipe, models = load_recipe("default"), ["model@1"]
    assert measured.measured_for(recipe, models) is None
    figures = [{"figure": "keys right", "value": 97.25, "unit": "%"}]
    measured.write_measured(recipe, models, figures, "benchmarks/perception.py --seed 3", 3, "2026-11-25")
    found = measured.measured_for(recipe.model_copy(update={"name": "mine", "seed": 9}), models)
    assert found is not None
    assert measured.measured_for(recipe, ["model@2"]) is None, "other weights see otherwise"
    assert measured.measured_for(load_recipe("simulated"), models) is None
    manifest = read_manifest(dataset).model_copy(update={"accuracy": None})
    assert "on made clips" not in render_card(dataset, manifest)
    card = render_card(dataset, manifest.model_copy(update={"accuracy": found}))
    assert "| keys right | 97.25 % |" in card
    assert "`benchmarks/perception.py --seed 3`, 2026-11-25" in card


def test_the_pictures_are_there_and_whole(made: Path) -> None:
    import xml.etree.ElementTree as ET

    from PIL import Image

    assert ET.parse(made / "card/statistics.svg").getroot().tag.endswith("svg")  # noqa: S314 - we wrote it
    for config in ("mcq", "qa", "captions", "benchmark"):
        with Image.open(made / f"card/{config}.jpg") as picture:
            assert picture.size == (4 * 320 + 3 * 4, 180)
            picture.load()
    card = (made / "README.md").read_text()
    assert card.count("](card/") == 5
    for link in re.findall(r"!\[[^]]*\]\(([^)]+)\)", card):
        assert (made / link).is_file()


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
