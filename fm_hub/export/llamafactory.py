"""LLaMA-Factory: messages with ``<video>`` where the video stands, and the file that names the data sets."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from fm_hub.export.examples import Example
from fm_hub.export.formats import Format, Part, Row

__all__ = ["LlamaFactory"]


class LlamaFactory(Format):
    """Its form ``sharegpt`` with OpenAI's names (read in version 0.9.5). Videos count from ``media_dir``."""

    def row(self, example: Example, media: Sequence[str], out: Path) -> Row:
        """Two messages and the list of videos."""
        del out
        messages = [
            {"role": "user", "content": f"<video>{example.ask}"},
            {"role": "assistant", "content": example.answer},
        ]
        return {"messages": messages, "videos": list(media), "id": example.id, "grounding": example.row["grounding"]}

    def companions(self, out: Path, parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
        """``dataset_info.json``, in which LLaMA-Factory looks names up."""
        del out
        entry = {
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "videos": "videos"},
            "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
        }
        info = {p.name: {"file_name": p.file, **entry} for p in parts}
        yield "dataset_info.json", json.dumps(info, indent=2) + "\n"

    def usage(self, out: Path, parts: Sequence[Part]) -> str:
        """The lines of a training file."""
        names = ",".join(p.name for p in parts if p.split == "train") or ",".join(p.name for p in parts)
        lines = f"dataset_dir: {out}\nmedia_dir: {out}\ndataset: {names}"
        return f"In the YAML of `llamafactory-cli train`:\n```yaml\n{lines}\n```\n"
