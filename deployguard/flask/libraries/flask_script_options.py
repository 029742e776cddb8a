"""Options of Flask-Script's commands: of the server, of functions, and declared ones."""

from deployguard.flask.libraries.arguments import Declared
from deployguard.python import (
    Function,
    Instance,
    Items,
    Known,
    Native,
    Value,
)


def declared_of(value: Value) -> Declared | None:
    """Return what an option declares, None for anything else."""
    found = value.slots.get("<declared>") if isinstance(value, Instance) else None
    return found if isinstance(found, Declared) else None


def server_options(server: Instance) -> list[Declared]:
    """Server.get_options: each has what the server was made with as its default."""
    slots = server.slots
    number = Native("int")

    def option(
        *names: str, dest: str, action: str = "store", kind: Value | None = None
    ) -> Declared:
        return Declared(names=names, dest=dest, action=action, kind=kind, default=slots[dest])

    return [
        option("-h", "--host", dest="host"),
        option("-p", "--port", dest="port", kind=number),
        option("--threaded", dest="threaded", action="store_true"),
        option("--processes", dest="processes", kind=number),
        option("--passthrough-errors", dest="passthrough_errors", action="store_true"),
        option("-d", "--debug", dest="use_debugger", action="store_true"),
        option("-D", "--no-debug", dest="use_debugger", action="store_false"),
        option("-r", "--reload", dest="use_reloader", action="store_true"),
        option("-R", "--no-reload", dest="use_reloader", action="store_false"),
        option("--ssl-crt", dest="ssl_crt"),
        option("--ssl-key", dest="ssl_key"),
    ]


def server_option_values(server: Instance) -> Value:
    """Return the options of a server as the program sees them."""
    made = (Instance(None, None, {"<declared>": one}) for one in server_options(server))
    return Items({"items": tuple(made)}, tuple)


def function_options(function: Value) -> list[Declared] | None:
    """Command.__init__: a default makes an option of a parameter, none an argument."""
    if not isinstance(function, Function):
        return None
    names = [one.arg for one in function.node.args.args]
    plain = len(names) - len(function.defaults)
    found: list[Declared] = []
    for position, name in enumerate(names):
        if position < plain:
            found.append(Declared(names=(), dest=name, required=True))
            continue
        default = function.defaults[position - plain]
        flag = isinstance(default, Known) and isinstance(default.value, bool)
        action = "store_true" if flag else "store"
        found.append(
            Declared(names=(f"-{name[0]}", f"--{name}"), dest=name, action=action, default=default)
        )
    return found
