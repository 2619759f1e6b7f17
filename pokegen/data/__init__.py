"""The table, the sprites, and the DataModules over them. Nothing here imports a model."""
