"""Image data: reading it, listing it, splitting it, checking it."""
