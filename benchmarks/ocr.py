"""How legible cards are: the share of words that a text recogniser reads back from their pictures at print size.

    pokegen card --count 200 --seed 0 --out out/ocr
    python benchmarks/ocr.py out/ocr

Read are the name, the HP and the attacks' names, in English or French, from the 744 × 1039 pixels of the card alone.
Spaces do not count, since the recogniser joins words that stand close. Needs `pip install rapidocr-onnxruntime`
(Apache-2.0; its package holds the nets), best in an environment of its own; pokegen is not imported.
"""

import argparse
import json
import re
import unicodedata
from pathlib import Path

import numpy as np
from PIL import Image
from rapidocr_onnxruntime import RapidOCR


def plain(text: str) -> str:
    """Lower-case letters and digits, without accents."""
    letters = unicodedata.normalize("NFKD", text.lower())
    return re.sub(r"[^a-z0-9]", "", letters)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="that `pokegen card` wrote")
    parser.add_argument("--french", type=Path, help="data/french.csv, if the cards are in French")
    args = parser.parse_args()
    french = {}
    if args.french:
        import csv

        with args.french.open(newline="", encoding="utf-8") as file:
            french = {row["English"]: row["French"] for row in csv.DictReader(file) if row["Kind"] == "move"}
    engine = RapidOCR()
    words: dict[str, list[bool]] = {"name": [], "HP": [], "attacks": []}
    missed = []
    for card in json.loads((args.folder / "cards.json").read_text(encoding="utf-8")):
        picture = Image.open(args.folder / card["sprite"].replace("-sprite.png", ".png")).convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        seen = np.asarray(Image.alpha_composite(white, picture).convert("RGB"))[..., ::-1]  # BGR, as OpenCV has it
        lines = [plain(text) for _, text, _ in engine(seen)[0] or ()]
        attacks = [french.get(attack["name"], attack["name"]) for attack in card["attacks"]]
        for kind, texts in {"name": [card["name"]], "HP": [str(card["stats"]["hp"])], "attacks": attacks}.items():
            for word in (word for text in texts for word in text.split() if plain(word)):
                read = any(plain(word) in line for line in lines)
                words[kind].append(read)
                if not read:
                    missed.append(f"{card['number']} {kind} {word}")
    for kind, found in words.items():
        print(f"{kind:8} {sum(found)} of {len(found)} words, {np.mean(found):.2%}")
    every = [read for found in words.values() for read in found]
    print(f"{'all':8} {sum(every)} of {len(every)} words, {np.mean(every):.2%}")
    print("missed:", "; ".join(missed) or "none")


if __name__ == "__main__":
    main()
