"""What is read from the names of sprites' files and folders."""

import pytest

from pokegen.data.filenames import SpeciesNames
from pokegen.data.pokedex import load_pokedex


@pytest.fixture(scope="module")
def names():
    return SpeciesNames(load_pokedex())


@pytest.mark.parametrize(
    ("stem", "number", "form"),
    [
        ("025", 25, ""),
        ("25", 25, ""),
        ("10-mega", 10, "mega"),
        ("6-mega-x", 6, "mega-x"),
        ("abomasnow", 460, ""),
        ("Mr. Mime", 122, ""),
        ("mr-mime", 122, ""),
        ("Nidoran♀", 29, ""),
        ("nidoran-m", 32, ""),
        ("Farfetch'd", 83, ""),
        ("flabebe", 669, ""),
        ("charizard-mega-x", 6, "mega-x"),
        ("porygon-z", 474, ""),
        ("porygon2", 233, ""),
        ("Type: Null", 772, ""),
        ("10034", 6, "mega-x"),  # PokeAPI's number of a form
        # number and name, in any order, and however they are joined
        ("001-bulbasaur", 1, ""),
        ("001_Bulbasaur", 1, ""),
        ("025Pikachu", 25, ""),
        ("pikachu-025", 25, ""),
        ("No.025 Pikachu", 25, ""),
        ("#025", 25, ""),
        ("pokemon_025", 25, ""),
        ("0006Charizard-Mega X", 6, "mega-x"),
        ("64_abra", 63, ""),  # a scraper's own count: the name has the last word
        # a number after the name is another picture of the same species
        ("bulbasaur_2", 1, ""),
        ("Bulbasaur (1)", 1, ""),
        ("Porygon (2)", 137, ""),
        ("pikachu_64x64", 25, ""),
        ("025-copy", 25, ""),
        # a form before the name, and as people spell it
        ("Mega Charizard X", 6, "mega-x"),
        ("MegaCharizardX", 6, "mega-x"),
        ("charizard-megax", 6, "mega-x"),
        ("Alolan Raichu", 26, "alola"),
        ("unown-f", 201, "f"),
        ("pikachu-rock-star", 25, "rock-star"),
        # sexes
        ("Nidoran Female", 29, ""),
        ("Nidoran_male", 32, ""),
        ("NIDORANfE", 29, ""),
        ("NIDORANmA", 32, ""),
        ("MRMIME", 122, ""),
    ],
)
def test_a_file_name_finds_its_species_and_form(names, stem, number, form):
    species, found = names.find(stem)
    assert (species.number, found) == (number, form)


@pytest.mark.parametrize(
    "stem",
    ["0", "99999", "substitute", "", "egg", "1st gen", "gen 1", "2eb2a528f9a2", "IMG_2023", "photo 25", "9" * 5000],
)
def test_a_name_of_no_species_finds_nothing(names, stem):
    assert names.find(stem) is None


@pytest.mark.parametrize(
    ("stem", "words"),
    [
        ("shiny_025", {"shiny"}),
        ("pikachuShiny", {"shiny"}),
        ("025-SHINY-female", {"shiny", "female"}),
        ("unfezant-f", {"female"}),
        ("Back shiny", {"back", "shiny"}),
        ("shinyback", {"back", "shiny"}),
        ("frontf", {"female"}),
        ("anim_front", set()),  # a strip, whose first frame is the front
        ("pikachu_animated", {"animation"}),
        ("non-shiny", set()),
        ("background", set()),
        ("ABRAs", {"shiny"}),  # Essentials
        ("ABRAsb", {"back", "shiny"}),
        ("063fs", {"female", "shiny"}),
        ("abras", set()),
    ],
)
def test_words_tell_what_a_picture_shows(names, stem, words):
    assert names.read(stem).words == words


@pytest.mark.parametrize(
    ("path", "layout", "seen"),
    [
        ("train/Abra/1.png", "folders", (63, "", set())),
        ("train/063/1.png", "folders", (63, "", set())),
        ("Abra/2eb2a528f9a247358452b3c740df69a0.jpg", "folders", (63, "", set())),
        ("Abra/kadabra.png", "folders", (63, "", set())),  # the folder has the last word
        ("Abra/kadabra.png", "flat", (64, "", set())),  # or the file
        ("Abra/shiny.png", "folders", (63, "", {"shiny"})),
        ("64/025.png", "folders", (25, "", set())),  # a size in pixels, or a generation
        ("Nothing/25.png", "folders", "no known species"),
        ("Mega/charizard.png", "flat", (6, "mega", set())),
        ("black-white/025.png", "flat", (25, "", set())),
        ("graphics/pokemon/unown/b/front.png", "folders", (201, "b", set())),
        ("graphics/pokemon/charizard/mega_x/front.png", "folders", (6, "mega-x", set())),
        ("graphics/object_events/pics/pokemon/abra.png", "flat", "overworld sprite"),
        ("Front shiny/ABRA_1.png", "flat", (63, "1", {"shiny"})),  # Essentials: there the number is a form's
        ("Front/NIDORANfE_2_female.png", "flat", (29, "2", {"female"})),
        ("Battlers/063s_1.png", "flat", (63, "1", {"shiny"})),
        ("Back shiny/ABRA.png", "flat", "back sprite"),
        ("ICONS/ABRA.png", "flat", "icon"),
        ("Eggs/000.png", "flat", "egg"),
        ("Shadow/1.png", "flat", "shadow"),
        ("other/showdown/25.gif", "pokeapi", "animation"),
        ("versions/generation-v/black-white/animated/25.gif", "pokeapi", "animation"),
        ("other/home/shiny/10034.png", "pokeapi", (6, "mega-x", {"shiny"})),
    ],
)
def test_a_path_tells_what_its_picture_is_taken_for(names, path, layout, seen):
    label = names.place(path.split("/"), layout)
    assert (label if isinstance(label, str) else (label.species.number, label.form, label.words)) == seen
