"""Trains transformer and text encoders together by flow matching on stored latents: two processes, resumable, timed."""
import argparse
import math
import time

import torch
import torch.nn.functional as F

from .dataset import read, stored
from .flux import pack
from .model import NAME, TextToImage, initialise
from .optimizer import Optimizer
from .pair import Pair
from .schedule import load, rate, save
from .start import text_to_image
from .tokenizers import Encoder

SEMANTICS = 0.3  # weight of the labels' error
TEXT_PACE = 0.2  # learning rate of the text encoders, which have had lessons, beside the rest
EMPTY_SHARE = 0.1  # captions replaced by the empty prompt


def split(tokens):
    """[B, 2, 32] int16 -> CLIP ids, T5 ids as int64."""
    return tokens[:, 0].long(), tokens[:, 1].long()


@torch.no_grad()
def validate(model, data):
    """Mean squared error on unseen pictures with fixed noise and evenly spread sigmas."""
    latents, _, tokens = data
    generator = torch.Generator().manual_seed(7)
    total, n = 0.0, len(latents)
    for i in range(0, n, 64):
        x0 = pack(latents[i:i + 64].float())
        noise = torch.randn(x0.shape, generator=generator)
        sigma = (torch.arange(i, i + len(x0)) * 0.6180339 % 1.0) * 0.98 + 0.01
        x = x0 + sigma.view(-1, 1, 1) * (noise - x0)
        with torch.autocast("cpu", torch.bfloat16):
            y, _ = model(x, sigma, *split(tokens[i:i + 64, 0]))
        total += (y.float() - (noise - x0)).square().mean().item() * len(x0)
    return total / n


class Data:
    """Stored latents, labels and caption tokens; batch `step` of a worker is always the same."""

    def __init__(self):
        self.latents, self.labels, self.tokens = read(stored())
        encoder = Encoder()
        self.empty = torch.tensor([encoder.clip(""), encoder.t5("")], dtype=torch.int16)

    def loss(self, model, step, worker, batch):
        """Error of the predicted velocity, and of saying early on what covers each token, on one batch."""
        generator = torch.Generator().manual_seed(1_000_003 + 2 * step + worker)
        index = torch.randint(len(self.latents), (batch,), generator=generator)
        wording = torch.randint(self.tokens.shape[1], (batch,), generator=generator)
        words = self.tokens[index, wording]
        words[torch.rand(batch, generator=generator) < EMPTY_SHARE] = self.empty
        x0 = pack(self.latents[index].float())
        noise = torch.randn(x0.shape, generator=generator)
        sigma = torch.sigmoid(torch.randn(batch, generator=generator))
        target = noise - x0
        with torch.autocast("cpu", torch.bfloat16):
            y, logits = model(x0 + sigma.view(-1, 1, 1) * target, sigma, *split(words))
        covered = F.binary_cross_entropy_with_logits(logits, self.labels[index].float() / 255, reduction="none").sum(-1).mean()
        error = (y.float() - target).square().mean()
        return error + SEMANTICS * covered, error.item()


def train(minutes, batch=64, lr=1e-3, lr_muon=2e-3):
    """Trains until `minutes` of training time (over all runs) are used up."""
    torch.set_num_threads(1)
    data, unseen = Data(), read(["unseen.pt"])
    torch.manual_seed(1)
    model = initialise(TextToImage())
    if not load("transformer.pt"):
        text_to_image(model, NAME)
    model.share_memory()
    optimizer = Optimizer(model, pace=lambda name: TEXT_PACE if name.startswith("text_encoder") else 1.0)
    seconds, step, log = 0.0, 0, []
    state = load("transformer.pt")
    if state:
        model.load_state_dict(state["model"])
        optimizer.restore(state["optimizer"])
        seconds, step, log = state["seconds"], state["step"], state["log"]
    print(f"{len(data.latents)} pictures, {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, "
          f"from {seconds / 60:.1f} of {minutes} min", flush=True)
    base, first, started = seconds, step, time.time()
    last_save = last_check = time.time()
    running = None

    def snapshot(check):
        assert running is None or math.isfinite(running), "the loss is not a number"
        if check:
            live = {k: v.clone() for k, v in model.state_dict().items()}
            model.load_state_dict(optimizer.averaged(model))
            value = validate(model, unseen)
            model.load_state_dict(live)
            log.append({"minutes": round(seconds / 60, 1), "pictures": step * batch, "validation": round(value, 4)})
            print(f"  validation {value:.4f} after {seconds / 60:.1f} min, {step * batch} pictures", flush=True)
        save({"model": model.state_dict(), "average": optimizer.averaged(model), "optimizer": optimizer.state(),
              "seconds": seconds, "step": step, "log": log}, "transformer.pt")

    if seconds >= minutes * 60:
        return
    pair = Pair(model, data, batch)
    while seconds < minutes * 60:
        factor = rate(seconds / (minutes * 60), warmup=0.015, floor=0.01)
        loss = pair.step(step)
        torch.set_num_threads(2)
        norm = optimizer.step(lr_muon * factor, lr * factor)
        torch.set_num_threads(1)
        step += 1
        seconds = base + time.time() - started
        running = loss if running is None else 0.98 * running + 0.02 * loss
        if step % 50 == 0:
            speed = (step - first) * batch / (seconds - base)
            print(f"{seconds / 60:6.1f} min  step {step}  loss {running:.4f}  norm {norm:.2f}  {speed:.0f} pictures/s", flush=True)
        if time.time() - last_save > 120:
            check = time.time() - last_check > 290
            snapshot(check)
            last_save = time.time()
            last_check = time.time() if check else last_check
    pair.close()
    snapshot(True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--lr-muon", type=float, default=2e-3)
    a = parser.parse_args()
    train(a.minutes, lr=a.lr, lr_muon=a.lr_muon)
