"""What stands where in a picture, as numbers per latent token: a training target beside the picture itself."""
import numpy as np
import torch

from .scenes import COLOURS, OBJECTS, SHAPES

THINGS = sorted({name for names in OBJECTS.values() for name in names}) + SHAPES
PAINTS = [*COLOURS]
COUNT = len(THINGS) + len(PAINTS)  # coverage by each kind of thing, and by things of each colour
GRID = 8  # tokens along each side of a 128x128 picture


def labels_of(scene, masks):
    """Coverage in 0..255 of every token by each thing and colour: scene and masks [groups, 8, 8] -> uint8 [64, COUNT]."""
    out = np.zeros((COUNT, GRID * GRID), np.uint8)
    groups = scene["objects"] if scene["kind"] == "landscape" else scene["shapes"]
    for group, mask in zip(groups, masks):
        rows = [THINGS.index(group.get("name") or group["shape"])]
        if group["colour"]:
            rows.append(len(THINGS) + PAINTS.index(group["colour"]))
        for row in rows:
            out[row] = np.maximum(out[row], mask.reshape(-1))
    return torch.from_numpy(out.T.copy())
