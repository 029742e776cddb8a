"""Libraries that programs read their settings with: words, precedence, files, families."""

import string
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard import flask
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.model.facts import ProgramFacts
from tests.support.effort import LONG
from tests.support.memory import FLASK_3, MemoryFiles, process, venv

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
MODULES = {
    "python_decouple": "decouple",
    "pyyaml": "yaml",
    "django_environ": "environ",
    "ruamel_yaml": "ruamel/yaml",
}
SITE = "/srv/venv/lib/python3.13/site-packages"


def image(
    source: str, files: Mapping[str, str] | None, library: str, version: str
) -> dict[str, str]:
    """Return /srv/app/app.py with a library of which only metadata and a marker are left."""
    head = "import os\nfrom flask import Flask\napp = Flask(__name__)\n"
    module = MODULES.get(library, library)
    under = {"pydantic": "2.9.2"} if library == "pydantic_settings" else {}
    return {
        **venv(**{**FLASK_3, **under, library: version}),
        f"{SITE}/{module}/__init__.py": "",
        "/srv/app/app.py": head + source,
        **{n if n[0] == "/" else f"/srv/app/{n}": text for n, text in (files or {}).items()},
    }


def launched(
    source: str,
    files: Mapping[str, str] | None = None,
    variables: Mapping[str, str | None] | None = None,
    library: str = "nothing",
    version: str = "1.0",
    unread: Mapping[str, Missing] | None = None,
) -> ProgramFacts:
    texts = image(source, files, library, version)
    launch = process("python app.py", **(variables or {}))
    (program,) = flask.judge(launch, MemoryFiles(texts, unread or {}))
    return program


def debugger(
    source: str,
    files: Mapping[str, str] | None = None,
    variables: Mapping[str, str | None] | None = None,
    library: str = "nothing",
    version: str = "1.0",
) -> Answer:
    """Say whether the debugger comes up; what does not start has none."""
    return launched(source, files, variables, library, version).facts.debugger.answer


DECOUPLE = "from decouple import config, Csv, Choices, AutoConfig, Config, RepositoryEnv\n"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("1", YES), ("on", YES), ("Yes", YES), ("T", YES), ("y", YES), ("TRUE", YES),
        ("0", NO), ("Off", NO), ("n", NO), ("", NO),
        ("enabled", NO), (" 1", NO), ("2", NO),  # ValueError
    ],
)  # fmt: skip
def test_decouple_reads_its_own_words(word: str, expected: Answer) -> None:
    source = f"{DECOUPLE}app.run(debug=config('DEBUG', cast=bool))"
    assert debugger(source, {}, {"DEBUG": word}, "python_decouple") is expected


@pytest.mark.parametrize(
    ("call", "files", "variables", "expected"),
    [
        ("config('D', default=True, cast=bool)", {}, {}, YES),
        ("config('D', default='off', cast=bool)", {}, {}, NO),
        ("config('D', True)", {}, {"D": ""}, NO),
        ("config('D')", {}, {}, NO),  # UndefinedValueError
        ("config('D')", {}, {"D": "False"}, YES),  # a text
        ("config('D', cast=bool)", {".env": "D=1\n"}, {}, YES),
        ("config('D', cast=bool)", {".env": "D=1\n"}, {"D": "0"}, NO),
        ("config('D', cast=bool)", {".env": "# D=1\n D = 'no' \n"}, {}, NO),
        ("config('D', cast=bool)", {".env": "D=1\n", "settings.ini": "[settings]\nd=0\n"}, {}, NO),
        ("config('D', cast=bool)", {"settings.ini": "[other]\nD=1\n"}, {}, NO),  # not found
        ("config('D', cast=bool)", {"/srv/.env": "D=1\n"}, {}, YES),
        ("config('D', default=False, cast=bool)", {"/.env": "D=1\n"}, {}, NO),  # the root is not read
        ("AutoConfig('/srv/app/c')('D', cast=bool)", {"c/.env": "D=1\n", ".env": "X=0\n"}, {}, YES),
        ("AutoConfig('/srv/app/c')('D', cast=bool)", {"c/.env": "D=1\n", ".env": "D=0\n"}, {},
         NO),  # app.run() puts .env into the environment, which the reloaded program has
        ("Config(RepositoryEnv('c/x.env')).get('D', cast=bool)", {"c/x.env": "D=t\n"}, {}, YES),
        ("Config(RepositoryEnv('none.env')).get('D', default=True)", {}, {}, NO),
        ("config('D', cast=int)", {}, {"D": "1"}, YES),
        ("'dev' in config('D', cast=Csv())", {}, {"D": "web, dev"}, YES),
        ("config('D', cast=Choices(['a', 'b'])) == 'a'", {}, {"D": "a"}, YES),
        ("config('D', cast=Choices(['a', 'b'])) == 'a'", {}, {"D": "c"}, NO),
        ("config('D', cast=lambda v: v == 'dev')", {}, {"D": "dev"}, YES),
    ],
)  # fmt: skip
def test_decouple_asks_the_environment_then_the_nearest_file(
    call: str, files: dict[str, str], variables: dict[str, str], expected: Answer
) -> None:
    source = f"{DECOUPLE}app.run(debug={call})"
    assert debugger(source, files, variables, "python_decouple") is expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("1", YES), ("on", YES), ("On", YES), ("YES", YES), ("T", YES), ("True", YES),
        ("0", NO), ("OFF", NO), ("n", NO),
        ("oN", NO), ("tRUE", NO), ("", NO), ("2", NO),  # EnvValidationError
    ],
)  # fmt: skip
def test_environs_reads_the_words_of_marshmallow(word: str, expected: Answer) -> None:
    source = "from environs import Env\nenv = Env()\napp.run(debug=env.bool('DEBUG'))"
    assert debugger(source, {}, {"DEBUG": word}, "environs", "14.1.0") is expected


@pytest.mark.parametrize(
    ("source", "files", "variables", "expected"),
    [
        ("app.run(debug=env.bool('D', False))", {}, {}, NO),
        ("app.run(debug=env('D', False))", {}, {"D": "0"}, YES),  # a text
        ("app.run(debug=env.int('D'))", {}, {"D": "1"}, YES),
        ("app.run(debug=env.json('D')['x'])", {}, {"D": '{"x": true}'}, YES),
        ("app.run(debug=env.list('D', subcast=bool)[1])", {}, {"D": "off,on"}, YES),
        ("app.run(debug=env.dict('D')['a'] == '1')", {}, {"D": "a=1,b=2"}, YES),
        ("with env.prefixed('A_'):\n  with env.prefixed('B_'):\n    d = env.bool('D')\n"
         "app.run(debug=d)", {}, {"A_B_D": "1"}, YES),
        ("with env.prefixed('A_'):\n  pass\napp.run(debug=env.bool('D'))", {}, {"A_D": "1"}, NO),
        ("env.read_env()\napp.run(debug=env.bool('D'))", {".env": "D=1\n"}, {}, YES),
        ("env.read_env()\napp.run(debug=env.bool('D'))", {".env": "D=1\n"}, {"D": "0"}, NO),
        ("env.read_env('c/.env')\napp.run(debug=env.bool('D', False))",
         {".env": "D=1\n", "c/x": ""}, {}, YES),  # upwards
        ("env.read_env('c/.env', recurse=False)\napp.run(debug=env.bool('D', False))",
         {".env": "D=1\n", "c/x": ""}, {}, NO),
        ("env.read_env('c')\napp.run(debug=True)", {"c/x": ""}, {}, NO),  # a folder: ValueError
        ("env = Env(expand_vars=True)\napp.run(debug=env.bool('D'))", {}, {"D": "${M:-on}"}, YES),
        ("env = Env(expand_vars=True)\napp.run(debug=env.bool('D'))", {},
         {"D": "${M}", "M": "off"}, NO),
        ("env = Env(eager=False)\nd = env.bool('D', True)\nenv.int('N')\nenv.seal()\n"
         "app.run(debug=d)", {}, {}, NO),
        ("@env.parser_for('x')\ndef x(v):\n  return v == 'dev'\napp.run(debug=env.x('D'))", {},
         {"D": "dev"}, YES),
    ],
)  # fmt: skip
def test_environs_casts_prefixes_and_files(
    source: str, files: dict[str, str], variables: dict[str, str], expected: Answer
) -> None:
    for version in ("9.5.0", "14.6.0", "15.2.0"):
        text = f"from environs import Env\nenv = Env()\n{source}"
        assert debugger(text, files, variables, "environs", version) is expected


@pytest.mark.parametrize(("version", "expected"), [("14.6.0", YES), ("15.0.0", NO)])
def test_environs_keeps_what_it_reads_to_itself_from_15_on(version: str, expected: Answer) -> None:
    source = "from environs import Env\nEnv().read_env('x.env')\napp.run()"
    assert debugger(source, {"x.env": "FLASK_DEBUG=1\n"}, {}, "environs", version) is expected


def test_without_its_version_what_environs_does_is_unknown() -> None:
    source = "from environs import Env\nEnv().read_env('x.env')\napp.run()"
    texts = image(source, {"x.env": "FLASK_DEBUG=1\n"}, "environs", "14.6.0")
    texts = {name: text for name, text in texts.items() if "environs-" not in name}
    (program,) = flask.judge(process("python app.py"), MemoryFiles(texts))
    assert program.facts.debugger.answer is UNKNOWN
    assert "version of environs" in program.facts.debugger.missing[0].what


PYDANTIC = (
    "from typing import Annotated, Literal, Optional\n"
    "from pydantic import AliasChoices, BaseModel, Field, field_validator, model_validator\n"
    "from pydantic_settings import BaseSettings, SettingsConfigDict\n"
)


def fields(body: str, run: str = "app.run(debug=S().debug)") -> str:
    return f"{PYDANTIC}class S(BaseSettings):\n  {body}\n{run}"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("1", YES), ("ON", YES), ("t", YES), ("Y", YES), ("yes", YES), ("True", YES),
        ("0", NO), ("off", NO), ("F", NO), ("no", NO),
        ("", NO), ("2", NO), ("enabled", NO), (" 1", NO),  # ValidationError
    ],
)  # fmt: skip
def test_pydantic_reads_its_own_words(word: str, expected: Answer) -> None:
    found = debugger(fields("debug: bool = True"), {}, {"DEBUG": word}, "pydantic_settings")
    assert found is expected


@pytest.mark.parametrize(
    ("body", "files", "variables", "expected"),
    [
        ("debug: bool = False", {}, {}, NO),
        ("debug: bool = False", {}, {"debug": "1"}, YES),
        ("debug: bool = 'on'", {}, {}, YES),  # defaults of settings are validated
        ("debug: bool", {}, {}, NO),  # missing
        ("debug: Optional[bool] = None", {}, {"DEBUG": "0"}, NO),
        ("debug: bool | None = None", {}, {"DEBUG": "1"}, YES),
        ("debug: Optional[str] = None", {}, {"DEBUG": "0"}, YES),
        ("debug: 'bool' = False", {}, {"DEBUG": "1"}, YES),
        ("debug: int = 0", {}, {"DEBUG": "1"}, YES),
        ("debug: int = 0", {}, {"DEBUG": "true"}, NO),
        ("debug: Annotated[bool, Field(alias='X')] = False", {}, {"X": "1"}, YES),
        ("debug: bool = Field(False, validation_alias=AliasChoices('A', 'B'))", {}, {"B": "1"}, YES),
        ("debug: bool = Field(False, validation_alias=AliasChoices('A', 'B'))", {},
         {"A": "0", "B": "1"}, NO),
        ("debug: bool = Field(default_factory=lambda: True)", {}, {}, YES),
        ("model_config = SettingsConfigDict(env_prefix='X_')\n  debug: bool = False", {},
         {"DEBUG": "1"}, NO),
        ("model_config = SettingsConfigDict(env_prefix='X_')\n  debug: bool = False", {},
         {"x_debug": "1"}, YES),
        ("model_config = {'case_sensitive': True}\n  debug: bool = False", {}, {"DEBUG": "1"}, NO),
        ("class Config:\n    env_prefix = 'X_'\n  debug: bool = False", {}, {"X_DEBUG": "1"}, YES),
        ("model_config = SettingsConfigDict(env_file='.env')\n  debug: bool = False",
         {".env": "DEBUG=1\n"}, {}, YES),
        ("model_config = SettingsConfigDict(env_file='.env')\n  debug: bool = False",
         {".env": "DEBUG=1\n"}, {"DEBUG": "0"}, NO),
        ("model_config = SettingsConfigDict(env_file=('a', 'b'))\n  debug: bool = False",
         {"a": "DEBUG=1\n", "b": "DEBUG=0\n"}, {}, NO),
        ("model_config = SettingsConfigDict(env_file='.env')\n  debug: bool = True",
         {".env": "OTHER=1\n"}, {}, NO),  # what no field reads is forbidden
        ("model_config = SettingsConfigDict(env_file='.env', extra='ignore')\n  debug: bool = True",
         {".env": "OTHER=1\n"}, {}, YES),
        ("model_config = {'env_ignore_empty': True}\n  debug: bool = True", {}, {"DEBUG": ""}, YES),
        ("debug: bool = False\n  @field_validator('debug', mode='before')\n  @classmethod\n"
         "  def f(cls, v):\n    return v == 'dev'", {}, {"DEBUG": "dev"}, YES),
        ("debug: bool = False\n  stage: str = ''\n  @model_validator(mode='after')\n"
         "  def f(self):\n    self.debug = self.stage == 'dev'\n    return self", {},
         {"STAGE": "dev"}, YES),
        ("debug: bool = False\n  @model_validator(mode='before')\n  @classmethod\n"
         "  def f(cls, data):\n    return {'debug': True}", {}, {}, UNKNOWN),
        ("debug: bool = False\n  @classmethod\n  def settings_customise_sources(cls, c, **k):\n"
         "    return ()", {}, {"DEBUG": "1"}, UNKNOWN),
        ("stage: Literal['a', 'b'] = 'b'\n  @property\n  def debug(self):\n"
         "    return self.stage == 'a'", {}, {"STAGE": "a"}, YES),
        ("stage: Literal['a', 'b'] = 'b'\n  debug: bool = True", {}, {"STAGE": "c"}, NO),
        ("model_config = {'secrets_dir': '/run/secrets'}\n  debug: bool = False",
         {"/run/secrets/debug": "1\n"}, {}, YES),
    ],
)  # fmt: skip
def test_pydantic_settings(
    body: str, files: dict[str, str], variables: dict[str, str], expected: Answer
) -> None:
    assert debugger(fields(body), files, variables, "pydantic_settings") is expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SERVER__DEBUG": "1"}, YES),
        ({"SERVER__debug": "0", "SERVER": '{"debug": true}'}, NO),
        ({"SERVER": '{"debug": true}'}, YES),
        ({"SERVER": "[1]"}, NO),
        ({}, NO),
    ],
)
def test_pydantic_reads_models_out_of_several_variables(
    variables: dict[str, str], expected: Answer
) -> None:
    source = (
        f"{PYDANTIC}class Server(BaseModel):\n  debug: bool = False\n"
        "class S(BaseSettings):\n  model_config = {'env_nested_delimiter': '__'}\n"
        "  server: Server = Server()\napp.run(debug=S().server.debug)"
    )
    assert debugger(source, {}, variables, "pydantic_settings") is expected


@pytest.mark.parametrize(
    ("body", "variables", "expected"),
    [
        ("debug: bool = Field(False, env='X')", {"X": "on"}, YES),
        ("debug: bool = Field(False, alias='X')", {"X": "on"}, NO),  # aliases name no variable
        ("debug: bool = False\n  class Config:\n    fields = {'debug': {'env': 'X'}}", {"X": "1"}, YES),
        ("debug: bool = False\n  class Config:\n    env_prefix = 'x_'", {"X_DEBUG": "1"}, YES),
        ("debug: bool = False\n  @validator('debug', pre=True)\n  def f(cls, v):\n"
         "    return v == 'dev'", {"DEBUG": "dev"}, YES),
    ],
)  # fmt: skip
def test_pydantic_1(body: str, variables: dict[str, str], expected: Answer) -> None:
    source = (
        f"from pydantic import BaseSettings, Field, validator\nclass S(BaseSettings):\n  {body}\n"
    )
    found = debugger(f"{source}app.run(debug=S().debug)", {}, variables, "pydantic", "1.10.17")
    assert found is expected


@pytest.mark.parametrize(("version", "expected"), [("1.10.17", YES), ("2.9.2", NO)])
def test_settings_are_gone_from_pydantic_2(version: str, expected: Answer) -> None:
    source = "from pydantic import BaseSettings\nclass S(BaseSettings):\n  debug: bool = True\n"
    assert debugger(f"{source}app.run(debug=S().debug)", {}, {}, "pydantic", version) is expected


TOML = "[default]\ndebug = false\n[development]\ndebug = true\n[production]\ndebug = '@bool off'\n"
ALONE = "debug = true\n"


@pytest.mark.parametrize(
    ("call", "files", "variables", "expected"),
    [
        ("settings_files=['s.toml']", {"s.toml": ALONE}, {}, YES),
        ("settings_files=['s.toml']", {"config/s.toml": ALONE}, {}, YES),
        ("settings_files=['s.toml']", {"/srv/s.toml": ALONE}, {}, YES),
        ("settings_files=['s.toml'], root_path='conf'", {"conf/s.toml": ALONE}, {}, YES),
        ("settings_files=['s.toml']", {}, {}, NO),  # AttributeError
        ("settings_files=['s.toml']", {"s.toml": ALONE}, {"DYNACONF_DEBUG": "false"}, NO),
        ("settings_files=['s.toml']", {"s.toml": ALONE}, {"DYNACONF_DEBUG": "False"}, NO),
        ("settings_files=['s.toml']", {"s.toml": ALONE}, {"DYNACONF_DEBUG": "off"}, YES),  # a text
        ("settings_files=['s.toml']", {"s.toml": ALONE}, {"DYNACONF_DEBUG": "@bool off"}, NO),
        ("settings_files=['s.toml'], envvar_prefix='X'", {"s.toml": ALONE}, {"X_DEBUG": "0"}, NO),
        ("envvar_prefix=False", {}, {"DEBUG": "1"}, YES),
        ("settings_files=['s.toml'], environments=True", {"s.toml": TOML}, {}, YES),
        ("settings_files=['s.toml'], environments=True", {"s.toml": TOML},
         {"ENV_FOR_DYNACONF": "production"}, NO),
        ("settings_files=['s.toml'], environments=True, env='production'", {"s.toml": TOML}, {}, NO),
        ("settings_files=['s.toml'], environments=True, env_switcher='M'", {"s.toml": TOML},
         {"M": "production"}, NO),
        ("settings_files=['s.toml']", {"s.toml": TOML}, {"ENVIRONMENTS_FOR_DYNACONF": "true"}, YES),
        ("settings_files=['a.toml', 'b.yaml']", {"a.toml": ALONE, "b.yaml": "debug: false\n"}, {}, NO),
        ("settings_files=['b.yaml']", {"b.yaml": "debug: off\n"}, {}, YES),  # YAML 1.2: a text
        ("settings_files=['s.json']", {"s.json": '{"debug": false}',
                                       "s.local.json": '{"debug": true}'}, {}, YES),
        ("settings_files=['s.py']", {"s.py": "DEBUG = True\n"}, {}, YES),
        ("settings_files=['s.toml']", {}, {"SETTINGS_FILE_FOR_DYNACONF": "t.toml"}, NO),
        ("settings_files=['s.toml']", {"t.toml": ALONE}, {"SETTINGS_FILE_FOR_DYNACONF": "t.toml"}, YES),
        ("load_dotenv=True", {".env": "DYNACONF_DEBUG=true\n"}, {}, YES),
        ("debug=True", {}, {}, YES),
        ("validators=[Validator('DEBUG', default=True)]", {}, {}, YES),
        ("debug=True, validators=[Validator('KEY', must_exist=True)]", {}, {}, NO),
        ("settings_files=['*.toml']", {"s.toml": ALONE}, {}, UNKNOWN),
        ("settings_files=['s.toml']", {"s.toml": "debug = '@format {this.X}'\n"}, {}, UNKNOWN),
        ("settings_files=['s.toml']", {"s.toml": "debug = \n"}, {}, NO),  # does not parse
    ],
)  # fmt: skip
def test_dynaconf(
    call: str, files: dict[str, str], variables: dict[str, str], expected: Answer
) -> None:
    for read in ("settings.debug", "settings.DEBUG", "settings['debug']", "settings.get('debug')"):
        if read == "settings.get('debug')" and expected is NO:
            continue
        source = f"from dynaconf import Dynaconf, Validator\nsettings = Dynaconf({call})\n"
        found = debugger(f"{source}app.run(debug={read})", files, variables, "dynaconf", "3.2.6")
        assert found is expected, read


@pytest.mark.parametrize(("version", "expected"), [("3.1.12", YES), ("3.2.2", NO)])
def test_dynaconf_took_false_in_a_variable_for_a_text(version: str, expected: Answer) -> None:
    source = "from dynaconf import Dynaconf\napp.run(debug=Dynaconf().debug)"
    assert debugger(source, {}, {"DYNACONF_DEBUG": "False"}, "dynaconf", version) is expected


@pytest.mark.parametrize(
    ("call", "files", "variables", "expected"),
    [
        ("FlaskDynaconf(app)", {"settings.toml": TOML}, {}, YES),
        ("FlaskDynaconf(app)", {"settings.toml": TOML}, {"FLASK_ENV": "production"}, NO),
        ("FlaskDynaconf().init_app(app)", {"settings.toml": TOML}, {}, YES),
        ("FlaskDynaconf(app, settings_files=['x.yaml'])", {"x.yaml": "default: {debug: true}\n"},
         {}, YES),
        ("FlaskDynaconf(app)", {"settings.toml": TOML}, {"FLASK_DEBUG": "0"}, NO),
        ("FlaskDynaconf(app)", {}, {}, NO),
        ("FlaskDynaconf(app)", {".env": "FLASK_DEBUG=1\n"}, {}, YES),
        ("FlaskDynaconf(app, envvar_prefix='X')", {"settings.toml": TOML}, {"X_ENV": "production"},
         NO),
        ("FlaskDynaconf(app)\napp.debug = False", {"settings.toml": TOML}, {}, NO),
        ("FlaskDynaconf(app)\napp.config.from_mapping(DEBUG=False)", {"settings.toml": TOML}, {}, NO),
        ("FlaskDynaconf(app, extensions_list=True)", {"settings.toml": TOML}, {}, YES),
    ],
)  # fmt: skip
def test_flask_dynaconf_lays_settings_over_app_config(
    call: str, files: dict[str, str], variables: dict[str, str], expected: Answer
) -> None:
    source = f"from dynaconf import FlaskDynaconf\n{call}\napp.run()"
    assert debugger(source, files, variables, "dynaconf", "3.2.6") is expected


@pytest.mark.parametrize(
    ("call", "files", "variables", "expected"),
    [
        ("load_dotenv()", {".env": "D=1\n"}, {}, YES),
        ("load_dotenv()", {"/srv/.env": "D=1\n"}, {}, YES),
        ("load_dotenv()", {".env": "D=1\n"}, {"D": "0"}, NO),
        ("load_dotenv(override=True)", {".env": "D=1\n"}, {"D": "0"}, YES),
        ("load_dotenv('c/x.env')", {"c/x.env": "D=1\n"}, {}, YES),
        ("load_dotenv(find_dotenv('x.env', usecwd=True))", {"x.env": "D=1\n"}, {}, YES),
        ("load_dotenv(find_dotenv('none', raise_error_if_not_found=True))", {}, {"D": "1"}, NO),
        ("load_dotenv(find_dotenv('none'))", {".env": "D=1\n"}, {}, NO),
        ("load_dotenv(stream=io.StringIO('D=1'))", {".env": "D=0\n"}, {}, YES),
        ("load_dotenv(interpolate=False)", {".env": "D=${X}\n"}, {"X": "1"}, NO),
        ("load_dotenv()", {".env": "D=${X}\n"}, {"X": "1"}, YES),
        ("load_dotenv()", {".env": "X=0\nD=${X}\n"}, {"X": "1"}, YES),
        ("load_dotenv(override=True)", {".env": "X=0\nD=${X}\n"}, {"X": "1"}, NO),
        ("os.environ.update(dotenv_values('x.env'))", {"x.env": "D=1\n"}, {"D": "0"}, YES),
        ("os.environ['D'] = get_key('x.env', 'D')", {"x.env": "D=1\n"}, {}, YES),
        ("set_key('/tmp/x.env', 'D', '1')\nload_dotenv('/tmp/x.env')", {}, {}, YES),
        ("load_dotenv()", {".env": "D=1\n"}, {"PYTHON_DOTENV_DISABLED": "1"}, YES),  # from 1.2 on
    ],
)  # fmt: skip
def test_python_dotenv(
    call: str, files: dict[str, str], variables: dict[str, str], expected: Answer
) -> None:
    source = f"import io\nfrom dotenv import *\n{call}\napp.run(debug=os.environ['D'] == '1')"
    named = source.replace("*", "load_dotenv, find_dotenv, dotenv_values, get_key, set_key")
    assert debugger(named, files, variables) is expected


@pytest.mark.parametrize(
    ("call", "text", "expected"),
    [
        ("yaml.safe_load(open('c'))", "debug: yes\n", YES),
        ("yaml.safe_load(open('c').read())", "debug: off\n", NO),
        ("yaml.safe_load(open('c', 'rb'))", "debug: 'off'\n", YES),
        ("yaml.safe_load(open('c'))", "debug: n\n", YES),  # a text to PyYAML
        ("yaml.safe_load(open('c'))", "a: &a {debug: on}\n<<: *a\n", YES),
        ("yaml.load(open('c'), Loader=yaml.SafeLoader)", "debug: on\n", YES),
        ("yaml.load(open('c'), yaml.BaseLoader)", "debug: off\n", YES),
        ("yaml.load(open('c'))", "debug: on\n", NO),  # TypeError since 6
        ("list(yaml.safe_load_all(open('c')))[1]", "debug: 0\n---\ndebug: 1\n", YES),
        ("yaml.safe_load(open('c'))", "debug: [\n", NO),  # YAMLError
        ("yaml.safe_load(open('c'))", "debug: !ENV X\n", UNKNOWN),
        ("yaml.safe_load(open('c'))", "a: &a [1,1]\nb: &b [*a,*a]\ndebug: 1\n", YES),
    ],
)  # fmt: skip
def test_pyyaml(call: str, text: str, expected: Answer) -> None:
    source = f"import yaml\nc = {call}\napp.run(debug=c['debug'])"
    assert debugger(source, {"c": text}, {}, "pyyaml", "6.0.2") is expected


def test_a_yaml_bomb_is_beyond_our_limits() -> None:
    layers = [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    text = "\n".join(["a0: &a0 [1]", *layers, "debug: on", ""])
    source = "import yaml\nc = yaml.safe_load(open('c'))\napp.run(debug=c['debug'])"
    facts = launched(source, {"c": text}, {}, "pyyaml", "6.0.2").facts
    assert facts.debugger.answer is UNKNOWN
    assert facts.debugger.missing[0].reason is Reason.LIMIT


@pytest.mark.parametrize(
    ("library", "source", "files", "variables", "expected"),
    [
        ("ruamel_yaml", "from ruamel.yaml import YAML\nd = YAML(typ='safe').load(open('c'))['d']",
         {"c": "d: off\n"}, {}, YES),  # YAML 1.2: a text
        ("toml", "import toml\nd = toml.load('c')['d']", {"c": "d = true\n"}, {}, YES),
        ("toml", "import toml\nd = toml.loads('d = false')['d']", {}, {}, NO),
        ("tomli", "import tomli\nd = tomli.load(open('c', 'rb'))['d']", {"c": "d = 1\n"}, {}, YES),
        ("simplejson", "import simplejson as json\nd = json.load(open('c'))['d']", {"c": '{"d": 1}'},
         {}, YES),
        ("django_environ", "import environ\nd = environ.Env(D=(bool, False))('D')", {}, {"D": "ok"}, YES),
        ("django_environ", "import environ\nd = environ.Env(D=(bool, True))('D')", {}, {"D": "x"}, NO),
        ("django_environ", "import environ\nd = environ.Env().bool('D')", {}, {}, NO),
        ("django_environ", "import environ\nenviron.Env.read_env()\nd = environ.Env()('D', cast=bool)",
         {".env": "export D='on'\n"}, {}, YES),
        ("django_environ", "import environ\nd = environ.Env()('D', default=False)", {}, {"D": "0"}, NO),
        ("starlette", "from starlette.config import Config\nd = Config('.env')('D', cast=bool)",
         {".env": "D=True\n"}, {}, YES),
        ("starlette", "from starlette.config import Config\nd = Config()('D', cast=bool)", {},
         {"D": "yes"}, NO),  # ValueError
        ("starlette", "from starlette.config import Config\nd = Config()('D', default=1)", {}, {}, YES),
    ],
)  # fmt: skip
def test_other_readers(
    library: str, source: str, files: dict[str, str], variables: dict[str, str], expected: Answer
) -> None:
    assert debugger(f"{source}\napp.run(debug=d)", files, variables, library) is expected


@pytest.mark.parametrize(
    ("library", "source"),
    [
        ("python_decouple", f"{DECOUPLE}app.run(debug=config('D', cast=bool))"),
        ("environs", "from environs import Env\ne = Env()\ne.read_env()\napp.run(debug=e.bool('D'))"),
        ("pydantic_settings", fields("debug: bool = False\n  model_config = {'env_file': '.env'}")),
        ("dynaconf", "from dynaconf import Dynaconf\napp.run(debug=Dynaconf(load_dotenv=True).debug)"),
        ("nothing", "from dotenv import load_dotenv\nload_dotenv()\napp.run(debug=os.getenv('D'))"),
    ],
)  # fmt: skip
def test_a_file_that_was_not_read_is_what_is_missing(library: str, source: str) -> None:
    secret = Missing(Reason.SECRET, "the Secret shop")
    facts = launched(source, {}, {}, library, "3.2.6", {"/srv/app/.env": secret}).facts
    assert facts.debugger.answer is UNKNOWN
    assert secret in facts.debugger.missing


OF_DYNACONF = "from dynaconf import Dynaconf\ns = Dynaconf(settings_files=['s.toml'])\n"
OF_PYDANTIC = f"{PYDANTIC}class S(BaseSettings):\n  DEBUG: bool = False\n  other: bool = True\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"{OF_DYNACONF}app.config.update(s.as_dict())", YES),
        (f"{OF_DYNACONF}app.config.from_mapping(s.to_dict())", YES),
        (f"{OF_DYNACONF}for k, v in s.items():\n  app.config[k] = v", YES),
        (f"{OF_DYNACONF}s.DEBUG = False\napp.config.update(s.as_dict())", NO),
        (f"{OF_DYNACONF}s.set('debug', False)\napp.config.update(s.as_dict())", NO),
        (f"{OF_DYNACONF}s.setenv('other')\napp.debug = s.DEBUG", UNKNOWN),
        (f"{OF_DYNACONF}app.debug = s.current_env == 'main'", YES),
        (f"{OF_PYDANTIC}app.config.from_object(S())", YES),
        (f"{OF_PYDANTIC}app.config.from_object(S)", NO),  # fields are no attributes of the class
        (f"{OF_PYDANTIC}app.config.from_mapping(S().model_dump())", YES),
        (f"{OF_PYDANTIC}app.config.update(S().model_dump(exclude={{'DEBUG'}}))", NO),
        (f"{OF_PYDANTIC}app.config.update(vars(S()))", YES),
        (f"{OF_PYDANTIC}class T(S, env_prefix='X_'):\n  pass\napp.config.from_object(T())", NO),
    ],
)
def test_settings_of_libraries_as_app_config(source: str, expected: Answer) -> None:
    library = "dynaconf" if source.startswith("from dynaconf") else "pydantic_settings"
    variables = {"DEBUG": "1"} if library != "dynaconf" else {}
    found = debugger(f"{source}\napp.run()", {"s.toml": ALONE}, variables, library, "3.2.6")
    assert found is expected


@pytest.mark.parametrize(("version", "expected"), [("3.1.12", YES), ("3.2.6", NO)])
def test_settings_of_dynaconf_are_no_object_for_app_config_from_3_2_on(
    version: str, expected: Answer
) -> None:
    source = f"{OF_DYNACONF}app.config.from_object(s)\napp.run()"
    assert debugger(source, {"s.toml": ALONE}, {}, "dynaconf", version) is expected


VALUES = st.sampled_from(
    ["None", "True", "0", "'.env'", "''", "b'x'", "[]", "['a', 1]", "{}", "{'debug': True}", "print",
     "bool", "lambda *a, **k: 1", "app", "os", "hidden()", "open('.env')", "'DEBUG'", "...", "-1"]
)  # fmt: skip
CALLS = {
    "python_decouple": ("decouple", "config AutoConfig Config RepositoryEnv RepositoryIni Csv Choices "
                        "RepositorySecret strtobool AutoConfig()() Csv()() Choices()()"),
    "environs": ("environs", "Env Env()() Env().bool Env().list Env().dict Env().json Env().read_env "
                 "Env().prefixed Env().add_parser Env().parser_for FileAwareEnv()() env.int"),
    "pydantic": ("pydantic", "BaseModel Field AliasChoices ConfigDict field_validator model_validator "
                 "validator BaseModel.model_validate BaseModel.parse_raw SecretStr BaseModel().dict"),
    "pydantic_settings": ("pydantic_settings", "BaseSettings SettingsConfigDict BaseSettings().dict"),
    "dynaconf": ("dynaconf", "Dynaconf Dynaconf()() Dynaconf().get Dynaconf().set Dynaconf().update "
                 "FlaskDynaconf FlaskDynaconf().init_app Validator Dynaconf().as_bool "
                 "Dynaconf().validators.register Dynaconf().setenv"),
    "pyyaml": ("yaml", "load safe_load load_all add_constructor SafeLoader full_load_all"),
    "toml": ("toml", "load loads"),
    "ruamel_yaml": ("ruamel.yaml", "YAML YAML().load YAML().load_all"),
    "django_environ": ("environ", "Env Env()() Env().bool Env().list Env.read_env Env().get_value"),
    "starlette": ("starlette.config", "Config Config()() Config().get"),
    "python_dotenv": ("dotenv", "load_dotenv find_dotenv dotenv_values get_key set_key unset_key"),
    "flask": ("app.config", "from_object from_mapping from_pyfile from_envvar from_file update pop get "
              "from_prefixed_env get_namespace setdefault clear"),
}  # fmt: skip
NAMES = st.sampled_from(
    ["default", "cast", "path", "override", "env_file", "dotenv_path", "stream", "settings_files",
     "environments", "validators", "load", "silent", "load_default", "subcast", "Loader", "typ",
     "dynaconf_instance", "mode", "env_prefix", "obj", "key"]
)  # fmt: skip


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, str]:
    library = draw(st.sampled_from(sorted(CALLS)))
    module, names = CALLS[library]
    lines = [] if module == "app.config" else [f"import {module} as m"]
    for number in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(names.split()))
        given = draw(st.lists(VALUES, max_size=3))
        named = draw(st.dictionaries(NAMES, VALUES, max_size=2))
        arguments = ", ".join([*given, *(f"{key}={value}" for key, value in named.items())])
        owner = "app.config" if module == "app.config" else "m"
        lines.append(
            f"try:\n  v{number} = {owner}.{name}({arguments})\nexcept Exception:\n  v{number} = 1"
        )
        lines.append(f"x{number} = [v{number}, bool(v{number}), getattr(v{number}, 'debug', None)]")
    return library, "\n".join(["from unseen import hidden", *lines, "app.run(debug=x0)"])


@settings(max_examples=2000 if LONG else 150, deadline=None)
@given(programs(), st.text(string.printable, max_size=30))
def test_no_call_of_a_model_fails_here(program: tuple[str, str], text: str) -> None:
    library, source = program
    files = {".env": text, "unseen.py": "import os\ndef hidden():\n  return os.getpid()\n"}
    kinds = {} if library in {"flask", "python_dotenv"} else {library: "2.0"}
    texts = {**image(source, files, next(iter(kinds), "nothing"), "2.0")}
    (judged,) = flask.judge(process("python app.py", DEBUG=None), MemoryFiles(texts))
    assert judged.facts.debugger.answer in Answer
