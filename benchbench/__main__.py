"""`python -m benchbench`, for where the script is not on the path."""

from __future__ import annotations

import sys

from benchbench.cli import main

sys.exit(main())
