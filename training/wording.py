"""The words captions are made of: for every thing a picture can contain, the ways to say it."""

# place: as part of a sentence (with its preposition), and as the subject of one.
PLACE = {
    "sea": [("on the sea", "the sea"), ("on the ocean", "the ocean"), ("at sea", "the open sea"), ("on the water", "sea")],
    "harbour": [("in a harbour", "a harbour"), ("in a harbor", "a harbor"), ("in a port", "a small port"),
                ("at the harbour", "harbour")],
    "meadow": [("in a meadow", "a meadow"), ("in a green meadow", "a green meadow"), ("in a field", "a grassy field"),
               ("on green hills", "green hills"), ("on the grass", "meadow")],
    "forest": [("in a forest", "a forest"), ("in the forest", "the forest"), ("in the woods", "the woods"),
               ("in a clearing in the woods", "a forest clearing")],
    "desert": [("in a desert", "a desert"), ("in the desert", "the desert"), ("in a sandy desert", "a sandy desert"),
               ("on sand dunes", "sand dunes")],
    "snow": [("in the snow", "a snowy landscape"), ("in a snowy field", "a snowy field"),
             ("in a winter landscape", "a winter landscape"), ("on snow", "snow")],
    "town": [("in a town", "a town"), ("in a city", "a city"), ("in the city", "the city"), ("in a street", "a city street")],
    "sky": [("in the sky", "the sky"), ("high in the air", "the open sky"), ("up in the sky", "the sky"),
            ("above the clouds", "the sky above the clouds")],
}
TIME = {
    "day": ["by day", "during the day", "at noon", "in daylight", "on a bright day", "at daytime"],
    "sunset": ["at sunset", "in the evening", "at dusk", "at sundown", "in the evening light"],
    "night": ["at night", "by night", "in the night", "on a dark night"],
}
TIME_TAG = {"day": ["day", "daylight", "noon"], "sunset": ["sunset", "evening", "dusk"], "night": ["night", "dark night"]}
# One adjective phrase for time and weather together: "a rainy evening", with "on" before it.
MOMENT = {"day": "day", "sunset": "evening", "night": "night"}
WEATHER_ADJECTIVE = {
    "clear": ["clear", "cloudless"], "cloudy": ["cloudy", "overcast"], "rain": ["rainy", "wet"], "storm": ["stormy"],
    "fog": ["foggy", "misty", "hazy"], "snowfall": ["snowy"],
}
WEATHER = {
    "clear": ["under a clear sky", "with a clear sky"],
    "cloudy": ["with clouds", "under a cloudy sky", "with clouds in the sky", "under clouds"],
    "rain": ["in the rain", "in rain", "with rain falling", "in a rain shower"],
    "storm": ["in a storm", "in a thunderstorm", "with lightning", "with thunder and lightning"],
    "fog": ["in fog", "in the fog", "in mist", "in the mist", "with fog all around"],
    "snowfall": ["in falling snow", "with snow falling", "in a snowfall", "with snowflakes"],
}
WEATHER_TAG = {
    "clear": ["clear sky", "cloudless"], "cloudy": ["clouds", "cloudy", "cloudy sky"], "rain": ["rain", "rainy", "raining"],
    "storm": ["storm", "stormy", "thunderstorm", "lightning"], "fog": ["fog", "foggy", "misty", "mist"],
    "snowfall": ["falling snow", "snowing", "snowfall"],
}
MOUNTAINS = {
    "plain": ["mountains", "mountains in the background", "mountains behind", "distant mountains", "mountains in the distance"],
    "snowy": ["snowy mountains", "snow-capped mountains", "snowy mountains in the background", "snowy peaks",
              "snowy mountains behind"],
}
STARS = ["stars", "a starry sky", "many stars", "stars in the sky"]
RAINBOW = ["a rainbow", "a rainbow in the sky"]
SUN = ["the sun", "the sun", "a sun"]
MOON = ["the moon", "a full moon", "the full moon", "a moon"]
STYLE_BEFORE = {
    "flat": ["flat art of", "a flat drawing of", "flat picture of"],
    "outlined": ["an outlined drawing of", "outlined drawing of", "a cartoon of", "a drawing with outlines of", "outlined"],
    "pixel": ["pixel art of", "a pixel art picture of", "a pixel drawing of", "pixelated"],
    "paper-cut": ["a paper-cut of", "paper-cut of", "a papercut of", "a paper collage of", "paper-cut art of"],
}
STYLE_AFTER = {
    "flat": ["flat art", "in flat style", "flat style"],
    "outlined": ["with outlines", "in outlined style", "outlined", "with black outlines", "cartoon style"],
    "pixel": ["pixel art", "in pixel art style", "as pixel art", "pixel style"],
    "paper-cut": ["in paper-cut style", "paper-cut", "paper-cut style", "made of paper", "as a paper collage"],
}
SLOT = {
    "left": ["on the left", "on the left", "at the left", "on the left side", "to the left"],
    "middle": ["in the middle", "in the center", "in the centre", "in the middle"],
    "right": ["on the right", "on the right", "at the right", "on the right side", "to the right"],
}
SIZE = {"small": ["small", "little", "tiny", "small"], "large": ["large", "big", "huge", "large"]}
COUNT = {2: ["two", "two", "a pair of", "2"], 3: ["three", "three", "3", "a group of three"]}
NOUN = {  # singular and, where several can stand together, plural
    "house": [("house", "houses"), ("house", "houses"), ("cottage", "cottages")],
    "tree": [("tree", "trees")],
    "pine": [("pine tree", "pine trees"), ("pine", "pines"), ("fir tree", "fir trees")],
    "palm": [("palm tree",), ("palm",)],
    "cactus": [("cactus", "cactuses"), ("cactus", "cacti")],
    "boat": [("boat", "boats"), ("boat", "boats"), ("sailboat", "sailboats"), ("sailing boat", "sailing boats")],
    "lighthouse": [("lighthouse",)],
    "bridge": [("bridge",)],
    "tower": [("tower",)],
    "windmill": [("windmill",), ("mill",)],
    "car": [("car",)],
    "balloon": [("hot air balloon", "hot air balloons"), ("balloon", "balloons"), ("balloon", "balloons")],
    "bird": [("bird", "birds")],
    "person": [("man",), ("woman",), ("person",)],
    "sheep": [("sheep", "sheep")],
    "horse": [("horse",)],
    "tent": [("tent",)],
    "flower": [("flower", "flowers")],
    "snowman": [("snowman",)],
    "pyramid": [("pyramid",)],
}
# Where the colour is one part's, some captions say so: singular, plural.
COLOURED_PART = {
    "boat": [("with {a} sail", "with {c} sails")],
    "person": [("in {a} coat",), ("wearing {c}",), ("with {a} coat",), ("in {c}",)],
}
USUAL_COLOUR = {"tree": "green", "sheep": "white", "horse": "brown"}  # said only half the time
COLOUR_WORD = {"purple": ["purple", "purple", "violet"]}  # other colours have one word
SHAPE = {
    "circle": ["circle", "circle", "disc"], "square": ["square"], "triangle": ["triangle"], "star": ["star"],
    "ring": ["ring"], "heart": ["heart"], "diamond": ["diamond"], "cross": ["cross"],
}
# {a} stands first in the scene (above, left, inside), {b} second.
RELATION = {
    "vertical": ["{a} above {b}", "{a} over {b}", "{b} below {a}", "{b} under {a}", "{a} on top of {b}", "{b} beneath {a}",
                 "{a} at the top and {b} at the bottom"],
    "horizontal": ["{a} left of {b}", "{a} to the left of {b}", "{b} right of {a}", "{b} to the right of {a}",
                   "{a} on the left and {b} on the right", "{b} on the right and {a} on the left",
                   "{a} on the left, {b} on the right"],
    "inside": ["{a} inside {b}", "{a} in {b}", "{b} with {a} inside", "{b} around {a}", "{b} containing {a}"],
}
LEFT_OF = ["{a} left of {b}", "{a} to the left of {b}", "{b} right of {a}", "{b} to the right of {a}"]
NEXT_TO = ["{a} next to {b}", "{a} beside {b}", "{a} near {b}"]
BETWEEN = ["{m} between {a} and {b}", "{a}, {m} and {b} from left to right"]
GROUND = ["{text} on {a} background", "{text} on {c}", "{text} on {a} background", "{text} in front of {a} background",
          "on {a} background, {text}", "{text}, {c} background"]
# {things} {where} {when} {sky}: groups, place with preposition, time, everything above them.
SENTENCE = ["{things} {where}{when}{sky}", "{things} {where}{when}{sky}", "{where}{when}, {things}{sky}",
            "{where}{when} there is {things}{sky}"]
SCENE = ["{place}{when} with {rest}", "{place}{when}: {rest}", "{place}{when}, {rest}", "a picture of {place}{when} with {rest}"]
EMPTY = ["{place}{when}", "an empty scene: {place}{when}", "{place}{when} and nothing else"]
COLOURS = ["red", "orange", "yellow", "green", "blue", "pink", "white", "black", "brown"]
JOINING = ["and", "an", "a"]
