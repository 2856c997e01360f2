"""What must be there before the first clip: codecs, models, room on the disk, memory of the GPU, the right to write."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from fm_builders.gpu import free_gb
from fm_builders.perception_models import gpu_gb, model_ids, plugins
from fm_builders.readable import text_model
from fm_builders.store import Store
from fm_builders.workplace import Plan
from fm_hub._pyav import missing_codecs
from fm_hub.decoders import DECODERS
from fm_hub.errors import BadOutput, UserError

__all__ = ["needed_bytes", "preflight"]


def preflight(job: Plan, out: Path) -> None:
    """Check all of it. Raises :class:`UserError` with the first thing that is missing."""
    lacking = missing_codecs()
    if lacking:
        raise UserError(f"this build of FFmpeg (PyAV) lacks {', '.join(lacking)}: pip install --force-reinstall av")
    DECODERS.load(job.recipe.perception.decoder)()  # raises where its library is not installed
    model_ids(job.recipe.perception)  # raises where weights are missing or changed
    for plugin in plugins(job.recipe.perception):
        plugin.prepare()  # raises where an extra, or its weights, cannot be had
    if job.recipe.quality.mirrored_twins:
        text_model()  # raises where what finds text in pictures is missing
    _gpu(gpu_gb(job.recipe.perception))
    _writable(out, job.store)
    _room(job)


def _gpu(wanted: float) -> None:
    if not wanted:
        return
    free = free_gb()
    if free is None:
        raise UserError(f"the recipe's models need a GPU with {round(wanted, 1):g} GB; none is to be seen here")
    if free < wanted:
        raise UserError(f"the recipe's models need {round(wanted, 1):g} GB of GPU memory; {free:.1f} GB are free")


def _writable(out: Path, location: str) -> None:
    storage, probe = Store(location).storage, f"tmp/probe-{uuid.uuid4().hex}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        storage.write(probe, b"probe")
        if storage.read(probe) != b"probe":
            raise BadOutput(f"{location}: what is written there cannot be read back")
        storage.delete(probe)
    except OSError as e:
        raise BadOutput(f"{location}: cannot be written: {e.strerror or type(e).__name__}") from None


def needed_bytes(job: Plan) -> int:
    """An upper estimate of the clips of these sources: copies have their size, and encoding mostly shrinks.

    Twins are as many again.
    """
    return sum(s.stamp[0] for s in job.sources if s.stamp) * (2 if job.recipe.quality.mirrored_twins else 1)


def _room(job: Plan) -> None:
    if "://" in job.store:
        return
    store = Store(job.store)
    held = sum(n for _, n in store.storage.names("clips"))
    needed, free = needed_bytes(job) - held, shutil.disk_usage(Path(job.store)).free
    if needed > free:
        raise BadOutput(
            f"{job.store}: the sources hold {needed / 1e9:.1f} GB that are not cut yet, and {free / 1e9:.1f} GB are "
            "free; choose another -o or --store"
        )
