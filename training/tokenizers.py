"""Builds the two tokenizers (CLIP-style BPE, T5-style Unigram) from the caption words, and encodes text as they do."""
import collections
import functools
import json
import os
import re

from .captions import vocabulary

LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"
PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"

PYTHON_PATTERN = PATTERN.replace(r"[\p{L}]", r"[^\W\d_]").replace(r"[\p{N}]", r"\d").replace(r"[^\s\p{L}\p{N}]", r"(?:[^\s\w]|_)")


def byte_letters():
    """The 256 printable characters byte-level BPE writes bytes with, by byte value."""
    kept = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    table, extra = {}, 0
    for b in range(256):
        if b in kept:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + extra)
            extra += 1
    return [table[b] for b in kept + [b for b in range(256) if b not in kept]]


def train_merges(words):
    """Merges, most frequent pair first, until every word is one token."""
    split = {w: list(w[:-1]) + [w[-1] + "</w>"] for w in words}
    merges = []
    while any(len(parts) > 1 for parts in split.values()):
        count = collections.Counter(pair for parts in split.values() for pair in zip(parts, parts[1:]))
        best = max(count, key=lambda pair: (count[pair], pair))
        merges.append(best)
        for w in split:
            split[w] = apply_merge(split[w], best)
    return merges


def apply_merge(parts, pair):
    """Joins every occurrence of the pair, left to right."""
    out, i = [], 0
    while i < len(parts):
        if i + 1 < len(parts) and (parts[i], parts[i + 1]) == pair:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return out


def added(content, index):
    return {"id": index, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True}


def clip_tokenizer(words):
    """tokenizer.json content of the CLIP-style tokenizer."""
    letters = byte_letters()
    merges = train_merges(words)
    tokens = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + [START, END]
    vocab = {}
    for t in tokens:
        vocab.setdefault(t, len(vocab))
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(START, vocab[START]), added(END, vocab[END])],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Removed", "invert": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}]},
        "post_processor": {"type": "TemplateProcessing",
                           "single": [{"SpecialToken": {"id": START, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                      {"SpecialToken": {"id": END, "type_id": 0}}],
                           "pair": [{"SpecialToken": {"id": START, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                                    {"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": END, "type_id": 0}}],
                           "special_tokens": {t: {"id": t, "ids": [vocab[t]], "tokens": [t]} for t in (START, END)}},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": END, "continuing_subword_prefix": "",
                  "end_of_word_suffix": "</w>", "fuse_unk": False, "byte_fallback": False, "vocab": vocab,
                  "merges": [" ".join(m) for m in merges]},
    }


def t5_tokenizer(words):
    """tokenizer.json content of the T5-style tokenizer: whole words, then single characters."""
    pieces = [["<pad>", 0.0], ["</s>", 0.0], ["<unk>", 0.0]]
    pieces += [["\u2581" + w, -4.0] for w in words] + [["\u2581", -6.0]]
    pieces += [[chr(c), -8.0] for c in range(33, 127) if not chr(c).isupper()]
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added("<pad>", 0), added("</s>", 1), added("<unk>", 2)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "WhitespaceSplit"},
            {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True, "prepend_scheme": "always"}]},
        "post_processor": {"type": "TemplateProcessing",
                           "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                           "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}},
                                    {"Sequence": {"id": "B", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                           "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
        "decoder": {"type": "Metaspace", "replacement": "\u2581", "add_prefix_space": True, "prepend_scheme": "always"},
        "model": {"type": "Unigram", "unk_id": 2, "vocab": pieces, "byte_fallback": False},
    }


CLIP_CONFIG = {"add_prefix_space": False, "bos_token": START, "clean_up_tokenization_spaces": True, "do_lower_case": True,
               "eos_token": END, "errors": "replace", "model_max_length": LENGTH, "pad_token": END,
               "tokenizer_class": "CLIPTokenizer", "unk_token": END}
T5_CONFIG = {"clean_up_tokenization_spaces": True, "eos_token": "</s>", "extra_ids": 0, "model_max_length": LENGTH,
             "pad_token": "<pad>", "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"}


@functools.lru_cache(None)
def build():
    """(CLIP tokenizer.json, T5 tokenizer.json), always the same for the same caption grammar."""
    words = vocabulary()
    parts = sorted({p for w in words for p in w.split("-")})  # the CLIP pattern splits at hyphens
    return clip_tokenizer(parts + [",", ".", ":", "-"]), t5_tokenizer(words)


class Encoder:
    """Encodes captions to fixed-length id lists, as the two tokenizer.json files describe."""

    def __init__(self):
        clip, t5 = build()
        self.vocab = clip["model"]["vocab"]
        self.ranks = {tuple(m.split(" ")): i for i, m in enumerate(clip["model"]["merges"])}
        self.pattern = re.compile(PYTHON_PATTERN)
        letters = byte_letters()
        kept = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
        self.letters = dict(zip(kept + [b for b in range(256) if b not in kept], letters))
        self.pieces = {p: (i, s) for i, (p, s) in enumerate(t5["model"]["vocab"])}
        self.bpe = functools.lru_cache(None)(self.bpe)
        self.unigram = functools.lru_cache(None)(self.unigram)

    def bpe(self, word):
        parts = [self.letters[b] for b in word.encode()]
        parts[-1] += "</w>"
        while len(parts) > 1:
            best = min(zip(parts, parts[1:]), key=lambda pair: self.ranks.get(pair, 1 << 30))
            if best not in self.ranks:
                break
            parts = apply_merge(parts, best)
        return [self.vocab[p] for p in parts]

    def unigram(self, word):
        """Best-scoring split of one word that begins with the metaspace."""
        best = [(0.0, [])] + [None] * len(word)
        for end in range(1, len(word) + 1):
            for begin in range(end):
                index, score = self.pieces.get(word[begin:end], (2, -18.0) if end - begin == 1 else (None, 0))
                if index is not None and (best[end] is None or best[begin][0] + score > best[end][0]):
                    best[end] = (best[begin][0] + score, best[begin][1] + [index])
        ids = best[-1][1]
        return [x for i, x in enumerate(ids) if x != 2 or i == 0 or ids[i - 1] != 2]  # unknown characters in a row are one

    def clip(self, text):
        ids = [i for w in self.pattern.findall(re.sub(r"\s+", " ", text).lower()) for i in self.bpe(w)]
        ids = [self.vocab[START]] + ids[:LENGTH - 2] + [self.vocab[END]]
        return ids + [self.vocab[END]] * (LENGTH - len(ids))

    def t5(self, text):
        ids = [i for w in text.lower().split() for i in self.unigram("\u2581" + w)][:LENGTH - 1] + [1]
        return ids + [0] * (LENGTH - len(ids))


def write(folder):
    """Writes tokenizer/ and tokenizer_2/ into a model folder."""
    for name, content, config in zip(("tokenizer", "tokenizer_2"), build(), (CLIP_CONFIG, T5_CONFIG)):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for file, value in (("tokenizer.json", content), ("tokenizer_config.json", config)):
            with open(os.path.join(folder, name, file), "w") as f:
                json.dump(value, f, ensure_ascii=False, indent=None if file == "tokenizer.json" else 1)
