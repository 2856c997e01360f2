"""All checks of a contribution, in the order of what they cost and of what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fm_hub.claims import CLAIMS_VERSION
from fm_hub.contribution.agreement import check_boxes
from fm_hub.contribution.clips import check_clips
from fm_hub.contribution.known import EMPTY, Known, check_duplicates, check_leakage
from fm_hub.contribution.layout import check_names, check_tree, listed
from fm_hub.contribution.report import Finding, Report
from fm_hub.contribution.rows import Tables, check_footers, check_rows, read_tables
from fm_hub.contribution.sandbox import run_limited
from fm_hub.contributions import (
    OPEN_LICENSES,
    RESTRICTED_LICENSES,
    STATEMENT,
    Statement,
    counted,
    parse_statement,
)
from fm_hub.errors import FmError, ItemError
from fm_hub.manifest import MANIFEST, Manifest, read_manifest
from fm_hub.verify import verify
from fm_hub.video_hash import VideoHash
from fm_hub.wording import WORDING_VERSION

__all__ = ["Wanted", "check", "check_in_process"]

CHECK_STATEMENT, CHECK_PROOFS, CHECK_LICENSE = "statement", "proofs", "licence"
Tick = Callable[[], None]
Benchmark = Callable[[Report], Iterable[tuple[str, VideoHash]]]


@dataclass(frozen=True)
class Wanted:
    """What is to be checked against.

    ``name`` is the folder's name, ``author`` who opened the pull request, ``repo`` where it goes (each empty if not
    known). ``benchmark`` gives the hashes of the videos that are scored on. ``seed`` draws the clips that are
    annotated again, by ``annotator`` (empty: none are).
    """

    name: str = ""
    author: str = ""
    repo: str = ""
    known: Known = EMPTY
    benchmark: Benchmark = lambda _: ()
    seed: int = 0
    annotator: str = "embedded"


def check(root: Path, wanted: Wanted, report: Report, *, tick: Tick = lambda: None) -> Report:
    """Run the checks on a folder; findings go to ``report``. What is unsound ends it: the rest would rest on it.

    Reads the folder only, strangers' bytes in processes with limits; writes nothing. ``tick`` is called once a clip
    that was looked at, and once a clip that was annotated again.
    """
    sizes = listed(root, report)
    check_names(sizes, report)
    if not report.refused:
        check_tree(root, sizes, report)
    if report.refused:
        return report
    stated = _statement(root, wanted, report)
    if stated is None:
        return report
    statement, manifest = stated
    report.name = report.name or statement.name
    if not _rows(root, statement.name, report):
        return report
    tables = read_tables(root)
    _agree(statement, manifest, tables, sizes.keys(), report)
    report.facts["rows by grounding"] = statement.rows
    _licenses(statement, tables, report)
    check_duplicates(tables, wanted.known, report)
    hashes = check_clips(root, tables["clips"], tables["frames"], report, tick=tick)
    if not report.refused:
        check_leakage(hashes, wanted.benchmark(report), report)
    if not report.refused and wanted.annotator:
        check_boxes(root, tables, report, seed=wanted.seed, annotator=wanted.annotator, tick=tick)
    return report


def _statement(root: Path, wanted: Wanted, report: Report) -> tuple[Statement, Manifest] | None:
    report.checked.append(CHECK_STATEMENT)
    try:
        statement = parse_statement((root / STATEMENT).read_bytes(), STATEMENT)
        manifest = read_manifest(root)
    except (FmError, RecursionError, UnicodeDecodeError) as e:
        report.refuse(CHECK_STATEMENT, "", str(e).replace(f"{root}/", ""))
        return None
    if wanted.name and statement.name != wanted.name:
        report.refuse(CHECK_STATEMENT, STATEMENT, f"speaks of {statement.name}, its folder is {wanted.name}")
    if wanted.author and statement.user != wanted.author:
        report.refuse(CHECK_STATEMENT, STATEMENT, f"names {statement.user}, the pull request is {wanted.author}'s")
    if wanted.repo and statement.repo != wanted.repo:
        report.refuse(CHECK_STATEMENT, STATEMENT, f"is made for {statement.repo}, not for {wanted.repo}")
    for what, theirs, ours in (
        ("claims", manifest.claims_version, CLAIMS_VERSION),
        ("wording", manifest.wording_version, WORDING_VERSION),
    ):
        if theirs != ours:
            why = f"{what} version {theirs}; this fm-hub proves version {ours}: build it again with the same one"
            report.refuse(CHECK_STATEMENT, MANIFEST, why)
    if not manifest.videos:
        report.refuse(
            CHECK_STATEMENT, MANIFEST, "says that the videos are not with it; a contribution brings its clips"
        )
    return None if report.refused else (statement, manifest)


def _rows(root: Path, name: str, report: Report) -> bool:
    """Read, look at and prove all rows, in a process with limits; whether they are sound."""
    try:
        found = run_limited("fm_hub.contribution.check:check_in_process", {"root": str(root.absolute()), "name": name})
    except ItemError as e:
        report.refuse("rows", "", f"{type(e).__name__}: {e}")
        return False
    report.checked += found["checked"]
    report.facts |= found["facts"]
    report.findings += [Finding(**f) for f in found["findings"]]
    return not report.refused


def check_in_process(root: str, name: str) -> dict[str, Any]:
    """The part of the checks that parses strangers' tables: what it found, as plain values."""
    report, folder = Report(), Path(root)
    check_footers(folder, report)
    if not report.refused:
        check_rows(read_tables(folder), name, report)
    if not report.refused:
        _prove(folder, report)
    found = report.as_dict()
    return {"checked": report.checked, "facts": report.facts, "findings": found["findings"]}


def _prove(root: Path, report: Report) -> None:
    """Everything that says it is a fact is proved, by what ``fm-hub verify`` runs."""
    report.checked.append(CHECK_PROOFS)
    found = verify(root)
    for p in found.problems:
        report.refuse(CHECK_PROOFS, f"{p.where} {p.id}", p.why)
    if found.failed > len(found.problems):
        report.refuse(CHECK_PROOFS, "", f"and {found.failed - len(found.problems)} more")
    report.facts |= {"questions": found.questions, "proved": found.proved, "not to be proved": found.ungrounded}
    report.facts |= {"captions": found.captions, "facts": found.facts}


def _agree(statement: Statement, manifest: Manifest, tables: Tables, names: Iterable[str], report: Report) -> None:
    """Statement, manifest and files say what the tables hold."""
    if sorted(statement.clips) != sorted(row["clip_id"] for row in tables["clips"]):
        report.refuse(CHECK_STATEMENT, STATEMENT, "its clips are not those of the table clips")
    rows = {c: counted(tables[c]) for c in ("mcq", "qa", "captions") if tables[c]}
    if statement.rows != rows:
        report.refuse(CHECK_STATEMENT, STATEMENT, f"counts rows as {statement.rows}, the tables hold {rows}")
    counts = {c: len(found) for c, found in tables.items() if found}
    if {c: sum(s.values()) for c, s in manifest.counts.items()} != counts:
        report.refuse(CHECK_STATEMENT, MANIFEST, "counts other rows than the tables hold")
    if not rows:
        report.refuse(CHECK_STATEMENT, "", "there is no question and no caption in it")
    videos = {n for n in names if n.startswith("videos/")}
    wanted = {row["video_file"] for row in tables["clips"]}
    for name in sorted(wanted ^ videos)[:5]:
        report.refuse("files", name, "is missing" if name in wanted else "belongs to no clip")


def _licenses(statement: Statement, tables: Tables, report: Report) -> None:
    report.checked.append(CHECK_LICENSE)
    found = {"the statement": statement.license} | {f"source {s['source_id']}": s["license"] for s in tables["sources"]}
    for where, license_ in found.items():
        plain = license_.lower()
        if plain in RESTRICTED_LICENSES:
            report.add(CHECK_LICENSE, "review", where, f"{license_} does not allow every use")
        elif plain not in OPEN_LICENSES:
            report.refuse(CHECK_LICENSE, where, f"{license_!r} is no licence that is known to be open")
