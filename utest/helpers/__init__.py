"""What the tests share: programs that they need, exporters and Robot as child processes."""
