"""ms-swift: messages with ``<video>`` where the video stands, one JSON object a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fm_hub.export.examples import Example
from fm_hub.export.formats import Format, Part, Row

__all__ = ["MsSwift"]


class MsSwift(Format):
    """Its standard form (read in version 4.6.0). Videos count from the folder in ``ROOT_IMAGE_DIR``."""

    def row(self, example: Example, media: Sequence[str], out: Path) -> Row:
        """Two messages and the list of videos; other columns would be dropped with a warning."""
        del out
        messages = [
            {"role": "user", "content": f"<video>{example.ask}"},
            {"role": "assistant", "content": example.answer},
        ]
        return {"messages": messages, "videos": list(media)}

    def usage(self, out: Path, parts: Sequence[Part]) -> str:
        """The command of a training."""
        train = " ".join(str(out / p.file) for p in parts if p.split == "train") or str(out / parts[0].file)
        val = " ".join(str(out / p.file) for p in parts if p.split == "validation")
        more = f" --val_dataset {val}" if val else ""
        return f"```\nROOT_IMAGE_DIR={out} swift sft --model MODEL --dataset {train}{more}\n```\n"
