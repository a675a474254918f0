"""Where training starts when there is no checkpoint: the shipped model's weights and the text lessons', as far as they fit."""
import os

import torch

from .safetensors_io import load_file
from .schedule import load

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def shipped(name, *path):
    """Tensors (float32) of a part of the shipped model, or none where it is not there."""
    file = os.path.join(ROOT, "models", name, *path)
    return {k: v.float() for k, v in load_file(file).items()} if os.path.exists(file) else {}


@torch.no_grad()
def fill(module, tensors):
    """Copies every tensor whose name and shape agree; returns how many of the module's tensors that were."""
    state, taken = module.state_dict(), 0
    for key, value in tensors.items():
        if key in state and state[key].shape == value.shape:
            state[key].copy_(value)
            taken += 1
    return f"{taken} of {len(state)}"


def autoencoder(model, name):
    """Starts an autoencoder from the shipped one."""
    print(f"autoencoder: {fill(model, shipped(name, 'vae', 'diffusion_pytorch_model.safetensors'))} tensors from the shipped model", flush=True)


def text_to_image(model, name):
    """Starts the transformer from the shipped one, and the text encoders from the text lessons (else from the shipped ones)."""
    print(f"transformer: {fill(model.transformer, shipped(name, 'transformer', 'diffusion_pytorch_model.safetensors'))} tensors from the shipped model", flush=True)
    lessons = load("text.pt")
    for part in ("text_encoder", "text_encoder_2"):
        tensors = lessons[part] if lessons else shipped(name, part, "model.safetensors")
        print(f"{part}: {fill(getattr(model, part), tensors)} tensors from the {'text lessons' if lessons else 'shipped model'}", flush=True)
