"""To be described with its first code."""
