"""The metric panel: sprites, stats and names, each beside floors and ceilings."""
