"""The built-in tasks: YAML files, each with a constant that the registry names."""

from importlib.resources import files

_HERE = files(__name__)
FAVOR_BENCH = _HERE / "favor-bench.yaml"
FOUNDATIONMOTION = _HERE / "foundationmotion.yaml"
FOUNDATIONMOTION_CAPTION = _HERE / "foundationmotion-caption.yaml"
FOUNDATIONMOTION_QA = _HERE / "foundationmotion-qa.yaml"
HOW = _HERE / "how.yaml"
MOTIONBENCH = _HERE / "motionbench.yaml"
MVBENCH = _HERE / "mvbench.yaml"
TEMPCOMPASS = _HERE / "tempcompass.yaml"
TEMPCOMPASS_CAPTION_MATCHING = _HERE / "tempcompass-caption-matching.yaml"
TEMPCOMPASS_YES_NO = _HERE / "tempcompass-yes-no.yaml"
TOMATO = _HERE / "tomato.yaml"
VLM4D = _HERE / "vlm4d.yaml"

__all__ = [name for name in dir() if name.isupper() and not name.startswith("_")]
