"""`python app.py` and WSGI servers: what the source decides, with the environment it reads."""

from collections.abc import Mapping

import pytest

from deployguard import flask
from deployguard.model.evidence import Answer, Missing, Reason, Traced
from deployguard.model.facts import ProgramFacts
from deployguard.model.structs import replace
from tests.support.memory import ELF, FLASK_3, FLASK_11, FLASK_22, MemoryFiles, process, venv

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
HEAD = "import os, sys\nfrom flask import Flask\napp = Flask(__name__)\n"
GUARD = "if __name__ == '__main__':\n    "


def launched(
    command: str,
    source: str,
    files: dict[str, str] | None = None,
    versions: dict[str, str] = FLASK_3,
    variables: Mapping[str, str | None] | None = None,
) -> ProgramFacts:
    texts = {**venv(**versions), "/srv/app/app.py": HEAD + source, **(files or {})}
    (program,) = flask.judge(process(command, **(variables or {})), MemoryFiles(texts))
    return program


@pytest.mark.parametrize(
    ("run", "variables", "expected"),
    [
        ("app.run()", {}, NO),
        ("app.run(debug=True)", {}, YES),
        ("app.run('0.0.0.0', 80, True)", {}, YES),
        ("app.run(debug=True)", {"FLASK_DEBUG": "0"}, YES),
        ("app.run(debug=False)", {"FLASK_DEBUG": "1"}, NO),
        ("app.run(debug=None)", {"FLASK_DEBUG": "1"}, YES),
        ("app.run()", {"FLASK_DEBUG": "off"}, YES),
        ("app.run(debug='0')", {}, YES),
        ("app.run(debug='')", {}, NO),
        ("app.run(debug=os.getenv('DEBUG', 'False'))", {}, YES),
        ("app.run(debug=os.environ.get('DEBUG') == '1')", {}, NO),
        ("app.run(debug=os.environ.get('DEBUG') == '1')", {"DEBUG": "1"}, YES),
        ("app.run(debug=True, use_debugger=False)", {}, NO),
        ("app.run(use_debugger=True)", {}, YES),
        ("app.run(**{'debug': True})", {}, YES),
        ("app.debug = True; app.run()", {}, YES),
        ("app.debug = True; app.run()", {"FLASK_DEBUG": ""}, NO),
        ("app.debug = True; app.run(load_dotenv=False)", {"FLASK_DEBUG": "0"}, YES),
        ("app.config['DEBUG'] = True; app.run()", {}, YES),
        ("app.config.update(DEBUG=True); app.run()", {}, YES),
        ("app.config['debug'] = True; app.run()", {}, NO),
        ("app.run(debug=__debug__)", {}, YES),
        ("Flask.run(app, debug=True)", {}, YES),
        ("getattr(app, 'run')(debug=True)", {}, YES),
    ],
)
def test_python_app_py_goes_by_argument_then_variable_then_source(
    run: str, variables: dict[str, str], expected: Answer
) -> None:
    program = launched("python app.py", GUARD + run, variables=variables)
    assert program.facts.dev_server.answer is YES
    assert program.facts.debugger.answer is expected


@pytest.mark.parametrize(("versions", "expected"), [(FLASK_22, NO), (FLASK_3, YES)])
def test_flask_env_production_turned_app_debug_off_until_2_2(
    versions: dict[str, str], expected: Answer
) -> None:
    program = launched(
        "python app.py",
        "app.debug = True\napp.run()",
        versions=versions,
        variables={"FLASK_ENV": "production"},
    )
    assert program.facts.debugger.answer is expected


@pytest.mark.parametrize(
    ("config", "call", "expected"),
    [
        ("class Dev:\n  DEBUG = True\n", "app.config.from_object('settings.Dev')", YES),
        ("class Base:\n  DEBUG = True\nclass Prod(Base):\n  DEBUG = False\n",
         "app.config.from_object('settings.Prod')", NO),
        ("DEBUG = True\n", "app.config.from_object('settings')", YES),
        ("DEBUG = True\n", "app.config.from_pyfile('settings.py')", YES),
        ("", "app.config.from_pyfile('nothing.py', silent=True)", NO),
        ("", "app.config.from_mapping(DEBUG=True)", YES),
        ("", "app.config.from_json('settings.json')", NO),
    ],
)  # fmt: skip
def test_configuration_objects_and_files_set_debug(
    config: str, call: str, expected: Answer
) -> None:
    program = launched(
        "python app.py", f"{call}\n{GUARD}app.run()", {"/srv/app/settings.py": config}
    )
    assert program.facts.debugger.answer is expected


@pytest.mark.parametrize(
    ("command", "source", "variables", "server", "debugger"),
    [
        ("gunicorn app:app", "", {"FLASK_DEBUG": "1"}, NO, NO),
        ("gunicorn app:app", GUARD + "app.run(debug=True)", {}, NO, NO),
        ("gunicorn app:app", "app.run(use_reloader=False, debug=True)", {}, YES, YES),
        ("gunicorn app:app", "app.run(debug=True)", {"FLASK_RUN_FROM_CLI": "true"}, NO, NO),
        ("gunicorn app:app", "from werkzeug.debug import DebuggedApplication\n"
         "app.wsgi_app = DebuggedApplication(app.wsgi_app)", {}, NO, YES),
        ("gunicorn app:app", "from werkzeug.debug import DebuggedApplication as D\n"
         "if app.debug:\n  app = D(app)", {}, NO, NO),
        ("gunicorn -e FLASK_DEBUG=1 app:app",
         "from werkzeug.debug import DebuggedApplication as D\n"
         "if app.debug:\n  app = D(app)", {}, NO, YES),
        ("gunicorn app:app", "from werkzeug.debug import DebuggedApplication as D\n"
         "if app.debug:\n  app = D(app)", {"GUNICORN_CMD_ARGS": "--env FLASK_DEBUG=1"}, NO, YES),
        ("waitress-serve --call app:make", "def make():\n  return app", {}, NO, NO),
        ("gunicorn app:nothing", "", {}, NO, NO),
    ],
)  # fmt: skip
def test_a_wsgi_server_serves_what_the_module_makes(
    command: str, source: str, variables: dict[str, str], server: Answer, debugger: Answer
) -> None:
    program = launched(command, source, variables=variables)
    assert program.facts.dev_server.answer is server
    assert program.facts.debugger.answer is debugger


def test_flask_debug_under_gunicorn_is_debug_mode_and_nothing_more() -> None:
    found = launched("gunicorn app:app", "", variables={"FLASK_DEBUG": "1"}).facts
    assert (found.debug_mode.answer, found.debugger.answer) == (YES, NO)
    assert found.debug_mode.evidence[-1].note == "FLASK_DEBUG is '1'"
    assert [step.note for step in found.debugger.evidence[-2:]] == [
        "gunicorn serves the application without Werkzeug's server",
        "FLASK_DEBUG is '1', which by itself starts no server and no debugger",
    ]
    assert found.configured.evidence[-1].note == "FLASK_DEBUG is '1', and is heeded"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sys.argv = ['flask', 'run', '--debug']", YES),
        ("sys.argv += ['run', '--debug']", YES),
        ("sys.argv[1:] = ['run', '--debug']", YES),
        ("sys.argv[1:1] = ['run', '--debug']", YES),
        ("sys.argv[:] = ['flask', 'run', '--debug']", YES),
        ("sys.argv.insert(1, 'run'); sys.argv.insert(2, '--debug')", YES),
        ("sys.argv[1:] = ['run', '--debug']; del sys.argv[2:]", NO),
        ("sys.argv[1:] = ['run', '--debug']; del sys.argv[::2]", NO),
        ("sys.argv[1:] = sys.stdin.read().split()", UNKNOWN),
        ("sys.argv[len(sys.stdin.read()):] = ['run']", UNKNOWN),
    ],
)
def test_a_program_may_write_the_words_of_a_command_itself(words: str, expected: Answer) -> None:
    text = f"from flask.cli import main\nif __name__ == '__main__':\n    {words}\n    main()"
    assert launched("python app.py", text).facts.debugger.answer is expected


@pytest.mark.parametrize(
    "source",
    [
        "a = [0, 1, 2, 3]; a[1:3] = [9]; app.run(debug=a == [0, 9, 3])",
        "a = [0, 1, 2, 3]; del a[::2]; app.run(debug=a == [1, 3])",
        "a = list(range(5)); a[::2] = [7, 7, 7]; app.run(debug=a == [7, 1, 7, 3, 7])",
        "a = [0]\ntry:\n    a[::2] = [1, 2]\nexcept ValueError:\n    app.run(debug=True)",
    ],
)
def test_slices_are_set_and_deleted(source: str) -> None:
    assert launched("python app.py", source).facts.debugger.answer is YES


@pytest.mark.parametrize(
    "source",
    [
        "settings = {'DEBUG': True, **dict(given)}",
        "settings = {'DEBUG': True} | dict(given)",
        "settings = {'DEBUG': True}; settings |= dict(given)",
        "settings = {'DEBUG': True}; settings.update(given)",
        "settings = dict({'DEBUG': True}, **given)",
        "settings = {'DEBUG': True, sys.stdin.readline(): False}",
    ],
)
def test_what_is_laid_over_a_dictionary_unseen_may_replace_what_it_has(source: str) -> None:
    text = f"import json\ngiven = json.load(sys.stdin)\n{source}\napp.run(debug=settings['DEBUG'])"
    found = launched("python app.py", text).facts
    assert (found.dev_server.answer, found.debugger.answer) == (YES, UNKNOWN)


def test_what_is_set_and_ignored_is_said() -> None:
    found = launched("python app.py", "print('done')", variables={"FLASK_DEBUG": "1"}).facts
    assert found.debugger.answer is NO
    assert found.configured.answer is YES


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("import subprocess\nsubprocess.run(input().split())", "what the command started here"),
        (
            "from flask import current_app\ncurrent_app.config['DEBUG'] = 1\napp.run()",
            "current_app",
        ),
    ],
)
def test_what_is_not_understood_is_unknown_and_named(source: str, missing: str) -> None:
    found = launched("python app.py", source).facts
    assert found.debugger.answer is UNKNOWN
    assert missing in " ".join(entry.what for entry in found.debugger.missing)


def test_the_passthrough_setting_for_an_external_debugger_is_seen() -> None:
    source = "app.run(debug=True, use_debugger=False, use_reloader=False, passthrough_errors=True)"
    found = launched("python app.py", source).facts
    assert (found.passthrough.answer, found.debugger.answer) == (YES, NO)


def test_the_chain_of_evidence_ends_at_the_line_that_decides() -> None:
    found = launched(
        "python app.py",
        GUARD + "app.run(debug=os.environ['DEBUG'] == '1')",
        variables={"DEBUG": "1"},
    ).facts
    places = [
        (step.location.file, step.location.line, step.note) for step in found.debugger.evidence
    ]
    assert ("image config", None, "DEBUG is '1'") in places
    assert ("/srv/app/app.py", 5, "the source starts Werkzeug's development server") in places


@pytest.mark.parametrize("versions", [FLASK_3, FLASK_11])
def test_a_debugger_that_is_made_but_not_seen_to_be_served_stays_open(
    versions: dict[str, str],
) -> None:
    source = (
        "from werkzeug.debug import DebuggedApplication\nother, plain = DebuggedApplication(app), app\n"
        "def app(e, s): return (other if e['PATH_INFO'] == '/x' else plain)(e, s)"
    )
    found = launched("gunicorn app:app", source, versions=versions).facts
    assert found.debugger.answer is UNKNOWN


@pytest.mark.parametrize(
    "otherwise", ["raise ValueError(word)", "sys.exit(2)", "os._exit(2)", "app.run()"]
)
def test_a_function_that_may_have_returned_before_its_end_is_not_taken_to_end_there(
    otherwise: str,
) -> None:
    source = (
        "def switch(word):\n    if word == '1': return True\n    if word == '0': return False\n"
        f"    {otherwise}\napp.run(debug=switch(os.environ['DEBUG'].strip()))"
    )
    texts = {**venv(**FLASK_3), "/srv/app/app.py": HEAD + source}
    started = process("python app.py")
    missing = Missing(Reason.VARIABLE, "the value of DEBUG")
    unseen: Traced[str | None] = Traced(None, started.location, missing=(missing,))
    hidden = replace(started, env=started.env.with_entry("DEBUG", unseen))
    (program,) = flask.judge(hidden, MemoryFiles(texts))
    assert program.facts.debugger.answer is UNKNOWN


def python_2() -> dict[str, str]:
    """Return a system with Python 2.7, and a Flask that runs there."""
    site = "/srv/venv/lib/python2.7/site-packages"
    files = {f"/srv/venv/bin/{name}": ELF for name in ("python", "python2", "python2.7")}
    for name, version in FLASK_11.items():
        files[f"{site}/{name}-{version}.dist-info/METADATA"] = f"Name: {name}\n"
        files[f"{site}/{name}/__init__.py"] = ""
    return files


@pytest.mark.parametrize("command", ["python app.py", "python2 app.py", "python2.7 app.py"])
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("app.run(debug=True)", YES),
        ("app.run()", NO),
        ("app.run(debug=sys.version_info[0] < 3)", YES),
        ("print 'starting'\napp.run()", UNKNOWN),
        ("app.run(debug=1 / 2)", UNKNOWN),
        ("app.run(debug=os.environ.has_key('DEBUG'))", UNKNOWN),
        ("try:\n    import ConfigParser\nexcept ImportError:\n    sys.exit()\napp.run()", UNKNOWN),
        ("import ConfigParser\napp.run()", UNKNOWN),
    ],
)
def test_what_python_2_does_otherwise_is_unknown(
    command: str, source: str, expected: Answer
) -> None:
    files = {**python_2(), "/srv/app/app.py": HEAD + source}
    (program,) = flask.judge(process(command), MemoryFiles(files))
    assert program.facts.debugger.answer is expected


def test_of_two_pythons_the_one_that_runs_has_its_own_packages() -> None:
    texts = {**venv(**FLASK_3), **python_2(), "/srv/app/app.py": HEAD + "app.run(debug=True)"}
    del texts["/srv/venv/lib/python2.7/site-packages/flask/__init__.py"]
    for command, expected in (("python3 app.py", YES), ("python2 app.py", UNKNOWN)):
        (program,) = flask.judge(process(command), MemoryFiles(texts))
        assert program.facts.debugger.answer is expected
