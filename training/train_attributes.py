"""Trains the attribute classifier on freshly drawn pictures (a second process draws them); resumable."""
import argparse
import multiprocessing
import os
import queue
import time

import numpy as np
import torch
import torch.nn.functional as F

from .attributes import FILE, HEADS, UNDEFINED, Classifier, block_matrix, logits, targets
from .optimizer import Optimizer
from .render import render
from .schedule import UNSEEN, load, rate, save, scene_of, to_tensor

FIRST_SEED = 800_000_000
UNSEEN_SEED = UNSEEN + 800_000  # pictures the accuracy is measured on


def batch_of(seeds):
    """uint8 [B, 128, 128, 3] pictures and labels [B, heads] of some seeds."""
    scenes = [scene_of(s) for s in seeds]
    return np.stack([render(s) for s in scenes]), torch.tensor([targets(s) for s in scenes])


def draw(pending, first, size, parent):
    """The second process: batch after batch into the queue, as long as the first process lives."""
    torch.set_num_threads(1)
    batch = None
    while os.getppid() == parent:
        batch = batch or batch_of(range(first, first + size))
        try:
            pending.put(batch, timeout=20)
        except queue.Full:
            continue
        batch, first = None, first + size


def disturbed(x):
    """Pictures with some of the faults that decoded ones have: grain, softness."""
    x = x + 0.06 * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x)
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return torch.lerp(x, soft, torch.rand(len(x), 1, 1, 1) * (torch.rand(len(x), 1, 1, 1) < 0.4))


def loss_of(model, x, labels):
    """Sum over the heads of the mean cross entropies, where defined."""
    with torch.autocast("cpu", torch.bfloat16):
        out = model(x)
    total = 0.0
    for i, head in enumerate(HEADS):
        if (labels[:, i] != UNDEFINED).any():
            total = total + F.cross_entropy(out[head], labels[:, i], ignore_index=UNDEFINED)
    return total


@torch.no_grad()
def measure(model, count=2048):
    """Share of right answers on unseen renders by attribute (over slots and shapes together), and by head."""
    right, total = {}, {}
    for first in range(UNSEEN_SEED, UNSEEN_SEED + count, 256):
        pictures, labels = batch_of(range(first, min(first + 256, UNSEEN_SEED + count)))
        out = logits(model, to_tensor(pictures))
        for i, head in enumerate(HEADS):
            there = labels[:, i] != UNDEFINED
            part, _, key = head.rpartition(" ")
            name = head if not part else ("object " if part in ("left", "middle", "right") else "shape ") + key
            for k in {head, name}:
                right[k] = right.get(k, 0) + (out[head].argmax(1) == labels[:, i])[there].sum().item()
                total[k] = total.get(k, 0) + there.sum().item()
    return {k: round(right[k] / total[k], 4) for k in right if total[k]}


def train(minutes, batch=64, lr=2e-3, lr_muon=5e-3, threads=1):
    """Trains until `minutes` of processor time (over all runs) are used up: it runs beside other work, at its own pace."""
    torch.set_num_threads(threads)
    torch.manual_seed(3)
    model = Classifier().to(memory_format=torch.channels_last)
    optimizer = Optimizer(model, 0.998, block_matrix)
    state, seconds, step, log = load(FILE), 0.0, 0, []
    if state:
        model.load_state_dict(state["model"])
        optimizer.restore(state["optimizer"])
        seconds, step, log = state["seconds"], state["step"], state["log"]
    if seconds >= minutes * 60:
        return
    context = multiprocessing.get_context("fork")
    pending = context.Queue(8)
    process = context.Process(target=draw, args=(pending, FIRST_SEED + step * batch, batch, os.getpid()), daemon=True)
    process.start()
    base, started, saved, running = seconds, time.process_time(), time.time(), None

    def snapshot(count):
        live = {k: v.clone() for k, v in model.state_dict().items()}
        average = optimizer.averaged(model)
        model.load_state_dict(average)
        accuracy = measure(model, count)
        model.load_state_dict(live)
        log.append({"minutes": round(seconds / 60, 1), "pictures": step * batch, "accuracy": accuracy})
        print("  " + ", ".join(f"{k} {v:.3f}" for k, v in accuracy.items() if k.split()[0] not in
                               ("left", "middle", "right", "first", "second")), flush=True)
        save({"model": live, "average": average, "optimizer": optimizer.state(), "seconds": seconds, "step": step, "log": log,
              "accuracy": accuracy}, FILE)

    while seconds < minutes * 60:
        pictures, labels = pending.get(timeout=600)
        x = disturbed(to_tensor(pictures)).contiguous(memory_format=torch.channels_last)
        loss = loss_of(model, x, labels)
        for p in model.parameters():
            p.grad = None
        loss.backward()
        for p in model.parameters():  # a head that no picture of the batch asks
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        factor = rate(seconds / (minutes * 60), floor=0.01)
        optimizer.step(lr_muon * factor, lr * factor, clip=5.0)
        step, seconds = step + 1, base + time.process_time() - started
        running = loss.item() if running is None else 0.97 * running + 0.03 * loss.item()
        if step % 50 == 0:
            print(f"{seconds / 60:6.1f} min  step {step}  loss {running:.4f}  {step * batch} pictures", flush=True)
        if time.time() - saved > 300:
            snapshot(256)
            saved = time.time()
    process.terminate()
    snapshot(4096)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=12, help="of processor time")
    parser.add_argument("--threads", type=int, default=1)
    a = parser.parse_args()
    train(a.minutes, threads=a.threads)
