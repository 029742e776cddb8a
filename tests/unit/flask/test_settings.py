"""Where programs take their settings from: app.config, .env files, and libraries that read them."""

from collections.abc import Mapping

import pytest

from deployguard import flask
from deployguard.model.evidence import Answer, Missing, Reason
from deployguard.model.facts import ProgramFacts
from tests.support.memory import (
    FLASK_012,
    FLASK_3,
    FLASK_11,
    FLASK_22,
    MemoryFiles,
    process,
    venv,
)

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
HEAD = "import os\nfrom flask import Flask, current_app\napp = Flask(__name__)\n"


def launched(
    source: str,
    files: Mapping[str, str] | None = None,
    variables: Mapping[str, str | None] | None = None,
    installed: Mapping[str, str] = FLASK_3,
    unread: Mapping[str, Missing] | None = None,
) -> ProgramFacts:
    """Judge `python app.py` in /srv/app; files are named relative to it."""
    texts = {
        **venv(**installed),
        "/srv/app/app.py": HEAD + source,
        **{
            name if name[0] == "/" else f"/srv/app/{name}": text
            for name, text in (files or {}).items()
        },
    }
    (program,) = flask.judge(
        process("python app.py", **(variables or {})), MemoryFiles(texts, unread or {})
    )
    return program


def debugger(
    source: str,
    files: Mapping[str, str] | None = None,
    variables: Mapping[str, str | None] | None = None,
    installed: Mapping[str, str] = FLASK_3,
) -> Answer:
    """Say whether the debugger comes up; what does not start has none."""
    return launched(source, files, variables, installed).facts.debugger.answer


CLASSES = """
class Base:
    DEBUG = False
    @classmethod
    def init_app(cls, app):
        app.config["READY"] = True
class Dev(Base):
    DEBUG = True
class Settings:
    class Inner:
        DEBUG = True
by_name = {"dev": Dev, "prod": Base, "default": Dev}
"""


@pytest.mark.parametrize(
    ("source", "mode", "expected"),
    [
        ("app.config.from_object('settings.Dev')", None, YES),
        ("app.config.from_object('settings:Dev')", None, YES),
        ("app.config.from_object('settings.Base')", None, NO),
        ("app.config.from_object('settings.Nothing')", None, NO),  # ImportError
        ("import settings\napp.config.from_object(settings.Settings.Inner)", None, YES),
        ("import settings\napp.config.from_object(settings.Settings)", None, NO),
        ("import settings\napp.config.from_object(settings.Dev())", None, YES),
        ("app.config.from_object({'DEBUG': True})", None, NO),  # a dictionary has no attributes
        ("app.config.from_object(f\"settings.{os.environ.get('M', 'base').title()}\")", "dev", YES),
        ("app.config.from_object(f\"settings.{os.environ.get('M', 'base').title()}\")", None, NO),
        ("from settings import by_name\napp.config.from_object(by_name[os.getenv('M')])", "dev", YES),
        ("from settings import by_name\napp.config.from_object(by_name[os.getenv('M')])", "prod", NO),
        ("from settings import by_name\napp.config.from_object(by_name[os.getenv('M')])", "x", NO),
        ("from settings import by_name\n"
         "app.config.from_object(by_name.get(os.getenv('M'), by_name['default']))", "x", YES),
        ("from settings import by_name\nc = by_name['dev']\napp.config.from_object(c)\n"
         "c.init_app(app)", None, YES),
        ("import settings\n"
         "app.config.from_object(getattr(settings, os.getenv('M', 'Base')))", "Dev", YES),
        ("from werkzeug.utils import import_string\n"
         "app.config.from_object(import_string('settings.Dev')())", None, YES),
        ("from settings import *\napp.config.from_object(globals()[os.environ['M']])", "Dev", YES),
    ],
)  # fmt: skip
def test_objects_that_a_program_names_or_chooses(
    source: str, mode: str | None, expected: Answer
) -> None:
    found = debugger(f"{source}\napp.run()", {"settings.py": CLASSES}, {"M": mode})
    assert found is expected


@pytest.mark.parametrize(
    ("body", "made", "expected"),
    [
        ("DEBUG = os.environ.get('X') == '1'", "C", YES),
        ("debug = True", "C", NO),
        ("@property\n  def DEBUG(self):\n    return os.environ.get('X') != '1'", "C()", NO),
        (
            "@property\n  def DEBUG(self):\n    return False",
            "C",
            YES,
        ),  # the property itself is true
        ("def __init__(self):\n    self.DEBUG = True", "C()", YES),
        ("def DEBUG(self):\n    return False", "C()", YES),  # a method is true as well
    ],
)
def test_attributes_are_taken_as_getattr_gives_them(body: str, made: str, expected: Answer) -> None:
    source = f"class C:\n  {body}\napp.config.from_object({made})\napp.run()"
    assert debugger(source, variables={"X": "1"}) is expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("app.config |= {'DEBUG': True}", YES),
        ("app.config.update(DEBUG=True)", YES),
        ("app.config.from_mapping({'DEBUG': True})", YES),
        ("app.config.from_mapping([('DEBUG', True)])", YES),
        ("app.config.from_mapping(debug=True)", NO),
        ("app.config.setdefault('DEBUG', True)", NO),
        ("app.config['debug'] = True", NO),
        ("app.config['ENV'] = 'development'", NO),
        ("app.testing = True", NO),
        ("app.jinja_env.auto_reload = True", NO),
        ("with app.app_context():\n  current_app.config['DEBUG'] = True", YES),
        ("with app.app_context():\n  current_app.debug = True", YES),
        ("with app.test_request_context():\n  current_app.config.from_mapping(DEBUG=1)", YES),
        ("app.app_context().push()\ncurrent_app._get_current_object().debug = True", YES),
        ("other = Flask('other')\nwith other.app_context():\n  current_app.debug = True", NO),
        ("app.config.pop('DEBUG')", NO),  # app.run() then ends in a KeyError
    ],
)
def test_items_and_the_current_application(source: str, expected: Answer) -> None:
    assert debugger(f"{source}\napp.run()") is expected


def test_without_a_context_the_current_application_is_not_known() -> None:
    facts = launched("current_app.config['DEBUG'] = True\napp.run()").facts
    assert facts.debugger.answer is UNKNOWN
    assert "current_app" in facts.debugger.missing[0].what


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("app.run(debug=app.config['DEBUG'])", NO),
        ("app.run(debug=app.config['SHOP'])", NO),  # KeyError
        ("app.run(debug=app.config.get('SHOP', True))", YES),
        ("app.run(debug=app.config.get('SHOP'))", NO),
        ("app.config['RUN_DEBUG'] = True\napp.run(**app.config.get_namespace('RUN_'))", YES),
        ("app.config['RUN'] = {'debug': True}\napp.run(**app.config['RUN'])", YES),
        ("app.run(debug=app.config['PREFERRED_URL_SCHEME'] == 'http')", YES),
        ("import sqlalchemy\nsqlalchemy.init(app)\napp.run(debug=app.config['SQL'])", UNKNOWN),
    ],
)
def test_app_config_is_read_back(run: str, expected: Answer) -> None:
    assert debugger(run, installed={**FLASK_3, "sqlalchemy": "2.0"}) is expected


IS_DEVELOPMENT = "app.run(debug=app.config.get('ENV') == 'development')"


@pytest.mark.parametrize(
    ("installed", "expected"), [(FLASK_012, NO), (FLASK_11, YES), (FLASK_22, YES), (FLASK_3, NO)]
)
def test_env_is_a_key_from_1_0_to_2_2(installed: Mapping[str, str], expected: Answer) -> None:
    found = debugger(IS_DEVELOPMENT, {}, {"FLASK_ENV": "development"}, installed)
    assert found is expected


@pytest.mark.parametrize(
    ("call", "families"),
    [
        ("from_json('c.json')", (FLASK_012, FLASK_11)),
        ("from_file('c.json', json.load)", (FLASK_22, FLASK_3)),
        ("from_file('c.json', json.load, text=True)", (FLASK_3,)),
        ("from_prefixed_env('SHOP')", (FLASK_22, FLASK_3)),
        ("from_mapping(DEBUG=True)", (FLASK_012, FLASK_11, FLASK_22, FLASK_3)),
    ],
)
def test_a_method_that_a_family_lacks_ends_the_program(
    call: str, families: tuple[Mapping[str, str], ...]
) -> None:
    source = f"import json\napp.config.{call}\napp.run(debug=True)"
    for installed in (FLASK_012, FLASK_11, FLASK_22, FLASK_3):
        found = debugger(source, {"c.json": '{"DEBUG": true}'}, {}, installed)
        assert found is (YES if installed in families else NO)


@pytest.mark.parametrize(
    ("call", "variables", "expected"),
    [
        ("from_pyfile('conf/on.cfg')", {}, YES),
        ("from_pyfile('/srv/app/conf/on.cfg')", {}, YES),
        ("from_pyfile('none.cfg')", {}, NO),  # FileNotFoundError, though debug is True below
        ("from_pyfile('none.cfg', silent=True)", {}, YES),
        ("from_envvar('S')", {"S": "conf/on.cfg"}, YES),
        ("from_envvar('S')", {}, NO),
        ("from_envvar('S', silent=True)", {"S": ""}, YES),
        ("from_file('c.toml', tomllib.load, text=False)", {}, YES),
        ("from_file('c.json', load=lambda f: json.load(f)['web'])", {}, YES),
        ("from_file('none.json', json.load)", {}, NO),
        ("from_file('none.json', json.load, silent=True)", {}, YES),
    ],
)
def test_files_are_looked_up_from_the_root_of_the_application(
    call: str, variables: dict[str, str], expected: Answer
) -> None:
    files = {
        "conf/on.cfg": "DEBUG = True\n",
        "c.toml": "DEBUG = true\n",
        "c.json": '{"web": {"DEBUG": true}}',
    }
    source = f"import json, tomllib\napp.config.{call}\napp.run(debug=True)"
    assert debugger(source, files, variables) is expected


@pytest.mark.parametrize(
    ("argument", "path", "expected"),
    [
        ("instance_relative_config=True", "instance/c.py", YES),
        ("instance_relative_config=True", "c.py", NO),
        ("instance_relative_config=True, instance_path='/data'", "/data/c.py", YES),
        ("root_path='/srv'", "/srv/c.py", YES),
        ("", "instance/c.py", NO),
    ],
)
def test_the_instance_folder_and_the_root_path(argument: str, path: str, expected: Answer) -> None:
    source = f"app = Flask(__name__, {argument})\napp.config.from_pyfile('c.py', True)\napp.run()"
    assert debugger(source, {path: "DEBUG = True\n"}) is expected


@pytest.mark.parametrize(
    ("call", "variables", "expected"),
    [
        ("from_prefixed_env()", {"FLASK_DEBUG": "true"}, YES),
        ("from_prefixed_env('SHOP')", {"SHOP_DEBUG": "true"}, YES),
        ("from_prefixed_env('SHOP')", {"SHOP_DEBUG": "false"}, NO),
        ("from_prefixed_env('SHOP')", {"SHOP_DEBUG": "False"}, YES),  # no JSON, so a text
        ("from_prefixed_env('SHOP')", {"SHOP_DEBUG": '""'}, NO),
        ("from_prefixed_env('SHOP')", {"SHOP_debug": "true"}, NO),
        ("from_prefixed_env('SHOP', loads=str)", {"SHOP_DEBUG": "false"}, YES),
        ("from_prefixed_env('SHOP', loads=int)", {"SHOP_DEBUG": "0"}, NO),
        ("from_prefixed_env('SHOP', loads=int)", {"SHOP_DEBUG": "no"}, YES),  # the text stays
    ],
)
def test_prefixed_variables_are_json(
    call: str, variables: dict[str, str], expected: Answer
) -> None:
    assert debugger(f"app.config.{call}\napp.run()", variables=variables) is expected


def test_nested_variables_make_dictionaries() -> None:
    program = launched(
        "app.config.from_prefixed_env('SHOP')\napp.run(**app.config['RUN'])",
        variables={"SHOP_RUN__debug": "true", "SHOP_RUN__host": "0.0.0.0"},
    )
    assert program.facts.debugger.answer is YES
    assert [listener.address for listener in program.listeners] == ["0.0.0.0"]


def test_a_class_of_the_program_made_of_config() -> None:
    source = (
        "from flask import Config\nclass C(Config):\n  def shop(self):\n"
        "    self['DEBUG'] = os.environ.get('X') == '1'\n"
        "class App(Flask):\n  config_class = C\napp = App(__name__)\napp.config.shop()\napp.run()"
    )
    assert debugger(source, variables={"X": "1"}) is YES
    assert debugger(source, variables={"X": "0"}) is NO


def test_a_file_that_was_not_read_leaves_every_key_open_and_is_named() -> None:
    program = launched(
        "app.config.from_pyfile('/run/secrets/settings.py')\napp.run()",
        unread={"/run/secrets": Missing(Reason.SECRET, "the Secret shop")},
    )
    assert program.facts.debugger.answer is UNKNOWN
    assert "app.py:4" in program.facts.debugger.missing[0].what


@pytest.mark.parametrize(
    ("run", "variables", "expected"),
    [
        ("app.run(debug=True)", {}, YES),
        ("app.run(debug=os.environ.get('WERKZEUG_RUN_MAIN') != 'true')", {}, NO),
        ("app.run(debug=True, use_debugger=os.environ.get('WERKZEUG_RUN_MAIN') == 'true')", {}, YES),
        ("app.run(debug=os.environ.pop('D', '0') == '1')", {"D": "1"}, NO),
        ("app.run(debug=os.environ.pop('D', '0') == '1', use_reloader=False)", {"D": "1"}, YES),
        ("os.environ.setdefault('D', '1')\napp.run(debug=os.environ['D'] == '1')", {}, YES),
    ],
)  # fmt: skip
def test_what_serves_is_what_the_reloader_starts_anew(
    run: str, variables: dict[str, str], expected: Answer
) -> None:
    assert debugger(run, variables=variables) is expected


def test_a_remote_debugger_of_the_reloaded_program_alone_is_seen() -> None:
    source = (
        "if os.environ.get('WERKZEUG_RUN_MAIN') == 'true':\n"
        "  import debugpy\n  debugpy.listen(('0.0.0.0', 5678))\napp.run(debug=True)"
    )
    facts = launched(source, installed={**FLASK_3, "debugpy": "1.8"}).facts
    assert facts.remote_debugger.answer is YES
