"""``python -m depin_compare.cli`` is ``depin-compare``."""

from depin_compare.cli import main

if __name__ == "__main__":
    main()
