"""The handrail program."""


def main() -> None:
    """Run the program."""
