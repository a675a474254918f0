"""Samples pictures: plain Euler over evenly spaced sigmas with real guidance; writes a contact sheet of unseen captions."""
import argparse

import numpy as np
import torch
from PIL import Image

from .captions import unseen
from .export import vae_state
from .flux import unpack
from .model import TextToImage
from .schedule import load
from .tokenizers import Encoder


@torch.no_grad()
def sample(model, clip_ids, t5_ids, steps=30, guidance=3.0, seed=0, bf16=True):
    """Token ids [B, 32] -> normalised latents [B, 8, 16, 16]."""
    tokenizer = Encoder()
    b = len(clip_ids)
    empty = [torch.tensor([ids] * b) for ids in (tokenizer.clip(""), tokenizer.t5(""))]
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        states, pooled = model.encode(torch.cat((clip_ids, empty[0])), torch.cat((t5_ids, empty[1])))
    x = torch.randn(b, 64, 32, generator=torch.Generator().manual_seed(seed))
    sigmas = torch.cat((torch.linspace(1, 1 / steps, steps), torch.zeros(1)))
    for i in range(steps):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            v = model.transformer(torch.cat((x, x)), states.float(), pooled.float(), sigmas[i].repeat(2 * b),
                                  model.image_ids, model.text_ids)
        with_text, without = v.float().chunk(2)
        x = x + (sigmas[i + 1] - sigmas[i]) * (without + guidance * (with_text - without))
    return unpack(x, 16, 16)


@torch.no_grad()
def sheet(path, count=32, columns=8, offset=0, size=128, steps=30, guidance=3.0):
    """Contact sheet of the first unseen captions with the averaged weights of the newest checkpoint."""
    vae, mean, std = vae_state()
    model, tokenizer, state = TextToImage(), Encoder(), load("transformer.pt")
    model.load_state_dict(state["average"])
    texts = unseen(offset + count)[offset:]
    ids = [torch.tensor([f(t) for t in texts]) for f in (tokenizer.clip, tokenizer.t5)]
    z = sample(model, *ids, steps=steps, guidance=guidance)
    with torch.autocast("cpu", torch.bfloat16):
        y = torch.cat([vae.decode(part) for part in (z * std + mean).split(16)]).float()
    y = ((y.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    rows = (count + columns - 1) // columns
    grid = np.zeros((rows * columns, 128, 128, 3), np.uint8)
    grid[:count] = y
    grid = grid.reshape(rows, columns, 128, 128, 3).transpose(0, 2, 1, 3, 4).reshape(rows * 128, columns * 128, 3)
    image = Image.fromarray(grid)
    if size != 128:
        image = image.resize((columns * size, rows * size), Image.LANCZOS)
    image.save(path, optimize=True)
    return texts, state


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--offset", type=int, default=0, help="which unseen caption to begin with")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--guidance", type=float, default=3.0)
    a = parser.parse_args()
    torch.set_num_threads(2)
    texts, state = sheet(a.file, a.count, offset=a.offset, size=a.size, steps=a.steps, guidance=a.guidance)
    for i, text in enumerate(texts):
        print(i, text)
    print(f"after {state['seconds'] / 60:.1f} min")
