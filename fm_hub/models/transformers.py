"""Any image-and-text-to-text model of the Hub, or of a folder, scored by its next-token logits.

The letters' log-probabilities come from one forward pass a question, so nothing need be generated or parsed; an
answer in words can be had as well. What the questions about one view have in common is computed once
(:mod:`fm_hub.models.shared_prefix`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fm_hub.errors import ItemError, ModelError, UserError
from fm_hub.models import Model, Options, Prompt, Scores, View
from fm_hub.models.chat import Chat
from fm_hub.models.commits import folder_commit, hub_commit
from fm_hub.models.sameness import Answer
from fm_hub.models.shared_prefix import SharedPrefix
from fm_hub.models.weights import TESTED, load_processor, load_weights, one_line, place, quiet
from fm_hub.models.writing import Writer, Written

__all__ = ["TransformersModel"]

A = TypeVar("A")


class TransformersModel(Model):
    """A model and its processor; the weights are loaded when the first view is scored."""

    looks = True
    _untested: tuple[str, ...] = ()

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.options = options
        self.place = place(options)
        self.views_at_once = options.clip_batch or self.place.videos
        config, processor = load_processor(name, options.revision)
        kind = str(config.model_type)
        if kind not in TESTED:
            self._untested = (f"{kind}: no tested family; checked while it runs like any other",)
        folder = Path(name)
        self.commit = folder_commit(folder) if folder.is_dir() else hub_commit(name, options.revision, config)
        self.chat = Chat(name, processor)
        # The weights are loaded later: by then a branch may have moved on from the commit that is recorded.
        self._revision = options.revision if folder.is_dir() else self.commit or options.revision
        self._asker: SharedPrefix | None = None
        self._writer: Writer | None = None

    @classmethod
    def from_spec(cls, rest: str, options: Options) -> TransformersModel:
        """Build from a Hub id or a folder. Raises a :class:`~fm_hub.errors.UserError` of one line."""
        if not rest:
            raise UserError("transformers: needs a Hub id or a folder: --model OWNER/NAME")
        folder = Path(rest)
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise UserError(f"{rest}: not a model folder (it has no config.json)")
        elif rest.count("/") > 1 or rest.startswith((".", "/", "~")):
            raise UserError(f"{rest}: no such model folder")
        return cls(rest, options)

    @property
    def asker(self) -> SharedPrefix:
        """The loaded model, behind what shares its work."""
        if self._asker is None:
            model = load_weights(self.name, self._revision, self.place)
            end = getattr(model, "generation_config", None)
            if end is not None and end.eos_token_id is None:  # else an answer would go on to the last token allowed
                end.eos_token_id = self.chat.processor.tokenizer.eos_token_id
            rows = self.options.batch_size or self.place.rows
            self._asker = SharedPrefix(model, rows=rows, videos=self.views_at_once, share=self.options.share)
        return self._asker

    def findings(self) -> list[str]:
        """Whether the family is one that the tests know; how sharing was checked, and what came of it."""
        return [*self._untested, *self._asker.notes] if self._asker else []

    def verdicts(self) -> list[tuple[str, bool]]:
        """The checks of sharing since this was last asked for."""
        if self._asker is None:
            return []
        found, self._asker.trust.verdicts = self._asker.trust.verdicts, []
        return found

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        """Score all prompts on one view, sharing what can be shared.

        Each prompt's inputs are those that it would have alone; an error belongs to its prompt.
        """
        return self.score_views([(view, prompts)])[0]

    def score_views(self, asked: Sequence[tuple[View, Sequence[Prompt]]]) -> list[list[Scores]]:
        """Score the prompts of several views; views whose prompts begin alike are computed in one pass."""
        asker = self.asker
        with quiet():
            inputs = [self._inputs(view, prompts) for view, prompts in asked]
            answers = asker.ask_videos([list(i.values()) for i, _ in inputs])
        return [
            self._read(prompts, mine, given, self._scores)
            for (_, prompts), mine, given in zip(asked, inputs, answers, strict=True)
        ]

    def generate(self, view: View, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Scores]:
        """Write an answer to each prompt, sharing what can be shared; the prompt's ``prefill`` is not repeated."""
        if self._writer is None:
            self._writer = Writer(self.asker, share=self.options.share)
        with quiet():
            inputs = self._inputs(view, prompts)
            written = self._writer.write(list(inputs[0].values()), max_new_tokens)
        return self._read(prompts, inputs, written, self._text)

    def _inputs(self, view: View, prompts: Sequence[Prompt]) -> tuple[dict[int, Any], dict[int, Scores]]:
        """What each prompt that can be put to the model puts to it, by place; and the errors of the others."""
        import torch

        try:
            frames = torch.from_numpy(view.frames).permute(0, 3, 1, 2).contiguous()
        except ItemError as e:
            return {}, {i: Scores(p.id, error=one_line(e)) for i, p in enumerate(prompts)}
        inputs: dict[int, Any] = {}
        failed: dict[int, Scores] = {}
        with self.chat.one_view():
            for i, p in enumerate(prompts):
                try:
                    inputs[i] = self.chat.inputs(view, frames, p.text, p.system, p.prefill)
                except Exception as e:  # the item boundary: one bad question must not end a run
                    failed[i] = Scores(p.id, error=one_line(e))
        return inputs, failed

    def _read(
        self,
        prompts: Sequence[Prompt],
        asked: tuple[dict[int, Any], dict[int, Scores]],
        answers: Sequence[A],
        read: Callable[[Prompt, A], Scores],
    ) -> list[Scores]:
        """Read each answer; what fails is an error of its prompt."""
        inputs, found = asked
        for i, given in zip(inputs, answers, strict=True):
            try:
                found[i] = read(prompts[i], given)
            except Exception as e:
                found[i] = Scores(prompts[i].id, error=one_line(e))
        return [found[i] for i in range(len(prompts))]

    def _scores(self, prompt: Prompt, answer: Answer) -> Scores:
        import torch

        if answer.error is not None:
            raise answer.error
        log = torch.log_softmax(answer.logits, dim=-1)
        found = {x: float(torch.logsumexp(log[self.chat.tokens_of(x)], dim=0)) for x in prompt.letters}
        if not all(map(math.isfinite, found.values())):
            raise ModelError("the letters' log-probabilities are not finite numbers")
        return Scores(prompt.id, found, mode=answer.mode, ways=(answer.way,) if answer.way else ())

    def _text(self, prompt: Prompt, written: Written) -> Scores:
        if written.error is not None:
            raise written.error
        text = str(self.chat.processor.tokenizer.decode(written.tokens, skip_special_tokens=True))
        ways = (written.way,) if written.way else ()
        return Scores(prompt.id, text=text.strip(), mode=written.mode, ways=ways)
