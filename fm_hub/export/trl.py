"""TRL: conversations in Parquet, with the frames of the view as images.

TRL's collator for vision takes a column ``images`` (read in version 1.16.0). Messages may hold videos too, but
transformers then needs a working torchcodec to read them; pictures need nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from fm_hub.export.examples import Example
from fm_hub.export.formats import Format, Part, Row

__all__ = ["Trl"]

BATCH = 1000


class Trl(Format):
    """A row of ``SFTTrainer``: ``messages`` of typed parts, and ``images``. Paths are absolute: TRL knows no root."""

    suffix = "parquet"
    frames = 8

    def row(self, example: Example, media: Sequence[str], out: Path) -> Row:
        """Two messages; the pictures' places are before the words. A video stands in the message itself."""
        paths = [str(out.resolve() / name) for name in media]
        videos = [p for p in paths if p.endswith(".mp4")]
        parts: list[dict[str, str]] = [{"type": "video", "video": p} for p in videos]
        parts += [{"type": "image"}] * (len(paths) - len(videos))
        messages = [
            {"role": "user", "content": [*parts, {"type": "text", "text": example.ask}]},
            {"role": "assistant", "content": [{"type": "text", "text": example.answer}]},
        ]
        images = [p for p in paths if not p.endswith(".mp4")]
        return {"messages": messages, "images": images, "id": example.id, "grounding": example.row["grounding"]}

    def write(self, path: Path, rows: Iterable[Row]) -> int:
        """Parquet whose messages are JSON: as structs, every part would have every key, and templates look at keys."""
        import pyarrow.parquet as pq
        from datasets import Dataset, Features, Image, Json, List, Value

        kinds: dict[str, Any] = {"messages": List(Json()), "images": List(Image())}
        features = Features({**kinds, "id": Value("string"), "grounding": Value("string")})
        partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        writer, n = None, 0
        try:
            for batch in _batches(rows):
                table = Dataset.from_list(batch, features=features).data.table
                writer = writer or pq.ParquetWriter(partial, table.schema, compression="zstd")
                writer.write_table(table)
                n += len(batch)
        finally:
            if writer:
                writer.close()
        if n:
            os.replace(partial, path)
        return n

    def usage(self, out: Path, parts: Sequence[Part]) -> str:
        """The lines of a script."""
        files = {s: [str(out / p.file) for p in parts if p.split == s] for s in dict.fromkeys(p.split for p in parts)}
        lines = (
            "from datasets import load_dataset\nfrom trl import SFTConfig, SFTTrainer\n\n"
            f'data = load_dataset("parquet", data_files={files!r})\n'
            f'SFTTrainer("MODEL", train_dataset=data["{parts[0].split}"], args=SFTConfig(max_length=None)).train()'
        )
        return f"```python\n{lines}\n```\n`max_length=None`: cut texts would lose places of images.\n"


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        yield batch
