"""What the utilities of a system print and leave behind, where their inputs are known."""
