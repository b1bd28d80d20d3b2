"""`python -m calico_lint`."""

import sys

from calico_lint.cli import main

sys.exit(main())
