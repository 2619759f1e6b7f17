"""Pokémon Showdown: its simulator in process, its server, created creatures in it, and who plays there."""
