"""Small files for trained networks: weights at half precision in a compressed archive."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xrlab.io.files import replacing

if TYPE_CHECKING:
    import keras


def round_to_half(layer: keras.Layer) -> None:
    """Round the weights of a layer or network to half precision, in place."""
    layer.set_weights([w.astype(np.float16).astype(np.float32) for w in layer.get_weights()])


def save_packed(model: keras.Model, path: Path) -> None:
    """Save a network and compress its file, to about 60 % where weights are at half precision."""
    with replacing(path) as part:
        model.save(part)
        with zipfile.ZipFile(part) as archive:
            members = [(item.filename, archive.read(item)) for item in archive.infolist()]
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)
