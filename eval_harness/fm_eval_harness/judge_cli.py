"""``fm-hub judge``: options here, work in ``judge`` and ``judge_facts``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["judge"]


def judge(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder, as fm-hub build makes it.")],
    llm: Annotated[str | None, typer.Option("--llm", metavar="URL", help="A server whose model judges.")] = None,
    llm_model: Annotated[str, typer.Option("--llm-model", metavar="NAME", help="Its model.")] = "",
    llm_budget: Annotated[str | None, typer.Option("--llm-budget", help="The most to spend: 5usd, 2Mtok.")] = None,
    llm_price: Annotated[str | None, typer.Option("--llm-price", metavar="IN,OUT", help="US dollars a Mtok.")] = None,
    against: Annotated[Path | None, typer.Option(help="Another dataset of the same clips, judged beside it.")] = None,
    clips: Annotated[int, typer.Option(min=1, help="Clips to judge, chosen by id.")] = 50,
    judges: Annotated[int, typer.Option(min=1, help="Judgements in each of two orders.")] = 3,
    copies: Annotated[bool, typer.Option("--copies", help="Compare the videos of benchmark and training too.")] = False,
    drop: Annotated[
        Path | None, typer.Option("--drop-list", metavar="FILE", help="With --copies: what compose --drop takes.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Say how good captions and questions are: what can be counted, and with --llm what a model says of them.

    Example: fm-hub judge foundationmotion --llm http://localhost:8000/v1 --judges 3
    """
    from fm_eval_harness.judge_facts import copies as compare
    from fm_eval_harness.judge_facts import objective
    from fm_hub.droplist import write_drop_list
    from fm_hub.errors import UserError
    from fm_hub.manifest import read_manifest
    from fm_hub.progress import bar

    if (against or llm_model or llm_budget or llm_price) and not llm:
        raise UserError("--against, --llm-model, --llm-budget and --llm-price are for a judge; name one with --llm URL")
    if drop and not copies:
        raise UserError("--drop-list writes what --copies finds; add --copies")
    counts = read_manifest(dataset).counts
    with bar("reading captions", sum(counts.get("captions", {}).values())) as tick:
        told: dict[str, Any] = {"objective": objective(dataset, tick=tick)}
    if copies:
        with bar("comparing videos", sum(counts.get("clips", {}).values())) as tick:
            told["copies"] = compare(dataset, tick=tick)
        if drop:
            write_drop_list(drop, told["copies"]["questions"], ["questions of clips that are also for training"])
    if llm:
        told["judged"] = _judged(dataset, llm, llm_model, llm_budget, llm_price, against, clips, judges)
    print(json.dumps(told) if as_json else _lines(dataset, told))


def _judged(
    dataset: Path,
    url: str,
    model: str,
    budget: str | None,
    price: str | None,
    against: Path | None,
    clips: int,
    judges: int,
) -> dict[str, Any]:
    import os

    from fm_eval_harness.judge import judge as run
    from fm_hub.endpoint.client import Client, Settings
    from fm_hub.endpoint.limits import Budget, Price
    from fm_hub.progress import bar

    kept = os.environ.get("FM_LLM_CACHE", "")
    spend, cost = Budget.parse(budget) if budget else None, Price.parse(price) if price else None
    settings = Settings(cache=Path(kept) if kept else None, budget=spend, price=cost)
    with Client(url, model, settings) as client, bar("judging", clips) as tick:
        return run(dataset, client, against=against, clips=clips, judges=judges, tick=tick)


def _lines(dataset: Path, told: dict[str, Any]) -> str:
    captions, questions = told["objective"]["captions"], told["objective"]["questions"]
    out = [f"{dataset}: {captions['n']} captions, {questions['n']} questions of {questions['config']}"]
    for name in ("precision", "recall", "order", "sentences_a_caption", "sentences_with_how", "contradicting"):
        out.append(f"  captions, {name.replace('_', ' ')}: {captions[name]}")
    out.append(f"  letters: {questions['letters']}; even with p = {questions['letters_even_p']}")
    out.append(f"  kinds: {questions['kinds']}")
    out.append(f"  asked twice in a clip: {questions['repeated_in_a_clip']}")
    for name, found in questions["above_chance"].items():
        out.append(
            f"  guessing by {name}: {found['mean']:+.1f} points above chance, 95 % {found['ci95']} {found['note']}"
        )
    if "copies" in told:
        pairs = told["copies"]["pairs"]
        out.append(f"  benchmark clips that are also for training: {len({a for a, _, _ in pairs})}")
        out += [f"    {a} is like {b} ({alike})" for a, b, alike in pairs]
    judged = told.get("judged")
    for part in ("scores", "other", "gain") if judged else ():
        for name, found in (judged or {}).get(part, {}).items():
            ends = f"95 % {found['ci95']} {found['note']}"
            out.append(f"  {part}, {name.replace('_', ' ')}: {found['mean']:.2f}, {ends}; alpha {found['agreement']}")
    if judged and judged["failed"]:
        out.append(f"  judgements that failed: {judged['failed']}")
    return "\n".join(out)
