"""Playing: environments, recording, the inverse dynamics model, cloning and agents. Nothing heavy is imported here."""
