"""Trains the autoencoder (encoder and decoder, or the decoder alone) on freshly drawn pictures; resumable."""
import argparse
import math
import time

import torch
import torch.nn.functional as F

from . import start
from .model import NAME
from .optimizer import Optimizer
from .pair import Pair
from .schedule import UNSEEN, load, pictures, rate, save
from .vae import AutoencoderKL

CONFIG = {
    "_class_name": "AutoencoderKL", "_diffusers_version": "0.32.2", "act_fn": "silu",
    "block_out_channels": [32, 64, 96, 128],
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
    "force_upcast": True, "in_channels": 3, "out_channels": 3, "latent_channels": 8, "layers_per_block": 1,
    "latents_mean": None, "latents_std": None, "mid_block_add_attention": True, "norm_num_groups": 8,
    "sample_size": 128, "scaling_factor": 1.0, "shift_factor": 0.0,
    "use_quant_conv": False, "use_post_quant_conv": False,
}
NOISE = 0.1  # added to the latent in training, in units of its standard deviation


def loss_of(y, x):
    """Squared, absolute and gradient error of [B, 3, H, W] pictures."""
    d = y - x
    edge = (d[..., 1:] - d[..., :-1]).abs().mean() + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
    return 5 * d.square().mean() + 0.5 * d.abs().mean() + 0.5 * edge


@torch.no_grad()
def measure(model, count=64, bf16=True):
    """Mean PSNR and SSIM over unseen pictures (8-bit output), and mean and std of their latents."""
    psnr, ssim, latents = [], [], []
    for i in range(0, count, 16):
        x = pictures(range(UNSEEN + i, UNSEEN + min(i + 16, count)))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            z = model.encode(x)[0]
            y = model.decode(z)
        a = ((x + 1) * 127.5).round()
        b = ((y.float().clamp(-1, 1) + 1) * 127.5).round()
        mse = (a - b).square().mean((1, 2, 3))
        psnr += (20 * math.log10(255) - 10 * torch.log10(mse.clamp_min(1e-4))).tolist()
        ssim += ssim_of(a, b).tolist()
        latents.append(z.float())
    z = torch.cat(latents)
    return sum(psnr) / len(psnr), sum(ssim) / len(ssim), z.mean().item(), z.std().item()


def ssim_of(a, b):
    """SSIM of luma with the usual 11x11 Gaussian window: [B]."""
    w = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    a, b = (a * w).sum(1, keepdim=True), (b * w).sum(1, keepdim=True)
    g = torch.exp(-(torch.arange(11.0) - 5) ** 2 / 4.5)
    g = g / g.sum()
    blur = lambda t: F.conv2d(F.conv2d(t, g.view(1, 1, 1, 11)), g.view(1, 1, 11, 1))
    ma, mb = blur(a), blur(b)
    va, vb, cov = blur(a * a) - ma * ma, blur(b * b) - mb * mb, blur(a * b) - ma * mb
    c1, c2 = 6.5025, 58.5225
    return ((2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))).mean((1, 2, 3))


def build():
    torch.manual_seed(0)
    model = AutoencoderKL(CONFIG).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("conv2.weight") or name.endswith("to_out.0.weight"):
                p.mul_(0.2)
    return model


class Pictures:
    """Freshly drawn pictures; batch `step` of a worker is always the same."""

    def __init__(self, first_seed, decoder_only):
        self.first_seed, self.decoder_only = first_seed, decoder_only

    def loss(self, model, step, worker, batch):
        """Error of the pictures after encoder, noise and decoder."""
        first = self.first_seed + (2 * step + worker) * batch
        x = pictures(range(first, first + batch))
        with torch.autocast("cpu", torch.bfloat16):
            with torch.set_grad_enabled(not self.decoder_only):
                mean = model.encode(x)[0].float()
            noise = (0.04 if self.decoder_only else NOISE) * mean.detach().std()
            y = model.decode(mean + noise * torch.randn_like(mean))
        loss = loss_of(y.float(), x)
        penalty = 0.0 if self.decoder_only else 0.001 * (mean.square().mean() - 1).square()
        return loss + penalty, loss.item()


def train(minutes, batch=16, lr=2e-3, decoder_only=False, name="autoencoder.pt", first_seed=0):
    """Trains until `minutes` of training time are used up (over all runs); the checkpoint keeps averaged weights too."""
    model, state = build(), load(name)
    if state and state.get("done") and state["seconds"] >= minutes * 60:
        return
    if decoder_only:
        state = state or {"model": load("autoencoder.pt")["average"], "seconds": 0.0, "step": 0, "log": []}
        model.encoder.requires_grad_(False)
    if state:
        model.load_state_dict(state["model"])
    else:
        start.autoencoder(model, NAME)
    trained = model.decoder if decoder_only else model
    model.share_memory()
    optimizer = Optimizer(trained, 0.998)
    seconds, step, log = 0.0, 0, []
    if state:
        seconds, step, log = (state[k] for k in ("seconds", "step", "log"))
        if "first" in state.get("optimizer", {}):
            optimizer.restore(state["optimizer"])
    base, first, started, last_save, running = seconds, step, time.time(), time.time(), None

    def snapshot(done):
        live = {k: v.clone() for k, v in model.state_dict().items()}
        trained.load_state_dict(optimizer.averaged(trained))
        psnr, ssim, mean, deviation = measure(model)
        averaged = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(live)
        log.append({"minutes": round(seconds / 60, 1), "pictures": step * batch, "psnr": round(psnr, 2), "ssim": round(ssim, 4)})
        print(f"  unseen pictures: PSNR {psnr:.2f} dB, SSIM {ssim:.4f}; latent mean {mean:.3f} std {deviation:.3f}", flush=True)
        save({"model": live, "average": averaged, "optimizer": optimizer.state(), "seconds": seconds, "step": step, "log": log,
              "done": done, "latent_mean": mean, "latent_std": deviation}, name)

    pair = Pair(model, Pictures(first_seed, decoder_only), batch)
    while seconds < minutes * 60:
        factor = rate(seconds / (minutes * 60))
        loss = pair.step(step)
        torch.set_num_threads(2)
        optimizer.step(lr * factor, lr * factor)
        torch.set_num_threads(1)
        step += 1
        seconds = base + time.time() - started
        running = loss if running is None else 0.98 * running + 0.02 * loss
        if step % 100 == 0:
            print(f"{seconds / 60:6.1f} min  step {step}  loss {running:.4f}  {(step - first) * batch / (seconds - base):.1f} pictures/s", flush=True)
        if time.time() - last_save > 150:
            snapshot(False)
            last_save = time.time()
    pair.close()
    snapshot(True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=24)
    parser.add_argument("--decoder-only", action="store_true")
    parser.add_argument("--lr", type=float, default=2e-3)
    a = parser.parse_args()
    torch.set_num_threads(1)
    if a.decoder_only:
        train(a.minutes, lr=a.lr, decoder_only=True, name="decoder.pt", first_seed=400_000_000)
    else:
        train(a.minutes, lr=a.lr, first_seed=300_000_000)
