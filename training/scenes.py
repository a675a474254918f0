"""Draws at random what a picture contains (a scene description), with no pixels and no words yet."""

COLOURS = {
    "red": (220, 45, 45), "orange": (242, 130, 30), "yellow": (250, 208, 45), "green": (55, 160, 70),
    "blue": (45, 95, 215), "purple": (128, 62, 178), "pink": (246, 140, 182), "white": (245, 245, 245),
    "black": (32, 32, 38),
}
BACKGROUNDS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black"]
SHAPES = ["circle", "square", "triangle", "star", "ring", "heart"]
PLACES = ["sea", "meadow", "desert", "snow", "forest", "town"]
TIMES = ["day", "sunset", "night"]
SLOTS = ["left", "middle", "right"]

OBJECTS = {
    "sea": ["boat", "boat", "boat", "lighthouse", "balloon"],
    "meadow": ["house", "house", "tree", "tree", "pine", "car", "balloon"],
    "desert": ["cactus", "cactus", "pyramid", "pyramid", "car", "balloon"],
    "snow": ["snowman", "snowman", "pine", "pine", "house", "balloon"],
    "forest": ["house", "house", "tree", "car", "snowman", "balloon"],
    "town": ["car", "car", "tree", "house", "balloon"],
}
LAND_OBJECTS = ["house", "tree", "pine", "car", "cactus", "pyramid", "snowman", "balloon"]
OBJECT_COLOURS = {
    "house": ["red", "orange", "yellow", "blue", "purple", "pink", "white", "green"],
    "tree": ["green", "green", "orange", "pink"],
    "boat": ["red", "orange", "yellow", "green", "blue", "purple", "pink", "white"],
    "car": ["red", "orange", "yellow", "green", "blue", "purple", "pink", "white"],
    "balloon": ["red", "orange", "yellow", "green", "blue", "purple", "pink", "white"],
}


def draw_shapes(rng):
    """A plain picture of one or two shapes on a background: dict."""
    count = 1 if rng.random() < 0.45 else 2
    background = rng.choice(BACKGROUNDS)
    colours = [c for c in COLOURS if c != background]
    rng.shuffle(colours)
    # Both shapes may share kind or colour, never both.
    kinds = [rng.choice(SHAPES) for _ in range(count)]
    if count == 2 and kinds[0] != kinds[1] and rng.random() < 0.12:
        colours[1] = colours[0]
    size = rng.choice(["small", "large"]) if count == 1 and rng.random() < 0.5 else None
    return {
        "kind": "shapes", "background": background, "size": size,
        "relation": rng.choice(["vertical", "horizontal"]) if count == 2 else None,
        "shapes": [{"shape": kinds[i], "colour": colours[i]} for i in range(count)],
        "jitter": rng.getrandbits(32),
    }


def draw_landscape(rng):
    """A landscape with up to three objects: dict."""
    place, time = rng.choice(PLACES), rng.choice(TIMES)
    count = rng.choices([0, 1, 2, 3], [0.14, 0.42, 0.36, 0.08])[0]
    slots = rng.sample(SLOTS, count)
    pool = OBJECTS[place] if place == "sea" or rng.random() < 0.85 else LAND_OBJECTS
    objects, used = [], set()
    for slot in slots:
        name = rng.choice(pool)
        if name in ("lighthouse", "pyramid", "snowman") and name in used:
            name = "boat" if place == "sea" else "house"
        used.add(name)
        colours = OBJECT_COLOURS.get(name)
        objects.append({"name": name, "colour": rng.choice(colours) if colours else None, "slot": slot})
    mountains = None
    if place not in ("forest", "town") and rng.random() < 0.4:
        mountains = "snowy" if rng.random() < 0.4 else "plain"
    # The sun or moon never stands behind a balloon.
    free = [s for s in SLOTS if not any(o["name"] == "balloon" and o["slot"] == s for o in objects)]
    return {
        "kind": "landscape", "place": place, "time": time,
        "light": rng.choice(free) if free and rng.random() < 0.8 else None,
        "mountains": mountains, "clouds": rng.random() < 0.35,
        "stars": time == "night" and rng.random() < 0.6,
        "objects": objects, "jitter": rng.getrandbits(32),
    }


def draw_scene(rng, shapes_share=0.25):
    """One scene description from a random.Random."""
    return draw_shapes(rng) if rng.random() < shapes_share else draw_landscape(rng)
