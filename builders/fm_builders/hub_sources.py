"""Videos of a dataset repository on the Hub: which there are, and one of them as a file of this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from fm_hub.errors import Unavailable, UnreadableFile, UserError

__all__ = ["fetch", "list_videos"]

DATASETS = "hf://datasets/"


def list_videos(url: str, extensions: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (address of the file at its commit, name) for every video of ``hf://datasets/OWNER/NAME[@REV][/FOLDER]``.

    The addresses name the commit, so that a build that goes on tomorrow reads the same files. Raises
    :class:`UserError` in one line for what is not there, not open, or cannot be reached.
    """
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.hf_api import RepoFile

    repo, revision, folder = _parts(url)
    api = HfApi()
    try:
        commit = api.repo_info(repo, repo_type="dataset", revision=revision).sha
        tree = api.list_repo_tree(repo, folder or None, repo_type="dataset", revision=commit, recursive=True)
        files = [f.path for f in tree if isinstance(f, RepoFile)]
    except HFValidationError as e:
        raise UserError(f"{url}: {e}") from None
    except HfHubHTTPError as e:
        status = e.response.status_code if e.response is not None else 0
        why = "it does not exist, or needs a token (HF_TOKEN)" if status in (401, 403, 404) else f"HTTP {status}"
        raise UserError(f"{url}: {why}") from None
    except (OSError, httpx2.HTTPError) as e:
        raise UserError(f"{url}: the Hub cannot be reached: {type(e).__name__}") from None
    for path in sorted(files):
        if PurePosixPath(path).suffix.lower() in extensions:
            yield f"{DATASETS}{repo}@{commit}/{path}", path


def fetch(uri: str) -> Path:
    """Download a file (into the Hub's cache, which resumes) and return its place.

    Raises :class:`Unavailable` where trying again may help, else :class:`UnreadableFile`.
    """
    import httpx2
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    repo, revision, path = _parts(uri)
    try:
        return Path(hf_hub_download(repo, path, repo_type="dataset", revision=revision))
    except LocalEntryNotFoundError as e:  # its way to say that the Hub was not reached
        raise Unavailable(f"{path}: {type(e).__name__}") from None
    except (EntryNotFoundError, RepositoryNotFoundError) as e:
        raise UnreadableFile(f"{path}: {type(e).__name__}") from None
    except HfHubHTTPError as e:
        status = e.response.status_code if e.response is not None else 0
        kind = Unavailable if status in (0, 408, 429) or status >= 500 else UnreadableFile
        raise kind(f"{path}: HTTP {status}") from None
    except (OSError, httpx2.HTTPError) as e:  # connections that break, time-outs
        raise Unavailable(f"{path}: {type(e).__name__}") from None


def _parts(url: str) -> tuple[str, str | None, str]:
    """(OWNER/NAME, revision, path) of an address."""
    rest = url.removeprefix(DATASETS)
    parts = rest.split("/", 2)
    if not url.startswith(DATASETS) or len(parts) < 2 or not all(parts[:2]):
        raise UserError(f"{url}: write hf://datasets/OWNER/NAME[@REVISION][/FOLDER]")
    name, _, revision = parts[1].partition("@")
    return f"{parts[0]}/{name}", revision or None, parts[2].strip("/") if len(parts) > 2 else ""
