"""What differs between servers, as a table; the request body of each is held by a golden file.

llama.cpp was seen to take its row, but for videos; the rows of the others follow their documentation and have not
met a real server here. 5 candidates are TGI's default bound (``--max-top-n-tokens``).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Literal

from fm_hub.endpoint.request import Ask, Film, Part, Turn
from fm_hub.errors import UnknownName, UserError

__all__ = ["DIALECTS", "Dialect", "dialect_named"]


@dataclass(frozen=True)
class Dialect:
    """How one kind of server wants to be asked.

    ``limit`` is its name for the limit of new tokens, ``film`` its part for a video (empty: none), ``top`` the most
    candidates a token that it tells. ``template`` says that it hands words to the chat template, which is how
    thinking aloud is switched off; ``begin`` how an answer is begun for the model. ``through`` is the library.
    """

    name: str
    through: Literal["openai", "huggingface_hub"] = "openai"
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    film: Literal["", "video_url", "input_video"] = ""
    top: int = 20
    template: bool = False
    begin: Literal["", "flags", "last turn"] = ""

    def body(self, ask: Ask, model: str) -> dict[str, Any]:
        """The request body. Raises :class:`~fm_hub.errors.UserError` for what this kind of server cannot take."""
        begun = ask.turns[-1].role == "assistant"
        if begun and not self.begin:
            raise UserError(f"a {self.name} server cannot be told how its answer begins; ask without prefill")
        body: dict[str, Any] = {
            "model": model,
            "messages": [self._message(t) for t in ask.turns],
            self.limit: ask.max_tokens,
            "temperature": ask.temperature,
            "seed": ask.seed,
        }
        if ask.top:
            body |= {"logprobs": True, "top_logprobs": min(ask.top, self.top)}
        if ask.schema is not None:
            # The library for TGI turns this into TGI's own form.
            named = {"name": "reply", "strict": True, "schema": dict(ask.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        if self.template:
            body["chat_template_kwargs"] = {"enable_thinking": False}
        if begun and self.begin == "flags":
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        return body

    def _message(self, turn: Turn) -> dict[str, Any]:
        if all(isinstance(p, str) for p in turn.parts):
            return {"role": turn.role, "content": "".join(str(p) for p in turn.parts)}
        return {"role": turn.role, "content": [piece for p in turn.parts for piece in self._pieces(p)]}

    def _pieces(self, part: Part) -> list[dict[str, Any]]:
        if isinstance(part, str):
            return [{"type": "text", "text": part}]
        if isinstance(part, Film):
            if not self.film:
                raise UserError(f"a {self.name} server takes no videos; send frames instead")
            data = base64.b64encode(part.mp4).decode()
            inside = {"data": data} if self.film == "input_video" else {"url": f"data:video/mp4;base64,{data}"}
            return [{"type": self.film, self.film: inside}]
        said = [] if part.t is None else [{"type": "text", "text": f"Frame at {part.t:.2f} s:"}]
        url = f"data:image/jpeg;base64,{base64.b64encode(part.jpeg).decode()}"
        return [*said, {"type": "image_url", "image_url": {"url": url}}]


DIALECTS = {
    d.name: d
    for d in (
        Dialect("openai", limit="max_completion_tokens"),
        Dialect("compatible"),
        Dialect("vllm", film="video_url", template=True, begin="flags"),
        Dialect("sglang", film="video_url", template=True, begin="flags"),
        Dialect("llamacpp", film="input_video", template=True, begin="last turn"),
        Dialect("tgi", through="huggingface_hub", top=5),
    )
}
"""``openai`` is OpenAI itself; ``compatible`` any other server of which nothing more is known."""


def dialect_named(name: str) -> Dialect:
    """Look a dialect up. Raises :class:`~fm_hub.errors.UnknownName`."""
    if name not in DIALECTS:
        raise UnknownName("dialect", name, DIALECTS)
    return DIALECTS[name]
