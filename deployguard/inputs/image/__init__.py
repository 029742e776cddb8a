"""Images from an engine, from archives and from layouts, read where they lie."""
