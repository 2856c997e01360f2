"""The model files of the embedded tier: found, checked, opened once a process.

``weights/WEIGHTS.toml`` lists each file with its sha256, licence, origin, and the form of its input and output.
Sessions run on one thread: a build has one worker process a core, and one thread adds in one order, so that
the same file on the same machine gives the same numbers.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fm_hub.errors import ModelError, UnknownName

__all__ = ["model_id", "onnx_session", "path", "tflite_interpreter"]

WEIGHTS = Path(__file__).parent / "weights"


@cache
def _entries() -> dict[str, dict[str, str]]:
    listed = tomllib.loads((WEIGHTS / "WEIGHTS.toml").read_text(encoding="utf-8"))["model"]
    return {entry["name"]: entry for entry in listed}


def _entry(name: str) -> dict[str, str]:
    try:
        return _entries()[name]
    except KeyError:
        raise UnknownName("model file", name, _entries()) from None


@cache
def path(name: str) -> Path:
    """The file of a model, checked against its sha256 once a process.

    Raises :class:`~fm_hub.errors.UnknownName` for a name that is not listed and
    :class:`~fm_hub.errors.ModelError` for a file that is missing or not the one that is listed.
    """
    entry = _entry(name)
    file = WEIGHTS / entry["file"]
    try:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        raise ModelError(f"the weights {entry['file']} are missing; install the package again") from None
    if digest != entry["sha256"]:
        raise ModelError(f"the weights {entry['file']} are not the listed ones (sha256 {digest[:12]})")
    return file


def model_id(name: str) -> str:
    """``name@`` and the first 12 digits of the sha256: what the key of an artifact holds.

    >>> model_id("nanodet")
    'nanodet@d1adcb8bcfcb'
    """
    return f"{name}@{_entry(name)['sha256'][:12]}"


@cache
def onnx_session(name: str) -> Any:
    """The ``onnxruntime.InferenceSession`` of a model, on one thread of the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path(name)), options, providers=["CPUExecutionProvider"])


@cache
def tflite_interpreter(name: str) -> Any:
    """The ``ai_edge_litert`` interpreter of a model, on one thread, with its tensors allocated."""
    from ai_edge_litert.interpreter import Interpreter

    with _quiet_stderr():
        interpreter = Interpreter(str(path(name)), num_threads=1)
        interpreter.allocate_tensors()
    return interpreter


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep the library's own notes (it writes them past Python) out of the progress bars."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
