"""`python -m JumpstarterLibrary doctor`."""

import sys

from .doctor import main

sys.exit(main())
