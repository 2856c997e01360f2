"""Any image-and-text-to-text model of the Hub, or of a folder, scored by its next-token logits.

The letters' log-probabilities come from one forward pass a question, so nothing is generated and nothing is
parsed. Frames go in as a video where the processor knows videos, else as a list of images; both times with
explicit metadata and without any resampling by the processor. Code from a repository is never run.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fm_hub.errors import ItemError, MissingExtra, ModelError, UserError
from fm_hub.models import Model, Options, Prompt, Scores, View
from fm_hub.models.commits import folder_commit, hub_commit
from fm_hub.models.video_inputs import frames_of, memoised

__all__ = ["TransformersModel"]

_CONTEXTS = ("", " ", "\n")
"""What may stand before the letter: tokenizers give "A" after a line break and " A" after a word other tokens."""


class TransformersModel(Model):
    """A model and its processor; the weights are loaded when the first view is scored."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.options = options
        self.torch = _torch()
        self.device, self.dtype = _place(self.torch, options)
        with _loading(name):
            from transformers import AutoConfig, AutoProcessor

            config = AutoConfig.from_pretrained(name, revision=options.revision, trust_remote_code=False)
            self.processor: Any = AutoProcessor.from_pretrained(
                name, revision=options.revision, trust_remote_code=False
            )
        folder = Path(name)
        self.commit = folder_commit(folder) if folder.is_dir() else hub_commit(name, options.revision, config)
        self.takes_video = bool(
            getattr(self.processor, "video_processor", None) and getattr(self.processor, "video_token", None)
        )
        if not self.takes_video and getattr(self.processor, "image_processor", None) is None:
            raise UserError(f"{name}: its processor takes neither videos nor images; fm-eval needs a vision model")
        if not getattr(self.processor, "chat_template", None):
            raise UserError(f"{name}: no chat template; fm-eval needs an instruction-tuned vision model")
        # The weights are loaded later: by then a branch may have moved on from the commit that is recorded.
        self._revision = options.revision if folder.is_dir() else self.commit or options.revision
        self._model: Any = None
        self._tokens: dict[str, list[int]] = {}

    @classmethod
    def from_spec(cls, rest: str, options: Options) -> TransformersModel:
        """Build from a Hub id or a folder. Raises a :class:`~fm_hub.errors.UserError` of one line."""
        folder = Path(rest)
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise UserError(f"{rest}: not a model folder (it has no config.json)")
        elif rest.count("/") > 1 or rest.startswith((".", "/", "~")):
            raise UserError(f"{rest}: no such model folder")
        return cls(rest, options)

    def score(self, view: View, prompts: Sequence[Prompt]) -> list[Scores]:
        """Decode the view once, then run one forward pass for each prompt.

        Sharing the decoded and preprocessed frames changes no number: each prompt's inputs are those that it
        would have alone.
        """
        if self._model is None:
            self._model = self._load()
        try:
            frames = self.torch.from_numpy(frames_of(view)).permute(0, 3, 1, 2).contiguous()
        except ItemError as e:
            return [Scores(p.id, error=_one_line(e)) for p in prompts]
        with _quiet(), memoised(self.processor):
            return [self._ask(view, frames, p) for p in prompts]

    def _load(self) -> Any:
        with _loading(self.name):
            from transformers import AutoModelForImageTextToText

            model = AutoModelForImageTextToText.from_pretrained(
                self.name, revision=self._revision, trust_remote_code=False, dtype=self.dtype
            )
            return model.to(self.device).eval()

    def _ask(self, view: View, frames: Any, prompt: Prompt) -> Scores:
        try:
            logits = self._logits(self._inputs(view, frames, prompt.text))
            log = self.torch.log_softmax(logits.float(), dim=-1)
            found = {x: float(self.torch.logsumexp(log[self._ids(x)], dim=0)) for x in prompt.letters}
            if not all(self.torch.isfinite(self.torch.tensor(v)) for v in found.values()):
                raise ModelError("the letters' log-probabilities are not finite numbers")
        except Exception as e:  # the item boundary: one bad question must not end a run
            return Scores(prompt.id, error=_one_line(e))
        return Scores(prompt.id, found)

    def _inputs(self, view: View, frames: Any, question: str) -> Any:
        n = len(frames)
        seen = [{"type": "video"}] if self.takes_video else [{"type": "image"}] * n
        messages = [{"role": "user", "content": [*seen, {"type": "text", "text": question}]}]
        # A model that thinks aloud would put the letter after its thoughts: they are switched off, or closed.
        quiet = {"enable_thinking": False} if "enable_thinking" in str(self.processor.chat_template) else {}
        text = self.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **quiet)
        if text.rstrip().endswith("<think>"):
            text = text.rstrip() + "\n\n</think>\n\n"
        if self.takes_video:
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
        return inputs.to(self.device, self.dtype)

    def _logits(self, inputs: Any) -> Any:
        with self.torch.inference_mode():
            if "logits_to_keep" in inspect.signature(self._model.forward).parameters:
                return self._model(**inputs, logits_to_keep=1, use_cache=False).logits[0, -1]
            return self._model(**inputs, use_cache=False).logits[0, -1]

    def _ids(self, letter: str) -> list[int]:
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


def _torch() -> Any:
    try:
        import torch
        import transformers  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("scoring a model", "eval") from None
    return torch


def _place(torch: Any, options: Options) -> tuple[str, Any]:
    cuda = bool(torch.cuda.is_available())
    device = options.device if options.device != "auto" else ("cuda" if cuda else "cpu")
    if device not in ("cpu", "cuda"):
        raise UserError(f"--device {device}: must be auto, cpu or cuda")
    if device == "cuda" and not cuda:
        raise UserError("--device cuda: this machine has no CUDA device; leave the option out to run on the CPU")
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    dtypes["auto"] = dtypes["bfloat16" if device == "cuda" else "float32"]
    if options.dtype not in dtypes:
        raise UserError(f"--dtype {options.dtype}: must be auto, float32 or bfloat16")
    return device, dtypes[options.dtype]


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


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' advice and progress bars out of ours; errors still come through."""
    from huggingface_hub.utils import logging as hub_logging
    from transformers.utils import logging

    levels = logging.get_verbosity(), hub_logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.ERROR)
    hub_logging.set_verbosity(logging.ERROR)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(levels[0])
        hub_logging.set_verbosity(levels[1])
        if levels[2]:
            logging.enable_progress_bar()


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Load in silence, and turn what libraries raise on bad input into one line for the user."""
    from safetensors import SafetensorError

    try:
        with _quiet():
            yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as e:
        raise UserError(f"{name}: cannot be loaded as a vision-language model ({_one_line(e)})") from e


def _one_line(error: BaseException) -> str:
    """An error as one line with its class name."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:280]}"
