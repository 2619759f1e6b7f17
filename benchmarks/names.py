"""Bits per character of the names model on unseen evolution families, beside interpolated n-grams on the same split.

    python benchmarks/names.py                      the shipped model (checkpoints/names)
    python benchmarks/names.py --checkpoint PATH    a training checkpoint of `configs/names.yaml`, its averaged weights

The n-grams are interpolated with a Dirichlet prior (MacKay & Peto, 1995): every order adds `strength` counts that are
shared out as the order below says. The strength is chosen on the validation split, which favours the n-grams a little.
"""

import argparse
import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import torch

from pokegen.data.tables import NamesDataModule
from pokegen.models.names import ALPHABET, CONDITIONS, NameTrainer, normalise

STRENGTHS = (5, 10, 20, 40, 80)


class NGram:
    """Counts of up to `order` characters; `^` begins a name and `$` ends it."""

    def __init__(self, names: Sequence[str], order: int, strength: float):
        self.order, self.strength = order, strength
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for name in names:
            for context, character in self._pairs(name):
                for length in range(order):
                    self.counts[context[len(context) - length :]][character] += 1

    def _pairs(self, name: str):
        text = "^" * (self.order - 1) + normalise(name) + "$"
        return [(text[i - self.order + 1 : i], text[i]) for i in range(self.order - 1, len(text))]

    def probability(self, context: str, character: str) -> float:
        p = 1 / (len(ALPHABET) + 1)
        for length in range(self.order):
            counts = self.counts.get(context[len(context) - length :], Counter())
            p = (counts[character] + self.strength * p) / (counts.total() + self.strength)
        return p

    def bits_per_character(self, names: Sequence[str]) -> float:
        bits = [-math.log2(self.probability(*pair)) for name in names for pair in self._pairs(name)]
        return sum(bits) / len(bits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", help="a .ckpt of the default network instead of the shipped model")
    args = parser.parse_args()
    splits = NamesDataModule().columns

    print(f"{'model':<28}{'val':>8}{'test':>8}")
    for order in range(1, 6):
        grams = [NGram(splits["train"]["name"], order, strength) for strength in STRENGTHS]
        best = min(grams, key=lambda gram: gram.bits_per_character(splits["val"]["name"]))
        values = [best.bits_per_character(splits[split]["name"]) for split in ("val", "test")]
        print(f"{f'{order}-gram, strength {best.strength}':<28}{values[0]:>8.3f}{values[1]:>8.3f}")

    if args.checkpoint:
        state = torch.load(args.checkpoint, weights_only=True, map_location="cpu")["state_dict"]
        trainer = NameTrainer()
        trainer.load_state_dict({key[4:]: value for key, value in state.items() if key.startswith("ema.")})
        model = trainer.light()
    else:
        from pokegen.hub import load

        model = load("names").model
    for label, keys in (("names, unconditional", ()), ("names, conditions given", CONDITIONS)):
        values = []
        for split in ("val", "test"):
            columns = splits[split]
            values.append(model.bits_per_character(columns["name"], {key: columns[key] for key in keys}))
        print(f"{label:<28}{values[0]:>8.3f}{values[1]:>8.3f}")


if __name__ == "__main__":
    main()
