"""The loop of an export: rows in, files out, and a count of all that was left out and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fm_hub.errors import BadOutput, ItemError, UnknownName, UserError
from fm_hub.export.examples import ASKED, Example, examples
from fm_hub.export.formats import FORMATS, Format, Part, Row
from fm_hub.export.media import Media
from fm_hub.manifest import Manifest, read_manifest, write_text
from fm_hub.schemas import SPLITS

__all__ = ["Asked", "Exported", "export", "rows_to_export"]

MARK = "export.json"
KEPT = ("videos", "views", "frames")  # of an export that is made again
MAX_FRAMES = 256


@dataclass(frozen=True)
class Asked:
    """What of a dataset is exported, and as what; empty means what suits the format."""

    format: str
    configs: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    grounding: tuple[str, ...] = ()
    frames: int | None = None


@dataclass(frozen=True)
class Exported:
    """The files that were written, rows that were left out by reason, and how to use it all."""

    parts: tuple[Part, ...]
    left_out: dict[str, int]
    usage: str


def _chosen(manifest: Manifest, asked: Asked) -> tuple[Format, int, list[tuple[str, str]]]:
    """The format, its frames, and the (config, split) pairs that have rows. Raises :class:`UserError`."""
    made = FORMATS.load(asked.format)()
    n = made.frames if asked.frames is None else asked.frames
    if n and not made.frames:
        raise UserError(f"--frames: {asked.format} takes videos; pictures are for: trl")
    if not 0 <= n <= MAX_FRAMES:
        raise UserError(f"--frames {n}: give 0 (the video itself) to {MAX_FRAMES}")
    for kind, names, known in (("config", asked.configs, ASKED), ("split", asked.splits, SPLITS)):
        for name in names:
            if name not in known:
                raise UnknownName(kind, name, known)
    configs, splits = asked.configs or made.configs, asked.splits or made.splits
    pairs = [(c, s) for c in configs for s in splits if manifest.counts.get(c, {}).get(s)]
    if not pairs:
        there = sorted({s for c in configs for s in manifest.counts.get(c, {})})
        hint = f"it has rows in: {', '.join(there)} (--split)" if there else "it has none at all"
        raise UserError(f"no rows of {', '.join(configs)} in {', '.join(splits)}; {hint}")
    return made, n, pairs


def rows_to_export(root: Path, asked: Asked) -> int:
    """How many rows an export looks at. Raises :class:`UserError`."""
    manifest = read_manifest(root)
    return sum(manifest.counts[c][s] for c, s in _chosen(manifest, asked)[2])


def export(root: Path, out: Path, asked: Asked, *, tick: Callable[[], None] = lambda: None) -> Exported:
    """Write an export of a dataset folder to ``out``; ``tick`` is called once a row. Raises :class:`UserError`.

    An export that is there already is made again; videos and pictures that it has are kept.
    """
    manifest = read_manifest(root)
    made, n_frames, pairs = _chosen(manifest, asked)
    _prepare(out)
    media, left_out, parts = Media(root, out), Counter[str](), []

    def rows(config: str, split: str) -> Iterator[Row]:
        for example in examples(root, config, split):
            why = _refused(example, asked)
            try:
                if not why:
                    files = media.frames(example, n_frames) if n_frames else [media.video(example)]
                    yield made.row(example, files, out)
            except ItemError as e:
                why = type(e).__name__
            left_out.update([why] if why else [])
            tick()

    for config, split in pairs:
        file = f"{config}-{split}.{made.suffix}"
        n = made.write(out / file, rows(config, split))
        if n:
            parts.append(Part(config, split, file, n))
        else:
            (out / file).unlink(missing_ok=True)
    if not parts:
        why = ", ".join(f"{k} {v}" for k, v in sorted(left_out.items()))
        raise UserError(f"{root}: no row can be exported ({why})")
    for name, text in made.companions(out, parts):
        write_text(out / name, text)
    usage = made.usage(out.resolve(), parts)
    done = Exported(tuple(parts), dict(sorted(left_out.items())), usage)
    _describe(out, manifest, asked.format, done)
    return done


def _refused(example: Example, asked: Asked) -> str:
    if asked.grounding and example.row["grounding"] not in asked.grounding:
        return "OtherGrounding"
    return "ReservedWord" if example.reserved else ""


def _prepare(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise BadOutput(f"{out}: is a file")
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise BadOutput(f"{out}: holds something else; give another folder with -o")
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / MARK).touch()  # from now on it is an export, also if this is killed
        for path in out.iterdir():
            if path.is_file() and path.name != MARK:
                path.unlink()
            elif path.is_dir() and path.name not in (*KEPT, "__pycache__"):
                raise BadOutput(f"{out}: holds {path.name}, which no export made; give another folder with -o")
    except OSError as e:
        raise BadOutput(f"{out}: cannot be written: {e.strerror}") from None


def _describe(out: Path, manifest: Manifest, name: str, done: Exported) -> None:
    rows = "".join(f"| `{p.file}` | {p.rows} |\n" for p in done.parts)
    origin = manifest.repo or "a dataset that is not released"
    write_text(
        out / "README.md",
        f"# {origin}, version {manifest.data_version}, for {name}\n\n| file | rows |\n|---|---|\n{rows}\n{done.usage}",
    )
    said = {
        "format": name,
        "repo": manifest.repo,
        "data_version": manifest.data_version,
        "content_sha256": manifest.content_sha256,
        "rows": {p.file: p.rows for p in done.parts},
        "left_out": done.left_out,
    }
    write_text(out / MARK, json.dumps(said, indent=1, sort_keys=True) + "\n")
