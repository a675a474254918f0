"""Compares the PyTorch modules with stored reference outputs: python3 -m training.prove <folder of parity cases>."""
import json
import os
import sys

import torch

from .flux import FluxTransformer2DModel
from .safetensors_io import load_file
from .text import CLIPTextModel, T5EncoderModel
from .vae import AutoencoderKL

BAR = 1e-4


def read(folder, kind, weights):
    """Module with the case's weights, inputs and expected outputs."""
    with open(os.path.join(folder, "config.json")) as f:
        module = kind(json.load(f))
    state = load_file(os.path.join(folder, weights))
    result = module.load_state_dict(state, strict=True)
    assert not result.missing_keys and not result.unexpected_keys
    return module.eval(), load_file(os.path.join(folder, "inputs.safetensors")), load_file(os.path.join(folder, "outputs.safetensors"))


def flux(folder):
    m, i, o = read(folder, FluxTransformer2DModel, "diffusion_pytorch_model.safetensors")
    return {"output": (m(**i), o["output"])}


def vae(folder):
    m, i, o = read(folder, AutoencoderKL, "diffusion_pytorch_model.safetensors")
    mean, logvar = m.encode(i["image"])
    return {"mean": (mean, o["encode.mean"]), "logvar": (logvar, o["encode.logvar"]),
            "sample": (m.decode(i["latent"]), o["decode.sample"])}


def clip(folder):
    m, i, o = read(folder, CLIPTextModel, "model.safetensors")
    hidden, pooled = m(i["input_ids"])
    return {"hidden": (hidden, o["last_hidden_state"]), "pooled": (pooled, o["pooler_output"])}


def t5(folder):
    m, i, o = read(folder, T5EncoderModel, "model.safetensors")
    return {"hidden": (m(i["input_ids"], i["attention_mask"]), o["last_hidden_state"])}


CASES = {"flux-schnell-a": flux, "flux-dev-a": flux, "vae-kl16-a": vae, "clip-l-a": clip, "t5-v11-a": t5}


@torch.no_grad()
def main(root):
    worst = 0.0
    for name, case in CASES.items():
        folder = os.path.join(root, name)
        if not os.path.isdir(folder):
            print(f"{name}: not there, skipped")
            continue
        for what, (got, expected) in case(folder).items():
            difference = (got - expected).abs().max().item()
            worst = max(worst, difference)
            print(f"{name} {what}: largest difference {difference:.2e} {'ok' if difference <= BAR else 'TOO LARGE'}")
    return worst <= BAR


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1]) else 1)
