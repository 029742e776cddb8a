"""What lies in a folder: compose projects, manifests, charts, kustomizations, builds, images."""
