"""Small data sets in the published layouts of other people's benchmarks: real videos, a few questions each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from fm_hub.video import encode_clip

__all__ = ["LAYOUTS", "write_layout"]


def _video(path: Path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    n = round(seconds * 10)
    frames = [np.full((48, 64, 3), 20 + 10 * (i % 20), np.uint8) for i in range(n)]
    encode_clip(frames, [i / 10 for i in range(n)], path)


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def _how(root: Path) -> None:
    abcd = {"A": "turns left", "B": "turns right", "C": "stops", "D": "reverses"}
    first = [{"question": "What does the car do?", **abcd, "correct_answer": "B"}]
    second = [{"question": "And then?", **abcd, "answer": "A"}]
    for split in ("av_car_eval", "av_hands_eval", "hands_eval", "robotics_hand_eval"):
        _json(root / split / "qa_shuffled/day/one.json", {"human": {"questions": first + second}})
        _json(root / split / "qa_shuffled/two.json", {"gpt4o_mini_res": {"questions": second}})
        _video(root / split / "videos/day/one.mp4")
        _video(root / split / "videos/two.mp4")


def _motionbench(root: Path) -> None:
    def row(key: str, kind: str, *qa: tuple[str, str]) -> dict[str, Any]:
        text = "What moves?\nA. the car\nB. the dog\nC. the cup"
        made = [{"uid": uid, "question": text, "answer": answer} for uid, answer in qa]
        return {"key": key, "video_path": f"{key}.mp4", "video_type": "web", "question_type": kind, "qa": made}

    rows = [
        row("v1", "Motion Recognition", ("1", "B"), ("2", "NA")),
        row("v2", "Camera Motion", ("3", "A")),
        row("gone", "Action Order", ("4", "C")),
        row("v1", "Repetition Count", ("5", "Z")),
    ]
    (root / "MotionBench").mkdir(parents=True)
    text = "".join(json.dumps(r) + "\n" for r in rows)
    (root / "MotionBench/video_info.meta.jsonl").write_text(text, encoding="utf-8")
    _video(root / "MotionBench/self-collected/v1.mp4")
    _video(root / "MotionBench/public-dataset/v2.mp4")


def _mvbench(root: Path) -> None:
    from fm_eval_harness.task import load_task

    layout = load_task("mvbench").layout
    assert layout is not None
    for part, file in layout.parts.items():
        row: dict[str, Any] = {
            "video": "v.mp4",
            "question": f"What happens ({part})?",
            "candidates": ["it falls", "it rises", "it stays"],
            "answer": "it rises",
        }
        if part.startswith("action_s"):
            row |= {"start": 0.4, "end": 1.2}
        _json(root / file, [row])
        if part not in ("fine_grained_pose", "episodic_reasoning"):
            _video(root / "video" / layout.lookups["folder"].values[part] / "v.mp4", 2.0)
    (root / "video/tvqa/frames_fps3_hq/v.mp4").mkdir(parents=True)


def _tempcompass(name: str, question: str, answer: str) -> Any:
    def write(root: Path) -> None:
        _json(root / f"questions/{name}.json", {"101": {"direction": [{"question": question, "answer": answer}] * 2}})
        _video(root / "videos/101.mp4", 3.0)

    return write


def _tomato(root: Path) -> None:
    for name in ("count", "direction", "rotation", "shape&trend", "velocity&frequency", "visual_cues"):
        row = {
            "question": "In which direction did the hand move?",
            "options": ["Left.", "Right.", "Up.", "Down.", "Not moving at all", "Both"],
            "answer": 4,
            "key": "0231-04",
            "demonstration_type": "human",
        }
        _json(root / f"data/{name}.json", {"0": row, "7": {**row, "demonstration_type": "object", "answer": 9}})
    for kind in ("human", "object"):
        _video(root / f"videos/{kind}/0231-04.mp4")


def _vlm4d(root: Path) -> None:
    for part in ("real", "synthetic"):
        rows = [
            {
                "id": "1",
                "video": f"https://huggingface.co/datasets/shijiezhou/VLM4D/resolve/main/videos_{part}/a.mp4",
                "question_type": "multiple-choice",
                "question": "What direction is the drone moving towards?",
                "choices": {"A": "left", "B": "right", "C": "not moving", "D": "no drone there"},
                "answer": "left",
            }
        ]
        _json(root / f"QA/{part}_mc.json", rows)
        _video(root / f"videos_{part}/a.mp4")


def _favor(root: Path) -> None:
    questions = [
        {
            "task_type": "AS",
            "question": "What is the order?",
            "options": ["sits, then stands", "stands", "walks"],
            "correct_answer": "stands",
        },
        {
            "task_type": "CM",
            "question": "How does the camera move?",
            "options": ["pans", "zooms"],
            "correct_answer": "tilts",
        },
    ]
    _json(root / "video_perspective.json", [{"video_name": "clip-1", "questions": questions}])
    _video(root / "clip-1.mp4", 3.0)


LAYOUTS = {
    "how": _how,
    "motionbench": _motionbench,
    "mvbench": _mvbench,
    "tempcompass": _tempcompass("multi-choice", "Where?\nA. left\nB. right\nC. up", "B. right"),
    "tempcompass-yes-no": _tempcompass("yes_no", "Does it go left?", "no"),
    "tempcompass-caption-matching": _tempcompass(
        "caption_matching",
        "Which caption fits?\nCaption A: It goes left.\nCaption B: It goes right.",
        "Caption B: It goes right.",
    ),
    "tomato": _tomato,
    "vlm4d": _vlm4d,
    "favor-bench": _favor,
}


def write_layout(name: str, root: Path) -> Path:
    """Write the data set of a task into a folder."""
    LAYOUTS[name](root)
    return root
