"""`python -m JumpstarterLibrary doctor`, `python -m JumpstarterLibrary describe` and `python -m JumpstarterLibrary verdict`."""

import sys

if sys.argv[1:2] == ["verdict"]:
    from .verdict import main as verdict

    sys.exit(verdict(sys.argv[2:]))
if sys.argv[1:2] == ["describe"]:
    from .describe import main as describe

    sys.exit(describe(sys.argv[2:]))

from .doctor import main

sys.exit(main())
