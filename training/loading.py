"""Loads a whole text-to-image model, from an exported folder or from the newest checkpoints, and draws pictures with it."""
import hashlib
import json
import os

import numpy as np
import torch

from .export import ROOT, vae_state
from .flux import FluxTransformer2DModel
from .model import NAME, TextToImage
from .reference import part
from .sample import sample
from .schedule import WORK, load, to_tensor
from .text import CLIPTextModel, T5EncoderModel
from .tokenizers import Encoder
from .vae import AutoencoderKL

FOLDER = os.path.join(ROOT, "models", NAME)
BATCH = 32


class Painter:
    """Captions to pictures. `folder` is an exported model, or None for the newest checkpoints with averaged weights."""

    def __init__(self, folder=FOLDER):
        self.model, self.encoder = TextToImage().eval(), Encoder()
        if folder:
            self.model.transformer = part(folder, "transformer", FluxTransformer2DModel)
            self.model.text_encoder = part(folder, "text_encoder", CLIPTextModel, "model.safetensors")
            self.model.text_encoder_2 = part(folder, "text_encoder_2", T5EncoderModel, "model.safetensors")
            self.vae = part(folder, "vae", AutoencoderKL)
            with open(os.path.join(folder, "vae", "config.json")) as f:
                config = json.load(f)
            self.mean, self.std = config["shift_factor"], 1 / config["scaling_factor"]
        else:
            self.vae, self.mean, self.std = vae_state()
            self.model.load_state_dict(load("transformer.pt")["average"])

    @property
    def weights(self):
        """A short name for these weights."""
        digest = hashlib.sha256()
        for module in (self.model.transformer, self.model.text_encoder, self.model.text_encoder_2, self.vae):
            for value in module.state_dict().values():
                digest.update(value.float().sum().double().numpy().tobytes())
        return digest.hexdigest()[:12]

    def ids(self, texts):
        """CLIP and T5 ids, [B, 32] each."""
        return [torch.tensor([f(t) for t in texts]) for f in (self.encoder.clip, self.encoder.t5)]

    @torch.no_grad()
    def decode(self, latents):
        """Normalised latents [B, 8, h, w] -> pictures, uint8 [B, 8h, 8w, 3]."""
        with torch.autocast("cpu", torch.bfloat16):
            y = torch.cat([self.vae.decode(z) for z in (latents * self.std + self.mean).split(16)]).float()
        return ((y.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()

    @torch.no_grad()
    def reconstruct(self, pictures):
        """Pictures uint8 [B, 128, 128, 3] through the autoencoder and back."""
        with torch.autocast("cpu", torch.bfloat16):
            z = torch.cat([self.vae.encode(to_tensor(part))[0] for part in np.array_split(pictures, -(-len(pictures) // 16))])
        return self.decode((z.float() - self.mean) / self.std)

    def draw(self, texts, steps=30, guidance=3.0, seed=0):
        """Pictures of captions, uint8 [B, 128, 128, 3]; their noise depends on seed and their places in the list."""
        return self.decode(sample(self.model, *self.ids(texts), steps=steps, guidance=guidance, seed=seed))

    def gallery(self, texts, steps=30, guidance=3.0):
        """As draw, of many captions; what was drawn before with these weights is kept under .work and not drawn again."""
        key = hashlib.sha256(json.dumps([self.weights, steps, guidance]).encode()).hexdigest()[:16]
        path = os.path.join(WORK, f"gallery-{key}.npz")
        kept = dict(np.load(path)) if os.path.exists(path) else {"texts": np.array([], str), "pictures": np.zeros((0, 128, 128, 3), np.uint8)}
        drawn = dict(zip(kept["texts"].tolist(), kept["pictures"]))
        for i in range(0, len(texts), BATCH):
            batch = texts[i:i + BATCH]
            if all(t in drawn for t in batch):
                continue
            drawn.update(zip(batch, self.draw(batch, steps, guidance, seed=i)))
            np.savez(path + ".tmp.npz", texts=np.array([*drawn]), pictures=np.stack([*drawn.values()]))
            os.replace(path + ".tmp.npz", path)
            print(f"  {min(i + BATCH, len(texts))} of {len(texts)} captions drawn", flush=True)
        return np.stack([drawn[t] for t in texts])
