"""What is shown of a view: how many frames, how large; the same for every model unless the user says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fm_eval_harness.task import Sampling
from fm_hub.errors import UserError
from fm_hub.models import View

__all__ = ["Policy"]

FRAMES, MAX_FRAMES, MAX_SIDE = 16, 64, 448


@dataclass(frozen=True)
class Policy:
    """``frames`` a view, or ``fps`` a second but at most ``max_frames``; frames bounded by side, or by area.

    Both ways the frames lie evenly over the view, by time: so a view is seen from its beginning to its end
    whatever its length. ``decoder`` reads them. Build it with :meth:`of`.
    """

    frames: int | None
    fps: float | None
    max_frames: int | None
    max_side: int | None
    max_pixels: int | None
    decoder: str = "pyav"

    @classmethod
    def of(
        cls,
        frames: int | None = None,
        fps: float | None = None,
        max_frames: int | None = None,
        max_side: int | None = None,
        max_pixels: int | None = None,
        decoder: str = "pyav",
        *,
        task: Sampling | None = None,
    ) -> Policy:
        """Fill in what is not said, from the ``task``'s own sampling if it has one.

        Raises :class:`~fm_hub.errors.UserError` for what does not go together.
        """
        sizes = {"frames": frames, "max-frames": max_frames, "max-side": max_side, "max-pixels": max_pixels}
        for name, value in sizes.items():
            if value is not None and value < 1:
                raise UserError(f"--{name} {value}: must be at least 1")
        if frames is not None and fps is not None:
            raise UserError("--frames and --fps exclude each other: a number for every view, or a rate by time")
        if fps is not None and not 0 < fps < float("inf"):
            raise UserError(f"--fps {fps}: must be above 0")
        if fps is not None:
            max_frames = max_frames or MAX_FRAMES
        elif frames is None and task is not None and task.fps is not None:
            fps, max_frames = task.fps, max_frames or task.max
        else:
            if max_frames is not None:
                raise UserError("--max-frames goes with --fps; --frames is a number already")
            frames = frames or (min(task.n, task.max or task.n) if task is not None and task.n else FRAMES)
        if max_side is None and max_pixels is None:
            max_side = MAX_SIDE
        return cls(frames, fps, max_frames, max_side, max_pixels, decoder)

    def view(self, clip_id: str, path: Path, t0: float, t1: float) -> View:
        """The view of ``t0..t1`` seconds of a clip."""
        n = self.frames
        if n is None:
            n = max(1, round((t1 - t0) * float(self.fps or 1)))
            n = min(n, self.max_frames or n)
        return View(clip_id, path, t0, t1, n, self.max_side, self.max_pixels, self.decoder)

    def as_config(self) -> dict[str, Any]:
        """The fields as ``config.json`` records them."""
        return asdict(self)

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Policy:
        """The policy of a run's ``config.json``."""
        return cls(**{name: config[name] for name in cls.__dataclass_fields__ if name in config})

    def words(self) -> str:
        """The policy in one phrase, for reports and results."""
        much = f"{self.frames} frames"
        if self.fps is not None:
            most = f", at most {self.max_frames}," if self.max_frames else ""
            much = f"{self.fps:g} frames a second{most}"
        side = f", at most {self.max_side} pixels on the longer side" if self.max_side else ""
        area = f", at most {self.max_pixels} pixels a frame" if self.max_pixels else ""
        read = "" if self.decoder == "pyav" else f", read by {self.decoder}"
        return f"{much} spread evenly over the question's view{side}{area}{read}"
