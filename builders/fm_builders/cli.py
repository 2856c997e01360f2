"""``fm-hub build`` and its first steps, ``plan`` and ``annotate``. Options here, work in ``fm_builders.build``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fm_builders.build import Llm
    from fm_builders.engines import Limits
    from fm_builders.given import Given
    from fm_builders.recipe import Recipe
    from fm_hub.records import Source

__all__ = ["annotate", "build", "limits", "llm_named", "plan"]

Sources = Annotated[
    list[str],
    typer.Argument(
        help="Videos, folders, globs, a list (.txt), a manifest (.jsonl, .parquet), hf://datasets/OWNER/NAME."
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", help="The dataset folder to make.")]
RecipeName = Annotated[str, typer.Option(help="A recipe that comes with fm-hub, or a TOML file.")]
Engine = Annotated[str, typer.Option(help="local (a process a core), inline (debugging) or ray (a cluster).")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one a core.")]
Timeout = Annotated[float, typer.Option(min=1, help="Seconds that one stage of one clip may take.")]
Memory = Annotated[float | None, typer.Option(min=0.1, help="GB a process may hold; default: an equal share.")]
RayAddress = Annotated[str | None, typer.Option(help="The cluster of --engine ray; default: one on this machine.")]
StoreAt = Annotated[str | None, typer.Option("--store", help="Folder or URL of the work; default: OUTPUT/.fm_hub.")]
Decoder = Annotated[
    str | None, typer.Option(help="What reads frames: pyav, decord, torchcodec; default: the recipe's.")
]
Tracks = Annotated[
    Path | None,
    typer.Option(
        "--tracks",
        metavar="FILE",
        help="Saved output in place of stages: tracks (.parquet, .jsonl) or a folder.",
    ),
]
Drop = Annotated[
    Path | None,
    typer.Option("--drop", metavar="LIST", help="Ids of questions to leave out of the benchmark, a line each."),
]
LlmUrl = Annotated[str | None, typer.Option("--llm", metavar="URL", help="A server of a language model that rewords.")]
LlmModel = Annotated[str, typer.Option("--llm-model", metavar="NAME", help="Its model, where it serves several.")]
LlmBudget = Annotated[str | None, typer.Option("--llm-budget", help="The most to spend: 5usd, 50ktok, 2Mtok.")]
LlmPrice = Annotated[str | None, typer.Option("--llm-price", metavar="IN,OUT", help="US dollars a million tokens.")]
Replace = Annotated[bool, typer.Option(help="Allow a folder that holds a dataset of other sources.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")]


def limits(workers: int | None, timeout: float, memory: float | None, ray_address: str | None = None) -> Limits:
    """The options as the engines take them."""
    from fm_builders.engines import Limits

    return Limits(workers, timeout, int(memory * 1e9) if memory else None, ray_address)


def next_line(output: str, counts: dict[str, int]) -> str:
    """What to do next: only what will work."""
    if not counts.get("mcq"):
        return f"no question could be proved; why: fm-hub stats {output}"
    config = "" if counts.get("benchmark") else " --config mcq"  # few sources: none fell into the test split
    score = f"fm-eval --model baseline:tracker --dataset {output}{config}"
    return f"next: fm-hub verify {output}; fm-hub stats {output}; {score}"


def chosen_recipe(name: str, decoder: str | None) -> Recipe:
    """The recipe with what the options change of it. Raises :class:`~fm_hub.errors.UserError`."""
    from fm_builders.recipe import load_recipe
    from fm_hub.decoders import DECODERS

    recipe = load_recipe(name)
    if decoder is None:
        return recipe
    DECODERS.target(decoder)
    return recipe.model_copy(update={"perception": recipe.perception.model_copy(update={"decoder": decoder})})


def dropped(path: Path | None) -> frozenset[str] | None:
    """The ids of a list of questions to leave out. Raises :class:`~fm_hub.errors.UserError` with the bad line."""
    from fm_hub.droplist import read_drop_list

    return None if path is None else read_drop_list(path)


def llm_named(url: str | None, model: str, budget: str | None, price: str | None) -> Llm | None:
    """The options of a language model. Raises :class:`~fm_hub.errors.UserError` for options without a server."""
    from fm_builders.build import Llm
    from fm_hub.errors import UserError

    if url is None and (model or budget or price):
        raise UserError("--llm-model, --llm-budget and --llm-price are of a server; name it with --llm URL")
    return Llm(url, model, budget, price) if url else None


def given_tables(path: Path | None) -> Given | None:
    """Saved output in place of stages, read and checked. Raises :class:`~fm_hub.errors.UserError` with the bad row."""
    from fm_builders.given import read_given

    return None if path is None else read_given(path)


def left_out(sources: list[Source] | tuple[Source, ...]) -> list[tuple[str, str, str]]:
    """(name, reason, detail) of the sources that gave nothing."""
    return [(s.name, s.reason, s.detail) for s in sources if s.status != "ok"]


def build(
    sources: Sources,
    output: Output = Path("foundationmotion"),
    recipe: RecipeName = "default",
    engine: Engine = "local",
    workers: Workers = None,
    timeout: Timeout = 3600.0,
    memory: Memory = None,
    ray_address: RayAddress = None,
    store: StoreAt = None,
    decoder: Decoder = None,
    tracks: Tracks = None,
    videos: Annotated[
        bool, typer.Option("--videos/--no-videos", help="Publish the clips, or a list to fetch them.")
    ] = True,
    drop: Drop = None,
    llm: LlmUrl = None,
    llm_model: LlmModel = "",
    llm_budget: LlmBudget = None,
    llm_price: LlmPrice = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Make a dataset from videos: tracks, facts, captions, questions, benchmark.

    Example: fm-hub build clips/ holiday.mp4 -o foundationmotion
    """
    from fm_builders.build import build as run
    from fm_builders.sources import find_sources

    chosen, without = chosen_recipe(recipe, decoder), dropped(drop) or ()
    found, within = find_sources(sources, output), limits(workers, timeout, memory, ray_address)
    built = run(
        found,
        chosen,
        output,
        engine=engine,
        limits=within,
        replace=replace,
        store=store,
        given=given_tables(tracks),
        videos=videos,
        drop=without,
        llm=llm_named(llm, llm_model, llm_budget, llm_price),
    )
    report(built, output, as_json=as_json, passed_over=found.passed_over, notes=found.notes)


def report(built: Any, output: Path, *, as_json: bool, passed_over: int = 0, notes: tuple[str, ...] = ()) -> None:
    """Say what a build gave, and leave with its exit code."""
    counts = {c: sum(s.values()) for c, s in built.manifest.counts.items()}
    failed = left_out(built.sources)
    if as_json:
        keys = {"dataset": str(output), "sources": len(built.sources), "passed": built.passed, "counts": counts}
        more = {"left_out": failed, "reused_stages": built.reused, "passed_over": passed_over, "notes": notes}
        print(json.dumps({**keys, **more}))
    else:
        rows = ", ".join(f"{c} {counts.get(c, 0)}" for c in ("clips", "tracks", "mcq", "captions", "benchmark"))
        print(f"{output}: {built.passed} of {len(built.sources)} source(s) used; {rows}")
        for use, ends in built.manifest.language.get("counts", {}).items():
            print(f"  language model, {use}: {', '.join(f'{k} {v}' for k, v in ends.items())}")
        for name, reason, detail in failed:
            print(f"  left out: {name}: {reason}: {detail}")
        if passed_over:
            print(f"  {passed_over} file(s) in the folders do not end like a video and were not looked at")
        for note in notes:
            print(f"  {note}")
        print(next_line(shlex.quote(str(output)), counts))
    raise typer.Exit(0 if built.passed else 1)


def annotate(
    sources: Sources,
    output: Output = Path("foundationmotion"),
    recipe: RecipeName = "default",
    engine: Engine = "local",
    workers: Workers = None,
    timeout: Timeout = 3600.0,
    memory: Memory = None,
    ray_address: RayAddress = None,
    store: StoreAt = None,
    decoder: Decoder = None,
    tracks: Tracks = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Do all that looks at pixels, and no more: cut, detect, track. fm-hub compose makes the dataset of it.

    Example: fm-hub annotate clips/ -o foundationmotion --workers 8
    """
    from fm_builders.build import annotate_sources
    from fm_builders.sources import find_sources

    chosen, found = chosen_recipe(recipe, decoder), find_sources(sources, output)
    within = limits(workers, timeout, memory, ray_address)
    given = given_tables(tracks)
    done = annotate_sources(
        found, chosen, output, engine=engine, limits=within, replace=replace, store=store, given=given
    )
    rows = [a.source for a in done.sources]
    passed, failed = sum(s.status == "ok" for s in rows), left_out(rows)
    if as_json:
        keys = {"output": str(output), "sources": len(rows), "passed": passed, "clips": done.clips}
        print(json.dumps({**keys, "left_out": failed, "reused_stages": done.reused}))
    else:
        print(f"{output}: {passed} of {len(rows)} source(s) annotated, {done.clips} clip(s)")
        for name, reason, detail in failed:
            print(f"  left out: {name}: {reason}: {detail}")
        print(f"next: fm-hub compose {shlex.quote(str(output))}")
    raise typer.Exit(0 if passed else 1)


def plan(
    sources: Sources,
    output: Output = Path("foundationmotion"),
    recipe: RecipeName = "default",
    store: StoreAt = None,
    decoder: Decoder = None,
    tracks: Tracks = None,
    as_json: Json = False,
) -> None:
    """Say what a build would do: what is done, what is left, what it needs. Writes nothing.

    Example: fm-hub plan clips/ -o foundationmotion
    """
    from fm_builders.annotate import plan as run
    from fm_builders.build import with_given
    from fm_builders.perception_models import downloads, gpu_gb, model_ids
    from fm_builders.preflight import needed_bytes
    from fm_builders.sources import find_sources
    from fm_builders.tasks import Work
    from fm_builders.workplace import Plan, Workplace

    chosen, found = chosen_recipe(recipe, decoder), find_sources(sources, output)
    if given := given_tables(tracks):
        chosen = with_given(chosen, given.told)
    place = Workplace(output)
    place.check(found, replace=True)
    job = Plan(found.sources, chosen, place.store(store))
    planned = run(job.sources, Work(chosen, job.store))
    look = chosen.perception
    told = {
        "sources": len(job.sources),
        "bytes": needed_bytes(job),
        "done": dict(planned.done),
        "failed": dict(planned.failed),
        "to_run": dict(planned.to_run),
        "sources_not_cut": planned.uncut,
        "models": model_ids(look),
        "downloads": downloads(look),
        "gpu_gb": gpu_gb(look),
        "store": job.store if "://" in job.store else "local",
    }
    if as_json:
        print(json.dumps(told))
        return
    print(f"{told['sources']} source(s), {needed_bytes(job) / 1e6:.1f} MB; recipe {chosen.name!r} into {output}")
    for stage in ("read", "cut", "perceive", *(("mirror",) if chosen.quality.mirrored_twins else ())):
        counts = (planned.done[stage], planned.failed[stage], planned.to_run[stage])
        more = f" and the clips of {planned.uncut} source(s)" if stage == "perceive" and planned.uncut else ""
        print(f"  {stage:<9} {counts[0]} done, {counts[1]} failed, {counts[2]} to run{more}")
    print(f"  models    {', '.join(model_ids(look)) or 'none'}")
    if told["downloads"]:
        print(f"  to fetch  {', '.join(downloads(look))}")
    if told["gpu_gb"]:
        print(f"  GPU       {told['gpu_gb']:.1f} GB a worker")
