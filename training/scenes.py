"""Draws at random what a picture contains (a scene description), with no pixels and no words yet."""

COLOURS = {
    "red": (222, 45, 45), "orange": (244, 130, 30), "yellow": (252, 212, 45), "green": (52, 164, 72),
    "blue": (45, 98, 220), "purple": (130, 62, 182), "pink": (248, 142, 186), "white": (247, 247, 247),
    "black": (34, 34, 42), "brown": (138, 86, 50),
}
PLAIN = [c for c in COLOURS if c != "brown"]  # brown is for horses alone
SHAPES = ["circle", "square", "triangle", "star", "ring", "heart", "diamond", "cross"]
HOLDERS = ["circle", "square", "triangle", "ring", "heart", "diamond"]  # shapes with room for another inside
PLACES = ["sea", "harbour", "meadow", "forest", "desert", "snow", "town", "sky"]
TIMES = ["day", "sunset", "night"]
WEATHERS = {"clear": 55, "cloudy": 18, "rain": 10, "storm": 7, "fog": 10}
STYLES = {"flat": 55, "outlined": 15, "pixel": 15, "paper-cut": 15}
SHAPE_STYLES = {"flat": 60, "outlined": 20, "paper-cut": 20}
SLOTS = ["left", "middle", "right"]
SIZES = {"small": 12, "medium": 70, "large": 18}
SKYBORNE = ("balloon", "bird")
COUNTABLE = ("boat", "tree", "pine", "bird", "sheep", "balloon", "flower", "cactus", "house")
NARROW = ("tree", "pine", "bird", "balloon", "flower", "cactus")
MOUNTAINOUS = ("sea", "meadow", "desert", "snow")

# What is found where, with weights.
OBJECTS = {
    "sea": {"boat": 8, "lighthouse": 3, "bridge": 2, "bird": 2, "balloon": 2, "palm": 1},
    "harbour": {"boat": 7, "lighthouse": 3, "bridge": 2, "house": 2, "person": 2, "bird": 2, "tower": 1, "balloon": 1},
    "meadow": {"house": 4, "tree": 4, "windmill": 3, "sheep": 3, "horse": 3, "flower": 3, "person": 2, "tent": 2,
               "pine": 1, "car": 1, "tower": 2, "bird": 1, "balloon": 2},
    "forest": {"house": 4, "tent": 4, "tree": 3, "horse": 2, "person": 3, "tower": 2, "flower": 2, "car": 1, "bird": 2,
               "balloon": 1},
    "desert": {"cactus": 5, "pyramid": 5, "palm": 4, "tent": 2, "car": 2, "horse": 2, "person": 1, "tower": 1, "bird": 1,
               "balloon": 2},
    "snow": {"snowman": 5, "pine": 4, "house": 4, "person": 2, "tent": 1, "tower": 1, "horse": 1, "bird": 1, "balloon": 2},
    "town": {"car": 5, "tree": 3, "house": 3, "person": 4, "tower": 3, "bird": 2, "balloon": 2},
    "sky": {"balloon": 5, "bird": 4},
}
LAND_OBJECTS = ["house", "tree", "pine", "palm", "cactus", "tower", "windmill", "car", "person", "sheep", "horse", "tent",
                "flower", "snowman", "pyramid"]
PAINTED = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "white"]
OBJECT_COLOURS = {
    "house": PAINTED, "tree": ["green", "green", "orange", "pink"], "boat": PAINTED, "tower": PAINTED, "car": PAINTED + ["black"],
    "balloon": PAINTED, "bird": PAINTED + ["black"], "person": PAINTED + ["black"], "sheep": ["white", "white", "white", "black"],
    "horse": ["brown", "brown", "white", "black"], "tent": PAINTED, "flower": [c for c in PAINTED if c != "green"],
}


def weighted(rng, weights):
    """One key of a {key: weight} table."""
    return rng.choices(list(weights), list(weights.values()))[0]


def draw_shapes(rng):
    """A plain picture of one or two shapes on a background: dict."""
    count = 1 if rng.random() < 0.4 else 2
    background = rng.choice(PLAIN)
    colours = [c for c in PLAIN if c != background]
    rng.shuffle(colours)
    kinds = [rng.choice(SHAPES) for _ in range(count)]
    relation = weighted(rng, {"vertical": 38, "horizontal": 38, "inside": 24}) if count == 2 else None
    if relation == "inside":
        kinds[1] = rng.choice(HOLDERS)
        sizes = ["small", "large"]
    elif count == 2:
        sizes = ["medium", "medium"] if rng.random() < 0.7 else rng.choice([["small", "large"], ["large", "small"]])
        # Both may share kind or colour, never both.
        if kinds[0] != kinds[1] and rng.random() < 0.12:
            colours[1] = colours[0]
    else:
        sizes = [weighted(rng, {"small": 25, "medium": 45, "large": 30})]
    return {
        "kind": "shapes", "background": background, "style": weighted(rng, SHAPE_STYLES), "relation": relation,
        "shapes": [{"shape": k, "colour": c, "size": s} for k, c, s in zip(kinds, colours, sizes)],
        "jitter": rng.getrandbits(32),
    }


def pick_colour(rng, name, place, time, taken):
    """A colour of that object that can be seen there and that no other of its kind has, or None."""
    colours = OBJECT_COLOURS.get(name)
    if colours is None:
        return None
    lost = {"black"} if time == "night" else set()
    if place == "snow":
        lost.add("white")
    fit = [c for c in colours if c not in lost and (name, c) not in taken] or colours
    return rng.choice(fit)


def pick_count(rng, name, groups, size):
    """How many of it stand together, and the size they then have."""
    if name not in COUNTABLE or size == "large" or rng.random() > {1: 0.5, 2: 0.3}.get(groups, 0):
        return 1, size
    if groups == 1:
        return rng.choice([2, 3]), size
    # Beside another group there is only room for a few small ones.
    return rng.choice([2, 3]) if name in NARROW else 2, "small"


def draw_groups(rng, place, time):
    """Nought to three groups of objects, no two in the same slot: list of dicts."""
    number = rng.choices([0, 1, 2, 3], [12, 42, 36, 10])[0]
    groups, taken = [], set()
    for _ in range(number):
        for _ in range(8):
            anywhere = place not in ("sea", "sky") and rng.random() < 0.1
            name = rng.choice(LAND_OBJECTS) if anywhere else weighted(rng, OBJECTS[place])
            if name in OBJECT_COLOURS or (name, None) not in taken:
                break
        colour = pick_colour(rng, name, place, time, taken)
        taken.add((name, colour))
        size = weighted(rng, SIZES)
        if number == 3 and size == "large":
            size = "medium"
        count, size = pick_count(rng, name, number, size)
        groups.append({"name": name, "colour": colour, "size": size, "slot": "middle", "count": count})
    if number == 2 and any(g["size"] == "large" or g["count"] > 1 for g in groups):
        slots = rng.sample(["left", "right"], 2)  # large or many things leave no room beside them
    else:
        slots = rng.sample(SLOTS, number)
    for group, slot in zip(groups, slots):
        group["slot"] = "middle" if number == 1 and group["count"] > 1 else slot
    return groups


def draw_landscape(rng):
    """A landscape with up to three groups of objects: dict."""
    place, time = rng.choice(PLACES), rng.choice(TIMES)
    weathers = {w: n for w, n in WEATHERS.items() if place != "sky" or w in ("clear", "cloudy")}
    weather = weighted(rng, weathers)
    groups = draw_groups(rng, place, time)
    light = None
    if weather in ("clear", "cloudy"):
        # The sun or moon never stands behind what flies; a lone flock takes the whole sky.
        flying = [g for g in groups if g["name"] in SKYBORNE]
        blocked = {g["slot"] for g in flying}
        if any(g["count"] > 1 for g in flying):
            blocked = set(SLOTS) if len(groups) == 1 else blocked
        free = [s for s in SLOTS if s not in blocked]
        light = rng.choice(free) if free and rng.random() < 0.85 else None
    mountains = None
    if place in MOUNTAINOUS and weather != "fog" and rng.random() < 0.4:
        mountains = "snowy" if rng.random() < 0.4 else "plain"
    return {
        "kind": "landscape", "place": place, "time": time, "weather": weather, "light": light, "mountains": mountains,
        "stars": time == "night" and weather == "clear" and rng.random() < 0.7,
        "rainbow": time == "day" and weather != "fog" and weather != "storm" and rng.random() < 0.04,
        "style": weighted(rng, STYLES), "objects": groups, "jitter": rng.getrandbits(32),
    }


def draw_scene(rng, shapes_share=0.2):
    """One scene description from a random.Random."""
    return draw_shapes(rng) if rng.random() < shapes_share else draw_landscape(rng)
