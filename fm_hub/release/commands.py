"""The commands of releases: push, pull, diff, versions, rollback, redact. Options here, work in the modules."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fm_hub.manifest import Manifest
    from fm_hub.release.push import Release
    from fm_hub.release.versions import Version

__all__ = ["diff", "pull", "push", "redact", "rollback", "versions"]

Repo = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="A dataset repository on the Hub.")]
Wanted = Annotated[str, typer.Option("--version", help="MAJOR.MINOR.PATCH; default: the least that the changes allow.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing to the Hub.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a release that was interrupted.")]
Work = Annotated[Path, typer.Option(help="Where the old release is downloaded, and the new one staged.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
WORK = Path(".fm_hub-release")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _version(text: str) -> Version | None:
    from fm_hub.release.versions import Version

    return Version.parse(text) if text else None


def _show(release: Release, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**release.plan.as_dict(), "tag": release.tag, "commit": release.commit}))
        return
    for line in release.plan.lines():
        print(line)
    repo = release.plan.repo
    if dry_run:
        print("nothing was sent; run it again without --dry-run")
    else:
        print(
            f"released {repo}@{release.tag}, commit {release.commit[:12]}; check it: fm-hub verify {repo}@{release.tag}"
        )


def push(
    dataset: Annotated[Path, typer.Argument(metavar="DIR", help="A dataset folder, as fm-hub build makes it.")],
    repo: Repo,
    version: Wanted = "",
    dry_run: DryRun = False,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    resume: Resume = False,
    restart: Annotated[bool, typer.Option("--restart", help="Drop a release that was interrupted.")] = False,
    as_json: Json = False,
) -> None:
    """Release a dataset to the Hub: verified first, visible all at once, tagged for good.

    Example: fm-hub push foundationmotion OWNER/NAME --version 1.0.0 --dry-run
    """
    from fm_hub.release.push import Request
    from fm_hub.release.push import push as run

    request = Request(dataset, repo, _version(version), private)
    _show(run(request, dry_run=dry_run, resume=resume, restart=restart, say=_say), dry_run=dry_run, as_json=as_json)


def pull(
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME[@VERSION]", help="Default: the newest release.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The folder to make; default: NAME, in this folder.")
    ] = None,
) -> None:
    """Download a release, checked by hash; a pull that was stopped goes on where it stopped.

    Example: fm-hub pull OWNER/foundationmotion@v1.0.0
    """
    from fm_hub.release.pull import pull as run
    from fm_hub.release.pull import split_revision

    out = output or Path(split_revision(name)[0].rpartition("/")[2])
    manifest, commit = run(name, out)
    rows = ", ".join(f"{c} {sum(s.values())}" for c, s in manifest.counts.items() if c in ("clips", "mcq", "captions"))
    print(f"{out}: version {manifest.data_version}, commit {commit[:12]}, {len(manifest.files)} files; {rows}")


def diff(
    a: Annotated[str, typer.Argument(help="A dataset folder, or OWNER/NAME@VERSION.")],
    b: Annotated[str, typer.Argument(help="The same; what is new in it is 'new'.")],
    as_json: Json = False,
) -> None:
    """Say what is different between two datasets: files, rows, how they were made.

    Example: fm-hub diff OWNER/NAME@v1.0.0 foundationmotion
    """
    from fm_hub.release.plan import manifest_diff

    found = manifest_diff(_manifest(a), _manifest(b))
    if as_json:
        print(json.dumps(found))
        return
    print(f"{a} ({found['versions'][0]}) → {b} ({found['versions'][1]})")
    files = found["files"]
    print(f"files: {', '.join(f'{len(files[k])} {k}' for k in files)}; {found['bytes'] / 1e6:.1f} MB to get")
    for config, (before, after) in found["rows"].items():
        same = "the same rows" if config in found["same_rows"] else "other rows"
        print(f"{config}: {before} → {after}, {same}")
    for key, (old, new) in found["fields"].items():
        if key != "recipe":
            print(f"{key}: {old} → {new}")
    if "recipe" in found["fields"]:
        print("recipe: another (see --json)")


def _manifest(name: str) -> Manifest:
    from fm_hub.errors import UserError
    from fm_hub.manifest import read_manifest
    from fm_hub.release.pull import newest, split_revision
    from fm_hub.release.remote import Remote

    if Path(name).is_dir() or "/" not in name:
        return read_manifest(Path(name))
    repo, revision = split_revision(name)
    remote = Remote(repo)
    found = remote.manifest(revision or newest(remote).tag)
    if found is None:
        raise UserError(f"{name}: no dataset of fm-hub there")
    return found


def versions(repo: Repo, as_json: Json = False) -> None:
    """List the releases of a repository.

    Example: fm-hub versions OWNER/NAME
    """
    from fm_hub.release.remote import Remote

    remote = Remote(repo)
    rows: list[dict[str, Any]] = []
    for version, commit in remote.tags().items():
        manifest = remote.manifest(commit)
        counts = {c: sum(s.values()) for c, s in manifest.counts.items()} if manifest else {}
        rows.append({"version": str(version), "commit": commit, "counts": counts})
    if as_json:
        print(json.dumps(rows))
        return
    for row in rows:
        shown = ", ".join(f"{c} {n}" for c, n in row["counts"].items() if c in ("clips", "mcq", "qa", "captions"))
        print(f"{row['version']:10} {row['commit'][:12]}  {shown}")
    if not rows:
        print(f"{repo}: no release, or not yours to read")


def rollback(
    repo: Repo,
    to: Annotated[str, typer.Option("--to", help="The version whose content comes back.")],
    version: Wanted = "",
    dry_run: DryRun = False,
    resume: Resume = False,
    work: Work = WORK,
    as_json: Json = False,
) -> None:
    """Release an older content again, as a new version; tags stay where they are.

    Example: fm-hub rollback OWNER/NAME --to 1.2.0
    """
    from fm_hub.release.restore import rollback as run
    from fm_hub.release.versions import Version

    options: dict[str, Any] = {"dry_run": dry_run, "resume": resume, "say": _say}
    _show(run(repo, Version.parse(to), work, version=_version(version), **options), dry_run=dry_run, as_json=as_json)


def redact(
    repo: Repo,
    clips: Annotated[list[str], typer.Argument(metavar="CLIP_ID...", help="24 hexadecimal digits each.")],
    version: Wanted = "",
    dry_run: DryRun = False,
    resume: Resume = False,
    work: Work = WORK,
    as_json: Json = False,
) -> None:
    """Release the newest version without some clips, for takedowns and withdrawn consent.

    Older versions still hold them: remove those tags and the files' history on the Hub's settings page.
    Example: fm-hub redact OWNER/NAME 0123456789abcdef01234567
    """
    from fm_hub.release.restore import redact as run

    options: dict[str, Any] = {"dry_run": dry_run, "resume": resume, "say": _say}
    _show(run(repo, clips, work, version=_version(version), **options), dry_run=dry_run, as_json=as_json)
    if not dry_run and not as_json:
        print(f"older versions of {repo} still hold the clip(s): remove their tags and history on its settings page")
