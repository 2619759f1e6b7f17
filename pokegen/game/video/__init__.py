"""Learning from video: recordings, the keys in them, and policies that clone what was played."""
