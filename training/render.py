"""Paints a scene description as a 128x128 picture: polygons at four times the size, then averaged down."""
import math
import random

import numpy as np
from PIL import Image, ImageDraw

from .scenes import COLOURS

SIZE, S = 128, 4  # picture side, supersampling
SLOT_X = {"left": 25, "middle": 64, "right": 103}
SKY = {
    "day": ((86, 160, 238), (206, 234, 250)), "sunset": ((96, 58, 140), (252, 152, 88)),
    "night": ((12, 12, 46), (44, 52, 112)),
}
GROUND = {  # back hill, front hill, in daylight
    "meadow": ((112, 186, 84), (84, 160, 66)), "desert": ((236, 204, 132), (218, 178, 102)),
    "snow": ((240, 244, 252), (216, 226, 242)), "forest": ((92, 150, 74), (66, 124, 58)),
    "town": ((150, 152, 160), (112, 114, 124)), "sea": ((42, 116, 184), (24, 84, 150)),
}
LIGHT = {"day": (255, 220, 48), "sunset": (255, 206, 104), "night": (244, 240, 212)}
GLOW = {"day": (255, 240, 150), "sunset": (255, 190, 100), "night": (150, 160, 210)}


def tint(colour, time):
    """The colour as it looks at that time of day."""
    if time == "day":
        return tuple(colour)
    if time == "sunset":
        factor, add = (0.86, 0.72, 0.74), (30, 8, 8)
    else:
        factor, add = (0.56, 0.56, 0.62), (4, 6, 26)
    return tuple(int(min(255, c * f + a)) for c, f, a in zip(colour, factor, add))


class Canvas:
    """An image four times as large, drawn on in 128-pixel coordinates."""

    def __init__(self, image):
        self.image, self.pen = image, ImageDraw.Draw(image)

    def polygon(self, points, colour):
        self.pen.polygon([(x * S, y * S) for x, y in points], fill=colour)

    def box(self, x0, y0, x1, y1, colour):
        self.pen.rectangle([x0 * S, y0 * S, x1 * S - 1, y1 * S - 1], fill=colour)

    def disc(self, x, y, r, colour, ry=None):
        ry = r if ry is None else ry
        self.pen.ellipse([(x - r) * S, (y - ry) * S, (x + r) * S - 1, (y + ry) * S - 1], fill=colour)


def sky_image(time, light):
    """Vertical gradient with a glow around (x, y) or none; a 512x512 image."""
    top, bottom = (np.array(c, np.float32) for c in SKY[time])
    t = np.clip(np.arange(SIZE, dtype=np.float32) / 80, 0, 1)[:, None, None]
    a = np.broadcast_to(top + (bottom - top) * t, (SIZE, SIZE, 3))
    if light:
        yy, xx = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
        d = np.sqrt((xx - light[0]) ** 2 + (yy - light[1]) ** 2)
        g = np.clip(1 - (d - 11) / 16, 0, 1)[..., None] ** 2 * 0.6
        a = a + (np.array(GLOW[time], np.float32) - a) * g
    return Image.fromarray((a + 0.5).astype(np.uint8)).resize((SIZE * S, SIZE * S), Image.NEAREST)


def hill(rng, y, amount):
    """Points of a wavy line from the left border to the right, closed at the bottom."""
    p, q = rng.random() * 6.3, rng.choice([0.9, 1.2, 1.5])
    line = [(x, y + amount * math.sin(x / SIZE * 6.3 * q + p)) for x in range(0, SIZE + 5, 4)]
    return line + [(SIZE + 4, SIZE + 4), (0, SIZE + 4)]


def mountains(c, rng, time, kind, horizon):
    rock = tint((124, 118, 134), time)
    cap = tint((250, 250, 255), time)
    for x, h in ((rng.uniform(8, 22), rng.uniform(22, 30)), (rng.uniform(104, 120), rng.uniform(22, 30)),
                 (rng.uniform(54, 74), rng.uniform(28, 38))):
        w = h * 1.05
        c.polygon([(x - w, horizon + 6), (x, horizon - h), (x + w, horizon + 6)], rock)
        if kind == "snowy":
            top, k = horizon - h, 0.36
            d, y = w * k * h / (h + 6), horizon - h + h * k
            c.polygon([(x, top), (x + d, y), (x + d / 3, y - 2.5), (x, y + 1.5), (x - d / 3, y - 2.5), (x - d, y)], cap)


def clouds(c, rng, time):
    colour = {"day": (255, 255, 255), "sunset": (250, 206, 196), "night": (104, 112, 158)}[time]
    for x in rng.sample([20, 44, 68, 92, 112], 2):
        x, y = x + rng.uniform(-4, 4), rng.uniform(9, 30)
        for dx, dy, r in ((-9, 1, 5), (-2, -2, 7), (6, 0, 6)):
            c.disc(x + dx, y + dy, r, colour, r * 0.8)
        c.box(x - 12, y + 1, x + 11, y + 5.5, colour)


def backdrop(c, rng, scene, horizon):
    """Ground, sea, forest edge or skyline."""
    time, place = scene["time"], scene["place"]
    back, front = (tint(g, time) for g in GROUND[place])
    if place == "sea":
        c.box(0, horizon, SIZE, SIZE, back)
        c.box(0, horizon + 22, SIZE, SIZE, front)
        for _ in range(6):
            x, y = rng.uniform(0, 110), rng.uniform(horizon + 6, 124)
            c.box(x, y, x + rng.uniform(8, 18), y + 1.5, tint((150, 200, 236), time))
        return
    if place == "forest":
        for i in range(9):
            x, h = i * 16 + rng.uniform(-3, 3), rng.uniform(26, 36)
            pine(c, x, horizon + 8, h / 30, time, (34, 96, 62) if i % 2 else (44, 112, 70))
    if place == "town":
        x = -4
        while x < SIZE:
            w, h = rng.choice([16, 20, 24]), rng.uniform(20, 44)
            wall = tint(rng.choice([(128, 140, 166), (150, 134, 150), (108, 122, 148)]), time)
            c.box(x, horizon - h, x + w, horizon + 10, wall)
            glass = (255, 222, 120) if time != "day" else (206, 226, 244)
            for wy in range(int(horizon - h + 4), int(horizon - 4), 9):
                for wx in range(4, w - 5, 7):
                    c.box(x + wx, wy, x + wx + 3.5, wy + 4.5, glass)
            x += w
    c.polygon(hill(rng, horizon, 0 if place == "town" else 2.0), back)
    c.polygon(hill(rng, horizon + 22, 0 if place == "town" else 2.5), front)


def pine(c, x, y, k, time, leaf=(28, 110, 66)):
    leaf = tint(leaf, time)
    c.box(x - 1.8 * k, y - 5 * k, x + 1.8 * k, y, tint((104, 70, 46), time))
    for base, top, w in ((-4, -16, 10), (-11, -23, 8), (-18, -30, 6)):
        c.polygon([(x - w * k, y + base * k), (x, y + top * k), (x + w * k, y + base * k)], leaf)


def house(c, x, y, k, time, colour):
    c.box(x - 12 * k, y - 16 * k, x + 12 * k, y, colour)
    c.polygon([(x - 15 * k, y - 16 * k), (x, y - 29 * k), (x + 15 * k, y - 16 * k)], tint((122, 62, 48), time))
    c.box(x - 8 * k, y - 10 * k, x - 2 * k, y, tint((90, 56, 40), time))
    c.box(x + 2 * k, y - 12 * k, x + 9 * k, y - 5 * k, (255, 226, 120) if time != "day" else (200, 228, 250))


def tree(c, x, y, k, time, colour):
    c.box(x - 2 * k, y - 12 * k, x + 2 * k, y, tint((104, 70, 46), time))
    for dx, dy, r in ((-6, -16, 7), (6, -16, 7), (0, -22, 8.5)):
        c.disc(x + dx * k, y + dy * k, r * k, colour)


def boat(c, x, y, k, time, colour):
    c.polygon([(x + 1 * k, y - 30 * k), (x + 1 * k, y - 6 * k), (x + 14 * k, y - 6 * k)], colour)
    c.polygon([(x - 2 * k, y - 24 * k), (x - 2 * k, y - 6 * k), (x - 11 * k, y - 6 * k)], colour)
    c.box(x - 1 * k, y - 31 * k, x + 0.6 * k, y - 2 * k, tint((90, 58, 40), time))
    c.polygon([(x - 16 * k, y - 4 * k), (x + 16 * k, y - 4 * k), (x + 10 * k, y + 3 * k), (x - 10 * k, y + 3 * k)],
              tint((128, 76, 48), time))


def cactus(c, x, y, k, time, colour):
    green = tint((48, 136, 72), time)
    for dx, top, bottom in ((0, -28, 0), (-8, -20, -10), (8, -23, -13)):
        c.box(x + (dx - 2.6) * k, y + top * k, x + (dx + 2.6) * k, y + bottom * k, green)
        c.disc(x + dx * k, y + top * k, 2.6 * k, green)
    c.box(x - 10 * k, y - 13 * k, x, y - 9 * k, green)
    c.box(x, y - 16 * k, x + 10 * k, y - 12 * k, green)


def pyramid(c, x, y, k, time, colour):
    c.polygon([(x - 19 * k, y), (x, y - 27 * k), (x + 19 * k, y)], tint((226, 176, 92), time))
    c.polygon([(x, y - 27 * k), (x + 19 * k, y), (x + 5 * k, y)], tint((178, 128, 62), time))


def snowman(c, x, y, k, time, colour):
    white, dark = tint((255, 255, 255), time), tint((44, 48, 64), time)
    c.disc(x, y - 7.5 * k, 9.4 * k, dark)
    c.disc(x, y - 20 * k, 7.2 * k, dark)
    c.disc(x, y - 8 * k, 8.4 * k, white)
    c.disc(x, y - 20 * k, 6.2 * k, white)
    c.box(x - 5 * k, y - 32 * k, x + 5 * k, y - 25 * k, dark)
    c.box(x - 8 * k, y - 26 * k, x + 8 * k, y - 24 * k, dark)
    c.polygon([(x, y - 21.5 * k), (x + 7 * k, y - 20 * k), (x, y - 18.5 * k)], tint((245, 130, 30), time))
    c.box(x - 5 * k, y - 16 * k, x + 5 * k, y - 13 * k, tint((220, 45, 45), time))


def lighthouse(c, x, y, k, time, colour):
    c.disc(x, y + 2 * k, 15 * k, tint((112, 106, 104), time), 6 * k)
    for i in range(5):
        w0, w1 = 7 - i * 0.7, 7 - (i + 1) * 0.7
        shade = tint((220, 45, 45) if i % 2 == 0 else (248, 248, 248), time)
        y0, y1 = y - i * 7 * k, y - (i + 1) * 7 * k
        c.polygon([(x - w0 * k, y0), (x + w0 * k, y0), (x + w1 * k, y1), (x - w1 * k, y1)], shade)
    c.box(x - 3.5 * k, y - 41 * k, x + 3.5 * k, y - 35 * k, (255, 232, 120))
    c.polygon([(x - 5 * k, y - 41 * k), (x, y - 47 * k), (x + 5 * k, y - 41 * k)], tint((70, 60, 70), time))


def car(c, x, y, k, time, colour):
    c.polygon([(x - 10 * k, y - 9 * k), (x - 6 * k, y - 17 * k), (x + 6 * k, y - 17 * k), (x + 11 * k, y - 9 * k)], colour)
    c.polygon([(x - 7 * k, y - 9 * k), (x - 4.5 * k, y - 15 * k), (x + 4.5 * k, y - 15 * k), (x + 8 * k, y - 9 * k)],
              tint((206, 230, 248), time))
    c.box(x - 16 * k, y - 10 * k, x + 16 * k, y - 3 * k, colour)
    for dx in (-9, 9):
        c.disc(x + dx * k, y - 3 * k, 4.2 * k, tint((40, 40, 46), time))
        c.disc(x + dx * k, y - 3 * k, 1.7 * k, tint((200, 200, 205), time))


def balloon(c, x, y, k, time, colour):
    c.polygon([(x - 10.5 * k, y + 6 * k), (x + 10.5 * k, y + 6 * k), (x + 3 * k, y + 17 * k), (x - 3 * k, y + 17 * k)], colour)
    c.disc(x, y, 12 * k, colour)
    c.box(x - 3.4 * k, y + 19 * k, x + 3.4 * k, y + 24 * k, tint((120, 76, 46), time))
    for dx in (-2.6, 2.6):
        c.box(x + (dx - 0.5) * k, y + 16 * k, x + (dx + 0.5) * k, y + 20 * k, tint((90, 58, 40), time))


PAINTERS = {"pine": lambda c, x, y, k, time, colour: pine(c, x, y, k * 1.1, time), "house": house, "tree": tree,
            "boat": boat, "cactus": cactus, "pyramid": pyramid, "snowman": snowman, "lighthouse": lighthouse,
            "car": car, "balloon": balloon}


def landscape(scene):
    rng, time = random.Random(scene["jitter"]), scene["time"]
    horizon = 76 + rng.uniform(-3, 3)
    light = None
    if scene["light"]:
        high = (40, 46) if time == "sunset" and scene["mountains"] is None and scene["place"] not in ("town", "forest") else (17, 23)
        light = (SLOT_X[scene["light"]] + rng.uniform(-4, 4), rng.uniform(*high))
    c = Canvas(sky_image(time, light))
    if scene["stars"]:
        for _ in range(14):
            c.disc(rng.uniform(3, 125), rng.uniform(3, 58), rng.choice([0.8, 1.1]), (236, 236, 250))
    if light:
        c.disc(*light, 11, LIGHT[time])
    if scene["clouds"]:
        clouds(c, rng, time)
    if scene["mountains"]:
        mountains(c, rng, time, scene["mountains"], horizon)
    backdrop(c, rng, scene, horizon)
    for o in scene["objects"]:
        x, k = SLOT_X[o["slot"]] + rng.uniform(-4, 4), rng.uniform(0.92, 1.12)
        y = 28 + rng.uniform(0, 8) if o["name"] == "balloon" else rng.uniform(100, 108)
        PAINTERS[o["name"]](c, x, y, k, time, tint(COLOURS[o["colour"]], time) if o["colour"] else None)
    return c.image


def shape_points(name, x, y, r):
    if name == "square":
        h = r * 0.88
        return [(x - h, y - h), (x + h, y - h), (x + h, y + h), (x - h, y + h)]
    if name == "triangle":
        return [(x, y - r), (x + r * 1.05, y + r * 0.85), (x - r * 1.05, y + r * 0.85)]
    if name == "star":
        return [(x + (r * 1.12 if i % 2 == 0 else r * 0.48) * math.sin(i * math.pi / 5),
                 y - (r * 1.12 if i % 2 == 0 else r * 0.48) * math.cos(i * math.pi / 5)) for i in range(10)]
    points = []  # heart
    for i in range(48):
        t = i * 2 * math.pi / 48
        points.append((x + r * 0.066 * 16 * math.sin(t) ** 3,
                       y - r * 0.066 * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t))))
    return points


def shapes(scene):
    rng = random.Random(scene["jitter"])
    background = COLOURS[scene["background"]]
    c = Canvas(Image.new("RGB", (SIZE * S, SIZE * S), background))
    if len(scene["shapes"]) == 1:
        centres = [(64, 64)]
    else:
        centres = [(64, 35), (64, 93)] if scene["relation"] == "vertical" else [(35, 64), (93, 64)]
    for (x, y), s in zip(centres, scene["shapes"]):
        x, y = x + rng.uniform(-3, 3), y + rng.uniform(-3, 3)
        r = rng.uniform(20, 24)
        if len(scene["shapes"]) == 1:
            r = {"small": rng.uniform(13, 16), "large": rng.uniform(38, 42), None: rng.uniform(24, 30)}[scene["size"]]
        colour = COLOURS[s["colour"]]
        if s["shape"] in ("circle", "ring"):
            c.disc(x, y, r, colour)
            if s["shape"] == "ring":
                c.disc(x, y, r * 0.55, background)
        else:
            c.polygon(shape_points(s["shape"], x, y, r), colour)
    return c.image


def render(scene):
    """uint8 [128, 128, 3] picture of a scene description."""
    image = shapes(scene) if scene["kind"] == "shapes" else landscape(scene)
    return np.asarray(image.reduce(S))
