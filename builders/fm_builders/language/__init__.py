"""What a language model may do in compose: word what is proved, see what no claim can express, ask freely.

It writes no truth. A paraphrase that says another thing is refused, whatever no claim proves is marked ``model`` and
stays out of the benchmark, and without a model everything is there in the words of the templates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from fm_builders.language.freeform import found_again, write_questions
from fm_builders.language.prompts import load_prompt
from fm_builders.language.reword import Text, reword
from fm_builders.language.rich import enrich
from fm_builders.language.shown import frames_shown
from fm_builders.material import Material
from fm_builders.recipe import LanguageUse
from fm_hub.endpoint.client import Client, Settings
from fm_hub.endpoint.limits import Budget, Price
from fm_hub.endpoint.request import Picture
from fm_hub.errors import ItemError, UserError
from fm_hub.records import Caption, Provenance, Question, Shortcuts
from fm_hub.wording import short_caption
from fm_hub.wording.paraphrase import names_in

__all__ = ["Language", "Worded", "open_language"]

VideoOf = Callable[[], AbstractContextManager[Path]]
"""Lends the clip's file."""
PROMPTS = {"paraphrase": "paraphrase", "captions": "caption", "freeform": "freeform", "blind": "answer"}


@dataclass(frozen=True)
class Worded:
    """The rows of a clip after the model: questions and caption reworded, and questions that it wrote itself."""

    questions: list[Question]
    caption: Caption | None
    written: list[Question]


class Language:
    """A model on a server, put to the uses of a recipe. ``counts`` counts how every text ended, by use."""

    def __init__(self, client: Client, use: LanguageUse) -> None:
        self.client, self.use = client, use
        self.model = f"llm:{client.model.rpartition('/')[2] if client.model.endswith('.gguf') else client.model}"
        self.counts: dict[str, Counter[str]] = {}
        eyes = {"freeform"} & set(use.uses)
        if eyes and not client.capabilities.pictures:
            raise UserError(f"{client.url}: {client.model} takes no images; leave {', '.join(eyes)} out of [language]")

    def word(self, m: Material, questions: Sequence[Question], caption: Caption | None, video: VideoOf) -> Worded:
        """Put the model to its uses for one clip; ``video`` gives the clip's file where frames are needed."""
        worded, written = list(questions), []
        if "paraphrase" in self.use.uses:
            worded = self._reworded(m, questions)
        if "blind" in self.use.uses:
            worded = self._blind(worded)
        if caption is not None and {"captions", "freeform"} & set(self.use.uses):
            seen = self._seen(m, video)
            if "freeform" in self.use.uses and seen:
                counts = self._counts("freeform")
                written = write_questions(
                    self.client, m.clip, caption, seen, self.use.questions_a_clip, self.model, counts
                )
            if "captions" in self.use.uses:
                counts = self._counts("captions")
                texts = _sentences(m, caption)
                caption = enrich(self.client, caption, texts, seen, self.model, counts)
        elif caption is not None and "paraphrase" in self.use.uses:
            caption = self._reworded_caption(m, caption)
        return Worded(worded, caption, written)

    def record(self) -> Mapping[str, object]:
        """For the manifest: the model, the prompts of its uses, and how every text ended."""
        marks = {u: load_prompt(PROMPTS[u]).mark for u in sorted(self.use.uses)}
        counts = {use: dict(sorted(c.items())) for use, c in sorted(self.counts.items())}
        return {"model": self.model.removeprefix("llm:"), "prompts": marks, "counts": counts}

    def _counts(self, use: str) -> Counter[str]:
        return self.counts.setdefault(use, Counter())

    def _made(self, seed: int) -> Provenance:
        return Provenance(self.model, seed, load_prompt("paraphrase").mark)

    def _reworded(self, m: Material, questions: Sequence[Question]) -> list[Question]:
        texts = [
            Text(
                q.text,
                names_in(m.scene, q.text, q.view_t0, q.view_t1),
                q.template,
                q.options[q.answer].claim.predicate,
            )
            for q in questions
        ]
        said = reword(self.client, texts, self._counts("paraphrase"))
        return [
            q if text is None else replace(q, text=text, provenance=self._made(q.provenance.seed))
            for q, text in zip(questions, said, strict=True)
        ]

    def _reworded_caption(self, m: Material, caption: Caption) -> Caption:
        said = reword(self.client, _sentences(m, caption), self._counts("paraphrase"))
        if not any(said):
            return caption
        pairs = zip(caption.sentences, said, strict=True)
        sentences = tuple(s if text is None else replace(s, text=text) for s, text in pairs)
        made, text = self._made(caption.provenance.seed), " ".join(s.text for s in sentences)
        return replace(caption, text=text, short=short_caption(sentences), sentences=sentences, provenance=made)

    def _blind(self, questions: Sequence[Question]) -> list[Question]:
        """Record how far the model finds the keys of benchmark questions without the video."""
        counts = self._counts("blind")
        chosen = [q for q in questions if q.split == "test"]
        shares = dict(zip((q.question_id for q in chosen), found_again(self.client, chosen, (), counts), strict=True))
        counts["asked"] += len(chosen)
        scored = []
        for q in questions:
            share, known = shares.get(q.question_id), q.shortcuts or Shortcuts()
            scored.append(q if share is None else replace(q, shortcuts=replace(known, blind=share)))
        return scored

    def _seen(self, m: Material, video: VideoOf) -> Sequence[Picture]:
        if not self.client.capabilities.pictures:
            return ()
        try:
            with video() as path:
                return frames_shown(path, m.whole.t0, m.whole.t1, self.use.frames)
        except ItemError as e:
            self._counts("frames")[type(e).__name__] += 1
            return ()


def open_language(
    url: str, model: str, use: LanguageUse, answers: Path, *, budget: str | None = None, price: str | None = None
) -> Language:
    """A language model at ``url``; its answers and their price are kept in the file ``answers``.

    Raises :class:`~fm_hub.errors.UserError` where the server, the model or the budget is not as it should be.
    """
    spend = Budget.parse(budget) if budget else None
    settings = Settings(cache=answers, budget=spend, price=Price.parse(price) if price else None)
    return Language(Client(url, model, settings), use)


def _sentences(m: Material, caption: Caption) -> list[Text]:
    out = []
    for s in caption.sentences:
        names = names_in(m.scene, s.text, s.claim.t0, s.claim.t1)
        out.append(Text(s.text, names, s.template, s.claim.predicate))
    return out
