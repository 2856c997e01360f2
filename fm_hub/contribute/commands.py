"""``fm-hub contribute``: submit, validate, review, merge. Options here, work in the modules."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fm_hub.contribute.dataset import Target
    from fm_hub.contribution.report import Report
    from fm_hub.release.remote import Remote

__all__ = ["contribute"]

Repo = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The dataset repository on the Hub.")]
Number = Annotated[int, typer.Option("--pr", min=1, help="The number of the pull request.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Seed = Annotated[int | None, typer.Option(help="Which clips are annotated again; default: drawn anew, and told.")]
Boxes = Annotated[bool, typer.Option("--boxes/--no-boxes", help="Annotate up to 20 clips again and compare the boxes.")]
Annotator = Annotated[str, typer.Option(help="What annotates them again.")]
WORK = Path(".fm_hub-contribute")

contribute = typer.Typer(
    help="Give clips and rows to a dataset of others, and look at what others give to yours.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contribute.command()
def submit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Your own clips, or a dataset of fm-hub build.")],
    repo: Repo,
    license_: Annotated[str, typer.Option("--license", help="Of the clips, e.g. cc-by-4.0, cc0-1.0.")] = "",
    source: Annotated[str, typer.Option(help="Where the clips come from, in a sentence.")] = "",
    consent: Annotated[str, typer.Option(help="Who can be seen, and that they agreed, in a sentence.")] = "",
    title: Annotated[str, typer.Option(help="A few words on what it is; default: the folder's name.")] = "",
    slug: Annotated[str, typer.Option(help="Its short name: a-z, 0-9, _; default: from the folder's name.")] = "",
    work: Annotated[Path, typer.Option(help="Where clips are built, and the contribution is put together.")] = WORK,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build, check and show it; send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Build, check and send a contribution as a pull request; the same command goes on after a stop.

    Example: fm-hub contribute submit my_clips OWNER/NAME --license cc-by-4.0
    --source "filmed by me in my kitchen, 2026" --consent "only my hands are visible"
    """
    from fm_hub.contribute.dataset import remote_target
    from fm_hub.contribute.pulls import me, send
    from fm_hub.contribute.staging import Offer, built, slug_of, stage
    from fm_hub.errors import UserError
    from fm_hub.release.remote import Remote

    missing = [f"--{k}" for k, v in (("license", license_), ("source", source), ("consent", consent)) if not v.strip()]
    if missing:
        raise UserError(f"say {', '.join(missing)}: nothing can be taken without (see fm-hub contribute submit --help)")
    remote = Remote(repo)
    user, target = me(remote), remote_target(remote)
    slug = slug or slug_of(folder.resolve().name)
    dataset = built(folder, work / slug / "dataset", target.recipe, license_)
    offer = Offer(repo, user, slug, title or folder.resolve().name, license_.lower(), source, consent)
    staged = stage(dataset, work / slug, offer, target.known)
    report = _checked(staged.root, target, seed=0, annotator="", author=user, repo=repo)
    shown = {"folder": str(staged.root), "bytes": staged.bytes, "clips": len(staged.statement.clips)}
    shown |= {"rows": staged.statement.rows, "left_out": staged.left_out}
    if not as_json:
        print(f"{repo}: contribution {staged.statement.name}, {shown['clips']} clip(s), {staged.bytes / 1e6:.1f} MB")
        for config, by in staged.statement.rows.items():
            print(f"  {config}: {', '.join(f'{n} {g}' for g, n in by.items())}")
        for why, n in staged.left_out.items():
            print(f"  {n} clip(s) stay at home: {why}")
        print(f"  licence {offer.license}; source: {source}; consent: {consent}")
        print("\n".join(report.lines()[1:]))
    num = 0
    if not report.refused and not dry_run:
        text = f"{len(staged.statement.clips)} clip(s). Licence {offer.license}. Sent by fm-hub contribute submit."
        title = f"Contribute {staged.statement.name}: {offer.title}"
        num = send(remote, staged.root, staged.statement.name, user=user, title=title, text=text, say=_say)
    if as_json:
        print(json.dumps({**shown, **report.as_dict(), "pull_request": num or None}))
    elif report.refused:
        print("it would be refused; nothing was sent")
    elif dry_run:
        print(f"nothing was sent; look at {staged.root}, then run it again without --dry-run")
    else:
        print(f"sent as pull request {num} of {repo}; it is checked there, and its people decide")
    raise typer.Exit(1 if report.refused else 0)


@contribute.command()
def validate(
    what: Annotated[str, typer.Argument(metavar="DIR|OWNER/NAME", help="A contribution's folder, or a repository.")],
    pr: Annotated[int | None, typer.Option("--pr", min=1, help="The number of the pull request.")] = None,
    dataset: Annotated[
        str, typer.Option(help="For DIR: the dataset it goes to, a folder or OWNER/NAME; default: the one it names.")
    ] = "",
    post: Annotated[bool, typer.Option("--post", help="Write the report as a comment on the pull request.")] = False,
    boxes: Boxes = True,
    annotator: Annotator = "embedded",
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Check a contribution: files, rows, proofs, videos, licence, duplicates, the benchmark, boxes.

    Ends with 0 if it is accepted, 1 if it is refused or a person has to look at it.
    Example: fm-hub contribute validate OWNER/NAME --pr 7 --post
    """
    from fm_hub.contribute.dataset import local_target, remote_target
    from fm_hub.contribute.pulls import post as comment
    from fm_hub.errors import UserError
    from fm_hub.release.remote import Remote

    options: dict[str, Any] = {"seed": _seed(seed), "annotator": annotator if boxes else ""}
    if pr is None:
        if post:
            raise UserError("--post: there is no pull request to write to; give OWNER/NAME --pr N")
        root = Path(what)
        if not root.is_dir():
            raise UserError(f"{what}: no such folder; of a repository give the pull request too, with --pr N")
        dataset = dataset or _named_repo(root)
        local = Path(dataset).is_dir()
        target = local_target(Path(dataset)) if local else remote_target(Remote(dataset))
        report = _checked(root, target, repo="" if local else dataset, **options)
    else:
        remote = Remote(what)
        report = _validated(remote, pr, **options)
        if post:
            comment(remote, pr, report.comment())
            _say(f"posted to pull request {pr} of {what}")
    _show(report, as_json=as_json)
    raise typer.Exit(0 if report.status == "accepted" else 1)


@contribute.command()
def review(
    repo: Repo,
    trust: Annotated[
        list[str] | None, typer.Option(help="Another user whose posted reports count; yours always do.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the open contributions of a repository, and how far each is.

    Example: fm-hub contribute review OWNER/NAME
    """
    from fm_hub.contribute.pulls import me, open_ones, verdicts
    from fm_hub.contribution.report import plain
    from fm_hub.release.remote import Remote

    remote = Remote(repo)
    trusted = frozenset((me(remote), *(trust or ())))
    rows: list[dict[str, Any]] = []
    for pull in open_ones(remote):
        found = list(verdicts(remote, pull.num, trusted))
        last = next((v for v in reversed(found) if v.commit == pull.commit), None)
        state = (
            "draft" if pull.status == "draft" else last.status if last else "changed since" if found else "not checked"
        )
        rows.append({"pr": pull.num, "author": pull.author, "status": state, "title": pull.title})
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        print(f"{row['pr']:>5}  {row['status']:<13}  {plain(row['author'], 30):<20}  {plain(row['title'], 80)}")
    if not rows:
        print(f"{repo}: no open pull request")
    elif any(r["status"] in ("not checked", "changed since") for r in rows):
        print(f"check one: fm-hub contribute validate {repo} --pr N --post")


@contribute.command()
def merge(
    repo: Repo,
    pr: Number,
    reviewed: Annotated[str, typer.Option(help="What a person looked at, where a check asked for one.")] = "",
    boxes: Boxes = True,
    annotator: Annotator = "embedded",
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Check a contribution once more and merge it; its rows become part of the next release, with credit.

    Boxes are not compared again where your own posted report on the same commit did so.
    Example: fm-hub contribute merge OWNER/NAME --pr 7 --reviewed "looked at all clips; the tracks are right"
    """
    from fm_hub.contribute.pulls import me, post, pull_request, verdicts
    from fm_hub.contribute.pulls import merge as run
    from fm_hub.contribution.report import plain
    from fm_hub.release.remote import Remote

    remote = Remote(repo)
    commit = pull_request(remote, pr).commit
    mine = [v for v in verdicts(remote, pr, frozenset((me(remote),))) if v.commit == commit and v.boxes]
    report = _validated(remote, pr, seed=_seed(seed), annotator="" if mine or not boxes else annotator)
    if mine and mine[-1].status == "review":
        report.add("boxes", "review", "", "your report on this commit asks for a person; see the pull request")
    may = report.status == "accepted" or (report.status == "review" and bool(reviewed.strip()))
    if may:
        if reviewed.strip():
            post(remote, pr, f"Reviewed before the merge: `{plain(reviewed, 500)}`")
        run(remote, pr, report)
    if as_json:
        print(json.dumps({**report.as_dict(), "merged": may}))
    else:
        _show(report, as_json=False)
        if may:
            print(f"merged; the next fm-hub push of {repo} makes its rows part of the release")
        elif report.refused:
            print("not merged: it is refused")
        else:
            print("not merged: look at it, then say what you looked at with --reviewed")
    raise typer.Exit(0 if may else 1)


def _seed(given: int | None) -> int:
    """A seed that nobody could know when the contribution was made."""
    return secrets.randbits(31) if given is None else given


def _named_repo(root: Path) -> str:
    """The repository that a contribution's folder names."""
    from fm_hub.contributions import STATEMENT, parse_statement
    from fm_hub.errors import BadDataset

    path = root / STATEMENT
    if path.is_symlink() or not path.is_file():
        raise BadDataset(f"{root}: no contribution (no {STATEMENT}); make one with: fm-hub contribute submit --dry-run")
    return parse_statement(path.read_bytes(), str(path)).repo


def _validated(remote: Remote, num: int, *, seed: int, annotator: str) -> Report:
    """The report on a pull request; what it brings is downloaded to a folder that is gone afterwards."""
    from fm_hub.contribute.dataset import remote_target
    from fm_hub.contribute.pulls import fetch, pull_request
    from fm_hub.contribution.report import Report

    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="fm-hub-contribution-"))
    try:
        root = fetch(remote, num, folder, report)
        if root is None:
            return report
        target, author = remote_target(remote), pull_request(remote, num).author
        return _checked(root, target, seed=seed, annotator=annotator, author=author, repo=remote.repo, report=report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _checked(
    root: Path,
    target: Target,
    *,
    seed: int,
    annotator: str,
    author: str = "",
    repo: str = "",
    report: Report | None = None,
) -> Report:
    from fm_hub.contribution.check import Wanted, check
    from fm_hub.contribution.report import Report
    from fm_hub.progress import bar

    report = report or Report()
    name = report.name or (root.name if root.parent.name == "contrib" else "")
    wanted = Wanted(name, author, repo, target.known, target.benchmark, seed, annotator)
    clips = sum(1 for _ in (root / "videos").glob("*/*.mp4"))
    with bar("checking", clips + (min(20, clips) if annotator else 0)) as tick:
        return check(root, wanted, report, tick=tick)


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.as_dict()))
        return
    for line in report.lines():
        print(line)
