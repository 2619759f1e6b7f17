"""The games' names of moves and abilities in the language of a card."""


def translated(kind: str, name: str, lang: str) -> str:
    """The name of a move or an ability (`kind`) in a language of schema.LANGUAGES, given the English one."""
    return name
