"""Writes reference outputs of an exported folder (float32 arithmetic on its float16 weights) for other implementations."""
import argparse
import json
import os

import torch

from .flux import FluxTransformer2DModel, image_ids, unpack
from .safetensors_io import load_file, save_file
from .text import CLIPTextModel, T5EncoderModel
from .tokenizers import LENGTH, Encoder
from .vae import AutoencoderKL


def part(folder, name, kind, file="diffusion_pytorch_model.safetensors"):
    """A module of the folder with its weights as float32."""
    with open(os.path.join(folder, name, "config.json")) as f:
        module = kind(json.load(f))
    module.load_state_dict({k: v.float() for k, v in load_file(os.path.join(folder, name, file)).items()})
    return module.eval()


@torch.no_grad()
def write(folder, out, text, steps=30, guidance=3.0, seed=42):
    """reference.safetensors (tensors) and reference.json (what they are) under `out`."""
    os.makedirs(out, exist_ok=True)
    clip = part(folder, "text_encoder", CLIPTextModel, "model.safetensors")
    t5 = part(folder, "text_encoder_2", T5EncoderModel, "model.safetensors")
    flux, vae = part(folder, "transformer", FluxTransformer2DModel), part(folder, "vae", AutoencoderKL)
    tokenizer, ids = Encoder(), image_ids(16, 16)
    tensors = {}
    for name, t in (("", text), ("empty_", "")):
        tensors[name + "clip_ids"] = torch.tensor([tokenizer.clip(t)])
        tensors[name + "t5_ids"] = torch.tensor([tokenizer.t5(t)])
        tensors[name + "t5_output"] = t5(tensors[name + "t5_ids"])
        tensors[name + "clip_pooled"] = clip(tensors[name + "clip_ids"])[1]
    def predict(x, sigma, name=""):
        return flux(x, tensors[name + "t5_output"], tensors[name + "clip_pooled"], torch.tensor([float(sigma)]), ids,
                    torch.zeros(LENGTH, 3))
    x = torch.randn(1, 64, 32, generator=torch.Generator().manual_seed(seed))
    tensors["packed_latent"] = x.clone()
    tensors["transformer_output_sigma_0.7"] = predict(x, 0.7)
    sigmas = torch.cat((torch.linspace(1, 1 / steps, steps), torch.zeros(1)))
    for i in range(steps):
        without = predict(x, sigmas[i], "empty_")
        x = x + (sigmas[i + 1] - sigmas[i]) * (without + guidance * (predict(x, sigmas[i]) - without))
    tensors["final_packed_latent"] = x
    tensors["final_latent"] = unpack(x, 16, 16)
    tensors["vae_input"] = tensors["final_latent"] / vae.config["scaling_factor"] + vae.config["shift_factor"]
    tensors["vae_decoded"] = vae.decode(tensors["vae_input"])
    save_file(tensors, os.path.join(out, "reference.safetensors"))
    with open(os.path.join(out, "reference.json"), "w") as f:
        json.dump({"caption": text, "steps": steps, "guidance": guidance, "negative": "",
                   "note": "final_packed_latent: Euler from packed_latent over linspace(1, 1/steps, steps) then 0, real guidance; "
                           "vae_input = final_latent / scaling_factor + shift_factor; vae_decoded in -1..1",
                   "tensors": {k: [str(v.dtype)[6:], list(v.shape)] for k, v in tensors.items()}}, f, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("out")
    parser.add_argument("--caption", default="a red house on the left and a green tree on the right in a meadow at sunset with mountains")
    a = parser.parse_args()
    write(a.folder, a.out, a.caption)
