"""To be described with its first code."""


def main() -> None: ...
