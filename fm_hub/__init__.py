"""Motion in video, as data: load, check and score datasets whose answers anyone can re-derive.

Importing this package loads nothing heavy; names are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fm_hub.dataset import load_dataset
    from fm_hub.records import Caption, Claim, Clip, Question, Track
    from fm_hub.verify import verify

__version__ = "0.1.0"
__all__ = ["Caption", "Claim", "Clip", "Question", "Track", "__version__", "load_dataset", "verify"]

_HOMES = {
    "load_dataset": "fm_hub.dataset",
    "verify": "fm_hub.verify",
    **dict.fromkeys(("Caption", "Claim", "Clip", "Question", "Track"), "fm_hub.records"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fm_hub' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
