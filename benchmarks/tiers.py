"""The standard tier's speed with full-size random weights: SAM 2.1 small, D-FINE-L, Grounding DINO tiny, ViTPose base.

Frames a second of perception as a build runs it, and beside it the bound: the same calls of the same models and
nothing else (no decoding, no pictures made ready, no boxes, no masks to runs, no camera). ``--objects`` things are
planted in the first key frame, every second one a person, so that the load does not depend on what random weights
believe; all key frames are looked at by both detectors all the same. Without a GPU, tiny shapes run, to see that the
code works; those figures have no target.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from bench import Row, show
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fm_builders import hub_models
from fm_builders.detectors import DETECTORS, Detections
from fm_builders.detectors.detr import DFine
from fm_builders.detectors.grounding import GroundingDino
from fm_builders.model_files import tflite_interpreter
from fm_builders.perceive import perceive
from fm_builders.recipe import Objects, Perception, Pose, load_recipe
from fm_hub.video import index_video, sample_times

RATIO = 1.15  # of the time that the forward passes alone take


class Planted(DFine):
    """D-FINE whose first answer in a clip is so many boxes, of people and things, and whose others are empty."""

    name = "planted"
    objects: ClassVar[int] = 4

    def __init__(self, told: Any = None) -> None:
        super().__init__(told)
        self.first = True

    def reset(self) -> None:
        """A new clip."""
        self.first = True

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """Look, and answer what is planted."""
        super().detect(frame)
        n, self.first = (self.objects if self.first else 0), False
        height, width = frame.shape[:2]
        corner = np.array([[width * (i + 0.1) / max(n, 1), height * 0.3] for i in range(n)]).reshape(-1, 2)
        size = np.array([width * 0.6 / max(n, 1), height * 0.5])
        boxes = np.concatenate([corner, corner + size], 1)
        return Detections.of(self.name, boxes, [0.9] * n, ["person" if i % 2 else "car" for i in range(n)])


class Unheard(GroundingDino):
    """Grounding DINO whose answers are dropped: random weights in half precision are sure of anything."""

    name = "unheard"

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """Look, and answer nothing."""
        return super().detect(frame).take(np.empty(0, np.int64))


class Clock:
    """Seconds inside the models, by name; a call within a call counts once."""

    def __init__(self, device: str) -> None:
        self.device, self.depth = device, 0
        self.by_name: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()

    @property
    def seconds(self) -> float:
        """In all models."""
        return sum(self.by_name.values())

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, timed under this name."""

        def timed(*args: Any, **options: Any) -> Any:
            self.depth += 1
            self._wait()
            start = time.perf_counter()
            try:
                return call(*args, **options)
            finally:
                self._wait()
                self.depth -= 1
                if not self.depth:
                    self.by_name[name] += time.perf_counter() - start
                    self.calls[name] += 1

        return timed

    def _wait(self) -> None:
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize()


def full_size(folder: Path, seed: int) -> dict[str, str]:
    """Folders with random weights of the published shapes."""
    import torch
    import transformers as t

    import tiny_vision

    torch.manual_seed(seed)
    sam = t.Sam2VideoConfig()
    backbone = sam.vision_config.backbone_config
    backbone.blocks_per_stage, backbone.global_attention_blocks = [1, 2, 11, 2], [7, 10, 13]
    follows = t.Sam2VideoModel(sam)
    torch.nn.init.constant_(follows.mask_decoder.pred_obj_score_head.proj_out.bias, 10.0)  # sees what it is told of
    follows.save_pretrained(folder / "sam2")
    t.DFineForObjectDetection(t.DFineConfig()).save_pretrained(folder / "dfine")
    t.RTDetrImageProcessor(size={"height": 640, "width": 640}).save_pretrained(folder / "dfine")
    tiny_vision.grounding(folder / "grounding_dino")  # for its words
    t.GroundingDinoForObjectDetection(t.GroundingDinoConfig()).save_pretrained(folder / "grounding_dino")
    words = t.AutoTokenizer.from_pretrained(folder / "grounding_dino")
    t.GroundingDinoProcessor(t.GroundingDinoImageProcessor(), words).save_pretrained(folder / "grounding_dino")
    body = t.VitPoseBackboneConfig(out_indices=[12])
    t.VitPoseForPoseEstimation(t.VitPoseConfig(backbone_config=body, num_labels=17)).save_pretrained(folder / "vitpose")
    t.VitPoseImageProcessor().save_pretrained(folder / "vitpose")
    return {name: str(folder / name) for name in ("dfine", "grounding_dino", "sam2", "vitpose")}


def tiny(folder: Path) -> dict[str, str]:
    """The same with tiny shapes."""
    import tiny_vision as v

    made: dict[str, Callable[[Path], Path]] = {
        "dfine": v.dfine,
        "grounding_dino": v.grounding,
        "sam2": v.sam2,
        "vitpose": v.vitpose,
    }
    return {name: str(make(folder / name)) for name, make in made.items()}


def look(where: dict[str, str], device: str) -> Perception:
    """The recipe ``standard`` with these weights."""
    standard = load_recipe("standard").perception
    names = {"planted": "dfine", "unheard": "grounding_dino", "sam2": "sam2", "vitpose": "vitpose"}
    kind = device.split(":")[0]
    sets: dict[str, dict[str, Any]] = {name: {"model": where[key], "device": kind} for name, key in names.items()}
    sets["unheard"] |= {"classes": standard.settings["grounding_dino"]["classes"]}
    objects = Objects(detectors=("planted", "unheard"), part_s=60.0)
    return standard.model_copy(update={"objects": objects, "pose": Pose(), "settings": sets})


def measure(told: Perception, seconds: float, device: str) -> tuple[int, float, Clock]:
    """Frames, seconds of wall clock, and the seconds within the models, of a clip that was seen once before."""
    index = index_video(Path(str(files("fm_builders.samples") / "walker.mp4")))
    _, t = sample_times(index, told.fps)
    t = t[t < t[0] + seconds]
    clock = Clock(device)
    perceive(index, t[:3], "warm", "up", told)
    kinds = {"planted": "AutoModelForObjectDetection", "unheard": "AutoModelForZeroShotObjectDetection"}
    kinds |= {"vitpose": "VitPoseForPoseEstimation", "sam2": "Sam2VideoModel"}
    for name, kind in kinds.items():
        spec, half = told.settings[name]["model"], hub_models.dtype_name("auto", device, "bfloat16")
        model = hub_models.load(kind, spec, device, *((half,) if name == "sam2" else ()))
        model.forward = clock.around(name, model.forward)
        if name == "sam2":
            model.get_image_features = clock.around("sam2 encoder", model.get_image_features)
    palms = tflite_interpreter("palm-detection")
    palms.invoke = clock.around("palms (CPU)", palms.invoke)
    start = time.perf_counter()
    seen = perceive(index, t, "clip", "artifact", told)
    wall = time.perf_counter() - start
    assert len(seen.camera.frame) == len(t)
    assert clock.calls["sam2"] >= len(t) * Planted.objects, "a planted thing was lost"
    assert clock.calls["vitpose"] == len(t) or Planted.objects < 2, "a planted person was lost"
    return len(t), wall, clock


def main() -> None:
    """Build the weights, look at a clip, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    parser.add_argument("--objects", type=int, default=4, help="things that are followed")
    parser.add_argument("--seconds", type=float, default=5.0, help="of the clip")
    parser.add_argument("--size", choices=("full", "tiny"), help="default: full with a GPU, tiny without")
    chosen = parser.parse_args()
    device = hub_models.place("auto")
    full = chosen.size == "full" or (chosen.size is None and device != "cpu")
    DETECTORS.table |= {"planted": "tiers:Planted", "unheard": "tiers:Unheard"}
    sys.modules["tiers"] = sys.modules[__name__]
    Planted.objects = chosen.objects
    with tempfile.TemporaryDirectory() as root:
        where = full_size(Path(root), chosen.seed) if full else tiny(Path(root))
        frames, wall, clock = measure(look(where, device), chosen.seconds, device)
    name = "a CPU"
    if device != "cpu":
        import torch

        name = torch.cuda.get_device_name(device)
        print(f"peak GPU memory: {torch.cuda.max_memory_allocated(device) / 1e9:.1f} GB")
    shape = "full-size" if full else "tiny"
    print(f"{frames} frames, {chosen.objects} things; {shape} random weights on {name}")
    for model, spent in sorted(clock.by_name.items(), key=lambda x: -x[1]):
        calls = clock.calls[model]
        print(f"{model}: {calls} calls, {1000 * spent / calls:.1f} ms each, {1000 * spent / frames:.1f} ms a frame")
    bound = frames / clock.seconds
    rows = [
        Row("frames a second of standard", frames / wall, "frames/s", ">=", bound / RATIO if full else 0.0),
        Row("bound: the forward passes alone", bound, "frames/s", ">=", 0.0),
    ]
    show("tiers", rows, chosen)


if __name__ == "__main__":
    main()
