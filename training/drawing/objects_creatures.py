"""The living, and the snowman: bird, sheep, horse and person."""
from .palette import shade
from .pen import box, disc, path, poly
from .subjects import subject

INK, BEAK, SKIN = (40, 36, 46), (246, 160, 40), (250, 206, 170)


def bright(colour):
    return colour[0] * 0.3 + colour[1] * 0.6 + colour[2] * 0.1


@subject("bird", 1.68, 0.7, flips=True, flies=True)
def bird(p, colour, vary):
    far = shade(colour, 0.72) if bright(colour) > 60 else (78, 78, 92)
    p.draw(far, path("M0.02 -0.02 C0.0 -0.3 0.14 -0.56 0.42 -0.66 C0.46 -0.36 0.4 -0.12 0.26 0.04 Z"), edge=0.8)
    p.draw(shade(colour, 0.86) if bright(colour) > 60 else colour, poly((-0.42, 0.0), (-0.82, -0.16), (-0.76, 0.06), (-0.84, 0.24),
                                                                        (-0.4, 0.18)), edge=0.8)
    p.draw(colour, path("M-0.52 0.08 C-0.3 -0.14 0.1 -0.2 0.34 -0.16 C0.4 -0.3 0.66 -0.28 0.66 -0.06 C0.66 0.1 0.5 0.16 0.42 0.2 "
                        "C0.16 0.42 -0.3 0.36 -0.52 0.08 Z"))
    p.draw(BEAK, poly((0.63, -0.13), (0.84, -0.03), (0.63, 0.03)), edge=0.7)
    p.draw(INK if bright(colour) > 60 else (250, 250, 250), disc(0.53, -0.1, 0.045), edge=0)
    wing = shade(colour, 0.9) if bright(colour) > 60 else (58, 58, 70)
    p.draw(wing, path("M0.2 0.06 C0.06 -0.3 -0.2 -0.56 -0.5 -0.66 C-0.5 -0.3 -0.4 0.0 -0.16 0.16 C0.0 0.22 0.16 0.18 0.2 0.06 Z"))


@subject("sheep", 1.3, 0.85, flips=True)
def sheep(p, colour, vary):
    black = bright(colour) < 60
    wool = (64, 62, 72) if black else (250, 248, 240)
    face = (34, 32, 40) if black else (62, 54, 60)
    for x in (-0.34, -0.18, 0.14, 0.3):
        p.draw(face, box(x - 0.045, -0.34, x + 0.045, 0), edge=0.7)
    p.draw(wool, disc(-0.38, -0.52, 0.22), disc(-0.16, -0.68, 0.25), disc(0.14, -0.68, 0.24), disc(0.32, -0.5, 0.22),
           disc(-0.16, -0.42, 0.22), disc(0.12, -0.42, 0.22), disc(0, -0.55, 0.25))
    p.draw(shade(wool, 0.86), path("M-0.5 -0.42 C-0.2 -0.3 0.2 -0.3 0.46 -0.4 C0.4 -0.22 0.2 -0.18 0.0 -0.22 "
                                   "C-0.2 -0.18 -0.42 -0.22 -0.5 -0.42 Z"), edge=0)
    p.draw(face, disc(0.5, -0.66, 0.14, 0.19), disc(0.36, -0.76, 0.1, 0.055), disc(0.62, -0.78, 0.07, 0.05))
    p.draw(wool, disc(0.46, -0.86, 0.12, 0.1), edge=0.6)
    p.draw((255, 255, 255), disc(0.53, -0.68, 0.04), edge=0)


@subject("horse", 1.2, 1.05, flips=True)
def horse(p, colour, vary):
    black, white = bright(colour) < 60, bright(colour) > 200
    mane = (84, 82, 96) if black else (206, 198, 192) if white else (70, 42, 30)
    p.draw(mane, path("M-0.36 -0.62 C-0.56 -0.62 -0.58 -0.4 -0.54 -0.2 C-0.46 -0.28 -0.42 -0.4 -0.34 -0.5 Z"), edge=0.8)
    far = (54, 54, 64) if black else shade(colour, 0.78)
    p.draw(far, poly((-0.26, -0.4), (-0.12, -0.4), (-0.15, 0), (-0.24, 0)), poly((0.1, -0.4), (0.22, -0.4), (0.2, 0), (0.11, 0)),
           edge=0.8)
    p.draw(colour, path("M-0.4 -0.56 C-0.34 -0.7 -0.1 -0.62 0.1 -0.66 C0.2 -0.68 0.26 -0.86 0.33 -0.92 L0.35 -1.0 L0.42 -0.93 "
                        "C0.5 -0.88 0.58 -0.78 0.62 -0.72 C0.6 -0.64 0.54 -0.64 0.48 -0.67 L0.4 -0.69 "
                        "C0.38 -0.56 0.38 -0.44 0.3 -0.36 L0.32 -0.18 L0.33 0 L0.24 0 L0.2 -0.3 "
                        "C0.06 -0.26 -0.14 -0.28 -0.22 -0.32 L-0.3 -0.16 L-0.3 0 L-0.39 0 L-0.4 -0.2 C-0.38 -0.32 -0.44 -0.44 -0.4 -0.56 Z"))
    p.draw(mane, path("M0.36 -0.95 C0.24 -0.92 0.18 -0.76 0.08 -0.66 C0.16 -0.58 0.24 -0.6 0.27 -0.64 "
                      "C0.26 -0.74 0.32 -0.84 0.36 -0.95 Z"), edge=0.6)
    p.draw((250, 250, 250) if black else INK, disc(0.44, -0.83, 0.025), edge=0)


@subject("person", 0.55, 1.1)
def person(p, colour, vary):
    trousers, hair = (58, 66, 96), (96, 58, 36) if vary < 0.5 else (46, 38, 40)
    if bright(colour) < 60:
        trousers = (120, 116, 124)
    if vary > 0.6:
        p.draw(hair, disc(0, -0.81, 0.2), box(-0.2, -0.81, 0.2, -0.6, 0.05))
    p.draw(trousers, box(-0.13, -0.3, -0.015, 0.0), box(0.015, -0.3, 0.13, 0.0))
    p.draw(colour, path("M-0.12 -0.68 L0.12 -0.68 C0.24 -0.66 0.27 -0.5 0.28 -0.36 L0.18 -0.34 L0.16 -0.46 L0.2 -0.22 "
                        "L-0.2 -0.22 L-0.16 -0.46 L-0.18 -0.34 L-0.28 -0.36 C-0.27 -0.5 -0.24 -0.66 -0.12 -0.68 Z"))
    p.draw(SKIN, disc(-0.23, -0.33, 0.05), disc(0.23, -0.33, 0.05), edge=0.6)
    p.line(shade(colour, 0.7) if bright(colour) > 60 else (90, 90, 100), 0.03, (0, -0.66), (0, -0.24))
    p.draw(SKIN, disc(0, -0.8, 0.175))
    p.draw(hair, path("M-0.19 -0.8 C-0.22 -1.06 0.22 -1.06 0.19 -0.8 C0.1 -0.91 -0.06 -0.93 -0.19 -0.8 Z"), edge=0.7)
    p.draw(INK, disc(-0.06, -0.77, 0.026), disc(0.07, -0.77, 0.026), edge=0)


@subject("snowman", 0.66, 1.1)
def snowman(p, colour, vary):
    scarf = ((220, 45, 45), (45, 98, 220), (52, 164, 72))[int(vary * 2.99)]
    p.draw((70, 78, 104), disc(0, -0.285, 0.315), disc(0, -0.66, 0.235), edge=0)
    p.line((104, 70, 46), 0.045, (-0.2, -0.42), (-0.36, -0.6))
    p.line((104, 70, 46), 0.045, (0.2, -0.42), (0.36, -0.6))
    p.draw((250, 252, 255), disc(0, -0.28, 0.285))
    p.draw((214, 226, 242), path("M0.28 -0.3 C0.28 -0.08 0.1 0.02 -0.08 -0.01 C0.14 -0.06 0.22 -0.2 0.28 -0.3 Z"), edge=0)
    p.draw((250, 252, 255), disc(0, -0.66, 0.205))
    p.draw(scarf, box(-0.19, -0.54, 0.19, -0.46, 0.035), box(0.06, -0.5, 0.15, -0.3), edge=0.7)
    p.draw(INK, disc(-0.075, -0.71, 0.032), disc(0.075, -0.71, 0.032), disc(0, -0.36, 0.03), disc(0, -0.22, 0.03), edge=0)
    p.draw((246, 130, 30), poly((-0.02, -0.67), (0.2, -0.62), (-0.02, -0.59)), edge=0.5)
    p.draw(INK, box(-0.14, -1.02, 0.14, -0.8), box(-0.23, -0.84, 0.23, -0.79))
    p.draw(scarf, box(-0.14, -0.89, 0.14, -0.845), edge=0)
