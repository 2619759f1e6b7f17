"""Whole Pokémon: the Generator composes the models, and the card shows what came out."""
