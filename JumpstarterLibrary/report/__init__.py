"""Views of the journal for people: what stands in Robot's log."""
