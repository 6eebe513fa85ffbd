"""The tokenizer's peers: rustbpe trains, tiktoken encodes, Hugging Face tokenizers loads the export.

    python bench/tokenizer_peer.py bench TEXT VOCAB            # the peers' side of bench/tokenizer.ts
    python bench/tokenizer_peer.py golden test/golden/tokenizer
    python bench/tokenizer_peer.py unicode src/data/splitPatternUnicode.ts
    python bench/tokenizer_peer.py fuzz SEED COUNT             # texts and their chunks, one JSON per line
    python bench/tokenizer_peer.py huggingface FOLDER          # stdin {"texts"}, stdout {"ids"}

Needs `pip install rustbpe tiktoken tokenizers`.
"""

import array
import base64
import hashlib
import json
import os
import random
import sys
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]++[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+"
)
BYTES = {bytes([i]): i for i in range(256)}


def encoding(ranks, pattern=PATTERN, specials=0):
    import tiktoken

    special_tokens = {f"<|reserved_{i}|>": len(ranks) + i for i in range(specials)}
    return tiktoken.Encoding("peer", pat_str=pattern, mergeable_ranks=ranks, special_tokens=special_tokens)


def train(documents, size):
    """Ranks of `size` tokens (without specials) by rustbpe."""
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(documents, size, pattern=PATTERN)
    return {bytes(token): rank for token, rank in tokenizer.get_mergeable_ranks()}


def chunks(text):
    """Byte lengths of the chunks of a short text: with every substring a token, each chunk is one token."""
    ranks = dict(BYTES)
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            ranks.setdefault(text[start:end].encode(), len(ranks))
    tokens = encoding(ranks).encode_ordinary(text)
    lengths = {rank: len(token) for token, rank in ranks.items()}
    return [lengths[token] for token in tokens]


# ------------------------------------------------------------------ texts

NAMES = "Mara Otto Pip Lena Bruno Tess Finn Ada Hugo Nell".split()
PLACES = "harbour orchard mill lighthouse meadow attic workshop".split()
THINGS = "lantern kite spoon compass drum blanket acorn mirror".split()
VERBS = "found lost mended painted carried hid shared wanted".split()
FEELINGS = "happy sad proud sleepy curious brave quiet".split()
FORMS = [
    "{a} {v} the {t} near the {p}.",
    "\"I'm {f},\" said {a}, \"and you're {g}!\"",
    "It was {n} steps to the {p}; {a} didn't count them all.",
    "{a} and {b} {v} a {t}. They'll be {f} tonight.",
    "Was the {t} {f}? {b} couldn't say, but {a} would've known...",
    "In {y} the {p} had {n} windows\u2014none of them {a}'s.",
]
SYLLABLES = "ba ke li mo nu ra se ti vo wen dor fal gim hest jul".split()
WORLD = [
    "Der K\u00e4se schmeckt s\u00fc\u00df; na\u00efve fa\u00e7ade, \u0141\u00f3d\u017a.",
    "\u041c\u0430\u043c\u0430 \u043c\u044b\u043b\u0430 \u0440\u0430\u043c\u0443 12 \u0440\u0430\u0437.",
    "\u5f9e\u524d\u6709\u4e00\u5ea7\u5c71\uff0c\u5c71\u88e1\u6709\u4e00\u5ea7\u5edf\u3002\u7b2c\u4e00\u2160\u2161\u7ae0",
    "\u3080\u304b\u3057\u3080\u304b\u3057\u3001\u3042\u308b\u3068\u3053\u308d\u306b",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0661\u0662\u0663",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e \u096a\u096b\u096c",
    "\U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea ok",
    "for (let i = 0; i < 1024; i++) {\r\n\tsum += a[i] ** 2;\r\n}\r\n\r\n",
    "a\u0301e\u0301 \ufeffBOM \u00a0nbsp\u2003em\u3000ideographic\u0085nel",
    "aaaaaaaaaaaa bbbbbbb ababababab \n\n\n   \n  x",
]


def documents(seed, count):
    """Made-up stories with some text of other scripts; nothing quoted."""
    rng = random.Random(seed)
    out = []
    for index in range(count):
        lines = []
        for _ in range(rng.randint(3, 9)):
            form = rng.choice(FORMS)
            lines.append(
                form.format(
                    a=rng.choice(NAMES), b=rng.choice(NAMES), p=rng.choice(PLACES), t=rng.choice(THINGS),
                    v=rng.choice(VERBS), f=rng.choice(FEELINGS), g=rng.choice(FEELINGS),
                    n=rng.randint(2, 12345), y=rng.randint(1200, 2099),
                )
            )
        made_up = ["".join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 3))) for _ in range(4)]
        lines.append(f"{made_up[0].title()} {made_up[1]}, {' '.join(made_up[2:])}!")
        if index % 4 == 0:
            lines.append(rng.choice(WORLD))
        out.append(rng.choice([" ", " ", "\n", "\n\n"]).join(lines))
    return out


POOL = (
    "aZsSdDmMtTlLvVrReEkK\u017f\u212a'''    \t\n\n\r\r\x0b\x0c\x00\x1c\x1f.,!-_\"#<|>0123456789"
    "\u0085\u00a0\u1680\u2000\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff\u180e\u2019\u00aa\u00b2\u00bd"
    "\u00e9\u00df\u0301\u0130\u01c5\u02b0\u0378\u0660\u0966\u0e01\u0e33\u1100\u1fff\u2160\u2460\u3007\u3042"
    "\u4e00\u9fff\ua000\uac00\ud7a3\ue000\uf900\ufb06\ufdd0\uff10\uff21\ufffd\uffff\U00010000\U00010140"
    "\U0001d400\U0001d7ce\U0001f1e6\U0001f600\U00020000\U0002a6df\U0002ebf0\U000323af\U000e0001\U0010ffff"
    "\ua7ce\U00010940\U00011de0\U000323b0"  # letters and numbers that Unicode 17 added
)


def fuzz_texts(seed, count):
    rng = random.Random(seed)
    for _ in range(count):
        length = rng.randint(1, 24)
        mode = rng.random()
        if mode < 0.6:
            alphabet = [rng.choice(POOL) for _ in range(rng.randint(1, 6))]
            yield "".join(rng.choice(alphabet) for _ in range(length))
        elif mode < 0.9:
            yield "".join(rng.choice(POOL) for _ in range(length))
        else:
            points = (rng.choice([0x80, 0x3000, 0x11000, 0x110000]) for _ in range(length))
            codes = (rng.randrange(limit) for limit in points)
            yield "".join(chr(c) for c in codes if not 0xD800 <= c <= 0xDFFF)


# ------------------------------------------------------------------ commands


def golden(folder):
    os.makedirs(folder, exist_ok=True)

    def write(name, text):
        with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as file:
            file.write(text)

    texts = documents(1, 160)
    ranks = train(texts, 1020)
    assert len(ranks) == 1020
    encoder = encoding(ranks)
    write("documents.json", json.dumps(texts, ensure_ascii=True, indent=0) + "\n")
    write("ranks.tiktoken", "".join(f"{base64.b64encode(t).decode()} {r}\n" for t, r in ranks.items()))

    probes = WORLD + documents(2, 3) + ["", "a" * 300, "ab" * 150, " " * 200, "<|reserved_0|>x<|reserved_3|>"]
    probes += list(fuzz_texts(3, 600))
    cases = [
        {"text": text, "ids": encoder.encode_ordinary(text), "chunks": chunks(text) if len(text) <= 24 else None}
        for text in probes
    ]
    write("cases.json", "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")

    # Until no pair remains: ties, overlapping repeats, merges of merges.
    rng = random.Random(4)
    small = [["aaa"], ["aaaa aaaaa"], ["ab ba ab ba"], ["abababab"], ["aaabaaab caaa"], [], ["x"], ["12121 212"]]
    for _ in range(60):
        letters = rng.choice(["ab", "abc", "a b", "ab\n", "\u00e9\u00e8"])
        small.append(["".join(rng.choice(letters) for _ in range(rng.randint(2, 40))) for _ in range(rng.randint(1, 4))])
    exhausted = []
    for texts in small:
        ranks = train(texts, 600)
        exhausted.append({"documents": texts, "tokens": [t.hex() for t, r in ranks.items() if r >= 256]})
    write("exhausted.json", "[\n" + ",\n".join(json.dumps(case) for case in exhausted) + "\n]\n")


def ranges(name):
    """Code point ranges of a class as the peers' regex engine knows it."""
    encoder = encoding(BYTES, rf"\p{{{name}}}")
    out = []
    for code in range(0x110000):
        if 0xD800 <= code <= 0xDFFF or not encoder.encode_ordinary(chr(code)):
            continue
        if out and out[-1][1] == code - 1:
            out[-1][1] = code
        else:
            out.append([code, code])
    return out


def base36(value):
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return (base36(value // 36) if value >= 36 else "") + digits[value % 36]


def unicode(path):
    parts = [
        "// Letters and numbers of Unicode 16.0, the version of the regex engine in rustbpe and tiktoken, so that",
        "// the split does not change with the Unicode version of the JavaScript engine.",
        "// Made by `python bench/tokenizer_peer.py unicode`; each pair is a gap and a length in base 36.",
        "",
    ]
    for name, title in (("L", "LETTER_RANGES"), ("N", "NUMBER_RANGES")):
        previous, words = 0, []
        for first, last in ranges(name):
            words += [base36(first - previous), base36(last - first + 1)]
            previous = last + 1
        lines, line = [], ""
        for word in words:
            if len(line) + len(word) + 1 > 100:
                lines.append(line)
                line = ""
            line += (" " if line or lines else "") + word
        lines.append(line)
        parts.append(f"/** General category {name}. */")
        parts.append(f"export const {title} =\n" + " +\n".join(f"  '{text}'" for text in lines) + ";\n")
    with open(path, "w") as file:
        file.write("\n".join(parts).rstrip("\n") + "\n")


def fuzz(seed, count):
    for text in fuzz_texts(seed, count):
        print(json.dumps({"text": text, "chunks": chunks(text)}))


def huggingface(folder):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    texts = json.load(sys.stdin)["texts"]
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    decoded = [tokenizer.decode(row, skip_special_tokens=False) for row in ids]
    bos = tokenizer.token_to_id("<|reserved_0|>")
    json.dump({"ids": ids, "decoded": decoded, "bos": bos, "size": tokenizer.get_vocab_size()}, sys.stdout)


def timed(run):
    """Wall and CPU seconds of a run, and its result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}, result


def bench(path, vocab_size):
    """Answers each line `train` or `encode` on stdin with one JSON line; a document ends at <|endoftext|>."""
    with open(path, "rb") as file:
        texts = file.read().decode("utf-8", errors="replace").split("<|endoftext|>")
    ranks, encoder = {}, None
    for line in sys.stdin:
        out = {}
        try:
            if line.strip() == "train":
                out, ranks = timed(lambda: train(texts, vocab_size - 4))
                lines = "".join(f"{base64.b64encode(t).decode()} {r}\n" for t, r in ranks.items())
                out["sha256"] = hashlib.sha256(lines.encode()).hexdigest()
            else:
                encoder = encoder or encoding(ranks)
                out, rows = timed(lambda: [encoder.encode_ordinary(text) for text in texts])
                flat = hashlib.sha256()
                for row in rows:
                    flat.update(array.array("I", row))
                out["sha256"] = flat.hexdigest()
        except ImportError as error:
            out = {"absent": str(error)}
        print(json.dumps(out), flush=True)


if __name__ == "__main__":
    command, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if command == "bench":
        bench(arguments[0], int(arguments[1]))
    elif command == "golden":
        golden(arguments[0])
    elif command == "unicode":
        unicode(arguments[0])
    elif command == "fuzz":
        fuzz(int(arguments[0]), int(arguments[1]))
    elif command == "huggingface":
        huggingface(arguments[0])
    else:
        sys.exit(__doc__)
