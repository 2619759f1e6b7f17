"""What a run leaves behind: its folder, its logs, its checkpoints, and samples as the training goes."""
