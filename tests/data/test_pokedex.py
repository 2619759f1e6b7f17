import csv
import re

import pytest

from pokegen.data.pokedex import build_species, load_pokedex, write_pokedex
from pokegen.data.splits import split_of
from pokegen.errors import DataError
from pokegen.resources import shipped
from pokegen.schema import COLUMNS, REQUIRED_COLUMNS, TYPES


@pytest.fixture(scope="module")
def rows():
    with open(shipped("data/pokedex.csv"), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def put(path, rows, columns=REQUIRED_COLUMNS, encoding="utf-8"):
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_shipped_table_is_rebuilt_byte_for_byte(tmp_path):
    assert write_pokedex(tmp_path / "pokedex.csv") == 1025
    assert (tmp_path / "pokedex.csv").read_bytes() == shipped("data/pokedex.csv").read_bytes()


def test_reading_gives_back_what_was_built():
    assert load_pokedex() == tuple(build_species())


def test_known_species():
    by_name = {s.name: s for s in load_pokedex()}
    assert [s.number for s in load_pokedex()] == list(range(1, 1026))
    charizard = by_name["Charizard"]
    assert (charizard.type1, charizard.type2, charizard.total) == ("Fire", "Flying", 534)
    assert (charizard.stage, charizard.family, charizard.evolution_level) == (3, "Charmander", 36)
    assert by_name["Sirfetch’d"].evolves_from == "Farfetch’d"  # from a form of it
    assert by_name["Melmetal"].family == "Meltan"  # outside the games
    assert by_name["Mewtwo"].legendary and by_name["Mew"].legendary and not by_name["Dragonite"].legendary
    assert {by_name[n].generation for n in ("Mew", "Chikorita", "Pecharunt")} == {1, 2, 9}


def test_splits_keep_families_and_their_shares():
    families = {s.family for s in load_pokedex()}
    shares = {split: sum(split_of(f) == split for f in families) / len(families) for split in ("train", "val", "test")}
    assert 0.75 < shares["train"] < 0.85
    assert 0.06 < shares["val"] < 0.14
    assert 0.06 < shares["test"] < 0.14


def test_a_table_of_sixteen_columns_keeps_families_in_one_split(tmp_path, rows):
    own = load_pokedex(put(tmp_path / "own.csv", rows))
    assert [(s.family, s.stage, s.evolves_from) for s in own] == [
        (s.family, s.stage, s.evolves_from) for s in load_pokedex()
    ]
    made_up = rows[0] | {"No": "2000", "Name": "Brumblefox"}
    assert load_pokedex(put(tmp_path / "new.csv", [made_up]))[0].family == "Brumblefox"


LOOKS = ("Color", "Height (m)", "Weight (kg)")


@pytest.mark.parametrize("column", [c for c in REQUIRED_COLUMNS if c not in LOOKS])
def test_a_missing_column_is_named(tmp_path, rows, column):
    path = put(tmp_path / "t.csv", rows[:3], [c for c in COLUMNS if c != column])
    with pytest.raises(DataError, match=f"missing column '{column.replace('(', '.').replace(')', '.')}'"):
        load_pokedex(path)


@pytest.mark.parametrize("column", LOOKS)
def test_known_species_keep_the_looks_that_a_table_lacks_and_others_are_refused(tmp_path, rows, column, capsys):
    columns = [c for c in COLUMNS if c != column]
    own = load_pokedex(put(tmp_path / "t.csv", rows[:3], columns))
    assert own == load_pokedex()[:3]
    assert f"{column} taken from the shipped table" in capsys.readouterr().err
    with pytest.raises(DataError, match=f"column '{re.escape(column)}'"):
        load_pokedex(put(tmp_path / "new.csv", [rows[0] | {"Name": "Brumblefox"}], columns))


KAGGLE = """#,Name,Type 1,Type 2,Total,HP,Attack,Defense,Sp. Atk,Sp. Def,Speed,Generation,Legendary
3,Venusaur,Grass,Poison,525,80,82,83,100,100,80,1,False
3,VenusaurMega Venusaur,Grass,Poison,625,80,100,123,122,120,80,1,False
29,Nidoran♀,Poison,,275,55,47,52,40,40,41,1,False
150,Mewtwo,Psychic,,680,106,110,90,154,90,130,1,True
150,MewtwoMega Mewtwo X,Psychic,Fighting,780,106,190,100,154,100,130,1,True
386,DeoxysNormal Forme,Psychic,,600,50,150,50,150,50,150,3,True
386,DeoxysAttack Forme,Psychic,,600,50,180,20,180,20,150,3,True
"""
COMPLETE = """abilities,attack,base_total,defense,height_m,hp,name,pokedex_number,sp_attack,sp_defense,speed,\
type1,type2,weight_kg,generation,is_legendary
"['Overgrow', 'Chlorophyll']",49,318,49,0.7,45,Bulbasaur,1,65,65,45,grass,poison,6.9,1,0
"['Static', 'Surge Surfer']",85,485,50,,60,Raichu,26,95,85,110,electric,,,1,0
"""
STATUS = """Number;Name;Type_1;Type_2;Total;HP;Attack;Defense;Sp_Atk;Sp_Def;Speed;Generation;Status;\
Color;Height_m;Weight_kg
144;Articuno;Ice;Flying;580;90;85;100;95;125;85;1;Sub Legendary;blue;1.7;55.4
"""


def test_kaggles_table_is_read_and_what_was_done_is_told(tmp_path, capsys):
    (tmp_path / "Pokemon.csv").write_text(KAGGLE, encoding="utf-8")
    own = load_pokedex(tmp_path / "Pokemon.csv")
    shipped_ones = {s.number: s for s in load_pokedex()}
    assert [(s.number, s.name) for s in own] == [(3, "Venusaur"), (29, "Nidoran♀"), (150, "Mewtwo"), (386, "Deoxys")]
    assert [s.legendary for s in own] == [False, False, True, True]
    for s in own:
        kin = shipped_ones[s.number]
        assert (s.color, s.height_m, s.weight_kg, s.family) == (kin.color, kin.height_m, kin.weight_kg, kin.family)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    for words in ("'#' read as No", "'Type 1' read as Type1", "3 rows of forms left out", "Color taken from"):
        assert words in told


def test_other_well_known_tables_are_read(tmp_path):
    (tmp_path / "complete.csv").write_text(COMPLETE)
    bulbasaur, raichu = load_pokedex(tmp_path / "complete.csv")
    assert (bulbasaur.type1, bulbasaur.type2, bulbasaur.abilities) == ("Grass", "Poison", ("Overgrow", "Chlorophyll"))
    assert (raichu.stats, raichu.height_m) == ((60, 85, 50, 95, 85, 110), 0.8)  # its size is missing there
    (tmp_path / "status.csv").write_text(STATUS)
    [articuno] = load_pokedex(tmp_path / "status.csv")
    assert (articuno.legendary, articuno.color, articuno.number) == (True, "Blue", 144)


def test_a_name_that_begins_like_a_known_one_is_no_form(tmp_path, rows):
    own = load_pokedex(put(tmp_path / "own.csv", [rows[150] | {"Name": "Mewling"}]))
    assert own[0].name == "Mewling"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"HP": "900"}, r"row 3, column 'HP': expected a whole number from 1 to 255, got '900'"),
        ({"Speed": "fast"}, "column 'Speed'"),
        ({"Total": "400"}, "expected the sum of the six stats"),
        ({"Type1": "Plasma"}, "expected one of Bug, Dark"),
        ({"Type2": "Grass"}, "a type other than Type1"),
        ({"Color": "Mauve"}, "column 'Color'"),
        ({"Legendary": "perhaps"}, "expected True or False"),
        ({"Height (m)": "-1"}, "column 'Height"),
        ({"Name": " "}, "expected a name"),
        ({"No": "1"}, "1 occurs more than once"),
    ],
)
def test_a_broken_value_is_named_with_row_and_column(tmp_path, rows, change, message):
    with pytest.raises(DataError, match=message) as error:
        load_pokedex(put(tmp_path / "t.csv", [rows[0], rows[1] | change], COLUMNS))
    assert "\n" not in str(error.value)


def test_what_is_no_table_is_told(tmp_path, rows):
    with pytest.raises(DataError, match="No table at"):
        load_pokedex(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="missing column"):
        load_pokedex(tmp_path / "empty.csv")
    with pytest.raises(DataError, match="no rows"):
        load_pokedex(put(tmp_path / "head.csv", []))
    path = put(tmp_path / "latin.csv", [rows[668]], encoding="latin-1")  # Flabébé
    with pytest.raises(DataError, match="not a CSV file in UTF-8"):
        load_pokedex(path)


def test_every_type_is_in_the_table():
    assert {s.type1 for s in load_pokedex()} == set(TYPES)
