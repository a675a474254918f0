"""What the model costs: parameters, floating-point operations of a step (by formula), seconds of a step in torch."""
import statistics
import time

import torch

from .model import FLUX, TEXT_WIDTH
from .tokenizers import LENGTH

IMAGE_TOKENS = 64  # of a 128x128 picture


def parameters(painter):
    """Parameters of every part, in millions."""
    m = painter.model
    parts = {"transformer": m.transformer, "text_encoder": m.text_encoder, "text_encoder_2": m.text_encoder_2, "vae": painter.vae}
    return {name: round(sum(p.numel() for p in part.parameters()) / 1e6, 2) for name, part in parts.items()}


def flops(image=IMAGE_TOKENS, text=LENGTH):
    """Operations (a multiplication and an addition are two) of one model call for one sample, by part; `block` of each kind."""
    d = FLUX["num_attention_heads"] * FLUX["attention_head_dim"]
    tokens = image + text
    attention = 4 * tokens * tokens * d  # scores, and the weighted sum of values
    # q, k, v, out and the two layers of the MLP: 4 + 8 = 12 d^2 multiplications a token; modulation 6 d^2 a stream.
    double = 2 * (12 * d * d * tokens + 2 * 6 * d * d) + attention
    # q, k, v 3 d^2, MLP in 4 d^2, both out 5 d^2; modulation 3 d^2.
    single = 2 * (12 * d * d * tokens + 3 * d * d) + attention
    channels = FLUX["in_channels"]
    embed = 2 * (channels * d * image + TEXT_WIDTH * d * text + 256 * d + FLUX["pooled_projection_dim"] * d + 2 * d * d)
    head = 2 * (2 * d * d + channels * d * image)
    total = FLUX["num_layers"] * double + FLUX["num_single_layers"] * single + embed + head
    return {"double_block": double, "single_block": single, "embed": embed, "head": head, "total": total}


@torch.no_grad()
def seconds_per_step(painter, threads=2, runs=12):
    """Median seconds of a model call with both guidance branches (batch 2), float32."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    model, x = painter.model, torch.randn(2, IMAGE_TOKENS, FLUX["in_channels"])
    states, pooled = model.encode(*painter.ids(["a red house", ""]))
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        model.transformer(x, states, pooled, torch.full((2,), 0.5), model.image_ids, model.text_ids)
        taken.append(time.perf_counter() - start)
    torch.set_num_threads(before)
    return round(statistics.median(taken[2:]), 4)
