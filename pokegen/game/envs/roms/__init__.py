"""Our own cartridges: an assembler and the drawings for each handheld."""
