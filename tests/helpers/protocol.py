"""A battle's protocol and requests, made by hand, for the tests of tracker and encoder."""

START = """|player|p1|Red||
|player|p2|Blue||
|teamsize|p1|2
|teamsize|p2|3
|switch|p1a: Pikachu|Pikachu, L84, M|200/200
|switch|p2a: Gyarados|Gyarados, L77, F|100/100
|-ability|p2a: Gyarados|Intimidate|boost
|-unboost|p1a: Pikachu|atk|1
|turn|1"""


def entry(name, condition, active, **more):
    stats = {"atk": 120, "def": 100, "spa": 110, "spd": 105, "spe": 180}
    found = {
        "ident": f"p1: {name}", "details": f"{name}, L84", "condition": condition, "active": active, "stats": stats,
        "moves": ["thunderbolt", "surf"], "baseAbility": "static", "item": "lightball", "teraType": "Water",
    }  # fmt: skip
    return found | more


def request(**more):
    moves = [{"id": "thunderbolt", "pp": 20, "maxpp": 24}, {"id": "surf", "pp": 24, "maxpp": 24, "disabled": True}]
    return {
        "active": [{"moves": moves, "canTerastallize": "Water"}],
        "side": {"pokemon": [entry("Pikachu", "200/200", True), entry("Snorlax", "300/400 par", False)]},
    } | more


def read(view, text):
    view.read(text.strip().split("\n"))
    return view.active
