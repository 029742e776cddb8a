"""Charts and kustomizations: rendered by the user's own programs, with the places written in."""
