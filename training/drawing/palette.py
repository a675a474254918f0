"""Colours of a landscape by time of day and weather: the sky, the ground, and how lightly objects are tinted."""

OUTLINE = (38, 32, 48)
LIT_WINDOW = (255, 224, 112)

SKY = {  # variants of (top, middle, bottom)
    "day": [((58, 142, 232), (128, 196, 248), (222, 242, 252)), ((72, 168, 224), (140, 212, 240), (236, 246, 240)),
            ((84, 132, 226), (152, 192, 250), (226, 234, 254))],
    "sunset": [((72, 54, 136), (226, 96, 122), (255, 190, 104)), ((104, 64, 150), (246, 128, 110), (255, 208, 130)),
               ((56, 62, 140), (200, 100, 150), (255, 170, 120))],
    "night": [((8, 10, 42), (22, 30, 84), (58, 70, 136)), ((14, 8, 48), (38, 28, 92), (84, 70, 146)),
              ((4, 16, 40), (12, 42, 80), (40, 84, 128))],
}
GREY = {  # what the weather mixes in, by weather and time
    "rain": {"day": (150, 166, 184), "sunset": (164, 124, 132), "night": (40, 46, 72)},
    "storm": {"day": (82, 86, 108), "sunset": (92, 66, 92), "night": (26, 26, 46)},
    "fog": {"day": (216, 222, 226), "sunset": (236, 192, 168), "night": (92, 100, 130)},
    "cloudy": {"day": (190, 206, 222), "sunset": (206, 140, 140), "night": (48, 54, 88)},
}
MIX = {"clear": 0, "cloudy": 0.25, "rain": 0.75, "storm": 0.88, "fog": 0.8}
CLOUD = {"day": (255, 255, 255), "sunset": (255, 206, 190), "night": (96, 104, 156)}
DARK_CLOUD = {
    "rain": {"day": (128, 140, 160), "sunset": (132, 94, 116), "night": (58, 64, 96)},
    "storm": {"day": (58, 60, 80), "sunset": (66, 46, 72), "night": (40, 40, 64)},
}
SCENERY = {"day": ((1, 1, 1), (0, 0, 0)), "sunset": ((0.88, 0.7, 0.62), (26, 4, 22)),
           "night": ((0.43, 0.46, 0.57), (2, 5, 26))}
OBJECT = {"day": (1, 1, 1), "sunset": (1.0, 0.91, 0.88), "night": (0.84, 0.84, 0.92)}
LIGHT = {"day": (255, 222, 52), "sunset": (255, 224, 120), "night": (250, 246, 222)}
GLOW = {"day": (255, 246, 170), "sunset": (255, 200, 110), "night": (170, 184, 240)}
MOUNTAIN = (122, 122, 148)


def mix(a, b, t):
    """The colour a share t of the way from a to b."""
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)


def shade(colour, factor):
    """Darker (factor below 1) or lighter (above 1, towards white)."""
    if factor > 1:
        return mix(colour, (255, 255, 255), factor - 1)
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


class Look:
    """Every colour that depends on time and weather."""

    def __init__(self, time, weather, variant):
        self.time, self.weather = time, weather
        self.grey = GREY[weather][time] if weather in GREY else None
        sky = SKY[time][variant % 3]
        if self.grey:
            sky = tuple(mix(c, shade(self.grey, f), MIX[weather]) for c, f in zip(sky, (0.86, 1.0, 1.08)))
        self.sky = sky
        self.cloud = DARK_CLOUD[weather][time] if weather in DARK_CLOUD else CLOUD[time]
        if weather == "fog":
            self.cloud = shade(self.grey, 1.3)
        self.light, self.glow = LIGHT[time], GLOW[time]

    def scenery(self, colour, distance=0.0):
        """A daylight colour of hills, water or walls as it looks now; distance 0..1 fades it into the air."""
        factor, add = SCENERY[self.time]
        c = (colour[0] * factor[0] + add[0], colour[1] * factor[1] + add[1], colour[2] * factor[2] + add[2])
        if self.weather == "storm":
            c = shade(c, 0.78)
        elif self.weather == "rain":
            c = mix(shade(c, 0.92), self.grey, 0.14)
        elif self.weather == "fog":
            c = mix(c, self.grey, 0.26 + 0.45 * distance)
        return mix(c, self.sky[2], 0.4 * distance)

    def tone(self, colour):
        """The colour of an object as it looks now: a light tint, so that its name still fits."""
        f = OBJECT[self.time]
        c = (colour[0] * f[0], colour[1] * f[1], colour[2] * f[2])
        if self.weather == "storm":
            return shade(c, 0.94)
        return mix(c, self.grey, 0.1) if self.weather == "fog" else c
