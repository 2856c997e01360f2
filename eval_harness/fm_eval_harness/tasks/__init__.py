"""The built-in tasks: YAML files, each with a constant that the registry names."""

from importlib.resources import files

__all__ = ["FOUNDATIONMOTION"]

FOUNDATIONMOTION = files(__name__) / "foundationmotion.yaml"
