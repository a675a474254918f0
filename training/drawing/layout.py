"""Where everything in a scene goes, in units of the picture's shorter side."""
import random
from typing import NamedTuple

from .subjects import load

HEIGHT = {"small": 0.205, "medium": 0.32, "large": 0.44}
BASE = {"small": 0.76, "medium": 0.84, "large": 0.91}  # of the picture's height, where land objects stand
AFLOAT = {"small": 0.72, "medium": 0.8, "large": 0.87}
MOORED = {"small": 0.7, "medium": 0.735, "large": 0.77}  # in a harbour, behind the quay
LIGHT_X = {"left": 0.17, "middle": 0.5, "right": 0.83}
SLOT_X = {"left": 0.2, "middle": 0.5, "right": 0.8}


class Item(NamedTuple):
    """One thing drawn at (x, y), k high."""

    group: int
    name: str
    colour: str
    x: float
    y: float
    k: float
    flip: int
    vary: float


class View(NamedTuple):
    """The picture, w wide and h high (the smaller is 1), and the heights that its place is built around."""

    w: float
    h: float
    horizon: float
    quay: float


def view_of(scene, width, height, rng):
    """The view of a landscape on so many pixels."""
    unit = min(width, height)
    w, h = width / unit, height / unit
    return View(w, h, h * (1.0 if scene["place"] == "sky" else 0.55 + rng.uniform(-0.025, 0.025)), h * 0.835)


def low_light(scene):
    """Whether the sun stands just above the horizon: at sunset, where that is open and nothing stands before it."""
    if any(g["slot"] == scene["light"] or g["count"] > 1 for g in scene["objects"]):
        return False
    return scene["time"] == "sunset" and scene["mountains"] is None and scene["place"] not in ("town", "forest", "harbour", "sky")


def light_at(scene, view, rng):
    """The middle of sun or moon."""
    x = LIGHT_X[scene["light"]] * view.w + rng.uniform(-0.02, 0.02)
    if low_light(scene):
        return x, view.horizon - rng.uniform(0.1, 0.16)
    return x, view.h * 0.15 + rng.uniform(-0.015, 0.02)


def room(scene, group, view):
    """The width a group may take."""
    if len(scene["objects"]) == 1:
        return view.w * 0.9
    slots = {g["slot"] for g in scene["objects"]}
    if len(slots) == 2 and "middle" not in slots:
        return view.w * 0.46
    return view.w * 0.34


def height_of(scene, group, subject, view):
    """Its height, less if the group would not have room."""
    k = min(HEIGHT[group["size"]] * subject.scale, 0.52 * view.h)  # below sun and moon
    alone = len(scene["objects"]) == 1
    space = room(scene, group, view) / (group["count"] * (1.06 if alone else 0.92))
    return min(k, space / subject.width)


def base_of(scene, group, subject, view, rng):
    """Where it stands, floats or (its centre) flies."""
    size, place = group["size"], scene["place"]
    if subject.flies:
        below = 0.07 if scene["light"] and not low_light(scene) else 0  # clear of sun or moon
        if place == "sky":
            return view.h * (rng.uniform(0.3, 0.46) + below)
        return view.h * (0.25 + below) + rng.uniform(-0.03, 0.03)
    if place == "sea":
        return view.h * AFLOAT[size] + rng.uniform(-0.015, 0.015)
    if place == "harbour":
        return view.h * MOORED[size] + rng.uniform(-0.01, 0.01) if subject.floats else view.h * 0.895 + rng.uniform(-0.01, 0.02)
    return view.h * BASE[size] + rng.uniform(-0.02, 0.015)


def place_group(scene, index, view, rng):
    """The members of one group, side by side, fully inside the picture: list of Item."""
    group = scene["objects"][index]
    subject, n = load()[group["name"]], group["count"]
    k = height_of(scene, group, subject, view) * rng.uniform(0.94, 1.06)
    width, base, flip = k * subject.width, base_of(scene, group, subject, view, rng), rng.choice([1, -1])
    spread = n > 1 and len(scene["objects"]) == 1
    step = view.w * (0.3 if n == 3 else 0.36) if spread else width * 0.92
    half = (n - 1) / 2 * step + width / 2
    edge = 0.02
    x = SLOT_X[group["slot"]] * view.w + rng.uniform(-0.03, 0.03)
    x = min(max(x, half + edge), view.w - half - edge) if half * 2 + 2 * edge < view.w else view.w / 2
    items = []
    for i in range(n):
        dy = rng.uniform(-0.035, 0.035) * (2 if subject.flies else 1) if n > 1 else 0
        y = base + dy
        if subject.flies:
            y = max(y, k * 0.54 + 0.02)
        dx, grow = (rng.uniform(-0.015, 0.015), rng.uniform(0.92, 1.06)) if n > 1 else (0, 1)
        items.append(Item(index, group["name"], group["colour"], x + (i - (n - 1) / 2) * step + dx, y, k * grow,
                          flip if subject.flips else 1, rng.random()))
    return items


def layout(scene, view):
    """Every item of a landscape, the farthest first."""
    items = []
    for index in range(len(scene["objects"])):
        items += place_group(scene, index, view, random.Random(scene["jitter"] * 7 + index))
    return sorted(items, key=lambda item: item.y)
