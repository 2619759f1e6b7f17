"""What stands between a sprite model and a kernel distance of 0: real sprites, made worse by each step that a model or
its data takes.

    python benchmarks/sprites.py floors --tokenizer FOLDER       one seed; half a minute a row

Each row is the half of the training families' sprites that is not the reference, changed as named. A generator that
is perfect in all else cannot come below its row. Columns are the judge's depths (64: texture of a few pixels; 4 and
body: the whole), their mean, which is the panel's `kernel_distance`, that of random networks, and the palette.
"""

import argparse
from collections.abc import Callable, Iterator

import albumentations as A
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pokegen import hub
from pokegen.cli.evaluate import GAMES
from pokegen.data.modules import SpriteDataModule
from pokegen.evaluation.features import Eye, RandomNet, as_images
from pokegen.evaluation.sprites import RANDOM_SEEDS, halves, palette
from pokegen.models.augment import translate
from pokegen.models.pixels import to_pixels
from pokegen.models.tokenizer import Tokenizer

ROW = 800  # pictures


def changes(tokenizer: str | None) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    """Name → images (N, 3, 128, 128) in [-1, 1] → as many, changed."""
    yield "as they are", lambda x: x
    yield "mirrored", lambda x: x.flip(3)
    yield "moved by up to 3 pixels", lambda x: translate(x, 3 / 128)
    yield "rotated by up to 8 degrees", rotated
    yield "halved, doubled by nearest neighbour", lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2)
    yield (
        "halved, doubled by cubic interpolation",
        lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bicubic"),
    )
    upsampler = hub.load("cgan").model.upsampler
    yield "halved, doubled by cgan's upsampler", lambda x: upsampler(F.avg_pool2d(x, 2))
    if tokenizer:
        loaded = hub.load(tokenizer).model
        net: Tokenizer = getattr(loaded, "tokenizer", loaded)
        yield "through the tokenizer and back", lambda x: net.from_tokens(net.tokens(x))


def rotated(images: Tensor) -> Tensor:
    """As SpriteDataModule's `rotation` does."""
    turn = A.Rotate(limit=8, border_mode=0, fill=255, p=1)
    pixels = ((images.permute(0, 2, 3, 1) + 1) * 127.5).round().byte().numpy()
    return torch.from_numpy(np.stack([turn(image=p)["image"] for p in pixels])).permute(0, 3, 1, 2) / 127.5 - 1


def floors(args: argparse.Namespace) -> None:
    data = SpriteDataModule(args.root, games=list(GAMES), rotation=0, flip=0)
    data.setup("test")
    train = data.datasets["train"]
    pictures = train.pixels[train.rows]
    first, second = halves(train.species.numpy(), args.seed)
    judge = Eye(hub.load("judge").model, pictures[first], args.seed)
    random = [Eye(RandomNet(s), pictures[first][:600], args.seed) for s in RANDOM_SEEDS]
    real = pictures[second][:ROW]
    print(f"{'':42}{'64':>7}{'32':>7}{'16':>7}{'8':>7}{'4':>7}{'body':>7}{'mean':>8}{'random':>8}{'palette':>8}")
    for name, change in changes(args.tokenizer):
        with torch.inference_mode():
            made = np.concatenate([to_pixels(change(x).clamp(-1, 1)) for x in as_images(real)])
        depths = list(judge.kernel_distances(judge.look(made)).values())
        other = np.mean([eye.kernel_distance(eye.look(made[:600])) for eye in random])
        cells = "".join(f"{d:7.3f}" for d in depths) + f"{np.mean(depths):8.4f}{other:8.4f}"
        print(f"{name:42}{cells}{np.median([palette(p) for p in made[:250]]):8.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True, metavar="{floors}")
    verb = verbs.add_parser("floors", help="real sprites made worse by each step that a model takes")
    verb.add_argument("--tokenizer", metavar="MODEL", help="zoo name or checkpoint folder, to pass sprites through")
    verb.add_argument("--root", default="data/sprites", metavar="DIR", help="imported sprites; default: %(default)s")
    verb.add_argument("--seed", type=int, default=0, metavar="S", help="default: %(default)s")
    verb.set_defaults(run=floors)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
