"""The only code that opens files and sockets: targets to container specs."""
