"""Pokémon Showdown: the simulator, what a player sees of a battle, and the agents that battle."""
