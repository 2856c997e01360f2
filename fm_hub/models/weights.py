"""Loading a model of the transformers library: where it runs and how, checked before anything is loaded.

Code from a repository is never run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from fm_hub.errors import MissingExtra, UserError, did_you_mean
from fm_hub.models import Options

__all__ = ["TESTED", "Placement", "load_processor", "load_weights", "one_line", "place", "quiet"]

TESTED = (
    *("gemma3", "internvl", "llava_next_video", "llava_onevision", "molmo2", "perception_lm"),
    *("qwen2_5_vl", "qwen2_vl", "qwen3_vl", "smolvlm", "video_llama_3"),
)
"""The model types that the tests cover, with random weights; any other runs, and is checked like these."""
_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")
_ATTENTION = ("eager", "flash_attention_2", "flash_attention_3", "flex_attention", "sdpa")
_PACKAGES = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}


@dataclass(frozen=True)
class Placement:
    """Where a model runs and how: ``device_map`` and ``attention`` are empty where the library chooses."""

    device: str
    dtype: str
    device_map: str
    attention: str

    @property
    def rows(self) -> int:
        """Prompts in one pass where the user names no number: on a CPU four take half as long as one by one."""
        return 16 if self.device.startswith("cuda") else 4

    @property
    def videos(self) -> int:
        """Views in one pass where the user names no number: a GPU waits for work while it encodes one clip."""
        return 4 if self.device.startswith("cuda") else 1


def place(options: Options) -> Placement:
    """Check the options against this machine. Raises :class:`~fm_hub.errors.UserError` in one line."""
    try:
        import torch
        import transformers  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtra("scoring a model", "eval") from None
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = _device(options, cuda)
    on_gpu = device.startswith("cuda")
    dtype = options.dtype if options.dtype != "auto" else ("bfloat16" if on_gpu else "float32")
    if dtype not in ("float32", "bfloat16", "float16"):
        raise UserError(f"--dtype {options.dtype}: must be auto, float32, bfloat16 or float16")
    if dtype == "float16" and not on_gpu:
        raise UserError("--dtype float16: needs a GPU; bfloat16 or float32 run on a CPU")
    if options.device_map and options.device_map not in _MAPS:
        raise UserError(f"--device-map {options.device_map}: must be {', '.join(_MAPS)}; "
                        f"{did_you_mean(options.device_map, _MAPS)}")  # fmt: skip
    if options.device_map and options.device != "auto":
        raise UserError("--device and --device-map exclude each other: a map names the devices itself")
    if options.device_map and _local_rank() is not None:
        raise UserError("--device-map: not under torchrun, where every process has a device of its own")
    if options.device_map and find_spec("accelerate") is None:
        raise MissingExtra("--device-map", "eval")
    attention = "" if options.attention == "auto" else options.attention
    if attention and attention not in _ATTENTION:
        raise UserError(f"--attention {attention}: must be auto, {', '.join(_ATTENTION)}")
    package = _PACKAGES.get(attention)
    if package and (not on_gpu or find_spec(package) is None):
        need = f"the package {package}" if on_gpu else "a GPU"
        raise UserError(f"--attention {attention}: needs {need}; sdpa runs everywhere")
    if package and dtype == "float32":
        raise UserError(f"--attention {attention}: knows no float32; add --dtype bfloat16")
    return Placement(device, dtype, options.device_map or "", attention)


def _device(options: Options, cuda: int) -> str:
    kind, _, number = options.device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and (kind != "cuda" or not number.isdigit())):
        raise UserError(f"--device {options.device}: must be auto, cpu, cuda or cuda:NUMBER")
    if kind == "cpu" or (kind == "auto" and not cuda):
        return "cpu"
    if not cuda:
        raise UserError(f"--device {options.device}: this machine has no CUDA device; leave the option out for the CPU")
    rank = _local_rank()
    index = int(number) if number else (rank or 0)
    if index >= cuda:
        raise UserError(f"--device cuda:{index}: this machine has {cuda} CUDA device(s), numbered from 0")
    return f"cuda:{index}"


def _local_rank() -> int | None:
    """The number of this process on its machine, if torchrun started it."""
    return int(os.environ["LOCAL_RANK"]) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None


def load_processor(name: str, revision: str | None) -> tuple[Any, Any]:
    """The configuration and the processor of a folder or a repository."""
    with _loading(name):
        from transformers import AutoConfig, AutoProcessor

        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
        return config, AutoProcessor.from_pretrained(name, revision=revision, trust_remote_code=False)


def load_weights(name: str, revision: str | None, where: Placement) -> Any:
    """The model itself, ready to be asked."""
    with _loading(name):
        import torch
        from transformers import AutoModelForImageTextToText

        chosen: dict[str, Any] = {"attn_implementation": where.attention} if where.attention else {}
        if where.device_map:
            chosen["device_map"] = where.device_map
        model = AutoModelForImageTextToText.from_pretrained(
            name, revision=revision, trust_remote_code=False, dtype=getattr(torch, where.dtype), **chosen
        )
        return (model if where.device_map else model.to(where.device)).eval()


@contextmanager
def quiet() -> Iterator[None]:
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
        with quiet():
            yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as e:
        raise UserError(f"{name}: cannot be loaded as a vision-language model ({one_line(e)})") from e


def one_line(error: BaseException) -> str:
    """An error as one line with its class name."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:280]}"
