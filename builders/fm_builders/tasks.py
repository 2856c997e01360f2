"""What is to be done and what became of it: a stage for an item, what all of a build share, and what follows on what.

A task's key is the address of its artifact: it changes with the code's version, the recipe, the models and the bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from fm_builders.ledger import Entry
from fm_builders.perception_models import model_ids
from fm_builders.readable import text_model
from fm_builders.recipe import Perception, Recipe
from fm_builders.sources import Input
from fm_builders.store import artifact_key
from fm_hub.records import content_id

__all__ = ["ClipFile", "Digest", "Outcome", "Task", "Work", "entry_of", "follow"]

READ_VERSION, CUT_VERSION = 1, 2
PERCEIVE_VERSION = 6
MIRROR_VERSION = 1


@dataclass(frozen=True, slots=True)
class Digest:
    """The bytes of a source: SHA-256 and size."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A clip as it was cut: ``t0 <= t < t1`` seconds of its source; ``copied`` byte for byte or encoded.

    ``mirror_of`` is the clip that it shows flipped left to right, or nothing.
    """

    clip_id: str
    sha256: str
    t0: float
    t1: float
    copied: bool
    mirror_of: str = ""


@dataclass(frozen=True)
class Work:
    """What all tasks of a build share: the recipe, the place of the store, and the number of the run."""

    recipe: Recipe
    store: str
    run: int = 0


@dataclass(frozen=True)
class Task:
    """One stage for one item. ``alone``: with nothing beside it on the machine; ``wait_s``: seconds to wait first."""

    stage: Literal["read", "cut", "perceive", "mirror"]
    source: Input
    key: str
    digest: Digest | None = None
    clip: ClipFile | None = None
    attempt: int = 1
    alone: bool = False
    wait_s: float = 0.0

    @property
    def item(self) -> str:
        """The id in the ledger: of the clip, else of the source's bytes, else of its name."""
        if self.clip is not None:
            return self.clip.clip_id
        return self.digest.sha256[:24] if self.digest is not None else content_id("source", self.source.name)

    @classmethod
    def read(cls, source: Input) -> Task:
        """Hash the source. The key changes with the file's size and times."""
        return cls("read", source, artifact_key("read", READ_VERSION, source.stamp, [], [source.uri]))

    @classmethod
    def cut(cls, source: Input, digest: Digest, recipe: Recipe) -> Task:
        """Cut the source into clips."""
        spans = [[t0, t1 if math.isfinite(t1) else None] for t0, t1 in source.spans]
        params = {**recipe.clips.model_dump(mode="json"), **({"spans": spans} if spans else {})}
        params |= {"seed": recipe.seed} if recipe.clips.most else {}
        return cls("cut", source, artifact_key("cut", CUT_VERSION, params, [], [digest.sha256]), digest)

    @classmethod
    def perceive(cls, source: Input, digest: Digest, clip: ClipFile, recipe: Recipe) -> Task:
        """Detect and track in one clip."""
        key = _perceive_key(recipe.perception.model_dump_json(), clip.sha256)
        return cls("perceive", source, key, digest, clip)

    @classmethod
    def mirror(cls, source: Input, digest: Digest, clip: ClipFile, recipe: Recipe) -> Task:
        """Make the twin of a clip that was looked at; its tables lie among those of ``perceive``, under this key."""
        looked = cls.perceive(source, digest, clip, recipe).key
        return cls("mirror", source, artifact_key("mirror", MIRROR_VERSION, {}, [text_model()], [looked]), digest, clip)


@dataclass(frozen=True)
class Outcome:
    """What became of a task. ``output``: of ``read`` the digest, of ``cut`` the clips, of ``mirror`` the twin, if any.

    ``kept`` from an earlier run.
    """

    status: Literal["ok", "failed"]
    reason: str = ""
    detail: str = ""
    output: dict[str, Any] | None = None
    kept: bool = False


@lru_cache(maxsize=1 << 16)  # a clip is met three times: on the way to what is left to run, as it ends, as it is told
def _perceive_key(look: str, sha256: str) -> str:
    changes, models = _look(look)
    return artifact_key("perceive", PERCEIVE_VERSION, changes, models, [sha256])


@lru_cache(maxsize=8)
def _look(look: str) -> tuple[dict[str, Any], list[str]]:
    perception = Perception.model_validate_json(look)
    return perception.changes(), model_ids(perception)


def entry_of(task: Task, outcome: Outcome, work: Work) -> Entry:
    """The line of the ledger for an outcome."""
    output = outcome.output if task.stage == "read" else None
    return Entry(
        task.item,
        task.source.name,
        task.stage,
        task.key,
        outcome.status,
        outcome.reason,
        outcome.detail,
        output,
        work.run,
        task.attempt,
    )


def follow(task: Task, outcome: Outcome, *, recipe: Recipe) -> list[Task]:
    """The tasks that a finished one opens: the clips of a cut source, the twin of a clip that was looked at."""
    if (
        task.stage == "perceive"
        and recipe.quality.mirrored_twins
        and outcome.status == "ok"
        and task.clip
        and task.digest
    ):
        return [Task.mirror(task.source, task.digest, task.clip, recipe)]
    if task.stage != "cut" or outcome.output is None or task.digest is None:
        return []
    clips = (ClipFile(**row) for row in outcome.output["clips"])
    return [Task.perceive(task.source, task.digest, clip, recipe) for clip in clips]
