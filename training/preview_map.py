"""Fits the linear map from latents to colours that live previews use, and writes it beside the autoencoder."""
import argparse
import os

import torch
import torch.nn.functional as F

from .export import ROOT, put_json, vae_state
from .model import NAME
from .schedule import UNSEEN, pictures


@torch.no_grad()
def fit(vae, mean, std, count=128):
    """Least squares over unseen pictures: scaled latents [n, channels] and a constant to RGB [n, 3] in 0..1."""
    rows, colours = [], []
    for start in range(0, count, 16):
        x = pictures(range(UNSEEN + 10_000 + start, UNSEEN + 10_000 + start + 16))
        z = (vae.encode(x)[0].float() - mean) / std
        rows.append(z.permute(0, 2, 3, 1).reshape(-1, z.shape[1]))
        colours.append(F.avg_pool2d((x + 1) / 2, 8).permute(0, 2, 3, 1).reshape(-1, 3))
    a = torch.cat(rows)
    a = torch.cat([a, torch.ones(len(a), 1)], 1)
    return torch.linalg.lstsq(a, torch.cat(colours)).solution


def write(folder):
    vae, mean, std = vae_state()
    solution = fit(vae, mean, std)
    rounded = [[round(v, 5) for v in row] for row in solution.tolist()]
    put_json({"weights": rounded[:-1], "bias": rounded[-1]}, folder, "vae", "latent_rgb.json")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=os.path.join(ROOT, "models", NAME))
    write(parser.parse_args().folder)
