"""The questions of other people's data sets, read as a layout says."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from fm_eval_harness.items import Item
from fm_eval_harness.layouts import STEP, Answer, Layout, Options
from fm_hub.errors import BadDataset, BadRow
from fm_hub.records import Claim, Option, Provenance, Question, content_id

__all__ = ["read_items", "split_options"]

_PLACE = re.compile(r"\{(\w+)(?:\|after:([^}]+))?\}")
_OPTION = re.compile(
    r"(?m)^[ \t]*(?:\(?([A-Z])[.):][ \t]*|((?:Option|Caption|Sentence|Choice) ?\w+):[ \t]*)(\S.*?)[ \t]*$"
)


def read_items(layout: Layout, root: Path, part: str | None, letters: str, origin: str) -> list[Item]:
    """The items of a folder, sorted by video, view and id.

    A record that does not fit becomes an item with a ``problem``: it is counted, not asked. Raises
    :class:`~fm_hub.errors.BadDataset` where a part has no file, or a file does not parse.
    """
    items: list[Item] = []
    taken: dict[str, int] = {}
    for name, pattern in layout.chosen(part).items():
        files = sorted(p for p in root.glob(pattern) if p.is_file())
        if not files:
            raise BadDataset(
                f"{root}: no file {pattern} (part {name}); is the data set complete, and is this its folder?"
            )
        for path in files:
            scope = _file_scope(root, path, pattern, name)
            for record in _walk(_load(path), STEP.findall(layout.records), scope):
                item = _item(layout, record, letters, origin, path)
                twin = taken.get(item.question.question_id, 0)
                taken[item.question.question_id] = twin + 1
                items.append(item.renamed(f"{item.question.question_id}#{twin + 1}") if twin else item)
    if not items:
        raise BadDataset(f"{root}: its files hold no record at {layout.records}")
    return sorted(items, key=lambda i: i.place)


def split_options(text: str) -> tuple[str, list[str], list[str]]:
    """A question whose options stand below it: the question, the options' labels and their texts.

    >>> split_options("Which way?\\nA. left\\nB. right")
    ('Which way?', ['A', 'B'], ['left', 'right'])
    """
    found = list(_OPTION.finditer(text))
    if not found:
        return text.strip(), [], []
    return text[: found[0].start()].strip(), [m[1] or m[2] for m in found], [m[3] for m in found]


def _file_scope(root: Path, path: Path, pattern: str, part: str) -> dict[str, Any]:
    relative = PurePosixPath(path.relative_to(root).as_posix())
    fixed = 0
    for step in PurePosixPath(pattern).parts[:-1]:
        if "*" in step or "?" in step or "[" in step:
            break
        fixed += 1
    inner = PurePosixPath(*relative.parts[fixed:]).with_suffix("")
    return {"part": part, "stem": path.stem, "inner": str(inner), "top": relative.parts[0], "n": 0}


def _load(path: Path) -> Any:
    try:
        if path.suffix == ".parquet":
            return pq.ParquetFile(path).read().to_pylist()
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except (ValueError, OSError, pa.ArrowException) as e:
        raise BadDataset(f"{path}: cannot be read as {path.suffix[1:]} ({' '.join(str(e).split())[:160]})") from None


def _walk(value: Any, steps: Sequence[str], scope: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The scopes of all records: each holds its own fields over those of what it lies in."""
    if isinstance(value, Mapping):
        scope = {**scope, **{str(k): v for k, v in value.items()}}
    if not steps:
        yield dict(scope)
        return
    step, rest = steps[0], steps[1:]
    if step == "[]":
        for n, child in enumerate(value if isinstance(value, list) else ()):
            yield from _walk(child, rest, {**scope, "n": n})
    elif isinstance(value, Mapping):
        if step == "*" or step.startswith("{"):
            for key, child in value.items():
                yield from _walk(child, rest, {**scope, **({} if step == "*" else {step[1:-1]: key})})
        elif step in value:
            yield from _walk(value[step], rest, scope)


def _item(layout: Layout, record: dict[str, Any], letters: str, origin: str, path: Path) -> Item:
    problem, published, question = "", "", ""
    texts: list[str] = []
    key = -1
    known = True
    for name, lookup in layout.lookups.items():
        record[name] = lookup.values.get(_fill(lookup.by, record), "")
    try:
        published = _fill(layout.question, record)
        question, labels, texts = _options(layout.options, published, record)
        if not 2 <= len(texts) <= len(letters):
            raise BadRow(f"{len(texts)} options")
        key, known = _key(layout.answer, record, labels, texts)
    except BadRow as e:
        problem, question = f"{BadRow.__name__}: {e}", question or published
    try:
        start = float(_fill(layout.start, record) or 0.0) if layout.start else 0.0
        end = float(_fill(layout.end, record) or math.inf) if layout.end else math.inf
    except ValueError:
        start, end, problem = 0.0, math.inf, problem or f"{BadRow.__name__}: start or end is not a number"
    videos = tuple(_fill(v, record) for v in layout.video)
    clip = content_id("clip", origin, videos[0])
    nothing = Claim("", "{}", "image", 0.0, 0.0)
    identity = _fill(layout.id, record)
    return Item(
        Question(
            question_id=identity,
            clip_id=clip,
            source_id=clip,
            split="test",
            video_file=videos[0],
            type=_fill(layout.type, record) or str(record["part"]),
            kind=_fill(layout.kind, record) or str(record["part"]),
            difficulty=cast("Any", ""),  # nobody says
            view_t0=start,
            view_t1=end,
            text=question,
            options=tuple(Option(t, nothing, 0.0) for t in texts),
            answer=key,
            answer_type="phrase",
            template="",
            template_args="{}",
            grounding="human",
            provenance=Provenance(origin, 0),
        ),
        row_sha=_sha([path.name, identity, published, texts, key, videos, str(start), str(end)]),
        published=published,
        problem=problem,
        videos=videos,
        keyed=known,
    )


def _options(where: Options, text: str, record: Mapping[str, Any]) -> tuple[str, list[str], list[str]]:
    if where.inline:
        return split_options(text)
    if where.fixed is not None:
        return text, list(where.fixed), list(where.fixed)
    if where.fields is not None:
        given: Any = {f: record.get(f) for f in where.fields if record.get(f) not in (None, "")}
    else:
        given = record.get(str(where.field))
    if isinstance(given, Mapping):
        return text, list(map(str, given)), [str(v).strip() for v in given.values()]
    if isinstance(given, list):
        return text, [chr(ord("A") + i) for i in range(len(given))], [str(v).strip() for v in given]
    raise BadRow(f"no options in {where.field}")


def _key(where: Answer, record: Mapping[str, Any], labels: Sequence[str], texts: Sequence[str]) -> tuple[int, bool]:
    raw = next((record[f] for f in where.fields if record.get(f) is not None), None)
    if raw is None:
        raise BadRow(f"no answer in {' or '.join(where.fields)}")
    if where.unknown is not None and str(raw).strip() == where.unknown:
        return -1, False
    said = str(raw).strip()
    if where.form == "index":
        if not said.isdigit() or int(said) >= len(texts):
            raise BadRow(f"the answer {said[:40]!r} is no index of its {len(texts)} options")
        return int(said), True
    if where.form == "text":
        same = [i for i, t in enumerate(texts) if t == said] or [
            i for i, t in enumerate(texts) if t.casefold() == said.casefold()
        ]
    elif where.form == "letter":
        same = [i for i, x in enumerate(labels) if x == said.strip("(). ").upper()]
    else:
        same = [i for i, (x, t) in enumerate(zip(labels, texts, strict=True)) if said == x or _is_labelled(said, x, t)]
    if len(same) != 1:
        raise BadRow(f"the answer {said[:40]!r} is {'none' if not same else 'several'} of the options")
    return same[0], True


def _is_labelled(said: str, label: str, text: str) -> bool:
    rest = said.removeprefix(label)
    return rest != said and rest.lstrip(".): ").strip() == text


def _fill(template: str, record: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        found = record.get(match[1])
        text = "" if found is None else str(found)
        return text.partition(match[2])[2] or text if match[2] else text

    return _PLACE.sub(value, template)


def _sha(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:24]
