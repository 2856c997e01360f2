"""From frames and a question to what a model takes, and from its logits to the letters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fm_hub.errors import ModelError, UserError
from fm_hub.models import View
from fm_hub.models.video_inputs import memoised

__all__ = ["Chat"]

_CONTEXTS = ("", " ", "\n")
"""What may stand before the letter: tokenizers give "A" after a line break and " A" after a word other tokens."""


class Chat:
    """A processor with its chat template: frames go in as a video where it knows videos, else as images."""

    def __init__(self, name: str, processor: Any) -> None:
        self.processor = processor
        self.takes_video = bool(getattr(processor, "video_processor", None) and getattr(processor, "video_token", None))
        self._tokens: dict[str, list[int]] = {}
        if not self.takes_video and getattr(processor, "image_processor", None) is None:
            raise UserError(f"{name}: its processor takes neither videos nor images; fm-eval needs a vision model")
        if not getattr(processor, "chat_template", None):
            raise UserError(f"{name}: no chat template; fm-eval needs an instruction-tuned vision model")

    @contextmanager
    def one_view(self) -> Iterator[None]:
        """Within the block all questions are about the same frames: these are preprocessed once."""
        with memoised(self.processor):
            yield

    def inputs(self, view: View, frames: Any, question: str, system: str = "", prefill: str = "") -> Any:
        """The processor's output for one question, a batch of one. ``frames``: uint8 (T, 3, H, W).

        ``system`` goes before the conversation, ``prefill`` is how the answer begins. A view without frames is
        asked in words alone. Raises :class:`~fm_hub.errors.ModelError` if frames
        that are there do not arrive: a question is never asked blind by accident.
        """
        n = len(frames)
        seen = [{"type": "video"}] if self.takes_video and n else [{"type": "image"}] * n
        words = [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []
        text = self._text([*words, {"role": "user", "content": [*seen, {"type": "text", "text": question}]}]) + prefill
        if not n:
            return self.processor(text=[text], return_tensors="pt")
        if self.takes_video:
            # Some models join frames in pairs and refuse less than one pair: a still picture is a pair of itself.
            least = getattr(self.processor.video_processor, "temporal_patch_size", None) or 1
            if n < least:
                frames = frames[[*range(n), *[n - 1] * (least - n)]]
            inputs = self.processor(
                text=[text],
                videos=[frames],
                videos_kwargs={"do_sample_frames": False, "video_metadata": [_metadata(view, frames)]},
                return_tensors="pt",
            )
        else:
            # Some processors cut an image into tiles, five times the tokens; frames of a video need none.
            tiles = (
                {"do_image_splitting": False} if hasattr(self.processor.image_processor, "do_image_splitting") else {}
            )
            inputs = self.processor(text=[text], images=[list(frames)], images_kwargs=tiles, return_tensors="pt")
        if not any(key.startswith("pixel_values") for key in inputs):
            raise ModelError("the chat template or the processor dropped the frames; a question is never asked blind")
        return inputs

    def _text(self, messages: list[dict[str, Any]]) -> str:
        # A model that thinks aloud would put the letter after its thoughts: they are switched off, or closed.
        quiet = {"enable_thinking": False} if "enable_thinking" in str(self.processor.chat_template) else {}
        text = str(self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **quiet))
        return text.rstrip() + "\n\n</think>\n\n" if text.rstrip().endswith("<think>") else text

    def tokens_of(self, letter: str) -> list[int]:
        """The distinct single tokens that stand for a letter at the start of an answer."""
        if letter not in self._tokens:
            tokenizer = self.processor.tokenizer
            ids = set()
            for before in _CONTEXTS:
                tokens = tokenizer.encode(before + letter, add_special_tokens=False)
                # After a line break the letter is the last token; otherwise the token must be the only one.
                if tokens and (before == "\n" or len(tokens) == 1) and tokenizer.decode(tokens[-1:]).strip() == letter:
                    ids.add(tokens[-1])
            if not ids:
                raise ModelError(f"the tokenizer has no single token for the letter {letter}")
            self._tokens[letter] = sorted(ids)
        return self._tokens[letter]


def _metadata(view: View, frames: Any) -> Any:
    """What a processor must know of the frames: without it some write other time stamps into the prompt."""
    from transformers.video_utils import VideoMetadata

    n, seconds = len(frames), view.t1 - view.t0
    return VideoMetadata(
        total_num_frames=n,
        fps=n / seconds,
        frames_indices=list(range(n)),
        duration=seconds,
        height=int(frames.shape[2]),
        width=int(frames.shape[3]),
    )
