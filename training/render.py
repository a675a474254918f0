"""Paints scene descriptions with cairo at any size; `python3 -m training.render FILE` writes a contact sheet."""
import argparse
import random
import time

import cairo
import numpy as np
from PIL import Image

from .drawing.landscape import draw_landscape
from .drawing.layout import layout, view_of
from .drawing.pen import PENS, Pen
from .drawing.shapes import arrange, draw_shape, draw_shapes
from .drawing.subjects import SUBJECTS, load
from .scenes import COLOURS, draw_scene

load()
PIXELS = 43  # squares along the shorter side in the pixel style
MASK_DETAIL = 4  # a coverage cell is drawn this many times as fine, then averaged


def surface(height, width, form=cairo.FORMAT_RGB24, unit=None):
    """A surface and a context on it whose unit is the shorter side (or so many pixels)."""
    s = cairo.ImageSurface(form, width, height)
    ctx = cairo.Context(s)
    unit = unit or (min(height, width),) * 2
    ctx.scale(*unit)
    ctx.set_line_cap(cairo.LINE_CAP_ROUND)
    ctx.set_line_join(cairo.LINE_JOIN_ROUND)
    return s, ctx


def paint(scene, height, width, smooth=True):
    """uint8 [height, width, 3]."""
    s, ctx = surface(height, width)
    pen = PENS[scene["style"]](ctx)
    if not smooth:
        ctx.set_antialias(cairo.ANTIALIAS_NONE)
        pen.line_width = 1 / min(height, width)
    (draw_shapes if scene["kind"] == "shapes" else draw_landscape)(pen, scene, width, height)
    s.flush()
    return np.ndarray((height, width, 4), np.uint8, s.get_data(), strides=(s.get_stride(), 4, 1))[..., 2::-1]


def extent(size):
    """(height, width) of a size given as one number or two."""
    return (size, size) if isinstance(size, int) else tuple(size)


def render(scene, size=128):
    """uint8 [H, W, 3] picture of a scene description; size is the side of a square or (height, width)."""
    height, width = extent(size)
    if scene["style"] != "pixel":
        return np.ascontiguousarray(paint(scene, height, width))
    # Drawn small without smoothing, in few colours, and enlarged to exact squares.
    cell = max(2, round(min(height, width) / PIXELS))
    small = paint(scene, -(-height // cell), -(-width // cell), smooth=False)
    small = ((small.astype(np.uint16) + 8) // 17 * 17).astype(np.uint8)
    return np.ascontiguousarray(small.repeat(cell, 0).repeat(cell, 1)[:height, :width])


def mask(draw, height, width, grid):
    """uint8 [grid, grid]: how much of each cell is covered by what draw(pen) paints."""
    n = grid * MASK_DETAIL
    unit = min(height, width)
    s, ctx = surface(n, n, cairo.FORMAT_A8, (n * unit / width, n * unit / height))
    draw(Pen(ctx))
    s.flush()
    a = np.ndarray((n, s.get_stride()), np.uint8, s.get_data())[:, :n]
    return (a.reshape(grid, MASK_DETAIL, grid, MASK_DETAIL).mean((1, 3)) + 0.5).astype(np.uint8)


def coverage(scene, size=128, grid=8):
    """uint8 [groups, grid, grid]: the share (0..255) of each cell that each group of objects, or shape, covers by itself."""
    height, width = extent(size)
    if scene["kind"] == "shapes":
        draws = [lambda p, s=s, at=at: draw_shape(p, s["shape"], COLOURS[s["colour"]], *at)
                 for s, at in zip(scene["shapes"], arrange(scene, width, height))]
    else:
        items = layout(scene, view_of(scene, width, height, random.Random(scene["jitter"])))

        def draw_group(p, group):
            for item in items:
                if item.group == group:
                    with p.at(item.x, item.y, item.k, item.flip):
                        SUBJECTS[item.name].draw(p, COLOURS.get(item.colour), item.vary)
        draws = [lambda p, g=g: draw_group(p, g) for g in range(len(scene["objects"]))]
    masks = [mask(draw, height, width, grid) for draw in draws]
    return np.stack(masks) if masks else np.zeros((0, grid, grid), np.uint8)


def render_with_masks(scene, size=128, grid=8):
    """The picture, uint8 [H, W, 3], and where each group of objects (or shape) is, uint8 [groups, grid, grid]."""
    return render(scene, size), coverage(scene, size, grid)


def sheet(pictures, columns, gap=2):
    """One picture of many of the same size, in rows."""
    h, w = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    out = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = gap + i // columns * (h + gap), gap + i % columns * (w + gap)
        out[y:y + h, x:x + w] = picture
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--count", type=int, default=48)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    start = time.process_time()
    drawn = [render(draw_scene(random.Random(a.seed + i)), a.size) for i in range(a.count)]
    print(f"{a.count / (time.process_time() - start):.0f} pictures/s")
    Image.fromarray(sheet(drawn, a.columns)).save(a.file)
