"""Next-token logits of many prompts about one video, with what they share computed once.

Three modes, each exact for the models that it suits: ``prefix`` computes the video and all that stands before
it once and keeps the attention's keys and values; ``features`` shares the vision tower's output alone;
``plain`` shares nothing. No family of models is named here: what a model can do is found by trying, and by
comparing with the plain way.

What a shared prefix must get right, and a shorter version gets silently wrong: the positions of the whole
prompt (those of a prefix alone differ on long videos), the cut after the last token that belongs to the
pictures (some of them see each other in both directions), and padding on the right, where no token sees it
(sliding windows and convolutions count pads on the left).
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fm_hub.errors import ModelError

__all__ = ["CHECKS", "MODES", "Answer", "Inputs", "SharedPrefix", "out_of_memory"]

MODES = ("prefix", "features", "plain")
CHECKS = 2
"""Questions that are asked the plain way as well before a mode is trusted."""
LONGER = 1.5
"""A prompt this much longer than any that was checked is checked too."""
EXACT = 1e-3
"""float32: the largest difference of any logit, in standard deviations of the logits."""
CLOSE = 0.05
"""Half precision: the root mean square of the differences, in the same unit."""
SURE = 0.1
"""Half precision: where the plain logits of the best two tokens are further apart, the best must be the same."""

_SEQUENCES = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
Inputs = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Answer:
    """The logits (vocabulary,) after one prompt, float32, and the mode that gave them; or what went wrong."""

    logits: Any = None
    mode: str = ""
    error: Exception | None = None


class SharedPrefix:
    """Asks a model; ``rows`` prompts go into one pass, fewer as soon as memory runs out."""

    def __init__(self, model: Any, *, rows: int = 1, share: bool = True) -> None:
        import torch

        self.torch = torch
        self.model = model
        self.rows = rows
        self.notes: list[str] = []
        self._rejected: set[str] = set() if share else {"prefix", "features"}
        self._checked = dict.fromkeys(MODES, 0)
        self._longest = dict.fromkeys(MODES, 0)
        self._takes_keep = "logits_to_keep" in inspect.signature(model.forward).parameters
        config = model.config
        ids = (getattr(config, name, None) for name in ("image_token_id", "video_token_id"))
        self._visual_ids = torch.tensor(sorted({i for i in ids if i is not None}), device=model.device)
        if not share:
            self.notes.append("plain: sharing is switched off")

    def ask(self, inputs: Sequence[Inputs]) -> list[Answer]:
        """Answer prompts about the same video; each is a processor's output for a batch of one.

        The pictures of the first stand for all. The first mode that the prompts allow, and that has not
        failed its check, is taken.
        """
        if not inputs:
            return []
        torch = self.torch
        with torch.inference_mode():
            rows, visual, cut = self.split(inputs)
            for mode in MODES:
                if mode in self._rejected or (mode == "prefix" and not cut) or (mode != "plain" and not visual):
                    continue
                answers = self._by(mode, rows, visual, cut)
                if mode == "plain" or self._holds(mode, answers, rows, visual):
                    return answers
        raise AssertionError("the plain mode always answers")

    def split(self, inputs: Sequence[Inputs]) -> tuple[list[dict[str, Any]], dict[str, Any], int]:
        """What each prompt has of its own, the pictures of all, and how many tokens they begin with in common.

        That number reaches to the last visual token, or is 0 where the prompts differ before it.
        """
        rows = [self._placed({k: v for k, v in x.items() if k in _SEQUENCES}) for x in inputs]
        visual = self._placed({k: v for k, v in inputs[0].items() if k not in (*_SEQUENCES, "labels")})
        return rows, visual, self._cut(rows) if visual else 0

    def prefix(self, row: dict[str, Any], visual: dict[str, Any], cut: int) -> tuple[Any, Any]:
        """The keys and values of a prompt's first ``cut`` tokens, and the positions of all of its tokens."""
        positions = self.positions(row, visual)
        before = {k: v[:, :cut] for k, v in row.items() if k != "attention_mask"}
        keep = {"logits_to_keep": 1} if self._takes_keep else {}
        out = self.model(**before, **visual, position_ids=positions[..., :cut], use_cache=True, **keep)
        return out.past_key_values, positions

    def _by(self, mode: str, rows: list[dict[str, Any]], visual: dict[str, Any], cut: int) -> list[Answer]:
        if mode == "prefix":
            return self._by_prefix(rows, visual, cut)
        if mode == "features":
            return self._by_features(rows, visual)
        return [self._guarded("plain", lambda row=row: self._plain(row, visual)) for row in rows]

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

    def _plain(self, row: dict[str, Any], visual: dict[str, Any]) -> Any:
        self.forget()
        keep = {"logits_to_keep": 1} if self._takes_keep else {}
        return self.model(**row, **visual, use_cache=False, **keep).logits[0, -1]

    def _by_features(self, rows: list[dict[str, Any]], visual: dict[str, Any]) -> list[Answer]:
        try:
            self.forget()
            shared = dict(self.model._prepare_multimodal_encoder_kwargs_for_generation(dict(visual)))
            found = shared.pop("mm_encoder_outputs")
            if not found:
                raise ModelError("the model gives no vision features away")
        except Exception as e:
            return [Answer(mode="features", error=e) for _ in rows]

        def one(row: dict[str, Any]) -> Any:
            positions = self.positions(row, visual)
            given = {k: copy.copy(v) for k, v in found.items()}
            keep = {"logits_to_keep": 1} if self._takes_keep else {}
            row = {**row, **shared, "position_ids": positions, "mm_encoder_outputs": given}
            return self.model(**row, use_cache=False, **keep).logits[0, -1]

        return [self._guarded("features", lambda row=row: one(row)) for row in rows]

    def _by_prefix(self, rows: list[dict[str, Any]], visual: dict[str, Any], cut: int) -> list[Answer]:
        failed = False
        try:
            cache, positions = self.prefix(rows[0], visual, cut)
        except self.torch.OutOfMemoryError:
            failed = True
        except Exception as e:
            return [Answer(mode="prefix", error=e) for _ in rows]
        if failed:
            self.free()
            return [Answer(mode="prefix", error=out_of_memory()) for _ in rows]
        endings = [row["input_ids"][0, cut:] for row in rows]
        answers = [Answer(mode="prefix")] * len(rows)
        # By length, so that little is padded; in the order given among equals, so that a run repeats itself.
        todo = sorted(range(len(rows)), key=lambda i: len(endings[i]))
        while todo:
            part, failed = todo[: self.rows], False
            try:
                logits = self._suffixes(cache, positions[..., cut], [endings[i] for i in part])
                for i, row in zip(part, logits, strict=True):
                    answers[i] = Answer(row.float(), "prefix")
            except self.torch.OutOfMemoryError:
                failed = True
            except Exception as e:
                for i in part:
                    answers[i] = Answer(mode="prefix", error=e)
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

    def _suffixes(self, cache: Any, start: Any, endings: list[Any]) -> Any:
        """The logits (n, vocabulary) after n endings of one prefix. ``start``: positions of their first token."""
        torch = self.torch
        n = len(endings)
        lengths = torch.tensor([len(e) for e in endings], device=start.device)
        longest = int(lengths.max())
        ids = torch.zeros((n, longest), dtype=endings[0].dtype, device=start.device)
        for row, ending in zip(ids, endings, strict=True):
            row[: len(ending)] = ending
        mine = copy.deepcopy(cache)
        if n > 1:
            mine.reorder_cache(torch.zeros(n, dtype=torch.long, device=start.device))
        positions = start[..., None] + torch.arange(longest, device=start.device)
        positions = positions.expand(*positions.shape[:-2], n, longest)
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

    # -- where to cut --------------------------------------------------------------------------------------------------

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

    # -- is it the same? -----------------------------------------------------------------------------------------------

    def _holds(self, mode: str, answers: list[Answer], rows: list[dict[str, Any]], visual: dict[str, Any]) -> bool:
        """Whether a mode may be used: what is due to be checked agrees with the plain way."""
        lengths = [row["input_ids"].shape[1] for row in rows]
        longer = max(lengths) > LONGER * self._longest[mode]
        due = CHECKS - self._checked[mode]
        if due <= 0 and not longer:
            return True
        by_length = sorted(range(len(rows)), key=lambda i: -lengths[i])
        for i in dict.fromkeys((by_length[0], by_length[-1])) if due > 1 else by_length[:1]:
            reference = self._guarded("plain", lambda row=rows[i]: self._plain(row, visual))
            if reference.error:
                return True  # nothing to compare with: the answers stand or fall as they are
            trouble = _trouble(self.torch, answers[i], reference.logits, self.model.dtype)
            if trouble:
                self._rejected.add(mode)
                self.notes.append(f"{mode}: not used, {trouble}")
                return False
            self._checked[mode] += 1
            self.notes.append(
                f"{mode}: like the plain way at {lengths[i]} tokens, "
                f"largest difference {float((answers[i].logits - reference.logits).abs().max()):.1e}"
            )
        self._longest[mode] = max(self._longest[mode], *lengths)
        return True

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


def _trouble(torch: Any, answer: Answer, reference: Any, dtype: Any) -> str:
    """Why an answer is not the plain one; empty if it is."""
    if answer.error is not None:
        return f"it fails with {type(answer.error).__name__}: {' '.join(str(answer.error).split())[:120]}"
    # Some vocabularies hold tokens that can never come: minus infinity both ways is no difference.
    gaps = torch.where(answer.logits == reference, 0.0, answer.logits - reference).abs()
    unit = float(reference[reference.isfinite()].std())
    if not bool(torch.isfinite(gaps).all()) or not unit > 0:
        return "" if bool(torch.equal(answer.logits, reference)) else "its logits are not finite"
    if dtype == torch.float32 or dtype == torch.float64:
        worst = float(gaps.max()) / unit
        return f"its logits differ by {worst:.1e} standard deviations" if worst > EXACT else ""
    usual = float((gaps**2).mean() ** 0.5) / unit
    if usual > CLOSE:
        return f"its logits differ by {usual:.1e} standard deviations on average"
    best = reference.topk(2)
    sure = float(best.values[0] - best.values[1]) > SURE
    if sure and int(answer.logits.argmax()) != int(best.indices[0]):
        return "another token comes first where the plain way is sure"
    return ""


def out_of_memory() -> ModelError:
    """What to tell the user when there is nothing left to halve."""
    return ModelError("out of memory; lower --frames, --max-side or --max-pixels")
