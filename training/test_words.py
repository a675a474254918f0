"""Tests of captions, tokenizers, labels and adherence: python3 -m unittest training.test_words."""
import random
import unittest

from . import wording
from .adherence import checks
from .attributes import HEADS, SHAPE, SLOT, UNDEFINED, WHOLE, targets, values_of
from .captions import CLIP_SPLIT, MAX_TOKENS, SPLIT, mentions, vocabulary
from .scenes import SLOTS
from .schedule import scene_of
from .text_lessons import OF_NOUN, OF_PICTURE, lesson
from .tokenizers import END, Encoder

SEEDS = range(3000)
CASES = [(scene_of(s), *mentions(scene_of(s), random.Random(s))) for s in SEEDS]


def groups_of(scene):
    return scene["objects"] if scene["kind"] == "landscape" else scene["shapes"]


def perfect(scene):
    """What a classifier without error sees in a scene."""
    found = {k: scene.get(k) for k in WHOLE}
    nothing = {k: None for k in SLOT}
    found["slots"] = {s: nothing for s in SLOTS}
    if scene["kind"] == "landscape":
        found["slots"].update({g["slot"]: g for g in scene["objects"]})
    shapes = [dict(s, name=s["shape"]) for s in scene.get("shapes", [])]
    found["shapes"] = shapes + [{"name": None, "colour": None, "size": None}] * (2 - len(shapes))
    return found


class Captions(unittest.TestCase):
    def test_length_and_words(self):
        words = set(vocabulary())
        for _, text, _ in CASES:
            self.assertLessEqual(max(len(SPLIT.findall(text)), len(CLIP_SPLIT.findall(text))), MAX_TOKENS)
            self.assertLessEqual(set(SPLIT.findall(text)) - set(",.:"), words, text)
            self.assertNotRegex(text, r"[^a-z0-9 ,.:-]|  |^ | $")

    def test_what_is_said_is_so(self):
        for scene, text, said in CASES:
            self.assertEqual(len(said["groups"]), len(groups_of(scene)))
            for group, told in zip(groups_of(scene), said["groups"]):
                nouns = wording.NOUN.get(told["name"]) or [(n,) for n in wording.SHAPE[told["name"]]]
                self.assertIn(SPLIT.findall(text)[told["token"]], {form.split()[-1] for noun in nouns for form in noun}, text)
                for key in ("colour", "size", "slot"):
                    self.assertIn(told[key], (None, group.get(key)), text)
                if told["colour"] and told["colour"] != "purple":
                    self.assertIn(told["colour"], text)
            for key in OF_PICTURE:
                if key in said and said[key] != "somewhere":
                    self.assertEqual(said[key], scene[key], text)

    def test_people_are_not_coloured(self):
        for _, text, _ in CASES:
            self.assertNotRegex(text, r"(white|black|red|yellow|brown) (man|woman|person)")


class Tokens(unittest.TestCase):
    def test_one_token_a_word(self):
        encoder = Encoder()
        for _, text, _ in CASES[:500]:
            self.assertEqual(encoder.t5(text).index(1), len(SPLIT.findall(text)), text)
            self.assertEqual(encoder.clip(text).index(encoder.vocab[END]) - 1, len(CLIP_SPLIT.findall(text)), text)

    def test_lessons_label_the_nouns(self):
        encoder = Encoder()
        cases = CASES[:200]
        _, _, of_noun, of_picture, present = lesson([(text, said) for _, text, said in cases], encoder)
        names = [n for n in OF_NOUN["name"]]
        for row, token, name, *_ in of_noun.tolist():
            self.assertIn(names[name], [g["name"] for g in cases[row][2]["groups"] if g["token"] == token])
            self.assertEqual(present[row, name], 1)
        self.assertEqual(of_picture.shape, (200, len(OF_PICTURE)))


class Adherence(unittest.TestCase):
    def test_the_scene_itself_agrees(self):
        for scene, text, said in CASES:
            wrong = [k for k, ok in checks(said, perfect(scene)) if not ok]
            self.assertEqual(wrong, [], text)

    def test_other_scenes_do_not(self):
        ok = total = 0
        for (_, _, said), (other, _, _) in zip(CASES, CASES[1:]):
            results = checks(said, perfect(other))
            ok, total = ok + sum(r for _, r in results), total + len(results)
        self.assertLess(ok / total, 0.35)

    def test_left_and_right_exchanged(self):
        exchanged = {"left": "right", "right": "left", "middle": "middle"}
        for scene, text, said in CASES:
            sided = any(g["slot"] in ("left", "right") for g in said["groups"]) or said.get("relation", [""])[0] == "left of"
            if scene["kind"] != "landscape" or not sided:
                continue
            found = perfect(scene)
            found["slots"] = {exchanged[s]: g for s, g in found["slots"].items()}
            self.assertFalse(all(ok for _, ok in checks(said, found)), text)


class Labels(unittest.TestCase):
    def test_labels_are_the_scene(self):
        for scene, _, _ in CASES:
            labels = dict(zip(HEADS, targets(scene)))
            for key in WHOLE:
                value = None if labels[key] == UNDEFINED else values_of(key)[labels[key]]
                self.assertEqual(value, scene.get(key))
            if scene["kind"] == "landscape":
                for g in scene["objects"]:
                    for key in SLOT:
                        label = labels[f"{g['slot']} {key}"]
                        self.assertEqual(None if label == UNDEFINED else SLOT[key][label], g[key])
            else:
                self.assertEqual(SHAPE["name"][labels["second name"]], scene["shapes"][1]["shape"] if len(scene["shapes"]) > 1 else None)


if __name__ == "__main__":
    unittest.main()
