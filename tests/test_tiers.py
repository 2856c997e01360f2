"""The tiers of transformers models, end to end with tiny random weights; and that places come back right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from coloured import coloured, fm
from fm_builders import hub_models
from fm_builders.build import build
from fm_builders.detectors import DETECTORS, detr, grounding
from fm_builders.detectors.grounding import GroundingDino, GroundingSettings
from fm_builders.detectors.proposals import names_in
from fm_builders.hub_models import Weights, dtype_name
from fm_builders.poses import POSES, vitpose
from fm_builders.poses.whole_body import hands_of, merged
from fm_builders.recipe import Pose, Recipe, load_recipe
from fm_builders.segmenters import SEGMENTERS, Hint
from fm_builders.segmenters.sam2 import Sam2Part, Sam2Segmenter, Sam2Settings
from fm_builders.sources import find_sources
from fm_hub.errors import BadRecipe, MissingExtra, UserError
from fm_hub.tables import read_records
from fm_hub.verify import verify
from tiny_plugins import plugin, weights
from tiny_plugins import settings as tiny

RED = (230, 20, 20)
FRAME = st.tuples(st.integers(60, 320), st.integers(60, 240))  # width, height


@dataclass(frozen=True)
class Planted:
    """A grey picture with one red rectangle, (x1, y1, x2, y2)."""

    frame: NDArray[np.uint8]
    box: NDArray[np.float64]


@st.composite
def planted(draw: st.DrawFn) -> Planted:
    width, height = draw(FRAME)
    w, h = draw(st.integers(16, width // 2)), draw(st.integers(16, height // 2))
    x, y = draw(st.integers(0, width - w)), draw(st.integers(0, height - h))
    frame = np.full((height, width, 3), 120, np.uint8)
    frame[y : y + h, x : x + w] = RED
    return Planted(frame, np.array([x, y, x + w, y + h], np.float64))


def reddest(pixels: torch.Tensor) -> torch.Tensor:
    """Where the model's input (3, h, w), however it was normalised, is nearer to red than to grey."""
    contrast = pixels[0] - pixels[1]
    return contrast > (contrast.min() + contrast.max()) / 2


def bounds(mask: torch.Tensor) -> list[float]:
    rows, columns = torch.nonzero(mask.any(1)).flatten(), torch.nonzero(mask.any(0)).flatten()
    return [float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1]


def fake_head(pixel_values: torch.Tensor, **_: Any) -> Any:
    """A detector's head that answers with the red rectangle it sees in its own input, as shares of that."""
    n, _c, h, w = pixel_values.shape
    x1, y1, x2, y2 = bounds(reddest(pixel_values[0]))
    box = [(x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h]
    boxes = torch.tensor([box, [0.5, 0.5, 0.1, 0.1]]).expand(n, 2, 4)
    logits = torch.tensor([[-9.0, 4.0], [-9.0, -9.0]]).expand(n, 2, 2)
    return SimpleNamespace(pred_boxes=boxes, logits=logits)


fake_head.config = SimpleNamespace(id2label={0: "person", 1: "cup"})  # type: ignore[attr-defined]
QUIET = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUIET
@given(planted())
@pytest.mark.parametrize(("name", "module"), [("dfine", detr), ("rtdetr", detr), ("grounding_dino", grounding)])
def test_a_planted_box_comes_back(monkeypatch: pytest.MonkeyPatch, name: str, module: Any, plant: Planted) -> None:
    eye = plugin(DETECTORS, name)
    monkeypatch.setattr(module, "load", lambda kind, spec, device: fake_head)
    found = eye.detect(plant.frame)
    sure = found.take(found.score > 0.9)
    assert set(sure.label) == ({"cup", "red ball"} if name == "grounding_dino" else {"cup"})
    height, width = plant.frame.shape[:2]
    pixel = max(width, height) / 100  # of the model's input, in the frame, and a little
    assert np.abs(sure.bbox - plant.box).max() <= max(pixel, 1.5)


class FakeSam:
    """SAM's outside: sees the red rectangle in its own input, and checks that the hint is that rectangle."""

    device, dtype = torch.device("cpu"), torch.float32
    config = SimpleNamespace(image_size=128, max_object_pointers_in_encoder=16, num_maskmem=7)

    def get_image_features(self, pixels: torch.Tensor, return_dict: bool) -> Any:
        return SimpleNamespace(fpn_hidden_states=[torch.zeros(4, len(pixels), 2)], fpn_position_encoding=[])

    def __call__(self, session: Any, frame_idx: int, reverse: bool = False) -> Any:
        red = reddest(session.get_frame(frame_idx))
        if frame_idx in session.point_inputs_per_obj[0]:
            hint = session.point_inputs_per_obj[0][frame_idx]
            assert hint["point_labels"].flatten().tolist() == [2, 3]
            assert np.abs(np.array(bounds(red)) - hint["point_coords"].flatten().numpy()).max() <= 1.5
        else:
            assert (session.mask_inputs_per_obj[0][frame_idx][0, 0].bool() ^ red).float().mean() < 0.03
        low = torch.nn.functional.interpolate(red[None, None].float(), (32, 32), mode="area")
        return SimpleNamespace(pred_masks=20 * (low - 0.5), object_score_logits=torch.tensor([[5.0]]))


@QUIET
@given(planted(), st.booleans())
def test_a_planted_mask_comes_back(plant: Planted, as_mask: bool) -> None:
    mask = np.zeros(plant.frame.shape[:2], bool)
    x1, y1, x2, y2 = plant.box.astype(int)
    mask[y1:y2, x1:x2] = True
    (seen,) = Sam2Part(FakeSam(), [plant.frame]).follow([Hint(0, mask if as_mask else plant.box)])
    assert seen.seen > 0.99
    height, width = mask.shape
    rows, columns = np.flatnonzero(seen.mask.any(1)), np.flatnonzero(seen.mask.any(0))
    found = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    assert np.abs(found - plant.box).max() <= 0.75 * max(width, height) / 32 + 1


class FakePose:
    """ViTPose's outside: every point's heatmap peaks in the middle of the red rectangle of its own input."""

    config = SimpleNamespace(num_labels=17, backbone_config=SimpleNamespace(image_size=[64, 48], num_experts=1))

    def __call__(self, pixels: torch.Tensor) -> Any:
        maps = []
        for one in pixels.cpu():
            weight = (one[0] - one[1]).clamp(min=0)
            weight = torch.where(weight > weight.max() / 2, weight, 0)
            ys, xs = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
            x, y = (float((weight * g).sum() / weight.sum()) for g in (xs, ys))
            cy, cx = torch.meshgrid(torch.arange(16.0), torch.arange(12.0), indexing="ij")
            at = ((cx - x * 11 / 47) ** 2 + (cy - y * 15 / 63) ** 2) / 2
            maps.append((0.9 * torch.exp(-at / 1.5)).expand(17, 16, 12))
        return SimpleNamespace(heatmaps=torch.stack(maps))


@QUIET
@given(planted(), st.tuples(*[st.floats(0.0, 1.0)] * 4))
def test_a_planted_point_comes_back(
    monkeypatch: pytest.MonkeyPatch, plant: Planted, grow: tuple[float, float, float, float]
) -> None:
    """The middle of the rectangle, from the crop of a box that lies anywhere around it, beyond the frame too."""
    height, width = plant.frame.shape[:2]
    limit = np.array([0, 0, width, height])
    box = (plant.box + np.array(grow) * (limit - plant.box)).astype(np.float32)
    model = plugin(POSES, "vitpose")
    monkeypatch.setattr(vitpose, "load", lambda kind, spec, device: FakePose())
    xy, conf = model.points(plant.frame, box[None])
    assert xy.shape == (1, 17, 2)
    cell = 1.25 * max((box[2] - box[0]) / 11, (box[3] - box[1]) / 15, (box[3] - box[1]) * 0.75 / 11)
    assert np.abs(xy - (plant.box[:2] + plant.box[2:]) / 2).max() <= 0.3 * cell + 0.6
    assert 0.5 < conf.min() <= conf.max() <= 1


def test_what_is_forgotten_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memories older than the model can look back to are dropped: the same to the last bit; a shorter memory is not."""
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(26)]
    model = hub_models.load("Sam2VideoModel", weights("sam2"), "cpu")
    hint = [Hint(2, np.array([8.0, 8.0, 40.0, 40.0]))]

    def seen(forget: int | None, *, reverse: bool = False) -> tuple[list[float], int]:
        """The scores, and how many frames are remembered in the end."""
        part = Sam2Part(model, frames, 16)
        part.forget = forget
        sessions: list[Any] = []
        monkeypatch.setattr(
            part, "_session", lambda hints: sessions.append(Sam2Part._session(part, hints)) or sessions[0]
        )
        start = [Hint(24, hint[0].where)] if reverse else hint
        found = [m.seen for m in part.follow(start, reverse=reverse)]
        return found, len(sessions[0].output_dict_per_obj[0]["non_cond_frame_outputs"])

    for reverse in (False, True):
        whole, short = seen(None, reverse=reverse), seen(16, reverse=reverse)
        assert whole[0] == short[0]
        assert short[1] == 16 < whole[1]
    assert seen(None)[0] != seen(3)[0]


def tiny_recipe(name: str, **more: Any) -> Recipe:
    """A shipped recipe with tiny weights: all else is as it ships."""
    recipe = load_recipe(name)
    look = recipe.perception
    sets = {n: {**look.settings.get(n, {}), **tiny(n)[n]} for n in ("dfine", "grounding_dino", "sam2", "vitpose")}
    sets["dfine"] |= {"labels": []}
    sets["grounding_dino"] |= {"classes": "propose", "proposer": "fake:say cup, a red ball"}
    update = {"settings": sets, "objects": look.objects.model_copy(update=more)}  # type: ignore[union-attr]
    return recipe.model_copy(update={"perception": look.model_copy(update=update)})


@pytest.mark.parametrize(("name", "more"), [("standard", {"part_s": 0.7, "masks": True}), ("paper", {})])
def test_every_tier_builds_on_a_cpu(tmp_path: Path, name: str, more: dict[str, Any]) -> None:
    """From a video to a verified dataset, through the code that full-size weights run through."""
    coloured(tmp_path / "a.mp4", seconds=1.6, size=(96, 64))
    out = tmp_path / "out"
    sources = find_sources([str(tmp_path / "a.mp4")])
    built = build(sources, tiny_recipe(name, every_s=0.5 if name == "standard" else 0, **more), out, engine="inline")
    (clip,) = read_records(out, "clips")
    assert clip.status != "failed", clip.detail
    tracks = read_records(out, "tracks")
    assert any(t.detector.endswith("+sam2") for t in tracks)
    assert len({t.track_id for t in tracks}) == len(tracks)
    assert {m.split("@")[0] for m in built.manifest.models} >= {"dfine", "grounding_dino", "sam2", "vitpose"}
    assert any(m.startswith("proposer fake:") for m in built.manifest.models)
    masks = read_records(out, "masks")
    assert bool(masks) == bool(more.get("masks"))
    assert {m.track_id for m in masks} <= {t.track_id for t in tracks}
    assert verify(out).failed == 0


def test_the_key_knows_the_weights_and_not_the_place() -> None:
    look = load_recipe("standard").perception
    assert look.changes() == look.model_copy(
        update={"settings": look.settings | {"x": {"device": "cpu"}}}
    ).changes() | {"settings": look.changes()["settings"]}
    moved = look.model_copy(update={"settings": look.settings | {"sam2": {**look.settings["sam2"], "device": "cuda"}}})
    assert moved.changes() == look.changes()
    other = {**look.settings["sam2"], "model": "facebook/sam2.1-hiera-small@" + "0" * 40}
    assert look.model_copy(update={"settings": look.settings | {"sam2": other}}).changes() != look.changes()


def test_folders_are_known_by_what_they_hold(tmp_path: Path) -> None:
    one, two = (make(tmp_path / n) for n, make in (("a", small(17)), ("b", small(133))))
    assert Weights.of(str(one)).id.startswith("a@")
    assert Weights.of(str(one)).id.split("@")[1] != Weights.of(str(two)).id.split("@")[1]
    with pytest.raises(BadRecipe, match=r"no config\.json"):
        _ = Weights.of(str(tmp_path)).id


def small(points: int) -> Callable[[Path], Path]:
    from tiny_vision import vitpose as made

    return lambda folder: made(folder, points)


def test_half_precision_on_a_gpu() -> None:
    assert dtype_name("auto", "cuda:1", "float16") == "float16"
    assert dtype_name("auto", "cuda:0", "bfloat16") == "bfloat16"
    assert dtype_name("auto", "cpu", "float16") == "float32"
    assert dtype_name("bfloat16", "cpu", "float16") == "bfloat16"


def test_the_same_in_half_precision_nearly() -> None:
    frame = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    told = {"model": weights("dfine"), "score": 0.0}
    whole, half = (detr.DFine(detr.DetrSettings(**told, dtype=d)).detect(frame) for d in ("float32", "bfloat16"))
    assert np.abs(np.sort(whole.score)[-5:] - np.sort(half.score)[-5:]).max() < 0.02
    sam = Sam2Segmenter(Sam2Settings(model=weights("sam2"), dtype="bfloat16"))
    assert len(list(sam.open([frame] * 3).follow([Hint(0, np.array([10.0, 10.0, 60.0, 60.0]))]))) == 3


def test_a_gpu_that_is_not_there() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(UserError, match="no CUDA device"):
        hub_models.place("cuda")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("facebook/sam2.1-hiera-small", "name the commit, OWNER/NAME@ and 40 hexadecimal digits"),
        ("facebook/sam2.1-hiera-small@main", "name the commit"),
        ("nowhere", "neither a folder nor OWNER/NAME@COMMIT"),
    ],
)
def test_weights_are_pinned(spec: str, says: str) -> None:
    with pytest.raises(BadRecipe, match=says):
        Weights.of(spec)


def test_missing_weights_are_said_in_one_line(tmp_path: Path) -> None:
    coloured(tmp_path / "a.mp4", seconds=2.0)
    env = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    done = fm("build", tmp_path / "a.mp4", "--recipe", "standard", "-o", tmp_path / "out", env=env)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "hf download ustc-community/dfine-large-obj2coco-e25 --revision c89de" in done.stderr


def test_a_missing_extra_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_models, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'fm-hub\[vision\]'"):
        plugin(DETECTORS, "dfine").prepare()
    with pytest.raises(MissingExtra):
        plugin(SEGMENTERS, "sam2").prepare()


def test_weights_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be loaded|is no"):
        hub_models.load("Sam2VideoModel", weights("vitpose"), "cpu")


def test_classes_are_proposed_part_by_part() -> None:
    told = GroundingSettings(
        model=weights("grounding_dino"), classes="propose", proposer="fake:say cup, 3, the red ball"
    )
    eye = GroundingDino(told)
    assert len(eye.detect(np.zeros((32, 32, 3), np.uint8))) == 0
    eye.study([np.zeros((32, 32, 3), np.uint8)] * 2)
    eye.study([np.zeros((32, 32, 3), np.uint8)])
    assert eye._classes == ["cup", "red ball"]
    eye.reset()
    assert eye._classes == []
    with pytest.raises(BadRecipe, match="needs proposer"):
        GroundingDino(GroundingSettings(classes="propose"))


def test_names_in_a_reply() -> None:
    assert names_in("1. Cup\n2. an open box;Dog.") == ["cup", "open box", "dog"]
    assert names_in("") == names_in("person, hands") == []
    assert len(names_in(", ".join(f"thing {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(100)))) == 20


def whole_body(n_good: int, conf: float = 0.9) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A person whose left hand has so many sure points, in a square of 20 pixels at (100, 50)."""
    xy, sure = np.zeros((1, 133, 2), np.float32), np.zeros((1, 133), np.float32)
    xy[0, 91:112] = [100, 50]
    xy[0, 92] = [120, 70]
    sure[0, 91 : 91 + n_good] = conf
    return xy, sure


def test_the_rule_for_hands() -> None:
    """More than three points above 0.5; the box of these, half as large again, within the frame."""
    rules = Pose()
    hands = hands_of("vitpose", *whole_body(4), (640, 480), rules)
    assert hands.label == ("hand",)
    assert hands.bbox.tolist() == [[95, 45, 125, 75]]
    assert hands.side.tolist() == [-1]
    assert hands.keypoints.shape == (1, 21, 2)
    assert hands_of("vitpose", *whole_body(4), (110, 480), rules).bbox.tolist() == [[95, 45, 110, 75]]
    assert len(hands_of("vitpose", *whole_body(3), (640, 480), rules)) == 0
    assert len(hands_of("vitpose", *whole_body(9, 0.5), (640, 480), rules)) == 0
    xy, conf = (a[:, :17] for a in whole_body(4))
    assert len(hands_of("vitpose", xy, conf, (640, 480), rules)) == 0
    palms = hands.take([0, 0])
    palms.bbox[1] += 25
    assert merged(hands, palms, rules).bbox.tolist() == [[95, 45, 125, 75], [120, 70, 150, 100]]
