"""flask.cli: the groups of commands, and how they come to their application."""

from collections.abc import Callable
from typing import Any

from deployguard.flask.libraries import click, located
from deployguard.flask.libraries.click.contexts import context_of, current, ensured
from deployguard.flask.libraries.click.declarations import Spec, parameter
from deployguard.flask.libraries.click.functions import decorated, function_of
from deployguard.flask.libraries.effects import harmless
from deployguard.flask.libraries.flask_files import load_files, read_files
from deployguard.flask.libraries.flask_info import ScriptInfos
from deployguard.flask.libraries.flask_plugins import entry_points
from deployguard.flask.versions import Stack
from deployguard.model.evidence import Answer, Evidence, Location, Missing, Reason
from deployguard.python import (
    Call,
    Instance,
    Interpreter,
    Items,
    Known,
    Mapped,
    Module,
    Native,
    Opaque,
    Value,
    known,
)
from deployguard.python.signals import RaiseSignal
from deployguard.python.values import missing_of, truth

# Where the evaluator keeps flask.cli of this run: run_command and its kin can be changed.
_HELD = "flask.cli"
_GROUP = (
    "add_default_commands",
    "create_app",
    "add_version_option",
    "load_dotenv",
    "set_debug_flag",
)
# Modules of which commands work and end; the distributions that hold them add commands to flask.
_ENDING = frozenset(
    {
        "flask_appbuilder", "flask_assets", "flask_babel", "flask_collect", "flask_migrate",
        "flask_security", "flask_shell_ipython", "flask_smorest", "flask_static_digest",
        "flask_limiter", "flask_session", "flask_fixtures", "flask_seeder", "flask_jwt_router",
        "flask_alembic", "flask_vite", "flask_user", "flask_whooshee",
    }
)  # fmt: skip
# Modules that every program of Flask loads, which add no commands.
_OWN = frozenset(
    {
        "flask", "werkzeug", "click", "rich_click", "jinja2", "markupsafe", "itsdangerous",
        "blinker", "dotenv",
    }
)  # fmt: skip


def held(run: Interpreter, stack: Stack) -> "FlaskCommands":
    """Return flask.cli of a run, made when it is first asked for."""
    found = run.memory.get(_HELD)
    if isinstance(found, FlaskCommands):
        return found
    made = FlaskCommands(stack)
    run.memory[_HELD] = made
    return made


def application_group(run: Interpreter, stack: Stack, application: Instance) -> Value:
    """Return the group of commands of an application or blueprint, made when first asked for."""
    group = application.slots.get("cli")
    if group is None:
        model = held(run, stack)
        call = Call(run, Location("flask"), (), {})
        group = Instance(None, model.group, {})
        model.click.construct_group(call, group)
        run.store(application.slots, "cli", group)
    made: Value = group
    return made


def register_blueprint(call: Call, application: Instance, stack: Stack) -> Value:
    """Flask.register_blueprint: its commands become those of the application (from 1.1 on)."""
    blueprint = call.argument(0, "blueprint")
    group = blueprint.slots.get("cli") if isinstance(blueprint, Instance) else None
    if not isinstance(group, Instance) or not isinstance(blueprint, Instance):
        return known(None)
    target = application_group(call.run, stack, application)
    name = call.keywords.get("cli_group", blueprint.slots.get("cli_group"))
    if name is None:
        name = blueprint.slots.get("name") or known(None)
    commands = group.slots["commands"]
    if not isinstance(target, Instance) or not commands.slots:
        return known(None)
    if isinstance(name, Known) and name.value is None:
        for key, command in commands.slots.items():
            call.run.store(target.slots["commands"].slots, key, command)
    else:
        model = held(call.run, stack)
        model.click.add_command(Call(call.run, call.location, (group, name), {}), target)
    return known(None)


class FlaskCommands(ScriptInfos):
    """The model of flask.cli for one run."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.click = click.commands(stack)
        self.group = self.click.native(
            "flask.cli.AppGroup", self.click.construct_group, self._group_attribute
        )
        self.flask_group = self.click.native(
            "flask.cli.FlaskGroup", self._construct, self._attribute
        )
        from deployguard.flask.libraries.flask_run import run_command  # noqa: PLC0415

        self.run_command = run_command(self)
        self.shell_command = self._plain("shell")
        self.routes_command = self._plain("routes", "--sort", "-s", flag="--all-methods")

    def slots(self) -> dict[str, Any]:
        """Return the names of the module flask.cli."""
        return {
            "ScriptInfo": self.info,
            "AppGroup": self.group,
            "FlaskGroup": self.flask_group,
            "run_command": self.run_command,
            "shell_command": self.shell_command,
            "routes_command": self.routes_command,
            "with_appcontext": Native("flask.cli.with_appcontext", self.with_appcontext),
            "pass_script_info": Native("flask.cli.pass_script_info", self.pass_script_info),
            "load_dotenv": Native("flask.cli.load_dotenv", self._load_dotenv),
            "main": Native("flask.cli.main", self.main),
            "cli": self._own(),
        }

    def _plain(self, name: str, *options: str, flag: str = "") -> Instance:
        """Return a command of Flask's own that loads the application, prints and ends."""
        specs = [Spec(name="sort", names=options, exposed=False)] if options else []
        if flag:
            specs.append(
                Spec(name="all", names=(flag,), flag=True, boolean=True, exposed=False,
                     flag_value=known(value=True), default=known(value=False))
            )  # fmt: skip
        ends = Native(f"flask {name}", lambda _call: known(None))
        return self.made(name, self._with(ends), specs)

    def made(self, name: str, callback: Value, specs: list[Spec]) -> Instance:
        """Return a command of Flask's own."""
        option = self.click.declarations.option
        return click.made(self.click, name, callback, [parameter(spec, option) for spec in specs])

    def main(self, call: Call) -> Value:
        """flask.cli.main: the group `flask` with the words of the program."""
        keywords = {} if self.stack.flask >= (1,) else {"prog_name": known("flask")}
        return self.click.method(call, self._flask(call), "main", **keywords)

    def _flask(self, call: Call) -> Value:
        return call.run.call(self.flask_group, (), {"name": known("flask")}, call.location)

    def _own(self) -> Instance:
        specials = frozenset({"__call__"})
        return Instance(None, Native("flask.cli.cli", attribute=self._own_group, specials=specials))

    def _own_group(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        """Stand for flask.cli.cli, which is made when it is used."""
        group = instance.slots.get("<group>")
        if group is None:
            group = self._flask(Call(run, Location("flask.cli"), (), {}))
            run.store(instance.slots, "<group>", group)
        return run.attribute_or_none(group, name)

    def _group_attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        if name == "command":
            return Native("AppGroup.command", lambda call: self._command(call, instance))
        if name == "group":
            return Native("AppGroup.group", lambda call: self._subgroup(call, instance))
        return self.click.group_attribute(run, instance, name)

    def _command(self, call: Call, group: Instance) -> Value:
        """AppGroup.command: the function runs in the context of the application."""
        keywords = dict(call.keywords)
        wraps = truth(keywords.pop("with_appcontext", known(value=True))) is not Answer.NO
        first = call.argument(0, "name")
        inner = Call(call.run, call.location, call.arguments, keywords, call.open)
        if first is not None and not isinstance(first, Known | Opaque):
            wrapped = self._with(first) if wraps else first
            return self.click.registering(
                Call(call.run, call.location, (wrapped,), keywords, call.open),
                group,
                self.click.command,
            )
        decorator = self.click.registering(inner, group, self.click.command)

        def model(later: Call) -> Value:
            function = later.arguments[0]
            return later.run.call(
                decorator, (self._with(function) if wraps else function,), {}, later.location
            )

        return Native("AppGroup.command()", model)

    def _subgroup(self, call: Call, group: Instance) -> Value:
        return self.click.registering(call, group, self.group)

    def with_appcontext(self, call: Call) -> Value:
        """flask.cli.with_appcontext."""
        return self._with(call.arguments[0])

    def _with(self, function: Value) -> Value:
        def model(call: Call) -> Value:
            context = current(call.run)
            if context is not None:
                self._entered(call, context)
            return call.run.call(
                function_of(function), call.arguments, call.keywords, call.location, call.open
            )

        return decorated(function, calls=Native("flask.cli.with_appcontext()", model))

    def _entered(self, call: Call, context: Instance) -> Value:
        """Load the application of a context's ScriptInfo, and make it the current one."""
        info = ensured(call.run, context, self.info, call.location)
        if not isinstance(info, Instance):
            return info
        application = self.load_app(call, info)
        if located.is_flask(application):
            entered(call, application)
        return application

    def pass_script_info(self, call: Call) -> Value:
        """flask.cli.pass_script_info: the ScriptInfo comes first."""
        function = call.arguments[0]

        def model(inner: Call) -> Value:
            context = current(inner.run)
            info: Value = harmless("flask.cli.ScriptInfo")
            if context is not None:
                info = ensured(inner.run, context, self.info, inner.location)
            return inner.run.call(
                function_of(function), (info, *inner.arguments), inner.keywords, inner.location,
                inner.open,
            )  # fmt: skip

        return decorated(function, calls=Native("flask.cli.pass_script_info()", model))

    def _construct(self, call: Call, instance: Instance) -> None:
        """FlaskGroup.__init__: its own options from 2.2 on, and the commands of Flask."""
        store, slots = call.run.store, instance.slots
        given = {name: call.argument(position, name) for position, name in enumerate(_GROUP)}
        extra = {key: value for key, value in call.keywords.items() if key not in _GROUP}
        listed = extra.get("params")
        params = list(listed.items) if isinstance(listed, Items) else []
        option = self.click.declarations.option
        if self.stack.flask >= (2, 2):
            params.extend(parameter(spec, option) for spec in self._options())
            settings = extra.get("context_settings")
            if not isinstance(settings, Mapped | Opaque):
                settings = Mapped({})
            if isinstance(settings, Mapped) and "auto_envvar_prefix" not in settings.slots:
                store(settings.slots, "auto_envvar_prefix", known("FLASK"))
            extra["context_settings"] = settings
        if truth(given["add_version_option"] or known(value=True)) is not Answer.NO:
            params.append(parameter(_VERSION, option))
        extra["params"] = Items({"items": tuple(params)})
        self.click.construct_group(Call(call.run, call.location, (), extra, call.open), instance)
        store(slots, "create_app", given["create_app"] or known(None))
        store(slots, "load_dotenv", given["load_dotenv"] or known(value=True))
        store(slots, "set_debug_flag", given["set_debug_flag"] or known(value=True))
        if truth(given["add_default_commands"] or known(value=True)) is not Answer.NO:
            commands = slots["commands"].slots
            store(commands, "run", self.run_command)
            store(commands, "shell", self.shell_command)
            if self.stack.flask >= (1,):
                store(commands, "routes", self.routes_command)

    def _options(self) -> tuple[Spec, ...]:
        path = Instance(
            None,
            Native("click.Path"),
            {
                "exists": known(value=True), "dir_okay": known(value=False),
                "file_okay": known(value=True), "resolve_path": known(value=False),
                "path_type": known(None),
            },
        )  # fmt: skip
        return (
            Spec(name="env_file", names=("-e", "--env-file"), eager=True, exposed=False, kind=path,
                 callback=Native("flask.cli._env_file_callback", self._env_file)),
            Spec(name="app", names=("-A", "--app"), eager=True, exposed=False,
                 kind=Native("click.STRING"), callback=Native("flask.cli._set_app", self._set_app)),
            debug_option(),
        )  # fmt: skip

    def _set_app(self, call: Call) -> Value:
        context, value = context_of(call.arguments[0]), call.arguments[2]
        if context is None or (isinstance(value, Known) and value.value is None):
            return known(None)
        info = ensured(call.run, context, self.info, call.location)
        if isinstance(info, Instance):
            call.run.store(info.slots, "app_import_path", value)
        return value

    def _env_file(self, call: Call) -> Value:
        """flask.cli._env_file_callback: from 3.1 on the usual files are read here as well."""
        context, value = context_of(call.arguments[0]), call.arguments[2]
        given = not (isinstance(value, Known) and value.value is None)
        if given and isinstance(value, Known) and not self.stack.dotenv:
            note = "-e wants python-dotenv, so flask ends"
            place = value.trail[-1].location if value.trail else call.location
            raise RaiseSignal("BadParameter", Evidence(place, note))
        defaults: Value = known(value=False)
        if self.stack.flask >= (3, 1) and context is not None:
            info = context.slots["obj"]
            defaults = known(value=True)
            if isinstance(info, Instance) and "load_dotenv_defaults" in info.slots:
                defaults = info.slots["load_dotenv_defaults"]
        load_files(call, self.stack, defaults, value if given else None)
        return value

    def _attribute(self, run: Interpreter, instance: Instance, name: str) -> Value | None:
        models: dict[str, Callable[[Call, Instance], Value]] = {
            "main": self._main,
            "__call__": self._main,
            "make_context": self._make_context,
            "get_command": self._get_command,
        }
        if name in models:
            return Native(f"FlaskGroup.{name}", lambda call: models[name](call, instance))
        return self._group_attribute(run, instance, name)

    def _main(self, call: Call, group: Instance) -> Value:
        """FlaskGroup.main: until 2.1 it prepares the environment and its ScriptInfo itself."""
        main = self.click.group_attribute(call.run, group, "main") or known(None)
        if self.stack.flask >= (2, 2):
            return call.run.call(main, call.arguments, call.keywords, call.location, call.open)
        keywords = dict(call.keywords)
        if self.stack.flask >= (1,):
            self._from_command_line(call)
            load_files(call, self.stack, group.slots["load_dotenv"], None)
        obj = keywords.get("obj")
        if obj is None or (isinstance(obj, Known) and obj.value is None):
            keywords["obj"] = self._made_info(call, group)
        keywords.setdefault("auto_envvar_prefix", known("FLASK"))
        return call.run.call(main, call.arguments, keywords, call.location, call.open)

    def _made_info(self, call: Call, group: Instance) -> Value:
        keywords = {"create_app": group.slots["create_app"]}
        keywords["set_debug_flag"] = group.slots["set_debug_flag"]
        keywords["load_dotenv_defaults"] = group.slots["load_dotenv"]
        return call.run.call(self.info, (), keywords, call.location)

    def _make_context(self, call: Call, group: Instance) -> Value:
        """FlaskGroup.make_context: from 2.2 on the environment is prepared here."""
        keywords = dict(call.keywords)
        if self.stack.flask >= (2, 2):
            self._from_command_line(call)
            if self.stack.flask < (3, 1):
                load_files(call, self.stack, group.slots["load_dotenv"], None)
            settings = group.slots["context_settings"]
            there = isinstance(settings, Mapped) and "obj" in settings.slots
            if "obj" not in keywords and not there:
                keywords["obj"] = self._made_info(call, group)
        inner = Call(call.run, call.location, call.arguments, keywords, call.open)
        return self.click.make_context(inner, group)

    @staticmethod
    def _from_command_line(call: Call) -> None:
        """Tell app.run() to do nothing."""
        note = Evidence(call.location, "the flask command sets FLASK_RUN_FROM_CLI")
        call.run.store(call.run.environ.slots, "FLASK_RUN_FROM_CLI", known("true", note))

    def _get_command(self, call: Call, group: Instance) -> Value:
        """FlaskGroup.get_command: Flask's own, those of distributions, then the application's."""
        name = call.argument(1, "name") or call.argument(1, "cmd_name") or known(None)
        run = call.run
        if isinstance(name, Known) and isinstance(name.value, str):
            plugin = self._plugin(call, name.value)
            if plugin is not None:
                return plugin
        found = self.click.get_command(call, group)
        if not (isinstance(found, Known) and found.value is None):
            return found
        context = context_of(call.argument(0, "ctx"))
        if context is None:
            return found
        try:
            application = self._entered(call, context)
        except RaiseSignal as error:
            if error.name != "NoAppException":
                raise
            return known(None)
        if not isinstance(application, Instance):
            missing = missing_of(application) or (Missing(Reason.SOURCE, "the application"),)
            return Opaque(missing, "a command of the application")
        inner = application_group(run, self.stack, application)
        found = self.click.method(call, inner, "get_command", context, name)
        if isinstance(found, Known) and found.value is None:
            return self._supplied(run, name)
        return found

    @staticmethod
    def _supplied(run: Interpreter, name: Value) -> Value:
        """Return the command that an extension may have added, None where there is none."""
        for module in list(run.modules):
            top = module.partition(".")[0]
            held_module = run.modules[module]
            rest = held_module if isinstance(held_module, Opaque) else None
            if isinstance(held_module, Module):
                rest = held_module.rest
            if rest is not None and not rest.harmless and top not in _OWN:
                text = name.value if isinstance(name, Known) else "a name"
                missing = Missing(Reason.COMMAND, f"what the command flask {text} does")
                return Opaque((missing,), f"flask {text}")
        return known(None)

    def _plugin(self, call: Call, name: str) -> Value | None:
        """Return a command that a distribution adds (the entry points flask.commands)."""
        run = call.run
        for target in entry_points(run, name):
            module, _, attribute = target.partition(":")
            if module.partition(".")[0] in _ENDING:
                note = f"flask {name} does its work and ends"
                raise RaiseSignal("Exit", Evidence(call.location, note))
            value = run.import_module(module, call.location)
            for step in filter(None, attribute.split(".")):
                value = run.attribute(value, step, call.location)
            return value
        return None

    def _load_dotenv(self, call: Call) -> Value:
        """flask.cli.load_dotenv, called by a program."""
        path = call.argument(0, "path")
        none = path is None or (isinstance(path, Known) and path.value is None)
        defaults = truth(call.argument(1, "load_defaults") or known(value=True)) is not Answer.NO
        read_files(call, self.stack, None if none else path, defaults=defaults)
        return known(value=True)


_VERSION = Spec(
    name="<version>", names=("--version",), flag=True, boolean=True, eager=True, exposed=False,
    flag_value=known(value=True), ends="--version prints and ends",
)  # fmt: skip


def entered(call: Call, application: Value) -> None:
    """Enter the context of an application: it is the current one from now on."""
    run, place = call.run, call.location
    context = run.call(run.attribute(application, "app_context", place), (), {}, place)
    run.call(run.attribute(context, "push", place), (), {}, place)


def debug_option() -> Spec:
    """Return --debug/--no-debug, of the group from 2.2.0 on and of `run` from 2.2.3 on."""
    return Spec(
        name="debug", names=("--debug",), others=("--no-debug",), flag=True, boolean=True,
        exposed=False, kind=Native("click.BOOL"), default=known(value=False),
        flag_value=known(value=True), callback=Native("flask.cli._set_debug", _set_debug),
    )  # fmt: skip


def _set_debug(call: Call) -> Value:
    """flask.cli._set_debug: the option or its variable becomes FLASK_DEBUG."""
    context, value = context_of(call.arguments[0]), call.arguments[2]
    source = context.slots["<sources>"].slots.get("debug") if context is not None else None
    if not isinstance(source, Known) or source.value in {"DEFAULT", "DEFAULT_MAP"}:
        return known(None)
    environ = call.run.environ
    if isinstance(value, Known):
        note = Evidence(call.location, "the option sets FLASK_DEBUG")
        text = "1" if value.value else "0"
        call.run.store(environ.slots, "FLASK_DEBUG", known(text, *value.trail, note))
    elif "FLASK_DEBUG" not in environ.slots or context is None or not _own_variable(context):
        call.run.store(environ.slots, "FLASK_DEBUG", value)
    return value


def _own_variable(context: Instance) -> bool:
    prefix = context.slots["auto_envvar_prefix"]
    return isinstance(prefix, Known) and prefix.value == "FLASK"
