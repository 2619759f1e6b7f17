"""`python -m pokegen VERB …` is `pokegen VERB …`."""

import sys

from pokegen.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
