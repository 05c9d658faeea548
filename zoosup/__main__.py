"""`python -m zoosup` is `zoosup`."""

import sys

from zoosup.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
