"""Next-token logits of many prompts about videos, with what the prompts about one share computed once.

Three modes, each exact for the models that it suits: ``prefix`` computes the video and all that stands before
it once and keeps the attention's keys and values; ``features`` shares the vision tower's output alone;
``plain`` shares nothing. The prefixes of several videos can be computed in one pass (``together``), as a large
device wants. No family of models is named here: what a model can do is found by trying, and by comparing with
the plain way (:mod:`fm_hub.models.sameness`).

What a shared prefix must get right, and a shorter version gets silently wrong: the positions of the whole
prompt (those of a prefix alone differ on long videos), the cut after the last token that belongs to the
pictures (some of them see each other in both directions), and padding on the right, where no token sees it
(sliding windows and convolutions count pads on the left).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fm_hub.errors import ModelError
from fm_hub.models.sameness import Answer, Trust

__all__ = ["MODES", "Inputs", "SharedPrefix", "Video", "out_of_memory"]

MODES = ("prefix", "features", "plain")
TOGETHER = "together"
_SEQUENCES = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
Inputs = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Video:
    """The prompts about one video: what each has of its own, the pictures of all, and where to cut.

    ``cut`` is how many tokens they begin with in common, up to the last visual one; 0 where they differ before it.
    """

    rows: list[dict[str, Any]]
    visual: dict[str, Any]
    cut: int


class SharedPrefix:
    """Asks a model; ``rows`` prompts, about ``videos`` videos, go into one pass; fewer as soon as memory runs out."""

    def __init__(self, model: Any, *, rows: int = 1, videos: int = 1, share: bool = True) -> None:
        import torch

        self.torch = torch
        self.model = model
        self.rows = rows
        self.videos = videos
        self.trust = Trust()
        self._takes_keep = "logits_to_keep" in inspect.signature(model.forward).parameters
        config = model.config
        ids = (getattr(config, name, None) for name in ("image_token_id", "video_token_id"))
        self._visual_ids = torch.tensor(sorted({i for i in ids if i is not None}), device=model.device)
        if not share:
            self.trust.rejected |= {"prefix", "features", TOGETHER}
            self.notes.append("plain: sharing is switched off")

    @property
    def notes(self) -> list[str]:
        """What was found out, a line each."""
        return self.trust.notes

    def ask(self, inputs: Sequence[Inputs]) -> list[Answer]:
        """Answer prompts about the same video; each is a processor's output for a batch of one.

        The pictures of the first stand for all. The first mode that the prompts allow, and that has not
        failed its check, is taken.
        """
        with self.torch.inference_mode():
            return self._ask(self.split(inputs)) if inputs else []

    def ask_videos(self, videos: Sequence[Sequence[Inputs]]) -> list[list[Answer]]:
        """As :meth:`ask` for each of some videos; prefixes of the same shape are computed together."""
        with self.torch.inference_mode():
            split = {i: self.split(inputs) for i, inputs in enumerate(videos) if inputs}
            found: dict[int, list[Answer]] = {}
            for alike in self._alike(split):
                mine = [split[i] for i in alike]
                answers = self._together(mine) if len(mine) > 1 else None
                found |= zip(alike, answers or map(self._ask, mine), strict=True)
            return [found.get(i, []) for i in range(len(videos))]

    def split(self, inputs: Sequence[Inputs]) -> Video:
        """The prompts about one video, on the model's device."""
        rows = [self._placed({k: v for k, v in x.items() if k in _SEQUENCES}) for x in inputs]
        visual = self._placed({k: v for k, v in inputs[0].items() if k not in (*_SEQUENCES, "labels")})
        return Video(rows, visual, self._cut(rows) if visual else 0)

    def prefix(self, videos: Sequence[Video]) -> tuple[Any, list[Any]]:
        """Keys and values of the videos' first ``cut`` tokens, a row each, and the positions of all their tokens.

        The videos have prefixes of the same shape.
        """
        torch, first = self.torch, videos[0]

        def joined(parts: list[Any], dim: int = 0) -> Any:
            return parts[0] if len(parts) == 1 else torch.cat(parts, dim)

        positions = [self.positions(v.rows[0], v.visual) for v in videos]
        before = {k: joined([v.rows[0][k][:, : v.cut] for v in videos]) for k in first.rows[0] if k != "attention_mask"}
        visual = {k: joined([v.visual[k] for v in videos]) for k in first.visual}
        given = {**before, **visual, "position_ids": joined([p[..., : first.cut] for p in positions], -2)}
        keep = {"logits_to_keep": 1} if self._takes_keep else {}
        return self.model(**given, use_cache=True, **keep).past_key_values, positions

    def _ask(self, video: Video) -> list[Answer]:
        for mode in MODES:
            if mode in self.trust.rejected or (mode == "prefix" and not video.cut):
                continue
            if mode == "plain" or not video.visual:
                break
            answers = self._by_prefix([video])[0] if mode == "prefix" else self._by_features(video)
            if self._holds(mode, answers, [(row, video.visual) for row in video.rows]):
                return [replace(a, way=mode) for a in answers]
        return [self._plain(row, video.visual) for row in video.rows]

    def _together(self, videos: list[Video]) -> list[list[Answer]] | None:
        """The answers to prompts about several videos in one pass; None if that is not to be trusted."""
        found = self._by_prefix(videos)
        # Not of the first: a model that took its pictures for all would be right there.
        later = [a for answers in found[1:] for a in answers]
        rows = [(row, v.visual) for v in videos[1:] for row in v.rows]
        if not self._holds(TOGETHER, later, rows):
            return None
        return [[replace(a, way=TOGETHER) for a in answers] for answers in found]

    def _holds(self, way: str, answers: list[Answer], asked: list[tuple[dict[str, Any], dict[str, Any]]]) -> bool:
        lengths = [row["input_ids"].shape[1] for row, _ in asked]
        return self.trust.holds(way, answers, lengths, lambda i: self._plain(*asked[i]), self.model.dtype)

    def _guarded(self, mode: str, compute: Any) -> Answer:
        """One answer; an error belongs to that question alone."""
        try:
            return Answer(compute().float(), mode)
        except self.torch.OutOfMemoryError:
            pass  # outside of the block, so that the failed pass no longer holds its memory
        except Exception as e:
            return Answer(mode=mode, error=e)
        self.free()
        return Answer(mode=mode, error=out_of_memory())

    # -- the three modes -----------------------------------------------------------------------------------------------

    def _plain(self, row: dict[str, Any], visual: dict[str, Any]) -> Answer:
        def compute() -> Any:
            self.forget()
            keep = {"logits_to_keep": 1} if self._takes_keep else {}
            return self.model(**row, **visual, use_cache=False, **keep).logits[0, -1]

        return self._guarded("plain", compute)

    def _by_features(self, video: Video) -> list[Answer]:
        try:
            self.forget()
            shared = dict(self.model._prepare_multimodal_encoder_kwargs_for_generation(dict(video.visual)))
            found = shared.pop("mm_encoder_outputs")
            if not found:
                raise ModelError("the model gives no vision features away")
        except Exception as e:
            return [Answer(mode="features", error=e) for _ in video.rows]

        def one(row: dict[str, Any]) -> Any:
            positions = self.positions(row, video.visual)
            given = {k: copy.copy(v) for k, v in found.items()}
            keep = {"logits_to_keep": 1} if self._takes_keep else {}
            row = {**row, **shared, "position_ids": positions, "mm_encoder_outputs": given}
            return self.model(**row, use_cache=False, **keep).logits[0, -1]

        return [self._guarded("features", lambda row=row: one(row)) for row in video.rows]

    def _by_prefix(self, videos: list[Video]) -> list[list[Answer]]:
        failed = False
        try:
            cache, positions = self.prefix(videos)
        except self.torch.OutOfMemoryError:
            failed = True
        except Exception as e:
            return [[Answer(mode="prefix", error=e) for _ in v.rows] for v in videos]
        if failed:
            self.free()
            if len(videos) == 1:
                return [[Answer(mode="prefix", error=out_of_memory()) for _ in videos[0].rows]]
            self.videos = half = len(videos) // 2
            self.notes.append(f"out of memory: {half} videos in one pass from here on")
            return [x for part in (videos[:half], videos[half:]) for x in self._by_prefix(part)]
        asked = [(v, i) for v, video in enumerate(videos) for i in range(len(video.rows))]
        endings = [videos[v].rows[i]["input_ids"][0, videos[v].cut :] for v, i in asked]
        starts = [p[..., v.cut] for p, v in zip(positions, videos, strict=True)]
        answers = self._after(cache, starts, [v for v, _ in asked], endings)
        return [[a for a, (of, _) in zip(answers, asked, strict=True) if of == v] for v in range(len(videos))]

    def _after(self, cache: Any, starts: list[Any], of: list[int], endings: list[Any]) -> list[Answer]:
        """The answers after endings of some videos' prefixes, ``rows`` of them in one pass; ``of`` says whose."""
        answers = [Answer(mode="prefix")] * len(endings)
        # By length, so that little is padded; in the order given among equals, so that a run repeats itself.
        todo = sorted(range(len(endings)), key=lambda i: len(endings[i]))
        alone: set[int] = set()  # of a pass that failed: whose fault it was shows one by one
        while todo:
            size = 1 if todo[0] in alone else self.rows
            part, failed = todo[:size], False
            try:
                start = self.torch.cat([starts[of[i]] for i in part], -1)
                whose = [of[i] for i in part] if len(part) > 1 or len(starts) > 1 else None
                logits = self._suffixes(cache, start, whose, [endings[i] for i in part])
                for i, row in zip(part, logits, strict=True):
                    answers[i] = Answer(row.float(), "prefix")
            except self.torch.OutOfMemoryError:
                failed = True
            except Exception as e:
                if len(part) > 1:
                    alone |= set(part)
                    continue
                answers[part[0]] = Answer(mode="prefix", error=e)
            if failed and len(part) > 1:
                self.free()
                self.rows = len(part) // 2
                self.notes.append(f"out of memory: {self.rows} prompts in one pass from here on")
                continue
            if failed:
                self.free()
                answers[part[0]] = Answer(mode="prefix", error=out_of_memory())
            todo = todo[len(part) :]
        return answers

    def _suffixes(self, cache: Any, start: Any, of: list[int] | None, endings: list[Any]) -> Any:
        """The logits (n, vocabulary) after n endings, each of the prefix in row ``of`` of the cache.

        None for ``of`` is the only row. ``start``: the positions (n,) or (axes, n) of their first tokens.
        """
        torch = self.torch
        n = len(endings)
        lengths = torch.tensor([len(e) for e in endings], device=start.device)
        longest = int(lengths.max())
        ids = torch.zeros((n, longest), dtype=endings[0].dtype, device=start.device)
        for row, ending in zip(ids, endings, strict=True):
            row[: len(ending)] = ending
        mine = copy.deepcopy(cache)
        if of is not None:
            mine.reorder_cache(torch.tensor(of, device=start.device))
        positions = start[..., None] + torch.arange(longest, device=start.device)
        # A pad follows all that is asked for, so no token sees it and no mask is needed.
        last = {"logits_to_keep": (lengths - 1)[:, None]} if self._takes_keep else {}
        logits = self.model(input_ids=ids, position_ids=positions, past_key_values=mine, use_cache=True, **last).logits
        if logits.shape[1] == 1:
            return logits[:, 0]
        return logits[torch.arange(n, device=logits.device), (lengths - 1).to(logits.device)]

    def positions(self, row: dict[str, Any], visual: dict[str, Any]) -> Any:
        """The positions of the whole prompt, (1, N) or (axes, 1, N): a prefix alone would be given others."""
        self.forget()
        return self.model._prepare_position_ids_for_generation(row["input_ids"], {**row, **visual})

    def forget(self) -> None:
        """Some models keep an offset of the prompt that ran last: take it from them."""
        if hasattr(self.model.base_model, "rope_deltas"):
            self.model.base_model.rope_deltas = None

    # -- where to cut, and what goes together --------------------------------------------------------------------------

    def _cut(self, rows: list[dict[str, Any]]) -> int:
        """The index after the last visual token, if all prompts agree up to there; else 0."""
        torch = self.torch
        ids = [row["input_ids"][0] for row in rows]
        end = 0
        for row in rows:
            visual = torch.isin(row["input_ids"][0], self._visual_ids)
            for name in ("token_type_ids", "mm_token_type_ids"):
                if name in row:
                    visual = visual | (row[name][0] != 0)
            found = visual.nonzero()
            end = max(end, int(found[-1]) + 1 if len(found) else 0)
        shortest = min(map(len, ids))
        if end >= shortest:
            return 0
        return end if all(bool((x[:end] == ids[0][:end]).all()) for x in ids) else 0

    def _alike(self, split: Mapping[int, Video]) -> list[list[int]]:
        """The videos in groups of at most ``videos`` whose prefixes have the same shape; in order of the first."""
        groups: dict[Any, list[list[int]]] = {}
        for i, v in split.items():
            shape: Any = i
            if self.videos > 1 and v.cut and not self.trust.rejected & {"prefix", TOGETHER}:
                tensors = all(isinstance(x, self.torch.Tensor) for x in v.visual.values())
                shape = (v.cut, *((k, x.shape[1:]) for k, x in v.visual.items())) if tensors else i
            mine = groups.setdefault(shape, [[]])
            if len(mine[-1]) == self.videos:
                mine.append([])
            mine[-1].append(i)
        return sorted(g for found in groups.values() for g in found)

    def _placed(self, tensors: dict[str, Any]) -> dict[str, Any]:
        """The tensors on the model's device, numbers of the pictures in its precision."""
        return {
            k: v.to(self.model.device, self.model.dtype if v.is_floating_point() else None)
            if isinstance(v, self.torch.Tensor)
            else v
            for k, v in tensors.items()
        }

    def free(self) -> None:
        """Give back what a failed pass has left behind."""
        if self.torch.cuda.is_available():
            self.torch.cuda.empty_cache()


def out_of_memory() -> ModelError:
    """What to tell the user when there is nothing left to halve."""
    return ModelError("out of memory; lower --frames, --max-side or --max-pixels")
