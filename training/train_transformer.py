"""Trains transformer and text encoders together by flow matching on stored latents; resumable, schedule by wall clock."""
import argparse
import time

import torch

from .dataset import read, stored
from .flux import pack
from .model import TextToImage, initialise
from .optimizer import Optimizer
from .schedule import load, rate, save
from .tokenizers import Encoder

EMPTY_SHARE = 0.1  # captions replaced by the empty prompt


def split(tokens):
    """[B, 2, 32] int16 -> CLIP ids, T5 ids as int64."""
    return tokens[:, 0].long(), tokens[:, 1].long()


@torch.no_grad()
def validate(model, data):
    """Mean squared error on unseen pictures with fixed noise and evenly spread sigmas."""
    latents, tokens = data
    generator = torch.Generator().manual_seed(7)
    total, n = 0.0, len(latents)
    for i in range(0, n, 64):
        x0 = pack(latents[i:i + 64].float())
        noise = torch.randn(x0.shape, generator=generator)
        sigma = (torch.arange(i, i + len(x0)) * 0.6180339 % 1.0) * 0.98 + 0.01
        x = x0 + sigma.view(-1, 1, 1) * (noise - x0)
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x, sigma, *split(tokens[i:i + 64, 0]))
        total += (y.float() - (noise - x0)).square().mean().item() * len(x0)
    return total / n


def train(minutes, batch=64, lr=1e-3, lr_muon=2e-3):
    """Trains until `minutes` of training time (over all runs) are used up."""
    latents, tokens = read(stored())
    unseen = read(["unseen.pt"])
    encoder = Encoder()
    empty = torch.tensor([encoder.clip(""), encoder.t5("")], dtype=torch.int16)
    torch.manual_seed(1)
    model = initialise(TextToImage())
    optimizer = Optimizer(model)
    seconds, step, log = 0.0, 0, []
    state = load("transformer.pt")
    if state:
        model.load_state_dict(state["model"])
        optimizer.restore(state["optimizer"])
        seconds, step, log = state["seconds"], state["step"], state["log"]
    print(f"{len(latents)} pictures, {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters, "
          f"from {seconds / 60:.1f} of {minutes} min", flush=True)
    base, first, started = seconds, step, time.time()
    last_save = last_check = time.time()
    running = None

    def snapshot(check):
        if check:
            live = {k: v.clone() for k, v in model.state_dict().items()}
            model.load_state_dict(optimizer.averaged(model))
            value = validate(model, unseen)
            model.load_state_dict(live)
            log.append({"minutes": round(seconds / 60, 1), "pictures": step * batch, "validation": round(value, 4)})
            print(f"  validation {value:.4f} after {seconds / 60:.1f} min, {step * batch} pictures", flush=True)
        save({"model": model.state_dict(), "average": optimizer.averaged(model), "optimizer": optimizer.state(),
              "seconds": seconds, "step": step, "log": log}, "transformer.pt")

    while seconds < minutes * 60:
        generator = torch.Generator().manual_seed(1_000_003 + step)
        factor = rate(seconds / (minutes * 60), warmup=0.015, floor=0.01)
        index = torch.randint(len(latents), (batch,), generator=generator)
        wording = torch.randint(tokens.shape[1], (batch,), generator=generator)
        words = tokens[index, wording]
        words[torch.rand(batch, generator=generator) < EMPTY_SHARE] = empty
        x0 = pack(latents[index].float())
        noise = torch.randn(x0.shape, generator=generator)
        sigma = torch.sigmoid(torch.randn(batch, generator=generator))
        target = noise - x0
        with torch.autocast("cpu", torch.bfloat16):
            y = model(x0 + sigma.view(-1, 1, 1) * target, sigma, *split(words))
        loss = (y.float() - target).square().mean()
        for p in model.parameters():
            p.grad = None
        loss.backward()
        norm = optimizer.step(lr_muon * factor, lr * factor)
        step += 1
        seconds = base + time.time() - started
        running = loss.item() if running is None else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 0:
            speed = (step - first) * batch / (seconds - base)
            print(f"{seconds / 60:6.1f} min  step {step}  loss {running:.4f}  norm {norm:.2f}  {speed:.0f} pictures/s", flush=True)
        if time.time() - last_save > 120:
            check = time.time() - last_check > 290
            snapshot(check)
            last_save = time.time()
            last_check = time.time() if check else last_check
    snapshot(True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--lr-muon", type=float, default=2e-3)
    a = parser.parse_args()
    torch.set_num_threads(2)
    train(a.minutes, lr=a.lr, lr_muon=a.lr_muon)
