"""Paints a landscape from back to front: sky, horizon, ground, objects, weather."""
import random

from ..scenes import COLOURS
from . import sky
from .backdrop import mountains
from .ground import GROUNDS
from .layout import layout, light_at, view_of
from .palette import Look
from .pen import disc, path
from .subjects import SUBJECTS


def shadow(p, look, item, subject):
    """A soft dark patch under what stands on land."""
    k = item.k * subject.width
    p.ctx.set_source_rgba(0, 0, 0.08, 0.2)
    p.trace(disc(item.x, item.y + 0.002, 0.46 * k, 0.022 + 0.02 * k))
    p.ctx.fill()


def island(p, look, item):
    """Sand for a land object at sea."""
    x, y, w = item.x, item.y, item.k * 0.5
    sand = look.scenery((240, 214, 148))
    p.draw(sand, path(f"M{x - w} {y + 0.03} C{x - w * 0.5} {y - 0.05} {x + w * 0.5} {y - 0.05} {x + w} {y + 0.03} Z"), lit=True)


def draw_item(p, item, place, look):
    """One object, with what it stands on."""
    subject = SUBJECTS[item.name]
    if not subject.flies:
        if place == "sea" and not subject.floats:
            island(p, look, item)
        elif not (subject.floats and place in ("sea", "harbour")):
            shadow(p, look, item, subject)
    with p.at(item.x, item.y, item.k, item.flip):
        subject.draw(p, COLOURS.get(item.colour), item.vary)
    if subject.floats and place in ("sea", "harbour"):
        for i, (dy, share) in enumerate(((0.06, 0.5), (0.1, 0.36))):
            half = item.k * subject.width * share
            y = item.y + dy * min(item.k, 0.4)
            p.line((214, 236, 250), 0.011, (item.x - half, y), (item.x + half, y), alpha=0.7 - 0.2 * i)


def strike(p, view, items, rng):
    """Lightning where no object hides it."""
    spots = [view.w * f for f in (0.35, 0.65, 0.18, 0.82, 0.5)]
    clear = [s for s in spots if all(abs(s - i.x) > 0.2 for i in items)]
    sky.lightning(p, view, rng.choice(clear or spots))


def draw_landscape(p, scene, width, height):
    """The whole picture on a pen whose unit is the picture's shorter side."""
    rng = random.Random(scene["jitter"])
    view = view_of(scene, width, height, rng)
    look = Look(scene["time"], scene["weather"], rng.randrange(3))
    items = layout(scene, view)
    place, weather = scene["place"], scene["weather"]
    sky.gradient(p, view, look)
    if scene["stars"]:
        sky.stars(p, view, rng)
    at = light_at(scene, view, rng) if scene["light"] else None
    if at:
        sky.light(p, view, look, at, rng)
    if scene["rainbow"]:
        sky.rainbow(p, view, rng)
    sky.clouds(p, view, look, rng, at)
    if scene["mountains"]:
        mountains(p, view, look, rng, scene["mountains"])
    if place == "sky":
        sky.cloud_sea(p, view, look, rng)
    else:
        GROUNDS[place](p, view, look, rng)
    if weather == "storm":
        strike(p, view, items, rng)
    if at and place == "sea":
        sky.streak(p, view, look, at[0], rng)
    if weather == "fog":
        sky.fog(p, view, look)
    p.tone = look.tone
    for item in items:
        draw_item(p, item, place, look)
    if weather == "fog":
        sky.veil(p, view, look)
    if weather in ("rain", "storm"):
        sky.falling(p, view, look, rng, place == "snow")
