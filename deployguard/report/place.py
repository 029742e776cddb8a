"""How a place reads to a person, and how what is missing can be supplied."""

from deployguard.model.evidence import Location, Reason
from deployguard.report.redact import named

_SHORT_DIGEST = 12

WAYS_OUT = {
    Reason.IMAGE: "let the image be read: pull or build it first, or scan an archive of it",
    Reason.IMAGE_NOT_LOOKED_UP: "let it be looked up with --images auto, or scan the image itself",
    Reason.IMAGE_NOT_FOUND: "pull or build it first, or scan an archive of it",
    Reason.IMAGE_NO_ACCESS: "let an engine be reached that has it, or scan an archive of it",
    Reason.MOUNT: "scan where what is mounted is at hand, or put the files into the image",
    Reason.TEXT: "correct the file: it is not what such files hold, or not in UTF-8",
    Reason.FILE: "scan where the file is at hand, or put it into the image",
    Reason.VARIABLE: "write the value into the file, or give it with --env or --env-file",
    Reason.CONFIG_MAP: "give its manifest to the same scan, or look it up with --cluster",
    Reason.CONFIG_MAP_KEY: "add the key to the ConfigMap, as text",
    Reason.SECRET: "what Secrets hold is never read: set the variable, or exempt the finding",
    Reason.FIELD: "only the running cluster knows it: set the variable to a fixed value",
    Reason.RUNNING: "only the running container knows it: set it to a fixed value",
    Reason.INPUT: "hand it over in the command or a variable, instead of typing or piping it in",
    Reason.VERSION: "scan an image in which the library is installed",
    Reason.COMMAND: "start the server without going through this command",
    Reason.SCRIPT: "start the server with a plain exec line, or as the image's own command",
    Reason.SOURCE: "set it to a plain value in the source, or start a production server",
    Reason.LIBRARY: "scan an image in which its source is installed, or do without it",
    Reason.ADDRESS: "name the address and the port where the server is started",
    Reason.PROGRAM: "start a server that deployguard knows, such as gunicorn",
    Reason.LIMIT: "make the input smaller: it is larger than deployguard reads",
    Reason.RUN: "build the image and scan the image itself",
    Reason.NETWORK: "nothing in the input tells it: publish no port, and let it listen on loopback",
    Reason.OBJECT: "give the object's manifest to the same scan",
    Reason.DEPLOYMENT: "name the namespace in every manifest, and scan together what goes together",
}


def place(location: Location) -> str:
    """Return "FILE:LINE:COLUMN", for a place in an image with the image and the short layer id."""
    numbers = (location.line, location.column)
    text = ":".join(
        (named(location.file), *(str(number) for number in numbers if number is not None))
    )
    if location.image is not None:
        text += f" in {named(location.image)}"
    if location.layer is not None:
        text += f" (layer {short(location.layer)})"
    return text


def short(digest: str) -> str:
    """Return the first digits of a digest, as the engines print it."""
    return digest.partition(":")[2][:_SHORT_DIGEST] or digest[:_SHORT_DIGEST]
