"""`python -m deployguard` is the command `deployguard`."""

from deployguard.cli import main

if __name__ == "__main__":
    main()
