"""The frozen types that all stages share; no logic that needs a file or a clock."""
