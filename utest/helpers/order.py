"""Which files of tests begin first."""

LONG_FILES = (
    "test_lab_tunnel",
    "test_documentation",
    "test_acceptance",
    "test_console_readers",
    "test_lab_double_upstream",
    "test_lab_fault_matrix_long",
    "test_console_faults",
    "test_lab_hooks",
    "test_lab_fault_matrix",
    "test_robot_documentation",
    "test_robot_console_interrupts",
    "test_lab_soak",
    "test_lab_endings",
    "test_pictures",
)
"""Files of some 40 s and more, the longest first."""
