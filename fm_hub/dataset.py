"""``load_dataset``: a built folder or a Hub repository, with its videos attached."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fm_hub.errors import UnknownName, UserError
from fm_hub.manifest import MANIFEST, Manifest, read_manifest
from fm_hub.tables import inside

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

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
    repo = _repository(name)
    from huggingface_hub import snapshot_download

    with _one_line(repo, revision):
        return Path(snapshot_download(repo, repo_type="dataset", revision=revision, allow_patterns=files))


def _repository(name: str) -> str:
    repo = os.environ.get("FM_HUB_REPO", "") if name == DEFAULT_NAME else name
    if repo.count("/") != 1 or repo.startswith((".", "/", "~")):
        unset = "set FM_HUB_REPO=OWNER/NAME, or make one: fm-hub quickstart"
        hint = unset if name == DEFAULT_NAME else "no such folder"
        raise UserError(f"no dataset {name!r} here; {hint}")
    return repo


@contextlib.contextmanager
def _one_line(repo: str, revision: str | None) -> Iterator[None]:
    """Say in one line why a dataset cannot be had from the Hub."""
    from huggingface_hub import errors as e

    try:
        yield
    except e.GatedRepoError:
        why = "it is gated: ask for access on its page, then log in with `hf auth login`"
    except e.RepositoryNotFoundError:
        why = "there is none of that name, or it is private: log in with `hf auth login`"
    except e.RevisionNotFoundError:
        why = f"it has no revision {revision!r}; what it has: fm-hub versions {repo}"
    except (e.LocalEntryNotFoundError, e.OfflineModeIsEnabled):
        why = "it is not (wholly) in the cache, and the Hub cannot be reached or HF_HUB_OFFLINE is set"
    except (e.HfHubHTTPError, e.HFValidationError, OSError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
    else:
        return
    raise UserError(f"cannot get dataset {repo!r} from the Hub: {why}") from None


def load_dataset(
    name: str = DEFAULT_NAME,
    config: str = "mcq",
    split: str | None = None,
    revision: str | None = None,
    videos: Videos = "path",
    n_frames: int = 16,
    streaming: bool = False,
) -> Dataset | DatasetDict | IterableDataset | IterableDatasetDict:
    """Load one config of a dataset, as ``datasets.Dataset`` (with ``split``) or ``DatasetDict``.

    ``videos="path"`` adds a column ``video`` with the local file of each row; ``"frames"`` gives instead, when
    a row is read, ``n_frames`` uint8 RGB arrays (H, W, 3) spread over the row's view; None adds nothing.

    Of a repository only the files of this config and split are downloaded, and each video when a row of it is
    read; to have all of them beforehand, ``fm-hub pull`` it. With ``streaming`` nothing is downloaded beforehand, and
    the iterable kinds of ``datasets`` come back. Raises :class:`UserError`.
    """
    from datasets import Dataset, DatasetDict, IterableDatasetDict

    if videos not in ("path", "frames", None):
        raise UserError(f"videos={videos!r}: give 'path', 'frames' or None")
    _mend_torchcodec()
    root = dataset_root(name, revision, [MANIFEST])
    manifest = read_manifest(root)
    splits = _splits(manifest, config, split, name)
    shards = {s: [f for f in manifest.shards[config] if Path(f).name.startswith(f"{s}-")] for s in splits}
    remote = None if Path(name).is_dir() else _repository(name)
    attach = videos if config != "benchmark_videos" else None
    if streaming:
        at = f"hf://datasets/{remote}@{root.name}" if remote else str(root.resolve())
        flows = {p: _flow([f"{at}/{f}" for f in files], root, remote, attach, n_frames) for p, files in shards.items()}
        return flows[split] if split else IterableDatasetDict(flows)
    if remote:
        # By commit, so that a release between two downloads is not mixed into this one.
        root = dataset_root(remote, root.name, [MANIFEST, *(f for files in shards.values() for f in files)])
    loaded: dict[str, Dataset] = {}
    for part, files in shards.items():
        table = Dataset.from_parquet([str(inside(root, f)) for f in files])
        loaded[part] = _with_videos(table, root, remote, attach, n_frames)
    return loaded[split] if split else DatasetDict(loaded)


def _mend_torchcodec() -> None:
    """Tell ``datasets`` when torchcodec is installed but broken: it only looks whether it is there, and then fails."""
    from datasets import config

    if config.TORCHCODEC_AVAILABLE:
        try:
            import torchcodec  # noqa: F401 - only whether it can be
        except (ImportError, OSError, RuntimeError):
            config.TORCHCODEC_AVAILABLE = False


def _splits(manifest: Manifest, config: str, split: str | None, name: str) -> list[str]:
    if config not in manifest.counts:
        raise UnknownName(f"config in {name}", config, manifest.counts)
    if split is None:
        return list(manifest.counts[config])
    if split not in manifest.counts[config]:
        raise UnknownName(f"split in config {config!r} of {name}", split, manifest.counts[config])
    return [split]


def _with_videos(table: Dataset, root: Path, remote: str | None, videos: Videos, n_frames: int) -> Dataset:
    if videos is None or "video_file" not in table.column_names:
        return table
    if "video" in table.column_names:  # where a release lies on the Hub; here is the file itself
        table = table.remove_columns("video")
    if remote is None and videos == "path":
        return table.add_column("video", [str(inside(root.resolve(), f)) for f in table["video_file"]])
    return table.with_transform(_reader(root, remote, videos, n_frames))


def _flow(files: list[str], root: Path, remote: str | None, videos: Videos, n_frames: int) -> IterableDataset:
    """The rows of some files as they are read, with their videos."""
    from datasets import load_dataset as load

    with _one_line(remote or str(root), root.name):
        flow = load("parquet", data_files=files, split="train", streaming=True)
    columns = flow.column_names or []
    if videos is None or "video_file" not in columns:
        return flow
    flow = flow.remove_columns("video") if "video" in columns else flow
    return flow.map(_reader(root, remote, videos, n_frames), batched=True, batch_size=1)


Batch = dict[str, list[Any]]


def _reader(root: Path, remote: str | None, videos: Videos, n_frames: int) -> Callable[[Batch], Batch]:
    """What adds the videos to rows when they are read."""
    base = root.resolve()

    def read(batch: Batch) -> Batch:
        if "video_file" not in batch:  # other columns were selected
            return batch
        here = [_downloaded(base, remote, f) if remote else str(inside(base, f)) for f in batch["video_file"]]
        batch = {**batch, "video": here}
        return (
            {**batch, "video": [_frames(batch, i, n_frames) for i in range(len(here))]} if videos == "frames" else batch
        )

    return read


def _downloaded(root: Path, repo: str, name: str) -> str:
    """The local file of a clip in a snapshot, downloaded when it is not there yet."""
    path = inside(root, name)
    if not path.is_file():
        from huggingface_hub import hf_hub_download

        with _one_line(repo, root.name):
            return hf_hub_download(repo, name, repo_type="dataset", revision=root.name)
    return str(path)


def _frames(batch: dict[str, list[Any]], i: int, n_frames: int) -> list[Any]:
    from fm_hub.models import View
    from fm_hub.video import index_video, read_frames

    index = index_video(batch["video"][i])
    t0 = batch["view_t0"][i] if "view_t0" in batch else 0.0
    t1 = batch["view_t1"][i] if "view_t1" in batch else index.duration
    return list(read_frames(index, View("", Path(batch["video"][i]), t0, t1, n_frames).times()))
