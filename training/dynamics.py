"""How much the output of every block changes from step to step while the model samples, and a plot of it."""
import cairo
import numpy as np
import torch

from .sample import sample
from .tokenizers import LENGTH


class Watch:
    """Records, per model call, the relative change of every block's image tokens since the call before (text branch only)."""

    def __init__(self, transformer):
        blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
        self.before, self.changes = [None] * len(blocks), [[] for _ in blocks]
        self.handles = [b.register_forward_hook(lambda m, i, out, k=k: self.take(k, out)) for k, b in enumerate(blocks)]

    def take(self, k, out):
        image = out[0] if isinstance(out, tuple) else out[:, LENGTH:]
        image = image[:len(image) // 2].float()  # the second half of the batch is the empty prompt's
        before, self.before[k] = self.before[k], image
        if before is not None:
            self.changes[k].append((image - before).abs().mean((1, 2)) / before.abs().mean((1, 2)))

    def close(self):
        for h in self.handles:
            h.remove()

    def table(self):
        """[blocks, steps - 1, captions]."""
        return torch.stack([torch.stack(c) for c in self.changes]).numpy()


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def measure(painter, texts, steps):
    """Mean relative change [blocks, steps - 1] and how well the first block's tells the last one's."""
    watch = Watch(painter.model.transformer)
    sample(painter.model, *painter.ids(texts), steps=steps)
    watch.close()
    table = watch.table()
    same_step = [correlation(table[0, i], table[-1, i]) for i in range(table.shape[1])]
    return {"steps": steps, "captions": len(texts), "change": np.round(table.mean(2), 4).tolist(),
            "correlation": round(correlation(table[0], table[-1]), 4),
            "correlation_over_captions": round(float(np.mean(same_step)), 4)}


def colour_of(share):
    """Blue for the first block to red for the last."""
    return 0.15 + 0.75 * share, 0.35 * (1 - abs(2 * share - 1)) + 0.15, 0.85 - 0.7 * share


def panel(ctx, result, x, y, w, h, top):
    """One plot: step across, relative change up to `top`, a line per block."""
    change = result["change"]
    ctx.set_source_rgb(0.1, 0.1, 0.1)
    ctx.set_line_width(1)
    ctx.rectangle(x, y, w, h)
    ctx.stroke()
    ctx.set_font_size(12)
    ctx.move_to(x, y - 8)
    ctx.show_text(f"{result['steps']} steps: relative change of each block's output; first with last block: r = {result['correlation']:.2f}")
    for i in range(5):
        value = top * i / 4
        ctx.move_to(x - 38, y + h - h * i / 4 + 4)
        ctx.show_text(f"{value:.2f}")
    for step in range(0, result["steps"], 10):
        ctx.move_to(x + w * step / result["steps"] - 4, y + h + 16)
        ctx.show_text(str(step))
    for k, line in enumerate(change):
        ctx.set_source_rgb(*colour_of(k / (len(change) - 1)))
        ctx.set_line_width(1.4)
        ctx.new_path()
        for i, value in enumerate(line):
            ctx.line_to(x + w * (i + 1) / result["steps"], y + h - h * min(value / top, 1))
        ctx.stroke()


def plot(results, path):
    """One panel per result, side by side, the same scale."""
    w, h, left, gap = 440, 240, 50, 70
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, left + len(results) * (w + gap), h + 90)
    ctx = cairo.Context(surface)
    ctx.set_source_rgb(1, 1, 1)
    ctx.paint()
    top = max(max(max(line) for line in r["change"]) for r in results) * 1.05
    for i, result in enumerate(results):
        panel(ctx, result, left + i * (w + gap), 30, w, h, top)
    blocks = len(results[0]["change"])
    ctx.move_to(left, h + 74)
    ctx.set_font_size(12)
    for k in range(blocks):
        ctx.set_source_rgb(*colour_of(k / (blocks - 1)))
        ctx.show_text(f"block {k}   " if k in (0, blocks - 1) else f"{k}   ")
    surface.write_to_png(path)
