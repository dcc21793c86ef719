"""What the tests of evidence share."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent
PATH = {"PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parent)))}
"""What robot needs to find the keywords of these tests."""
