"""flask.cli.ScriptInfo: how the flask command comes to its application."""

import posixpath
import re

from deployguard.flask.libraries import located
from deployguard.flask.libraries.flask_files import variable
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.model.filesystem import Absent, Content, Unread
from deployguard.python import (
    Call,
    Function,
    Instance,
    Interpreter,
    Known,
    Mapped,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import truth

_MODULE_NAME = re.compile(r":(?![\\/])")


class ScriptInfos:
    """The class flask.cli.ScriptInfo under one stack of versions."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.info = Native(
            "flask.cli.ScriptInfo", construct=self._info, attribute=self._info_attribute
        )

    def _info_attribute(self, _run: Interpreter, instance: Instance, name: str) -> Value | None:
        if name == "load_app":
            return Native("ScriptInfo.load_app", lambda call: self.load_app(call, instance))
        return None

    def _info(self, call: Call, instance: Instance) -> None:
        store, slots = call.run.store, instance.slots
        path = call.argument(0, "app_import_path") or known(None)
        if (1,) <= self.stack.flask < (2, 2) and truth(path) is Answer.NO:
            path = variable(call.run, "FLASK_APP")
        store(slots, "app_import_path", path)
        store(slots, "create_app", call.argument(1, "create_app") or known(None))
        store(slots, "set_debug_flag", call.argument(2, "set_debug_flag") or known(value=True))
        store(
            slots, "load_dotenv_defaults",
            call.argument(3, "load_dotenv_defaults") or known(value=True),
        )  # fmt: skip
        store(slots, "data", Mapped({}, name="data"))

    def load_app(self, call: Call, info: Instance) -> Value:
        """ScriptInfo.load_app: make or import the application, once; then set its debug flag."""
        run = call.run
        loaded: Value | None = info.slots.get("<app>")
        if loaded is not None:
            return loaded
        factory = info.slots["create_app"]
        if isinstance(factory, Known) and factory.value is None:
            application = self._located(call, info.slots["app_import_path"])
        else:
            application = self._factory(call, factory, info)
        self._set_debug(run, application, info, call.location)
        run.store(info.slots, "<app>", application)
        return application

    def _factory(self, call: Call, factory: Value, info: Instance) -> Value:
        """Call a factory; until 2.0 one that takes an argument is handed the ScriptInfo."""
        arguments: tuple[Value, ...] = ()
        keywords: dict[str, Value] = {}
        if isinstance(factory, Function) and self.stack.flask < (2, 1):
            parameters = factory.node.args
            names = [one.arg for one in (*parameters.posonlyargs, *parameters.args)]
            if self.stack.flask < (1,):
                arguments = (info,)
                if not names and parameters.vararg is None:
                    note = "Flask hands the factory an argument that it does not take"
                    raise RaiseSignal("TypeError", Evidence(call.location, note))
            elif "script_info" in names:
                keywords["script_info"] = info
            elif len(names) == 1 and not factory.defaults:
                arguments = (info,)
        return call.run.call(factory, arguments, keywords, call.location)

    def _located(self, call: Call, path: Value) -> Value:
        run = call.run
        if self.stack.flask < (1,) and truth(path) is Answer.NO:
            path = variable(run, "FLASK_APP")
        if isinstance(path, Opaque) or run.cwd is None:
            here = Missing(Reason.IMAGE, "the working directory")
            missing = path.missing if isinstance(path, Opaque) else (here,)
            return run.unseen_import("the application", missing, call.location)
        text = path.value if isinstance(path, Known) and isinstance(path.value, str) else ""
        if self.stack.flask < (1,):
            return self._located_first(call, text)
        if text:
            name, *attribute = _MODULE_NAME.split(text, maxsplit=1)
            return self._import(call, located.prepared(run, name), *attribute)
        for file in ("wsgi.py", "app.py"):
            name = located.prepared(run, file)
            try:
                return self._import(call, name)
            except RaiseSignal:
                # What is there and fails ends the command; what is not there is passed over.
                if _there(run, name):
                    raise
        raise no_application(call.location, "there is no application to be found")

    def _located_first(self, call: Call, text: str) -> Value:
        """Before 1.0 only FLASK_APP counts: a file, or a module of sys.path."""
        run = call.run
        if not text:
            raise no_application(call.location, "FLASK_APP is not set, so there is no application")
        place = posixpath.normpath(posixpath.join(run.cwd or "/", text))
        found = run.files.read(place)
        if isinstance(found, Unread):
            return run.unseen_import("the application", (found.missing,), call.location)
        if isinstance(found, Content):
            return self._import(call, located.prepared(run, text))
        name, *attribute = text.split(":", 1)
        return self._import(call, name, *attribute)

    def _import(self, call: Call, name: str, attribute: str | None = None) -> Value:
        """flask.cli.locate_app."""
        run, place = call.run, call.location
        module = run.import_module(name, place)
        if attribute is not None and "." in attribute.partition("(")[0]:
            raise no_application(place, f"{attribute} is no name or call of a name")
        if attribute is not None:
            return located.named(run, module, attribute, place)
        return located.best(run, module, name, place, factories=self.stack.flask >= (1,))

    def _set_debug(
        self, run: Interpreter, application: Value, info: Instance, location: Location
    ) -> None:
        from deployguard.flask.libraries.application import debug_flag  # noqa: PLC0415

        wanted = truth(info.slots["set_debug_flag"]) is not Answer.NO
        flag = run.environ.slots.get("FLASK_DEBUG")
        unset = (flag is None and run.environ.rest is None) or (
            isinstance(flag, Known) and not flag.value
        )
        if located.is_flask(application) and wanted and not (self.stack.flask < (1,) and unset):
            run.assign_attribute(application, "debug", debug_flag(run, self.stack), location)


def _there(run: Interpreter, name: str) -> bool:
    """Say whether a module lies in the working directory."""
    places = (f"{name}.py", f"{name}/__init__.py")
    return any(
        not isinstance(run.files.stat(posixpath.join(run.cwd or "/", place)), Absent)
        for place in places
    )


def no_application(location: Location, note: str) -> RaiseSignal:
    """Return the error that flask shows before it ends for want of an application."""
    return RaiseSignal("NoAppException", Evidence(location, note))
