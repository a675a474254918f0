"""Contact sheets of unseen captions, first ones first, nothing chosen: one of many captions, one of many settings."""
import numpy as np
from PIL import Image, ImageDraw

from .captions import unseen
from .render import sheet

STEPS, GUIDANCE = (10, 20, 30, 50), (1.0, 3.0, 5.0)


def small(image, path, colours=256):
    """Writes a PNG of few colours, which takes a third of the room."""
    image.quantize(colours, method=Image.MEDIANCUT, dither=Image.NONE).save(path, optimize=True)


def samples(painter, path, count=64, columns=8):
    """The first captions at 30 steps and guidance 3."""
    pictures = painter.gallery(unseen(count))
    small(Image.fromarray(sheet(pictures, columns)), path)


def settings(painter, path, count=16, side=80, margin=80):
    """A row of the first captions for every number of steps and guidance."""
    rows = [(steps, guidance) for steps in STEPS for guidance in GUIDANCE]
    texts = unseen(count)
    page = Image.new("RGB", (margin + count * (side + 2), len(rows) * (side + 2)), "white")
    pen = ImageDraw.Draw(page)
    for y, (steps, guidance) in enumerate(rows):
        pen.text((4, y * (side + 2) + side // 2 - 14), f"{steps} steps,\nguidance {guidance:g}", fill="black")
        for x, picture in enumerate(painter.gallery(texts, steps, guidance)):
            thumbnail = Image.fromarray(np.ascontiguousarray(picture)).resize((side, side), Image.LANCZOS)
            page.paste(thumbnail, (margin + x * (side + 2), y * (side + 2)))
    small(page, path)
    return [{"steps": s, "guidance": g} for s, g in rows]
