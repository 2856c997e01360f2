"""Contributions with something wrong, one kind each: how a good one is spoilt, and what the checks have to say.

Whoever spoils the rows seals them again: hashes and counts are those of the lie, so that only the lie itself is left
to be found. The table is also what ``benchmarks/contributions.py`` counts.
"""

from __future__ import annotations

import json
import os
import pickle
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contributions_made import edit_json
from fm_hub.contribution.check import Wanted
from fm_hub.contribution.known import Known
from fm_hub.contributions import STATEMENT, counted
from fm_hub.manifest import MANIFEST, Manifest, read_manifest, write_manifest
from fm_hub.records import Claim, caption_id, fact_id, question_id
from fm_hub.rows import Row, row_sha
from fm_hub.schemas import SCHEMAS
from fm_hub.tables import read_table, shards, write_table
from fm_hub.video import encode_clip, index_video, iter_frames
from fm_hub.video_hash import hash_video

__all__ = ["HOSTILE", "Hostile", "first", "rows_of", "seal", "table_file"]

FALSE_SHA = "0" * 24
Spoil = Callable[[Path], Wanted | None]


@dataclass(frozen=True)
class Hostile:
    """One kind: how it is made, which check must find it, with which word, and what becomes of it."""

    name: str
    spoil: Spoil
    check: str
    says: str
    status: str = "refused"


def rows_of(root: Path, config: str) -> list[Row]:
    """The rows of a table."""
    return list(read_table(root, config).to_pylist())


def table_file(root: Path, config: str) -> Path:
    """The first file of a table."""
    return shards(root, config)[0]


def first(root: Path, config: str) -> Row:
    """The first row of a table."""
    return rows_of(root, config)[0]


def seal(root: Path) -> None:
    """Make manifest and statement say what the tables and files hold now."""
    manifest = read_manifest(root)
    tables = {
        (p.parent.name, p.name.partition("-")[0]): pq.ParquetFile(p).read() for p in root.glob("*/*-00000.parquet")
    }
    fields = {k: getattr(manifest, k) for k in ("data_version", "generator", "recipe", "models", "repo")}
    write_manifest(root, Manifest.measured(tables, dropped={}, **fields))
    rows = {c: counted(rows_of(root, c)) for c in ("mcq", "qa", "captions") if shards(root, c)}
    edit_json(root / STATEMENT, rows=rows, clips=[r["clip_id"] for r in rows_of(root, "clips")])
    write_manifest(root, read_manifest(root))


def change(config: str, edit: Callable[[Row], Row | None], *, all_rows: bool = False, sealed: bool = True) -> Spoil:
    """Change the first row of a table (or all of them), with its hash; None removes it."""

    def spoil(root: Path) -> None:
        path, changed = table_file(root, config), []
        for i, row in enumerate(pq.ParquetFile(path).read().to_pylist()):
            new = edit(dict(row)) if all_rows or not i else row
            if new is not None:
                honest = "row_sha" in new and new["row_sha"] != FALSE_SHA
                changed.append({**new, "row_sha": row_sha(new)} if honest else new)
        write_table(pa.Table.from_pylist(changed, schema=SCHEMAS[config]), path)
        if sealed:
            seal(root)

    return spoil


def human(**fields: Any) -> Spoil:
    """Turn the first question into one that a person wrote, with these fields."""
    return change("mcq", lambda r: {**r, "id": "eve-kitchen:1", "grounding": "human", "generator": "eve", **fields})


def stated(**fields: Any) -> Spoil:
    def spoil(root: Path) -> None:
        edit_json(root / STATEMENT, **fields)
        write_manifest(root, read_manifest(root))

    return spoil


def put(name: str, data: bytes, *, mode: int = 0o644) -> Spoil:
    """Add a file."""

    def spoil(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)

    return spoil


def on_video(edit: Callable[[Path], None], *, renamed: bool = True) -> Spoil:
    """Change the bytes of the first video and, unless told otherwise, everything that is named by their hash."""

    def spoil(root: Path) -> None:
        path = root / first(root, "clips")["video_file"]
        edit(path)
        if renamed:
            _rename(root, path)
        seal(root)

    return spoil


def _rename(root: Path, path: Path) -> None:
    from fm_hub.manifest import file_sha256

    old, sha = path.stem, file_sha256(path).sha256
    new, file = sha[:24], f"videos/{sha[:2]}/{sha[:24]}.mp4"
    (root / file).parent.mkdir(exist_ok=True)
    path.rename(root / file)
    for config in SCHEMAS:
        for table in shards(root, config):
            rows = pq.ParquetFile(table).read().to_pylist()
            for row in rows:
                for key in ("clip_id", "source_id"):
                    if row.get(key) == old:
                        row[key] = new
                if row.get("clip_id") == new and "video_file" in row:
                    row["video_file"] = file
                if row.get("sha256", "")[:24] == old:
                    row["sha256"] = sha
                if row.get("clip_id") == new:
                    _with_new_id(config, row)
                if "row_sha" in row:
                    row["row_sha"] = row_sha(row)
            write_table(pa.Table.from_pylist(rows, schema=SCHEMAS[config]), table)


def _claims(parts: list[Row]) -> list[Claim]:
    return [Claim(*(part[k] for k in ("predicate", "args", "frame", "t0", "t1"))) for part in parts]


def _with_new_id(config: str, row: Row) -> None:
    clip = row["clip_id"]
    if config in ("mcq", "qa"):
        claims = _claims(row["options"])
        row["id"] = question_id(clip, row["template"], row["template_args"], claims, row["view_t0"], row["view_t1"])
    elif config == "captions":
        row["id"] = caption_id(clip, _claims(row["sentences"]))
    elif config == "facts":
        row["fact_id"] = fact_id(clip, _claims([row])[0])


def _reencoded(path: Path, *, size: tuple[int, int] | None = None, times: list[float] | None = None) -> None:
    index = index_video(path)
    size = size or (index.width, index.height)
    at = times or index.times.tolist()
    pictures = [p for _, p in iter_frames(index, [min(t, index.times[-1]) for t in at], size=size)]
    encode_clip(pictures, at, path.with_suffix(".new.mp4"), crf=30)
    path.with_suffix(".new.mp4").replace(path)


def _symlink(root: Path) -> None:
    path = root / first(root, "clips")["video_file"]
    outside = root.parent.parent / "secret.mp4"
    path.rename(outside)
    path.symlink_to(outside)


def _linked_folder(root: Path) -> None:
    (root / "videos").rename(root.parent.parent / "videos")
    (root / "videos").symlink_to(root.parent.parent / "videos", target_is_directory=True)


def _hardlink(root: Path) -> None:
    path = root / first(root, "clips")["video_file"]
    os.link(path, root.parent.parent / "other-name.mp4")


def _case_twin(root: Path) -> None:
    table = table_file(root, "mcq")
    twin = root / "MCQ" / table.name
    twin.parent.mkdir()
    twin.write_bytes(table.read_bytes())


def _sparse(root: Path) -> None:
    with open(root / first(root, "clips")["video_file"], "r+b") as f:
        f.truncate(201 << 20)


def _pickled(root: Path) -> None:
    path = table_file(root, "mcq")
    table = pq.ParquetFile(path).read().replace_schema_metadata({"loader": pickle.dumps(print)})
    pq.write_table(table, path)
    seal(root)


def _extended(root: Path) -> None:
    path = table_file(root, "mcq")
    table = pq.ParquetFile(path).read()
    pq.write_table(table.append_column("payload", pa.array([b"MZ"] * table.num_rows)), path)
    seal(root)


def _bomb(root: Path) -> None:
    n = 300_000
    table = pa.table({"clip_id": ["0" * 24] * n, "frame": [[0]] * n, "pts": [[0]] * n, "t": [[0.0]] * n})
    pq.write_table(table.cast(SCHEMAS["frames"]), table_file(root, "frames"), compression="zstd")


def _long_lists(root: Path) -> None:
    zeros = np.zeros(41_000_000, np.int32)
    row = {"clip_id": pa.array(["0" * 24]), "frame": pa.ListArray.from_arrays([0, len(zeros)], zeros)}
    row |= {"pts": pa.array([[0]]), "t": pa.array([[0.0]])}
    pq.write_table(pa.table(row).cast(SCHEMAS["frames"]), table_file(root, "frames"), compression="zstd")


def _hidden(root: Path) -> None:
    path = table_file(root, "mcq")
    data = path.read_bytes()
    footer = int.from_bytes(data[-8:-4], "little") + 8
    path.write_bytes(data[:-footer] + b"PK\x03\x04" * 30_000 + data[-footer:])
    write_manifest(root, read_manifest(root))


def _torn(root: Path) -> None:
    path = table_file(root, "mcq")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + b"PAR1")


def _append(data: bytes) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        path.write_bytes(path.read_bytes() + data)

    return edit


def _damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") + 4
    data[at + 200 : at + 1200] = os.urandom(1000)
    path.write_bytes(data)


def _flip(row: Row) -> Row:
    other = "B" if row["answer"] == "A" else "A"
    return {**row, "answer": other}


def _margins(row: Row) -> Row:
    return {**row, "options": [{**o, "margin": o["margin"] + 5} for o in row["options"]]}


def _renamed_label(row: Row) -> Row:
    return {**row, "label": "<script>alert(1)</script>"}


def _faster(row: Row) -> Row:
    return {**row, "t": [t * 0.5 for t in row["t"]]}


def _shifted(row: Row) -> Row:
    return {**row, "bbox": [[x + 5000 for x in b] for b in row["bbox"]]}


def _forged(root: Path) -> None:
    manifest = read_manifest(root)
    files = {n: i.model_copy(update={"sha256": "0" * 64}) for n, i in manifest.files.items()}
    (root / MANIFEST).write_text(manifest.model_copy(update={"files": files}).model_dump_json())


def _counts(root: Path) -> None:
    manifest = read_manifest(root)
    counts = {c: {s: n + 1 for s, n in by.items()} for c, by in manifest.counts.items()}
    (root / MANIFEST).write_text(manifest.model_copy(update={"counts": counts}).model_dump_json())


def _deep(root: Path) -> None:
    (root / MANIFEST).write_text('{"recipe": ' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}")


def _double_row(root: Path) -> None:
    path = table_file(root, "mcq")
    table = pq.ParquetFile(path).read()
    write_table(pa.concat_tables([table, table.slice(0, 1)]), path)
    seal(root)


def _clip_of(root: Path) -> str:
    return str(first(root, "clips")["clip_id"])


def _in_benchmark(root: Path) -> Wanted:
    return Wanted(known=Known(benchmark={_clip_of(root): "x.mp4"}))


def _near_benchmark(root: Path) -> Wanted:
    """The benchmark has the same pictures, at half the size, encoded anew, from another moment on."""
    copy = root.parent.parent / "scored.mp4"
    copy.write_bytes((root / first(root, "clips")["video_file"]).read_bytes())
    _reencoded(copy, size=(320, 180), times=[t / 10 for t in range(4, 28)])
    return Wanted(benchmark=lambda _: [("a" * 24, hash_video(copy))])


def _other_split(root: Path) -> Wanted:
    row = first(root, "clips")
    return Wanted(known=Known(sources={row["source_id"]: "train" if row["split"] == "test" else "test"}))


def _other_shares(root: Path) -> Wanted:
    return Wanted(known=Known(shares=(0.0, 0.0 if first(root, "clips")["split"] != "test" else 1.0)))


def _missing_video(root: Path) -> None:
    (root / first(root, "clips")["video_file"]).unlink()
    write_manifest(root, read_manifest(root))


def _stray_video(root: Path) -> None:
    path = root / first(root, "clips")["video_file"]
    stray = root / "videos" / "00" / f"{'0' * 24}.mp4"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(path.read_bytes())
    seal(root)


E4 = "4" * 24
HTML = "<img src=x onerror=alert(1)>"

HOSTILE: tuple[Hostile, ...] = (
    # files
    Hostile("a link to a file outside", _symlink, "files", "is a link"),
    Hostile("a link to a folder outside", _linked_folder, "files", "is a link"),
    Hostile("a hard link", _hardlink, "files", "hard link"),
    Hostile("a named pipe", lambda r: os.mkfifo(r / "pipe"), "files", "no plain file"),
    Hostile("a file that may be executed", put("mcq/x.parquet", b"PAR1", mode=0o755), "files", "executed"),
    Hostile("a script", put("load.py", b"import os"), "files", "no file of a contribution"),
    Hostile("a loading script named as the dataset", put("motion.py", b"x=1"), "files", "no file of a contribution"),
    Hostile("a pickle", put("model.pkl", pickle.dumps({})), "files", "no file of a contribution"),
    Hostile("a card of its own", put("README.md", b"# mine"), "files", "no file of a contribution"),
    Hostile("a hidden file", put(".env", b"HF_TOKEN=x"), "files", "no file of a contribution"),
    Hostile("another container", put("videos/aa/aa.mov", b"moov"), "files", "no file of a contribution"),
    Hostile("names that differ in case", _case_twin, "files", "capital letters"),
    Hostile("a name that reads backwards", put("videos/\u202e4pm.exe", b"MZ"), "files", "other characters"),
    Hostile("a name with a look-alike letter", put("m\u0441q/train-00000.parquet", b"PAR1"), "files", "other char"),
    Hostile("benchmark questions", put("benchmark/test-00000.parquet", b"PAR1"), "files", "benchmark is not open"),
    Hostile("a video that is too large", _sparse, "files", "at most"),
    Hostile("an empty table", put("contacts/train-00000.parquet", b""), "files", "empty"),
    Hostile("a page that is named a video", put(f"videos/44/{E4}.mp4", b"<html><script>"), "files", "no mp4 file"),
    Hostile("no statement", lambda r: (r / STATEMENT).unlink(), "files", "missing"),
    # the statement
    Hostile("someone else's name", stated(user="fm"), "statement", "speaks of"),
    Hostile("another repository", stated(repo="fm/other"), "statement", "not for"),
    Hostile("no consent", stated(consent=" "), "statement", "consent"),
    Hostile("a source that says nothing", stated(source="?"), "statement", "source"),
    Hostile("an unknown key", stated(admin=True), "statement", "admin"),
    Hostile("no known licence", stated(license="all rights reserved"), "licence", "no licence"),
    Hostile("a licence for some uses only", stated(license="cc-by-nc-4.0"), "licence", "every use", "review"),
    Hostile("counts that are not the rows'", stated(rows={"mcq": {"human": 3}}), "statement", "counts rows"),
    Hostile("clips that are not there", stated(clips=["0" * 24]), "statement", "not those of the table"),
    # the manifest
    Hostile("a forged manifest", _forged, "proofs", "changed file"),
    Hostile("a manifest with other counts", _counts, "proofs", "wrong count"),
    Hostile("a manifest without a bottom", _deep, "statement", "recursion"),
    # tables
    Hostile("a pickle in the metadata of a table", _pickled, "schema", "metadata"),
    Hostile("a column more", _extended, "schema", "payload"),
    Hostile("more rows than can be", _bomb, "schema", "300000 rows"),
    Hostile("rows that are small in bytes and huge in memory", _long_lists, "schema", "values"),
    Hostile("bytes between the columns", _hidden, "schema", "belong to no column"),
    Hostile("a torn table", _torn, "schema", "not readable"),
    Hostile("not a number", change("facts", lambda r: {**r, "value": float("nan")}), "rows", "not a number"),
    Hostile("an id twice", _double_row, "ids", "stands twice"),
    Hostile("an id of another contribution", human(id="bob-street:1"), "ids", "name space"),
    Hostile("an id like a proved one", human(id="0" * 24), "ids", "name space"),
    Hostile("HTML in a question", human(question=f"Which way? {HTML}"), "text", "markup"),
    Hostile("Markdown in a question", human(question="See ![this](http://x/y.png)"), "text", "markup"),
    Hostile("an address in a question", human(question="Buy at www.example.org?"), "text", "address", "review"),
    Hostile("text that reads backwards", human(question="Which \u202e?yaw"), "text", "invisible"),
    Hostile(
        "text of two spellings", human(question=unicodedata.normalize("NFD", "Où va-t-il?")), "text", "normal form"
    ),
    Hostile("a question without an end", human(question="why " * 2000), "rows", "characters"),
    Hostile("HTML in a label", change("tracks", _renamed_label), "text", "markup"),
    Hostile(
        "a place on a disk", change("sources", lambda r: {**r, "name": "/home/eve/a.mp4"}), "rows", "place on a disk"
    ),
    Hostile("an unknown grounding", human(grounding="proved"), "rows", "grounding"),
    Hostile(
        "a row of no clip", change("captions", lambda r: {**r, "clip_id": "0" * 24}), "rows", "not in the table clips"
    ),
    Hostile("a source that is not its bytes", change("sources", lambda r: {**r, "origin": "film"}), "ids", "origin"),
    Hostile("boxes outside the frame", change("tracks", _shifted), "rows", "outside the frame"),
    # proofs
    Hostile("a false answer", change("mcq", _flip), "proofs", "not proved|not disproved"),
    Hostile("a false margin", change("mcq", _margins), "proofs", "wrong margin"),
    Hostile("a false fact", change("facts", lambda r: {**r, "margin": 90.0}), "proofs", "fact not proved|wrong number"),
    Hostile(
        "other words than the claims'", change("mcq", lambda r: {**r, "question": "Who wins?"}), "proofs", "wording"
    ),
    Hostile(
        "a row changed after it was written", change("qa", lambda r: {**r, "row_sha": FALSE_SHA}), "proofs", "row_sha"
    ),
    # videos
    Hostile("other bytes than the hash", on_video(_append(b"\0"), renamed=False), "proofs", "wrong bytes|changed"),
    Hostile("a damaged video", on_video(_damage), "clips", "."),
    Hostile("an archive behind the video", on_video(_append(b"PK\x03\x04" + b"x" * 99)), "clips", "no clean MP4"),
    Hostile(
        "a payload in a free box",
        on_video(_append((100_008).to_bytes(4, "big") + b"free" + b"x" * 100_000)),
        "clips",
        "hides",
    ),
    Hostile("a clock that lies", change("frames", _faster), "clips|proofs", "."),
    Hostile("a size that lies", change("clips", lambda r: {**r, "width": 1280, "height": 720}), "clips|proofs", "."),
    Hostile("a video that is missing", _missing_video, "proofs|files", "."),
    Hostile("a video of no clip", _stray_video, "files", "belongs to no clip"),
    # what the dataset has
    Hostile(
        "a clip that is there", lambda r: Wanted(known=Known(clips=frozenset([_clip_of(r)]))), "duplicates", "already"
    ),
    Hostile(
        "a clip that was removed",
        lambda r: Wanted(known=Known(redacted=frozenset([_clip_of(r)]))),
        "duplicates",
        "removed",
    ),
    Hostile("a video of the benchmark", _in_benchmark, "leakage", "benchmark"),
    Hostile("a video of the benchmark, encoded anew", _near_benchmark, "leakage", "looks like", "review"),
    Hostile("a source of another split", _other_split, "leakage", "split"),
    Hostile("another split than the dataset's", _other_shares, "leakage", "split"),
    # boxes
    Hostile("boxes where nothing is", lambda _: Wanted(annotator="nothing"), "boxes", "box agreement", "review"),
)


def wanted_of(made: Wanted | None) -> Wanted:
    """What to check a hostile contribution against."""
    given = made or Wanted()
    annotator = given.annotator if given.annotator == "nothing" else "drawn"
    return replace(given, name="eve-kitchen", author="eve", repo="fm/motion", annotator=annotator)


def loads(text: str) -> Any:
    """JSON."""
    return json.loads(text)
