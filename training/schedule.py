"""Shared training helpers: wall-clock learning-rate schedule, weight averaging, checkpoints, picture batches."""
import math
import os
import random

import numpy as np
import torch

from .render import render
from .scenes import draw_scene

WORK = os.path.join(os.path.dirname(os.path.abspath(__file__)), ".work")
UNSEEN = 1_000_000_000  # scene seeds from here on are never trained on


def rate(done, warmup=0.02, floor=0.02):
    """Factor on the learning rate: linear warm-up, then cosine down to `floor`; done in 0..1."""
    if done < warmup:
        return max(done / warmup, 1e-3)
    t = min((done - warmup) / (1 - warmup), 1.0)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * t))


def scene_of(seed):
    """The scene description that belongs to a seed."""
    return draw_scene(random.Random(seed))


def to_tensor(pictures):
    """uint8 [B, H, W, 3] -> float [B, 3, H, W] in -1..1, channels last in memory."""
    x = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float()
    return (x / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def pictures(seeds):
    """Batch of drawn pictures, float [B, 3, 128, 128] in -1..1."""
    return to_tensor(np.stack([render(scene_of(s)) for s in seeds]))


def save(state, name):
    """Writes a checkpoint under .work so that an interruption never leaves half a file."""
    os.makedirs(WORK, exist_ok=True)
    path = os.path.join(WORK, name)
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)


def load(name):
    """The checkpoint of that name, or None."""
    path = os.path.join(WORK, name)
    return torch.load(path, map_location="cpu") if os.path.exists(path) else None
