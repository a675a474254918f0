"""Writes the trained parts as a diffusers folder (float16), with tokenizers, card data and optional reference outputs."""
import argparse
import json
import os

import torch

from .autoencoder import NOISE, build as build_vae
from .captions import unseen, vocabulary
from .model import FLUX, NAME, TextToImage, clip_config, initialise, t5_config
from .safetensors_io import save_file
from .schedule import load
from .tokenizers import write as write_tokenizers

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INDEX = {
    "_class_name": "FluxPipeline", "_diffusers_version": "0.32.2",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"], "transformer": ["diffusers", "FluxTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
SCHEDULER = {
    "_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.32.2", "base_image_seq_len": 256,
    "base_shift": 0.5, "max_image_seq_len": 4096, "max_shift": 1.15, "num_train_timesteps": 1000, "shift": 1.0,
    "use_dynamic_shifting": False,
}


def put_json(value, *path):
    os.makedirs(os.path.join(*path[:-1]), exist_ok=True)
    with open(os.path.join(*path), "w") as f:
        f.write(json.dumps(value, indent=2, sort_keys=True) + "\n")


def half(module):
    return {k: v.detach().to(torch.float16).contiguous() for k, v in module.state_dict().items()}


def vae_state(untrained=False):
    """Autoencoder with the newest decoder, and the latents' mean and standard deviation."""
    vae, state = build_vae(), None if untrained else load("autoencoder.pt")
    if not state:
        return vae, 0.0, 1.0
    vae.load_state_dict(state["average"])
    decoder = load("decoder.pt")
    if decoder:
        vae.decoder.load_state_dict({k[8:]: v for k, v in decoder["average"].items() if k.startswith("decoder.")})
    mean, std = state["latent_mean"], state["latent_std"]
    with torch.no_grad():  # the second half of conv_out is the log variance: constant, the noise of training
        n = vae.config["latent_channels"]
        vae.encoder.conv_out.weight[n:] = 0
        vae.encoder.conv_out.bias[n:] = 2 * torch.log(torch.tensor(NOISE * std))
    return vae, mean, std


def write_words(folder):
    """captions.json (64 unseen captions) and vocabulary.md (every word the model was taught)."""
    with open(os.path.join(folder, "captions.json"), "w") as f:
        json.dump(unseen(64), f, indent=1)
        f.write("\n")
    with open(os.path.join(folder, "vocabulary.md"), "w") as f:
        f.write("# Words the model was taught\n\nOther words are split into letters and mean nothing to it.\n\n")
        f.write(", ".join(vocabulary()) + "\n")


def export(folder, untrained=False):
    """Writes every file of the model folder except its card and samples."""
    vae, mean, std = vae_state(untrained)
    model = TextToImage()
    state = None if untrained else load("transformer.pt")
    if state:
        model.load_state_dict(state["average"])
    else:
        torch.manual_seed(1)
        initialise(model)
        if untrained:  # nothing stays zero, so that a loader's mistake would show
            with torch.no_grad():
                for p in model.parameters():
                    p.add_(0.02 * torch.randn_like(p))
    put_json(INDEX, folder, "model_index.json")
    put_json(SCHEDULER, folder, "scheduler", "scheduler_config.json")
    put_json(FLUX, folder, "transformer", "config.json")
    put_json(clip_config(), folder, "text_encoder", "config.json")
    put_json(t5_config(), folder, "text_encoder_2", "config.json")
    put_json(dict(vae.config, scaling_factor=round(1 / std, 5), shift_factor=round(mean, 5)), folder, "vae", "config.json")
    meta = {"format": "pt"}
    save_file(half(model.transformer), os.path.join(folder, "transformer", "diffusion_pytorch_model.safetensors"), meta)
    save_file(half(vae), os.path.join(folder, "vae", "diffusion_pytorch_model.safetensors"), meta)
    save_file(half(model.text_encoder), os.path.join(folder, "text_encoder", "model.safetensors"), meta)
    save_file(half(model.text_encoder_2), os.path.join(folder, "text_encoder_2", "model.safetensors"), meta)
    write_tokenizers(folder)
    write_words(folder)
    for part in (model.transformer, model.text_encoder, model.text_encoder_2, vae):
        print(type(part).__name__, f"{sum(p.numel() for p in part.parameters()) / 1e6:.2f} M parameters")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=os.path.join(ROOT, "models", NAME))
    parser.add_argument("--untrained", action="store_true", help="random weights in the same layout")
    a = parser.parse_args()
    export(a.folder, a.untrained)
