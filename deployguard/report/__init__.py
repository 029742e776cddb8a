"""One file for each format, each with `render(report) -> str`; writing is the caller's business."""
