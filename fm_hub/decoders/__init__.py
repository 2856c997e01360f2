"""Decoders: from the frames that an index knows to their pictures.

Which frames a file has, and when each is shown, is always what :func:`fm_hub.video.index_video` read; a decoder
only fetches the pictures of frames that are named by their place in that index. ``pyav`` is the default and the
only one that is right on every file of ``docs/decoders.md``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from fm_hub.registry import Registry

if TYPE_CHECKING:
    from fm_hub._pyav import Image
    from fm_hub.video import VideoIndex

__all__ = ["DECODERS", "Decoder"]


class Decoder(ABC):
    """Reads pictures. Making one raises :class:`~fm_hub.errors.MissingExtra` where its library is not installed.

    ``name`` decides results: it is part of every artifact key and of a run's configuration.
    """

    name: ClassVar[str]

    @abstractmethod
    def read(
        self, index: VideoIndex, at: NDArray[np.intp], size: tuple[int, int], *, salvage: bool = False
    ) -> Iterator[Image | None]:
        """Yield the picture of each frame ``at`` (M,), rising positions in ``index.pts``: one for one, in order.

        A picture is RGB uint8 (height, width, 3) as displayed, rotation applied, at ``size`` (width, height).
        Memory stays bounded however long ``at`` is. Raises :class:`~fm_hub.errors.DecodeError` where the right
        picture cannot be had; with ``salvage`` such an entry is ``None``, and a decoder that cannot salvage raises
        :class:`~fm_hub.errors.UserError`.
        """


DECODERS: Registry[type[Decoder]] = Registry(
    "decoder",
    "fm_hub.decoders",
    {
        "decord": "fm_hub.decoders.decord:DecordDecoder",
        "pyav": "fm_hub.decoders.pyav:PyAVDecoder",
        "torchcodec": "fm_hub.decoders.torchcodec:TorchCodecDecoder",
    },
)
