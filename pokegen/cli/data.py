"""build the table; import, check and preview sprites

pokedex    rebuild the tables (species, abilities, moves, type chart) from the pokédex that poke-env carries
import     read sprites into the cache that training reads; species by number or name of file or folder
check      what an import holds: what files were taken for, or why they were left out; look for damage
preview    a contact sheet of an import, to look at

examples:
  pokegen data pokedex
  pokegen data import ~/sprites                 (PokeAPI's, a fan game's, a decompilation's, …)
  pokegen data import ~/pokemon --layout flat --out data/kaggle
  pokegen data check
  pokegen data check --files                    (what each file was taken for)
  pokegen data preview --count 100 --out out/preview.png
"""

import argparse
import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pokegen.errors import DataError, UserError
from pokegen.files import writable_folder, write
from pokegen.resources import shipped
from pokegen.trust import echo

if TYPE_CHECKING:
    from pokegen.data.sprites import SpriteFile

SPRITES = Path("data/sprites")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="action", required=True, metavar="{pokedex,import,check,preview}")
    action = verbs.add_parser("pokedex", help="rebuild the tables")
    action.add_argument("--out", type=Path, metavar="DIR", help="folder; default: the shipped tables' own")
    action = verbs.add_parser("import", help="read sprites into the cache")
    action.add_argument("path", type=Path)
    action.add_argument("--layout", default="auto", help="auto, pokeapi, folders or flat; default: %(default)s")
    action.add_argument("--size", type=int, default=128, help="pixels a side: 64, 128 or 256; default: %(default)s")
    action.add_argument("--table", type=Path, metavar="CSV", help="a table of species of your own")
    action.add_argument("--out", type=Path, default=SPRITES, metavar="DIR", help="cache folder; default: %(default)s")
    action = verbs.add_parser("check", help="tell what an import holds")
    action.add_argument("--root", type=Path, default=SPRITES, metavar="DIR", help="cache folder; default: %(default)s")
    action.add_argument("--files", action="store_true", help="a line a file: what it was taken for")
    action = verbs.add_parser("preview", help="a contact sheet of an import")
    action.add_argument("--root", type=Path, default=SPRITES, metavar="DIR", help="cache folder; default: %(default)s")
    action.add_argument("--count", type=int, default=100, metavar="N", help="how many, 1 to 1000; default: %(default)s")
    action.add_argument("--seed", type=int, default=0, metavar="S", help="which; default: %(default)s")
    action.add_argument(
        "--out", type=Path, default=Path("out/preview.png"), metavar="FILE", help="default: %(default)s"
    )


def run(args: argparse.Namespace) -> None:
    {"pokedex": _pokedex, "import": _import, "check": _check, "preview": _preview}[args.action](args)


def _pokedex(args: argparse.Namespace) -> None:
    from pokegen.data.abilities import write_abilities
    from pokegen.data.moves import write_moves, write_type_chart
    from pokegen.data.pokedex import write_pokedex

    folder = args.out or shipped("data")
    writable_folder(folder)
    builders = {"pokedex": write_pokedex, "abilities": write_abilities, "moves": write_moves}
    for name, build in (builders | {"type_chart": write_type_chart}).items():
        build(folder / f"{name}.csv")
        echo(folder / f"{name}.csv")


def _import(args: argparse.Namespace) -> None:
    from pokegen.cli.main import progress
    from pokegen.data.pokedex import load_pokedex
    from pokegen.data.sprites import import_sprites

    report = import_sprites(
        args.path,
        args.out,
        args.layout,
        load_pokedex(args.table),
        args.size,
        track=lambda items, total: progress(items, "sprites", total),
    )
    _tell(Counter(s.game for s in report.sprites), report.layout, "sprites")
    _tell(_reasons(r.reason for r in report.rejected), "rejected", "files")
    echo(report.folder)


def _check(args: argparse.Namespace) -> None:
    from pokegen.data.pokedex import load_pokedex
    from pokegen.data.sprites import REJECTED, load_sprites, read_rows

    load_sprites(args.root, grid=True)
    pixels, index, meta = load_sprites(args.root)
    if hashlib.sha256(pixels.reshape(-1).data).hexdigest() != meta["sha256"]:
        raise DataError(f"{args.root} is damaged: the pixels are not those that were imported. Import again.")
    rejected = read_rows(args.root / REJECTED)
    if args.files:
        names = {s.number: s.name for s in load_pokedex()}
        for s in index:
            echo(f"{s.source}: {s.No} {names.get(s.No, '')}, {_taken_for(s, s.form)}")
        for row in rejected:
            echo(f"{row['source']}: left out, {row['reason']}")
        return
    _tell(Counter(_taken_for(s, "another form") for s in index), "taken for", "sprites")
    _tell(Counter(s.game for s in index), "game", "sprites")
    _tell(Counter(s.style for s in index), "style", "sprites")
    _tell(Counter(s.split for s in index), "split", "sprites")
    species = {s.No: s.split for s in index}
    _tell(Counter(species.values()), "split", "species")
    _tell(_reasons(r["reason"] for r in rejected), "rejected", "files")
    echo(args.root / REJECTED)


def _preview(args: argparse.Namespace) -> None:
    import numpy as np
    from PIL import Image

    from pokegen.data.sprites import load_sprites
    from pokegen.images import grid

    if not 1 <= args.count <= 1000:
        raise UserError(f"count must be from 1 to 1000, got {args.count}.")
    if args.seed < 0:
        raise UserError(f"seed must be 0 or more, got {args.seed}.")
    pixels, _, _ = load_sprites(args.root)
    chosen = np.random.default_rng(args.seed).permutation(len(pixels))[: args.count]
    content = io.BytesIO()
    try:
        kind = Image.registered_extensions()[args.out.suffix.lower()]
        grid(pixels[np.sort(chosen)], columns=math.isqrt(len(chosen) - 1) + 1).save(content, kind)
    except (KeyError, OSError, ValueError) as error:  # Pillow's, for a suffix of no picture or one it only reads
        raise UserError(f"Cannot write {args.out}: expected a picture, such as preview.png, for --out.") from error
    write(args.out, content.getvalue())
    echo(args.out)


def _taken_for(sprite: "SpriteFile", form: str) -> str:
    words = ("shiny" if sprite.shiny else "", "female" if sprite.female else "", form if sprite.form else "")
    return " ".join(["front", *filter(None, words)])


def _reasons(reasons: Iterable[str]) -> Counter[str]:
    return Counter(r.split(" as ")[0].split(" (")[0] for r in reasons)  # without which file, or what Pillow said


def _tell(counts: Counter[str], head: str, unit: str) -> None:
    width = max(map(len, [head, *counts]))
    echo(f"{head:<{width}}  {unit}")
    for key, count in counts.most_common():
        echo(f"{key:<{width}}  {count:>{len(unit)}}")
    echo(f"{'total':<{width}}  {counts.total():>{len(unit)}}\n")
