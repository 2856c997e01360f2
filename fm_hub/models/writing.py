"""Answers in words: greedy generation after a prefix that the questions about one video share.

The library's own ``generate`` writes, so that every rule of a model about its next token holds; only the keys and
values of the shared prefix are given to it. As with letters, this is compared with the plain way before it is
trusted.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from fm_hub.models.shared_prefix import Inputs, SharedPrefix, Video, out_of_memory

__all__ = ["Writer", "Written"]

WRITING = "writing after a prefix"


@dataclass(frozen=True)
class Written:
    """The tokens of one answer, and the mode that gave them; or what went wrong.

    ``way`` is the way of sharing whose checks vouch for it; empty for the plain way.
    """

    tokens: tuple[int, ...] = ()
    mode: str = ""
    error: Exception | None = None
    way: str = ""


class Writer:
    """Writes with the model of an asker. What it finds out goes to the asker's notes."""

    def __init__(self, asker: SharedPrefix, *, share: bool = True) -> None:
        self.asker = asker
        self._share = share
        self._tried = False

    def write(self, inputs: Sequence[Inputs], max_new_tokens: int) -> list[Written]:
        """Answer prompts about the same video, each with at most ``max_new_tokens`` tokens, greedily."""
        if not inputs:
            return []
        asker = self.asker
        with asker.torch.inference_mode():
            video = asker.split(inputs)
            rows = video.rows

            def plain(row: dict[str, Any]) -> Written:
                return self._written("plain", lambda: self._generate(row, max_new_tokens, video.visual))

            # Words alone are a weak check, as small differences seldom show in them: the logits come first.
            if self._share and video.cut and not self._tried:
                self._share, self._tried = {a.mode for a in asker.ask(inputs[:1])} == {"prefix"}, True
            if not video.cut or not self._share:
                return [plain(row) for row in rows]
            shared = self._by_prefix(video, max_new_tokens)
            lengths = [row["input_ids"].shape[1] for row in rows]
            due = asker.trust.due(WRITING, lengths)
            reference = None if due is None else plain(rows[due])
            if due is not None and reference is not None and reference.error is None:
                if not self._same(shared[due], reference):
                    asker.trust.failed(WRITING, "not used, the words differ from the plain way's")
                    self._share = False
                    return [plain(row) for row in rows]
                asker.trust.passed(WRITING, lengths, f"the plain way's words at {lengths[due]} tokens")
            return [replace(found, way=WRITING) for found in shared]

    def _same(self, found: Written, reference: Written) -> bool:
        """In float32 every token; in half precision the first, as later ones may part at a near tie."""
        n = None if self.asker.model.dtype == self.asker.torch.float32 else 1
        return found.error is None and found.tokens[:n] == reference.tokens[:n]

    def _by_prefix(self, video: Video, max_new_tokens: int) -> list[Written]:
        cache, error = self._attempt(lambda: self.asker.prefix([video])[0])
        if error is not None:
            return [Written(mode="prefix", error=error) for _ in video.rows]

        def one(row: dict[str, Any]) -> tuple[int, ...]:
            given = {"past_key_values": copy.deepcopy(cache), "position_ids": self.asker.positions(row, video.visual)}
            # Without the types of tokens: they would be taken for those of the tokens that are left.
            row = {k: v for k, v in row.items() if k in ("input_ids", "attention_mask")}
            return self._generate(row, max_new_tokens, given)

        return [self._written("prefix", partial(one, row)) for row in video.rows]

    def _generate(self, row: dict[str, Any], max_new_tokens: int, more: dict[str, Any]) -> tuple[int, ...]:
        if "position_ids" not in more:
            self.asker.forget()
        out = self.asker.model.generate(**row, **more, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1)
        return tuple(out[0, row["input_ids"].shape[1] :].tolist())

    def _written(self, mode: str, compute: Callable[[], tuple[int, ...]]) -> Written:
        tokens, error = self._attempt(compute)
        return Written(mode=mode, error=error) if error is not None else Written(tokens, mode)

    def _attempt(self, compute: Callable[[], Any]) -> tuple[Any, Exception | None]:
        """What was computed, or the error: it belongs to its question alone."""
        try:
            return compute(), None
        except self.asker.torch.OutOfMemoryError:
            pass  # outside of the block, so that the failed pass no longer holds its memory
        except Exception as e:
            return None, e
        self.asker.free()
        return None, out_of_memory()
