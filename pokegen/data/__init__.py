"""The table, the sprites, and their DataModules. Nothing here imports a model."""
