"""Draws the training pictures, encodes them with the trained autoencoder and stores latents and caption tokens."""
import argparse
import os
import random
import time

import numpy as np
import torch

from .autoencoder import build
from .captions import caption
from .labels import GRID, labels_of
from .render import render_with_masks
from .schedule import UNSEEN, WORK, load, scene_of, to_tensor
from .tokenizers import LENGTH, Encoder

WORDINGS = 4  # captions written per picture


def encoder():
    vae, state = build(), load("autoencoder.pt")
    vae.load_state_dict(state["average"])
    return vae.eval(), state["latent_mean"], state["latent_std"]


@torch.no_grad()
def encode(vae, mean, std, seeds):
    """Normalised latents float16 [B, 8, 16, 16] of the pictures of some seeds, and their labels uint8 [B, 64, COUNT]."""
    scenes = [scene_of(s) for s in seeds]
    drawn = [render_with_masks(s, 128, GRID) for s in scenes]
    with torch.autocast("cpu", torch.bfloat16):
        z = vae.encode(to_tensor(np.stack([picture for picture, _ in drawn])))[0].float()
    labels = torch.stack([labels_of(s, masks) for s, (_, masks) in zip(scenes, drawn)])
    return ((z - mean) / std).half(), labels


def tokens_of(seed, tokenizer, count=WORDINGS):
    """int16 [count, 2, 32]: CLIP and T5 ids of several wordings of one scene's caption."""
    scene, rng = scene_of(seed), random.Random(seed ^ 0x5EED)
    texts = [caption(scene, rng) for _ in range(count)]
    return np.array([[tokenizer.clip(t), tokenizer.t5(t)] for t in texts], np.int16)


def prepare(first, count, name, threads=1):
    """Writes <name>.pt with latents [N, 8, 16, 16] float16, labels [N, 64, COUNT] uint8 and tokens [N, 4, 2, 32] int16."""
    torch.set_num_threads(threads)
    vae, mean, std = encoder()
    tokenizer, latents, labels, tokens, started = Encoder(), [], [], [], time.time()
    for i in range(first, first + count, 32):
        seeds = range(i, min(i + 32, first + count))
        z, covered = encode(vae, mean, std, seeds)
        latents.append(z)
        labels.append(covered)
        tokens.append(np.stack([tokens_of(s, tokenizer) for s in seeds]))
    data = {"latents": torch.cat(latents), "labels": torch.cat(labels), "tokens": torch.from_numpy(np.concatenate(tokens))}
    path = os.path.join(WORK, name + ".pt")
    torch.save(data, path + ".tmp")
    os.replace(path + ".tmp", path)
    print(f"{name}: {count} pictures in {time.time() - started:.0f} s", flush=True)


def read(parts):
    """All stored parts together: latents, labels, tokens."""
    data = [torch.load(os.path.join(WORK, p)) for p in parts]
    return tuple(torch.cat([d[key] for d in data]) for key in ("latents", "labels", "tokens"))


def stored():
    """File names of the finished training parts, in order."""
    return sorted(f for f in os.listdir(WORK) if f.startswith("part") and f.endswith(".pt"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", type=int, default=0, help="which part of the pictures; -1: the unseen ones for validation")
    parser.add_argument("--size", type=int, default=15000)
    a = parser.parse_args()
    if a.part < 0:
        prepare(UNSEEN + 100_000, 512, "unseen")
    else:
        prepare(a.part * a.size, a.size, f"part{a.part:02d}")
