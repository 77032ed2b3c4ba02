"""What a training run leaves: its record, what was proven of it, and how it went."""
