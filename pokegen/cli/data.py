"""import, check and preview sprites for training; rebuild the tables

import     read a folder of sprites into the cache that training uses; the species comes from file or folder names
check      report what an import contains, why files were left out, and whether it is damaged
preview    draw a contact sheet of an import
pokedex    rebuild the tables (species, abilities, moves, type chart) from poke-env's pokédex

examples:
  pokegen data import ~/sprites                 (from PokeAPI, a fan game, a decompilation, …)
  pokegen data import ~/pokemon --layout flat --out data/kaggle
  pokegen data check
  pokegen data check --files                    (how each file was read)
  pokegen data preview --count 100 --out out/preview.png
  pokegen data pokedex
"""

import argparse
import hashlib
import io
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pokegen.errors import DataError, UserError
from pokegen.files import writable_folder, write
from pokegen.resources import shipped
from pokegen.trust import echo

if TYPE_CHECKING:
    from pokegen.data.sprites import SpriteFile

SPRITES = Path("data/sprites")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="action", required=True, metavar="{import,check,preview,pokedex}")
    action = _parser(verbs, "import", "read a folder of sprites into the cache that training uses")
    action.add_argument("path", type=Path, help="folder with the sprites, or a checkout of PokeAPI's sprites")
    action.add_argument(
        "--layout",
        default="auto",
        help="auto; pokeapi; folders, whose names give the species; or flat, where the files' names do; "
        "default: %(default)s",
    )
    action.add_argument("--size", type=int, default=128, help="side in pixels: 64, 128 or 256; default: %(default)s")
    action.add_argument("--table", type=Path, metavar="CSV", help="your own table of species, see data/README.md")
    action.add_argument("--out", type=Path, default=SPRITES, metavar="DIR", help="cache folder; default: %(default)s")
    action = _parser(verbs, "check", "report what an import contains, and whether it is damaged")
    action.add_argument("--root", type=Path, default=SPRITES, metavar="DIR", help="cache folder; default: %(default)s")
    action.add_argument("--files", action="store_true", help="one line per file: how it was read, or why not")
    action = _parser(verbs, "preview", "draw a contact sheet of an import")
    action.add_argument("--root", type=Path, default=SPRITES, metavar="DIR", help="cache folder; default: %(default)s")
    action.add_argument("--count", type=int, default=100, metavar="N", help="sprites, 1 to 1000; default: %(default)s")
    action.add_argument("--seed", type=int, default=0, metavar="S", help="of their choice; default: %(default)s")
    action.add_argument(
        "--out", type=Path, default=Path("out/preview.png"), metavar="FILE", help="picture file; default: %(default)s"
    )
    action = _parser(verbs, "pokedex", "rebuild the tables (species, moves, type chart) from poke-env's pokédex")
    action.add_argument("--out", type=Path, metavar="DIR", help="folder; default: that of the shipped tables")


def _parser(verbs: Any, name: str, summary: str) -> argparse.ArgumentParser:
    return verbs.add_parser(name, help=summary, description=summary)


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
    from pokegen.data.pokedex import load_pokedex
    from pokegen.data.sprites import import_sprites
    from pokegen.progress import progress

    report = import_sprites(
        args.path,
        args.out,
        args.layout,
        load_pokedex(args.table),
        args.size,
        progress=lambda items, total: progress(items, "sprites", total),
    )
    _print_counts(Counter(s.game for s in report.sprites), report.layout, "sprites")
    _print_counts(_reasons(r.reason for r in report.rejected), "rejected", "files")
    echo(report.folder)


def _check(args: argparse.Namespace) -> None:
    from pokegen.data.pokedex import load_pokedex
    from pokegen.data.sprites import REJECTED, load_sprites, read_rows

    load_sprites(args.root, grid=True)
    pixels, index, meta = load_sprites(args.root)
    if hashlib.sha256(pixels.reshape(-1).data).hexdigest() != meta["sha256"]:
        raise DataError(f"{args.root} is damaged: its pixels have changed since the import. Import again.")
    rejected = read_rows(args.root / REJECTED)
    if args.files:
        names = {s.number: s.name for s in load_pokedex()}
        for s in index:
            echo(f"{s.source}: {s.No} {names.get(s.No, '')}, {_read_as(s, s.form)}")
        for row in rejected:
            echo(f"{row['source']}: left out, {row['reason']}")
        return
    _print_counts(Counter(_read_as(s, "another form") for s in index), "read as", "sprites")
    _print_counts(Counter(s.game for s in index), "game", "sprites")
    _print_counts(Counter(s.style for s in index), "style", "sprites")
    _print_counts(Counter(s.split for s in index), "split", "sprites")
    species = {s.No: s.split for s in index}
    _print_counts(Counter(species.values()), "split", "species")
    _print_counts(_reasons(r["reason"] for r in rejected), "rejected", "files")
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
    except (KeyError, OSError, ValueError) as error:  # Pillow's, for a suffix it does not know or only reads
        raise UserError(f"Cannot write {args.out}: --out must be a picture file such as preview.png.") from error
    write(args.out, content.getvalue())
    echo(args.out)


def _read_as(sprite: "SpriteFile", form: str) -> str:
    words = ("shiny" if sprite.shiny else "", "female" if sprite.female else "", form if sprite.form else "")
    return " ".join(["front", *filter(None, words)])


def _reasons(reasons: Iterable[str]) -> Counter[str]:
    return Counter(r.split(" as ")[0].split(" (")[0] for r in reasons)  # without file names and details


def _print_counts(counts: Counter[str], head: str, unit: str) -> None:
    width = max(map(len, [head, *counts]))
    echo(f"{head:<{width}}  {unit}")
    for key, count in counts.most_common():
        echo(f"{key:<{width}}  {count:>{len(unit)}}")
    echo(f"{'total':<{width}}  {counts.total():>{len(unit)}}\n")
