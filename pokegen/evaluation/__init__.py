"""The metric panel: sprites, stats and names, each with floors and ceilings for comparison."""
