"""The short name: makes ``datasets.load_dataset("foundationmotion")`` mean the repository in ``FM_HUB_REPO``.

``import fm_hub.alias`` does it for this process; ``fm-hub alias install`` for an environment. A local folder of
that name always wins; without ``FM_HUB_REPO`` nothing changes. On a ``datasets`` that does not look as
expected it warns and changes nothing.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import sys
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["NAME", "activate"]

NAME = "foundationmotion"
_TARGET = "datasets.load"
_FUNCTION = "dataset_module_factory"
_DEFAULT = "mcq"


def _patch(module: ModuleType) -> None:
    original = getattr(module, _FUNCTION, None)
    if getattr(original, "_fm_hub_alias", False):
        return
    if original is None or next(iter(inspect.signature(original).parameters), "") != "path":
        warnings.warn(
            f"fm_hub.alias: this datasets has no {_TARGET}.{_FUNCTION}(path, ...); the name {NAME!r} is not set",
            stacklevel=2,
        )
        return

    @functools.wraps(original)
    def dataset_module_factory(path: Any, *args: Any, **kwargs: Any) -> Any:
        repo = os.environ.get("FM_HUB_REPO")
        if path != NAME or not repo or os.path.isdir(path):
            return original(path, *args, **kwargs)
        module = original(repo, *args, **kwargs)
        if module.module_path.endswith(".cache"):  # offline: of several configs in the cache it would take none
            module.builder_configs_parameters.default_config_name = _DEFAULT
        return module

    dataset_module_factory._fm_hub_alias = True  # type: ignore[attr-defined]  # marks the patch, so that it is applied once
    setattr(module, _FUNCTION, dataset_module_factory)
    other = sys.modules.get("datasets.inspect")
    if other is not None and getattr(other, _FUNCTION, None) is original:
        setattr(other, _FUNCTION, dataset_module_factory)


class _Finder:
    """Patches ``datasets.load`` right after it is imported, whenever that is."""

    busy = False

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        del path, target  # part of the import protocol
        if name != _TARGET or self.busy:
            return None
        self.busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.busy = False
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            _patch(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # this spec's loader alone
        return spec


def activate() -> None:
    """Set the short name, now or when ``datasets`` is imported."""
    if _TARGET in sys.modules:
        _patch(sys.modules[_TARGET])
    elif not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


activate()
