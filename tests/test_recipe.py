"""Recipes: a typo fails, in one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from fm_builders.recipe import Recipe, load_recipe, recipe_names
from fm_hub.errors import BadRecipe, UnknownName


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads(name: str) -> None:
    assert load_recipe(name).name == name


def test_the_default_recipe_spells_out_the_defaults() -> None:
    assert load_recipe("default") == Recipe(name="default")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('name = "x"\nsede = 1', "unknown key 'sede'; did you mean 'seed'"),
        (
            'name = "x"\n[perception]\ndetector = ["nanodet"]',
            "unknown key 'perception.detector'; did you mean 'detectors'",
        ),
        ('name = "x"\n[perception]\ndetectors = ["nanodte"]', "no detector named 'nanodte'; did you mean 'nanodet'"),
        ('name = "x"\n[perception]\ntracker = "two-stage"', "no tracker named 'two-stage'; did you mean 'two_stage'"),
        ('name = "x"\n[perception]\ndecoder = "decort"', "no decoder named 'decort'; did you mean 'decord'"),
        (
            'name = "x"\n[compose]\nkinds = ["directions"]',
            "no question kind named 'directions'; did you mean 'direction'",
        ),
        ('name = "x"\n[perception]\nfps = -1', "perception.fps: input should be greater than 0, not -1"),
        ('name = "x"\n[splits]\ntrain = "most"', "splits.train: input should be a valid number"),
        ("seed = 1", "name: field required"),
        ("name = ", "not TOML"),
    ],
)
def test_a_bad_recipe_is_said_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(BadRecipe) as e:
        load_recipe(str(path))
    assert says in str(e.value)
    assert "\n" not in str(e.value)


def test_unknown_and_missing_recipes() -> None:
    with pytest.raises(UnknownName, match="did you mean 'default'"):
        load_recipe("defualt")
    with pytest.raises(BadRecipe, match="no such recipe file"):
        load_recipe("nowhere/r.toml")
