"""Sets of sprites as people have them, drawn by this project: what each file is taken for.

python tests/data/test_sets.py FOLDER        builds the five sets below FOLDER, to try by hand
"""

import sys
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from pokegen.data.pokedex import load_pokedex
from pokegen.data.sample import draw_creature
from pokegen.data.sprites import import_sprites

# A file → the species' number, form, whether shiny, whether female; or the reason why it is left out.
Taken = tuple[int, str, bool, bool] | str
SETS: dict[str, dict[str, Taken]] = {
    "pokeapi": {
        "sprites/pokemon/25.png": (25, "", False, False),
        "sprites/pokemon/shiny/25.png": (25, "", True, False),
        "sprites/pokemon/shiny/female/25.png": (25, "", True, True),
        "sprites/pokemon/back/25.png": "back sprite",
        "sprites/pokemon/10034.png": (6, "mega-x", False, False),
        "sprites/pokemon/201-question.png": (201, "question", False, False),
        "sprites/pokemon/0.png": "no known species",
        "sprites/pokemon/other/official-artwork/3.png": (3, "", False, False),
        "sprites/pokemon/other/home/shiny/3.png": (3, "", True, False),
        "sprites/pokemon/other/dream-world/3.svg": "not a picture (.svg)",
        "sprites/pokemon/other/showdown/25.gif": "animation",
        "sprites/pokemon/other/showdown/back/25.gif": "back sprite",
        "sprites/pokemon/versions/generation-v/black-white/1.png": (1, "", False, False),
        "sprites/pokemon/versions/generation-v/black-white/animated/1.gif": "animation",
        "sprites/pokemon/versions/generation-v/black-white/back/shiny/1.png": "back sprite",
        "sprites/pokemon/versions/generation-vii/icons/1.png": "icon",
    },
    "essentials": {
        "Graphics/Pokemon/Front/ABRA.png": (63, "", False, False),
        "Graphics/Pokemon/Front/CHARIZARD_1.png": (6, "1", False, False),
        "Graphics/Pokemon/Front/NIDORANfE.png": (29, "", False, False),
        "Graphics/Pokemon/Front/UNFEZANT_female.png": (521, "", False, True),
        "Graphics/Pokemon/Front shiny/ABRA.png": (63, "", True, False),
        "Graphics/Pokemon/Front shiny/MRMIME.png": (122, "", True, False),
        "Graphics/Pokemon/Back/ABRA.png": "back sprite",
        "Graphics/Pokemon/Back shiny/ABRA.png": "back sprite",
        "Graphics/Pokemon/Icons/ABRA.png": "icon",
        "Graphics/Pokemon/Icons shiny/ABRA.png": "icon",
        "Graphics/Pokemon/Eggs/000.png": "egg",
        "Graphics/Pokemon/Footprints/ABRA.png": "footprint",
        "Graphics/Pokemon/Shadow/1.png": "shadow",
        "Graphics/Characters/Followers/ABRA.png": "overworld sprite",
        "Graphics/Battlers/004.png": (4, "", False, False),  # as older versions name them
        "Graphics/Battlers/004s.png": (4, "", True, False),
        "Graphics/Battlers/004b.png": "back sprite",
        "Graphics/Items/POTION.png": "no known species",
    },
    "decompilation": {
        "graphics/pokemon/bulbasaur/front.png": (1, "", False, False),
        "graphics/pokemon/bulbasaur/anim_front.png": "same picture as graphics/pokemon/bulbasaur/front.png",
        "graphics/pokemon/bulbasaur/back.png": "back sprite",
        "graphics/pokemon/bulbasaur/icon.png": "icon",
        "graphics/pokemon/bulbasaur/footprint.png": "footprint",
        "graphics/pokemon/bulbasaur/normal.pal": "not a picture (.pal)",
        "graphics/pokemon/charizard/mega_x/front.png": (6, "mega-x", False, False),
        "graphics/pokemon/unown/b/front.png": (201, "b", False, False),
        "graphics/pokemon/nidoran_f/front.png": (29, "", False, False),
        "graphics/pokemon/unfezant/frontf.png": (521, "", False, True),
        "graphics/pokemon/unfezant/backf.png": "back sprite",
        "graphics/object_events/pics/pokemon/abra.png": "overworld sprite",
        "graphics/trainers/front_pics/red.png": "trainer",
        "gfx/pokemon/front/abra.png": (63, "", False, False),
        "gfx/pokemon/back/abrab.png": "back sprite",
    },
    "kaggle": {
        "dataset/train/Abra/1.png": (63, "", False, False),
        "dataset/train/Abra/2eb2a528f9a247358452b3c740df69a0.jpg": (63, "", False, False),
        "dataset/train/MrMime/00000012.jpg": (122, "", False, False),
        "dataset/test/Farfetchd/3.png": (83, "", False, False),
        "dataset/test/Alolan Sandslash/2.png": (28, "alola", False, False),
        "dataset/test/Abra/4 (1).png": (63, "", False, False),
        "dataset/train/Nobody/1.png": "no known species",
        "dataset/classes.csv": "not a picture (.csv)",
    },
    "scraper": {
        "001_Bulbasaur.png": (1, "", False, False),
        "002-ivysaur.jpg": (2, "", False, False),
        "025Pikachu.png": (25, "", False, False),
        "025_Pikachu_2.png": (25, "", False, False),
        "029_Nidoran Female.png": (29, "", False, False),
        "006_Mega Charizard X.png": (6, "mega-x", False, False),
        "0026Raichu-Alola.png": (26, "alola", False, False),
        "003_Venusaur_shiny.png": (3, "", True, False),
        "669_Flabébé.png": (669, "", False, False),
        "001_Bulbasaur (1).png": "same picture as 001_Bulbasaur.png",
        "logo.png": "no known species",
    },
}


def build(root: Path, files: dict[str, Taken]) -> None:
    """Draw a set, each file a creature of its own but for those that are said to be the same."""
    species = load_pokedex()
    for i, (name, taken) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".pal", ".csv", ".svg"):
            path.write_text("no picture")
            continue
        same = list(files).index(taken.removeprefix("same picture as ")) if "same picture" in taken else i
        creature = draw_creature(species[7 * same])
        if "anim_" in name:  # two frames, the second a little lower
            strip = Image.new("RGBA", (creature.width, 2 * creature.height))
            strip.paste(creature, (0, 0))
            strip.paste(creature, (0, creature.height + 2))
            creature = strip
        if root.name == "decompilation":  # opaque, with a palette whose first colour is the ground's
            ground = Image.new("RGB", creature.size, (120, 200, 136))
            ground.paste(creature, mask=creature.getchannel("A"))
            creature = ground.quantize(16, dither=Image.Dither.NONE)
        if path.suffix == ".gif":
            frames = [creature, ImageOps.mirror(creature)]
            frames[0].save(path, save_all=True, append_images=frames[1:], disposal=2)
        elif path.suffix == ".jpg":
            ground = Image.new("RGB", creature.size, "white")
            ground.paste(creature, mask=creature.getchannel("A"))
            ground.save(path, quality=95)
        else:
            creature.save(path)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_imported_as_what_it_is(name, tmp_path):
    build(tmp_path / name, SETS[name])
    report = import_sprites(tmp_path / name, tmp_path / "out", workers=1)
    seen: dict[str, Taken] = {s.source: (s.No, s.form, s.shiny, s.female) for s in report.sprites}
    seen |= {r.source: r.reason for r in report.rejected}
    assert seen == SETS[name]
    assert report.layout == {"pokeapi": "pokeapi", "essentials": "flat", "scraper": "flat"}.get(name, "folders")


if __name__ == "__main__":
    for name, files in SETS.items():
        build(Path(sys.argv[1]) / name, files)
        print(Path(sys.argv[1]) / name)
