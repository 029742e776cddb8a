"""ContainerSpec and image config to the process that a runtime starts, and the files it sees."""
