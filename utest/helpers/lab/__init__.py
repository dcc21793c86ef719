"""The lab double: a Jumpstarter controller and router on loopback, and what stands around them: see utest/lab/README.md.

```python
with start_lab(tmp_path) as lab:
    lab.start_session_exporter("bench-1", {"board": "mock"})      # our session behind it: quick
    config = lab.client_config("ci")                              # upstream's format, §7.1
    ...                                                           # lease through it
    assert lab.leases() == []
```
"""

from .lab import Lab, StubExporter, start_lab
from .raw import Raw
from .scripting import Front

__all__ = ["Front", "Lab", "Raw", "StubExporter", "start_lab"]
