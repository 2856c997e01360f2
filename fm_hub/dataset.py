"""``load_dataset``: a built folder or a Hub repository, with its videos attached."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fm_hub.errors import UnknownName, UserError
from fm_hub.manifest import Manifest, read_manifest
from fm_hub.tables import inside

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["dataset_root", "load_dataset"]

DEFAULT_NAME = "foundationmotion"
Videos = Literal["path", "frames"] | None


def dataset_root(name: str = DEFAULT_NAME, revision: str | None = None, files: list[str] | None = None) -> Path:
    """The local folder of a dataset: a folder as it is, else a snapshot of a Hub repository.

    The bare name ``foundationmotion`` stands for ``./foundationmotion`` if there is one, else for the
    repository in the environment variable ``FM_HUB_REPO``. ``files`` are the patterns to download (None:
    all). Raises :class:`UserError`.
    """
    if Path(name).is_dir():
        return Path(name)
    repo = os.environ.get("FM_HUB_REPO", "") if name == DEFAULT_NAME else name
    if repo.count("/") != 1 or repo.startswith((".", "/", "~")):
        unset = "set FM_HUB_REPO=OWNER/NAME, or make one: fm-hub quickstart"
        hint = unset if name == DEFAULT_NAME else "no such folder"
        raise UserError(f"no dataset {name!r} here; {hint}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=files))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as e:
        first = str(e).strip().splitlines()[0] if str(e).strip() else type(e).__name__
        raise UserError(f"cannot get dataset {repo!r} from the Hub: {first}") from None


def load_dataset(
    name: str = DEFAULT_NAME,
    config: str = "mcq",
    split: str | None = None,
    revision: str | None = None,
    videos: Videos = "path",
    n_frames: int = 16,
) -> Dataset | DatasetDict:
    """Load one config of a dataset, as ``datasets.Dataset`` (with ``split``) or ``DatasetDict``.

    ``videos="path"`` adds a column ``video`` with the local file of each row; ``"frames"`` gives instead, when
    a row is read, ``n_frames`` uint8 RGB arrays (H, W, 3) spread over the row's
    view; None adds nothing. Raises :class:`UserError`.
    """
    from datasets import Dataset, DatasetDict

    if videos not in ("path", "frames", None):
        raise UserError(f"videos={videos!r}: give 'path', 'frames' or None")
    wanted = ["fm_hub.json", f"{config}/*"] + (["videos/**"] if videos else [])
    root = dataset_root(name, revision, wanted)
    manifest = read_manifest(root)
    splits = _splits(manifest, config, split, name)
    loaded: dict[str, Dataset] = {}
    for part in splits:
        files = [str(inside(root, f)) for f in manifest.shards[config] if Path(f).name.startswith(f"{part}-")]
        table = Dataset.from_parquet(files)
        loaded[part] = _with_videos(table, root, videos, n_frames)
    return loaded[split] if split else DatasetDict(loaded)


def _splits(manifest: Manifest, config: str, split: str | None, name: str) -> list[str]:
    if config not in manifest.counts:
        raise UnknownName(f"config in {name}", config, manifest.counts)
    if split is None:
        return list(manifest.counts[config])
    if split not in manifest.counts[config]:
        raise UnknownName(f"split in config {config!r} of {name}", split, manifest.counts[config])
    return [split]


def _with_videos(table: Dataset, root: Path, videos: Videos, n_frames: int) -> Dataset:
    if videos is None or "video_file" not in table.column_names or "video" in table.column_names:
        return table
    base = root.resolve()
    paths = [str(inside(base, f)) for f in table["video_file"]]
    table = table.add_column("video", paths)
    if videos == "path":
        return table

    def read(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        from fm_hub.models import View
        from fm_hub.video import index_video, read_frames

        if "video" not in batch:  # other columns were selected
            return batch
        out = []
        for i, path in enumerate(batch["video"]):
            index = index_video(path)
            t0 = batch["view_t0"][i] if "view_t0" in batch else 0.0
            t1 = batch["view_t1"][i] if "view_t1" in batch else index.duration
            out.append(read_frames(index, View("", Path(path), t0, t1, n_frames).times()))
        return {**batch, "video": out}

    return table.with_transform(read)
