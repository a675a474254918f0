"""What lies below the horizon in each place, drawn with a little texture; every function takes (pen, view, look, rng)."""
import math

from .backdrop import distant_pines, far_quay, skyline
from .palette import mix, shade
from .pen import box, disc, poly


def wave(view, y, height, waves, phase):
    """A hill line from border to border, closed at the bottom."""
    n = int(18 * view.w)
    line = [(x, y + height * math.sin(x / view.w * waves * 6.283 + phase))
            for x in (-0.05 + (view.w + 0.1) * i / n for i in range(n + 1))]
    return poly(*line, (view.w + 0.1, view.h + 0.1), (-0.1, view.h + 0.1))


def hills(p, view, look, rng, colours, height=0.018):
    """Overlapping hills from the horizon to the front, each a gradient; gives their upper edges."""
    n, tops = len(colours), []
    for i, colour in enumerate(colours):
        y = view.horizon + (view.h - view.horizon) * (i / n) ** 0.9 * 0.92
        distance = 0.5 * (1 - i / (n - 1)) if n > 1 else 0
        c = look.scenery(colour, distance)
        p.draw(p.gradient(0, y - 0.02, 0, y + 0.3, shade(c, 1.08), shade(c, 0.86)),
               wave(view, y, height * (1 + 0.4 * i), rng.choice([0.7, 1.0, 1.4]), rng.uniform(0, 6.28)))
        tops.append(y)
    return tops


def tufts(p, view, look, rng, colour, number):
    c = look.scenery(colour)
    for _ in range(int(number * view.w)):
        x, y, k = rng.uniform(0.02, view.w - 0.02), rng.uniform(view.horizon + 0.1, view.h - 0.01), rng.uniform(0.02, 0.03)
        for dx in (-0.5, 0.05, 0.6):
            p.line(c, 0.009, (x + dx * k * 0.4, y), (x + dx * k, y - k * (1.2 - abs(dx) * 0.4)), lit=True)


def meadow(p, view, look, rng):
    hills(p, view, look, rng, ((132, 200, 104), (104, 184, 84), (80, 162, 70)), 0.022)
    tufts(p, view, look, rng, (58, 136, 58), 9 if p.smooth else 4)
    for _ in range(int(7 * view.w)):
        x, y = rng.uniform(0.02, view.w - 0.02), rng.uniform(view.horizon + 0.18, view.h - 0.02)
        p.draw(look.scenery(rng.choice([(255, 250, 240), (255, 226, 90), (250, 170, 200)])), disc(x, y, 0.009), lit=True, edge=0)


def forest(p, view, look, rng):
    distant_pines(p, view, look, rng)
    hills(p, view, look, rng, ((100, 158, 82), (74, 132, 64)))
    tufts(p, view, look, rng, (48, 104, 50), 9 if p.smooth else 4)


def desert(p, view, look, rng):
    colours = ((242, 214, 148), (234, 198, 124), (222, 180, 104))
    hills(p, view, look, rng, colours[:2], 0.012)
    dark = look.scenery((206, 160, 92))
    side = rng.choice([0.2, 0.75])
    for at, y, w in ((side, view.horizon + 0.1, 0.5), (0.95 - side, view.horizon + 0.2, 0.62)):
        x, h, lit = (at + rng.uniform(-0.08, 0.08)) * view.w, w * 0.2, look.scenery(colours[1], 0.1)
        p.draw(p.gradient(0, y - h, 0, y + 0.1, shade(lit, 1.12), look.scenery(colours[2])), ("path", (
            ("M", (x - w, y + 0.1)), ("C", (x - w * 0.5, y + 0.06, x - w * 0.2, y - h * 0.9, x, y - h)),
            ("C", (x + w * 0.25, y - h * 0.7, x + w * 0.5, y + 0.05, x + w, y + 0.1)), ("Z", ()))))
        p.draw(dark, ("path", (
            ("M", (x, y - h)), ("C", (x + w * 0.25, y - h * 0.7, x + w * 0.5, y + 0.05, x + w, y + 0.1)),
            ("L", (x + w * 0.1, y + 0.1)), ("C", (x + w * 0.22, y, x - w * 0.08, y - h * 0.5, x, y - h)), ("Z", ()))),
               lit=True, edge=0)
    front = look.scenery(colours[2])
    p.draw(p.gradient(0, view.h * 0.8, 0, view.h, front, shade(front, 0.92)), wave(view, view.h * 0.815, 0.014, 1, rng.uniform(0, 6.28)))
    for _ in range(int(6 * view.w)):
        x, y, w = rng.uniform(0, view.w), rng.uniform(view.h * 0.86, view.h), rng.uniform(0.03, 0.06)
        p.line(dark, 0.009, (x, y), (x + w * 0.3, y - 0.01), (x + w * 0.7, y + 0.003), (x + w, y - 0.006), lit=True)


def snow(p, view, look, rng):
    hills(p, view, look, rng, ((226, 236, 250), (238, 244, 253), (250, 252, 255)), 0.024)
    blue = look.scenery((184, 206, 236))
    for _ in range(int(5 * view.w)):
        x, y, w = rng.uniform(0, view.w), rng.uniform(view.horizon + 0.1, view.h), rng.uniform(0.06, 0.1)
        p.line(blue, 0.011, (x, y), (x + w * 0.5, y - 0.012), (x + w, y), lit=True)


def town(p, view, look, rng):
    skyline(p, view, look, rng)
    y = view.horizon + 0.02
    green = look.scenery((116, 176, 96))
    p.draw(p.gradient(0, y, 0, view.h, shade(green, 1.06), shade(green, 0.9)), box(-0.1, y, view.w + 0.1, view.h + 0.1))
    top = view.h * 0.775
    p.draw(look.scenery((198, 194, 190)), box(-0.1, top - 0.03, view.w + 0.1, view.h + 0.1), lit=True, edge=0.7)
    p.draw(look.scenery((104, 106, 120)), box(-0.1, top, view.w + 0.1, view.h + 0.1), lit=True, edge=0)
    x, mid = rng.uniform(-0.1, 0), view.h * 0.925
    while x < view.w:
        p.draw(look.scenery((244, 236, 200)), box(x, mid, x + 0.11, mid + 0.018), lit=True, edge=0)
        x += 0.2


def water(p, view, look, rng, bottom):
    """The sea from the horizon down to bottom, with rows of wave crests."""
    near, far = look.scenery((22, 88, 164)), look.scenery((74, 160, 216), 0.3)
    if look.weather == "storm":
        near, far = mix(near, look.grey, 0.35), mix(far, look.grey, 0.35)
    p.draw(p.gradient(0, view.horizon, 0, bottom, far, near), box(-0.1, view.horizon, view.w + 0.1, view.h + 0.1))


def crests(p, view, look, rng, bottom):
    crest = mix(look.scenery((170, 218, 244)), look.sky[2], 0.25)
    rough = look.weather in ("storm", "rain")
    y, row = view.horizon + 0.055, 0
    while y < bottom - 0.015:
        x = rng.uniform(-0.1, 0.12)
        k = (0.03 + 0.022 * row) * (1.25 if rough else 1)
        while x < view.w:
            h = k * (0.42 if rough else 0.24)
            if rough:
                p.line(crest, 0.008 + 0.0015 * row, (x, y), (x + k * 0.5, y - h), (x + k, y), (x + k * 1.5, y - h), (x + 2 * k, y),
                       lit=True, alpha=0.72)
            else:
                p.curve(crest, 0.008 + 0.0015 * row, ("path", (
                    ("M", (x, y)), ("Q", (x + k * 0.5, y - 2 * h, x + k, y)), ("Q", (x + k * 1.5, y + 2 * h, x + 2 * k, y)))),
                        lit=True, alpha=0.72)
            x += rng.uniform(0.2, 0.42) + k
        y += 0.05 + 0.014 * row
        row += 1


def sea(p, view, look, rng):
    water(p, view, look, rng, view.h)
    crests(p, view, look, rng, view.h)


def harbour(p, view, look, rng):
    water(p, view, look, rng, view.h * 0.84)
    far_quay(p, view, look, rng)
    crests(p, view, look, rng, view.h * 0.8)
    top = view.quay
    p.draw(look.scenery((206, 190, 168)), box(-0.1, top, view.w + 0.1, view.h + 0.1), lit=True)
    p.draw(look.scenery((168, 150, 132)), box(-0.1, top + 0.035, view.w + 0.1, view.h + 0.1), lit=True, edge=0)
    joint = look.scenery((132, 116, 104))
    for i, y in enumerate((top + 0.035, top + 0.09, top + 0.145)):
        p.line(joint, 0.007, (0, y), (view.w, y), lit=True)
        x = 0.08 * (i % 2)
        while x < view.w and y + 0.055 < view.h + 0.03:
            p.line(joint, 0.007, (x, y), (x, y + 0.055), lit=True)
            x += 0.16


GROUNDS = {"meadow": meadow, "forest": forest, "desert": desert, "snow": snow, "town": town, "sea": sea, "harbour": harbour}
