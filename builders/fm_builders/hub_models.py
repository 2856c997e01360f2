"""Models of the transformers library for perception: which weights, where they run, and how they are loaded.

Weights are named ``OWNER/NAME@COMMIT`` (40 hexadecimal digits: a name alone may mean other weights tomorrow) or by a
folder. Code from a repository is never run. Loaded models stay for as long as the process: a worker sees many clips.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from fm_builders.gpu import wanted
from fm_hub.errors import BadRecipe, MissingExtra, UserError
from fm_hub.models.commits import folder_commit
from fm_hub.models.weights import one_line, quiet

__all__ = ["Device", "Dtype", "Weights", "dtype_name", "half", "load", "need_extra", "place", "processor"]

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
COMMIT = re.compile(r"[0-9a-f]{40}")
REPO = re.compile(r"[\w.-]+/[\w.-]+")
FILES = ("*.json", "*.txt", "*.safetensors")


@dataclass(frozen=True)
class Weights:
    """Which weights: of a repository at a commit, or of a folder (then ``commit`` is empty)."""

    name: str
    commit: str = ""

    @classmethod
    def of(cls, spec: str) -> Weights:
        """Read ``OWNER/NAME@COMMIT`` or a folder. Raises :class:`BadRecipe` in one line."""
        if Path(spec).is_dir():
            return cls(spec)
        name, _, commit = spec.partition("@")
        if not REPO.fullmatch(name):
            raise BadRecipe(f"model {spec!r}: neither a folder nor OWNER/NAME@COMMIT")
        if not COMMIT.fullmatch(commit):
            known = _main(name)
            hint = f"; on this machine it is {name}@{known}" if known else ""
            raise BadRecipe(f"model {spec!r}: name the commit, OWNER/NAME@ and 40 hexadecimal digits{hint}")
        return cls(name, commit)

    @property
    def id(self) -> str:
        """``name@`` and the commit, or 12 digits of a hash of what the folder holds: part of an artifact's key."""
        if self.commit:
            return f"{self.name}@{self.commit}"
        return f"{Path(self.name).name}@{_folder_digest(Path(self.name))}"

    @property
    def folder(self) -> Path:
        """Where the weights lie on this machine. Raises :class:`UserError` where they do not."""
        if not self.commit:
            return Path(self.name)
        found = _cached(self.name, self.commit)
        if found is None:
            raise UserError(
                f"the weights {self.id} are not on this machine; once, with a network: "
                f"hf download {self.name} --revision {self.commit}; or name a folder in the recipe"
            )
        return found

    @property
    def here(self) -> bool:
        """Whether the weights are on this machine."""
        return not self.commit or _cached(self.name, self.commit) is not None

    @property
    def gb(self) -> float:
        """Gigabytes of the weights on this disk; 0 where they are not there yet."""
        folder = Path(self.name) if not self.commit else _cached(self.name, self.commit)
        return sum(f.stat().st_size for f in folder.glob("*.safetensors")) / 1e9 if folder else 0.0

    def fetch(self) -> Path:
        """The folder of the weights, downloaded where they are not on this machine. Raises :class:`UserError`."""
        if not self.commit or _cached(self.name, self.commit) is not None:
            return self.folder
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

        try:
            with quiet():
                return Path(snapshot_download(self.name, revision=self.commit, allow_patterns=list(FILES)))
        except (LocalEntryNotFoundError, OfflineModeIsEnabled, OSError, HfHubHTTPError) as e:
            status = getattr(getattr(e, "response", None), "status_code", None)
            why = f"the Hub says {status}" if status else "the Hub cannot be reached"
            raise UserError(
                f"the weights {self.id} are not on this machine, and {why}; with a network: "
                f"hf download {self.name} --revision {self.commit}; or name a folder in the recipe"
            ) from None


def _cached(name: str, commit: str) -> Path | None:
    """The folder of a repository's commit in the Hub's cache, if its configuration and weights are there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json", revision=commit)
    folder = Path(found).parent if isinstance(found, str) else None
    return folder if folder is not None and any(folder.glob("*.safetensors")) else None


def _main(name: str) -> str:
    """The commit that ``main`` means in the Hub's cache of this machine; empty if it is not there."""
    from huggingface_hub.constants import HF_HUB_CACHE

    ref = Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}" / "refs" / "main"
    return ref.read_text().strip() if ref.is_file() else ""


@cache
def _folder_digest(folder: Path) -> str:
    """12 digits of a hash of a model folder: weights and configuration, and how pictures and words go in."""
    if not (folder / "config.json").is_file():
        raise BadRecipe(f"model {str(folder)!r}: no config.json in that folder; it must hold a transformers model")
    digest = hashlib.sha256(folder_commit(folder).encode())
    for path in sorted(p for pattern in FILES[:2] for p in folder.glob(pattern)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def need_extra(what: str) -> None:
    """Raise :class:`MissingExtra` where torch or transformers is not installed."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtra(what, "vision")


def place(device: Device) -> str:
    """``cpu``, or the CUDA device with the most free memory. Raises :class:`UserError` where there is none."""
    import torch

    if not (torch.cuda.is_available() and wanted(device)):
        if device == "cuda":
            raise UserError('device = "cuda": this machine has no CUDA device; say "auto" or "cpu" in the recipe')
        return "cpu"
    free = [torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())]
    return f"cuda:{free.index(max(free))}"


def dtype_name(dtype: Dtype, device: str, on_gpu: Literal["bfloat16", "float16"]) -> str:
    """The number format: what the recipe says, else half precision on a GPU and float32 on a CPU.

    ``on_gpu`` is the model's own half: float16 where outputs are places (bfloat16 has 8 bits, which is 2 pixels of a
    picture 1280 wide), bfloat16 where they are logits.

    >>> dtype_name("auto", "cuda:0", "float16"), dtype_name("auto", "cpu", "float16")
    ('float16', 'float32')
    """
    if dtype != "auto":
        return dtype
    return on_gpu if device.startswith("cuda") else "float32"


@contextmanager
def half(device: str, dtype: str) -> Iterator[None]:
    """Inference with matrix products in ``dtype`` and everything that needs it in float32."""
    import torch

    kind, number = device.split(":")[0], getattr(torch, dtype)
    with torch.inference_mode(), torch.autocast(kind, dtype=number, enabled=dtype != "float32"):
        yield


@cache
def load(kind: str, spec: str, device: str, dtype: str = "float32") -> Any:
    """The model ``transformers.<kind>`` with these weights, ready on its device.

    Raises :class:`MissingExtra`, and :class:`UserError` where the weights are missing or of another kind.
    """
    need_extra(f"the model {spec}")
    import torch
    import transformers

    if device == "cpu":
        torch.set_num_threads(1)  # a build has one worker a core
    folder = Weights.of(spec).folder
    with _loading(spec):
        model, found = getattr(transformers, kind).from_pretrained(
            folder, trust_remote_code=False, dtype=getattr(torch, dtype), output_loading_info=True
        )
    if lacking := sorted(found["missing_keys"]):
        raise UserError(f"{spec}: is no {kind}: {len(lacking)} weight(s) are missing, such as {lacking[0]}")
    return model.to(device).eval()


@cache
def processor(kind: str, spec: str) -> Any:
    """The processor ``transformers.<kind>`` that goes with these weights."""
    need_extra(f"the model {spec}")
    import transformers

    folder = Weights.of(spec).folder
    with _loading(spec):
        return getattr(transformers, kind).from_pretrained(folder, trust_remote_code=False)


@contextmanager
def _loading(spec: str) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        with quiet():
            yield
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as e:
        raise UserError(f"{spec}: cannot be loaded ({one_line(e)})") from e
