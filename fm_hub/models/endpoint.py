"""A model behind a server: ``endpoint:http://localhost:8000/v1``, with ``#NAME`` where the server has several.

Frames go as JPEG files, each after a line that states its time. Letters are scored by the log-probabilities of the
first token of the answer, as far down as the server tells them.
"""

from __future__ import annotations

import atexit
import math
import os
from collections.abc import Sequence
from pathlib import Path

from fm_hub.endpoint.client import Client, Settings
from fm_hub.endpoint.request import Ask, Part, Reply, Turn, pictures
from fm_hub.errors import ItemError, UserError
from fm_hub.models import Model, Options, Prompt, Scores, View

__all__ = ["EndpointModel", "letter_logprobs"]

CACHE = "FM_LLM_CACHE"


class EndpointModel(Model):
    """A client as a model. A server that takes no images is refused: a question is never asked blind."""

    looks = True

    def __init__(self, client: Client) -> None:
        self.client = client
        served = client.model.rpartition("/")[2] if client.model.endswith(".gguf") else client.model
        self.name = f"endpoint:{client.url}#{served}"
        self.commit = client.server.commit
        if not client.capabilities.pictures:
            raise UserError(f"{client.url}: {served} takes no images; fm-eval needs a vision model")

    @classmethod
    def from_spec(cls, rest: str, options: Options) -> EndpointModel:
        """Build from ``URL`` or ``URL#NAME``; answers are kept in the file ``FM_LLM_CACHE``, where that is set."""
        del options
        url, _, name = rest.partition("#")
        kept = os.environ.get(CACHE, "")
        client = Client(url, name, Settings(cache=Path(kept) if kept else None))
        atexit.register(client.close)  # models are not closed; whoever wants it earlier makes the client
        return cls(client)

    @property
    def scores_letters(self) -> bool:
        """Whether the server tells log-probabilities."""
        return self.client.capabilities.top > 0

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        """Ask for one token a prompt, all prompts at once, and read the letters among its candidates."""
        if not self.scores_letters:
            raise UserError(f"{self.client.url}: tells no log-probabilities of letters; add --answers generate")
        out = []
        for prompt, reply in zip(prompts, self._ask(view, prompts, 1, self.client.dialect.top), strict=True):
            if isinstance(reply, ItemError):
                out.append(Scores(prompt.id, error=_one_line(reply)))
                continue
            found = letter_logprobs(reply.top, prompt.letters)
            likely = ", ".join(repr(t) for t, _ in reply.top[:3])
            why = f"ModelError: no letter is among the first {len(reply.top)} tokens ({likely}); try --answers generate"
            out.append(Scores(prompt.id, found) if found else Scores(prompt.id, error=" ".join(why.split())))
        return out

    def generate(self, view: View, prompts: Sequence[Prompt], max_new_tokens: int) -> list[Scores]:
        """Write an answer to each prompt, all prompts at once."""
        replies = self._ask(view, prompts, max_new_tokens, 0)
        return [
            Scores(p.id, error=_one_line(r)) if isinstance(r, ItemError) else Scores(p.id, text=r.text.strip())
            for p, r in zip(prompts, replies, strict=True)
        ]

    def _ask(self, view: View, prompts: Sequence[Prompt], max_tokens: int, top: int) -> list[Reply | ItemError]:
        if not prompts:
            return []
        frames = view.frames
        # A control shows frames in another order; the times that are stated rise all the same, or they would tell it.
        seen = pictures(list(frames), view.even_times()[: len(frames)])
        return self.client.ask([Ask(_turns(seen, p), max_tokens=max_tokens, top=top) for p in prompts])


def letter_logprobs(top: Sequence[tuple[str, float]], letters: Sequence[str]) -> dict[str, float]:
    """The letters' log-probabilities from the likeliest first tokens; empty if no letter is among them.

    "A" and " A" count together. A letter that is not among them gets what is left for it at most: no more than the
    least likely token that was told, and no more than its share of the rest. That it loses is certain; by how much is
    a bound.

    >>> {x: round(p, 3) for x, p in letter_logprobs([("A", -0.2), (" A", -3.0), ("B", -4.0)], "AB").items()}
    {'A': -0.141, 'B': -4.0}
    """
    told = [(t.strip(), p) for t, p in top if math.isfinite(p)]
    mass = {x: sum(math.exp(p) for t, p in told if t == x) for x in letters}
    missing = [x for x in letters if not mass[x]]
    if len(missing) == len(letters):
        return {}
    rest = max(1.0 - sum(math.exp(p) for _, p in told), 1e-9)
    bound = min(min(p for _, p in told), math.log(rest / max(1, len(missing))))
    return {x: min(0.0, math.log(mass[x])) if mass[x] else bound for x in letters}


def _turns(seen: Sequence[Part], prompt: Prompt) -> tuple[Turn, ...]:
    before = (Turn("system", (prompt.system,)),) if prompt.system else ()
    begun = (Turn("assistant", (prompt.prefill,)),) if prompt.prefill else ()
    return (*before, Turn("user", (*seen, prompt.text)), *begun)


def _one_line(error: ItemError) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
