"""Command lines written in Python: groups of Flask, Flask-Script, typer, fire, docopt."""

from collections.abc import Mapping

import pytest

from deployguard import flask
from deployguard.model.evidence import Answer, Location, Missing, Reason, Traced
from deployguard.model.facts import ProgramFacts
from tests.support.memory import FLASK_3, FLASK_11, FLASK_22, MemoryFiles, process, venv

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
APP = "from flask import Flask\napp = Flask(__name__)\n"
SITE = "/srv/venv/lib/python3.13/site-packages"
LIBRARIES = ("click", "typer", "fire", "docopt", "flask_script", "mystery", "flask_migrate")
HIDDEN = Missing(Reason.SECRET, "the key WORD of the Secret shop")


def launched(
    command: str,
    files: Mapping[str, str],
    versions: dict[str, str] = FLASK_3,
    variables: Mapping[str, str | None] | None = None,
    *,
    hidden: int | None = None,
) -> ProgramFacts:
    """Judge a command in /srv/app; the word at `hidden` cannot be seen."""
    texts = {
        **venv(**versions),
        **{f"{SITE}/{name}/__init__.py": "" for name in LIBRARIES},
        "/srv/app/app.py": APP,
        **{path if path[0] == "/" else f"/srv/app/{path}": text for path, text in files.items()},
    }
    started = process(command, **(variables or {}))
    if hidden is not None:
        words = list(started.args)
        words[hidden] = Traced(None, Location("compose.yaml"), missing=(HIDDEN,))
        started = type(started)(
            args=tuple(words), env=started.env, cwd=started.cwd, user=None,
            terminal=started.terminal, location=started.location,
        )  # fmt: skip
    (program,) = flask.judge(started, MemoryFiles(texts))
    return program


def answers(program: ProgramFacts) -> tuple[Answer, Answer]:
    return program.facts.dev_server.answer, program.facts.debugger.answer


CLICK = """\
import click
from app import app

@click.group()
@click.option("--debug/--no-debug", default=False, envvar="SHOP_DEBUG")
@click.pass_context
def cli(ctx, debug):
    ctx.obj = debug

@cli.command()
@click.option("--port", default=5000)
@click.pass_obj
def serve(debug, port):
    app.run(port=port, debug=debug)

@cli.command()
def migrate():
    pass

cli()
"""


@pytest.mark.parametrize(
    ("words", "hidden", "expected"),
    [
        ("--debug serve", None, (YES, YES)),
        ("serve", None, (YES, NO)),
        ("serve --debug", None, (NO, NO)),
        ("migrate", None, (NO, NO)),
        ("--debug WORD", 3, (UNKNOWN, UNKNOWN)),
        ("WORD serve", 2, (UNKNOWN, UNKNOWN)),
        ("serve --port WORD", 4, (YES, NO)),
        ("serve WORD", 3, (UNKNOWN, UNKNOWN)),
    ],
)
def test_a_word_that_cannot_be_seen_opens_what_it_may_decide_and_no_more(
    words: str, hidden: int | None, expected: tuple[Answer, Answer]
) -> None:
    program = launched(f"python manage.py {words}", {"manage.py": CLICK}, hidden=hidden)
    assert answers(program) == expected
    missing = program.facts.debugger.missing
    assert (HIDDEN in missing) is (UNKNOWN in expected)


def test_the_chain_of_evidence_ends_at_the_word_that_decides() -> None:
    found = launched("python manage.py --debug serve", {"manage.py": CLICK}).facts.debugger
    assert found.evidence[-2].note == "--debug is given"
    assert found.evidence[-1].location.file == "/srv/app/manage.py"


@pytest.mark.parametrize(
    ("command", "source", "expected"),
    [
        ("flask hello", "", (NO, NO)),
        ("flask hello", "import mystery\nmystery.extend(app)\n", (UNKNOWN, UNKNOWN)),
        ("flask hello", "import flask_migrate\nflask_migrate.Migrate(app)\n", (NO, NO)),
        ("flask hello", "@app.cli.command()\ndef hello():\n  pass\n", (NO, NO)),
        ("flask hello", "@app.cli.command()\ndef hello():\n"
         "  app.run(debug=True)\n", (NO, NO)),
        ("flask hello", "from werkzeug.serving import run_simple as r\n@app.cli.command()\n"
         "def hello():\n  r('0.0.0.0', 80, app, use_debugger=True)\n", (YES, YES)),
        ("flask hello", "import os\nfrom werkzeug.serving import run_simple as r\n"
         "if os.path.exists('/mnt/flag'):\n  @app.cli.command()\n  def hello():\n"
         "    r('0.0.0.0', 80, app, use_debugger=True)\n", (NO, NO)),
        ("flask shell", "", (NO, NO)),
        ("flask routes --sort rule", "", (NO, NO)),
        ("flask routes --what", "", (NO, NO)),
    ],
)  # fmt: skip
def test_a_command_of_flask_is_its_own_the_applications_or_an_extensions(
    command: str, source: str, expected: tuple[Answer, Answer]
) -> None:
    assert answers(launched(command, {"app.py": APP + source})) == expected


def test_a_command_that_is_added_under_a_condition_is_in_doubt() -> None:
    source = (
        "import os\nfrom werkzeug.serving import run_simple as r\nif os.environ['FLAG'] == '1':\n"
        "  @app.cli.command()\n  def hello():\n    r('0.0.0.0', 80, app, use_debugger=True)\n"
    )
    hidden = launched(
        "python -m flask hello", {"app.py": APP + source.replace("os.environ['FLAG']", "FLAG"),
                                  "sitecustomize.py": "", "settings.py": ""},
        variables={"FLAG": "1"},
    )  # fmt: skip
    assert answers(hidden) == (NO, NO)  # FLAG is no name: the application cannot be imported
    assert answers(launched("flask hello", {"app.py": APP + source}, variables={"FLAG": "1"})) == (
        YES,
        YES,
    )


@pytest.mark.parametrize(
    ("distribution", "module", "expected"),
    [
        ("Flask_Migrate-4.0", "flask_migrate.cli:db", (NO, NO)),
        ("flask_mystery-1.0", "mystery.cli:run", (UNKNOWN, UNKNOWN)),
    ],
)
def test_a_distribution_may_bring_commands_and_replace_run(
    distribution: str, module: str, expected: tuple[Answer, Answer]
) -> None:
    entry = f"{SITE}/{distribution}.dist-info/entry_points.txt"
    texts = {entry: f"[console_scripts]\nx = y:z\n\n[flask.commands]\nrun = {module}\n"}
    assert answers(launched("flask run --debug", texts)) == expected


GROUP = """\
from flask.cli import FlaskGroup
from app import app
cli = FlaskGroup(create_app=lambda: app, {})
cli.main({})
"""


@pytest.mark.parametrize(
    ("made", "given", "variables", "expected"),
    [
        ("", "", {"FLASK_DEBUG": "1"}, YES),
        ("", "", {"FLASK_DEBUG": "off"}, NO),
        ("", "", {"FLASK_RUN_DEBUGGER": "1"}, YES),
        ("", "auto_envvar_prefix='SHOP'", {"FLASK_RUN_DEBUGGER": "1"}, NO),
        ("", "auto_envvar_prefix='SHOP'", {"SHOP_RUN_DEBUGGER": "1"}, YES),
        ("", "auto_envvar_prefix='SHOP'", {"FLASK_DEBUG": "off"}, YES),
        ("context_settings={'auto_envvar_prefix': 'WEB'}", "", {"WEB_DEBUG": "1"}, YES),
        ("context_settings={'auto_envvar_prefix': 'WEB'}", "", {"WEB_DEBUG": "maybe"}, NO),
        ("", "args=['run', '--no-debug']", {"FLASK_DEBUG": "1"}, NO),
    ],
)
def test_a_group_of_flask_reads_the_variables_of_its_prefix(
    made: str, given: str, variables: dict[str, str], expected: Answer
) -> None:
    program = launched(
        "python manage.py run", {"manage.py": GROUP.format(made, given)}, variables=variables
    )
    assert program.facts.debugger.answer is expected


@pytest.mark.parametrize(
    ("versions", "expected"), [(FLASK_11, YES), (FLASK_22, YES), (FLASK_3, YES)]
)
def test_a_renamed_run_listens_to_the_variables_of_its_name(
    versions: dict[str, str], expected: Answer
) -> None:
    source = APP + "from flask.cli import run_command\napp.cli.add_command(run_command, 'up')\n"
    program = launched(
        "flask up", {"app.py": source}, versions,
        {"FLASK_UP_DEBUGGER": "1", "FLASK_RUN_HOST": "0.0.0.0", "FLASK_APP": "app.py"},
    )  # fmt: skip
    assert program.facts.debugger.answer is expected
    assert program.listeners[0].address == "127.0.0.1"


SCRIPT = """\
from flask_script import Manager, Server
from app import app
manager = Manager(app)
manager.add_command("web", Server(host="0.0.0.0", use_debugger=True))
manager.run()
"""


@pytest.mark.parametrize(
    ("words", "versions", "expected"),
    [
        ("runserver", FLASK_11, (YES, NO)),
        ("runserver -d", FLASK_11, (YES, YES)),
        ("runserver --no-deb", FLASK_11, (YES, NO)),
        ("web", FLASK_11, (YES, YES)),
        ("web -D", FLASK_11, (YES, NO)),
        ("web --nothing", FLASK_11, (NO, NO)),
        ("shell", FLASK_11, (NO, NO)),
        ("web", FLASK_3, (NO, NO)),
    ],
)
def test_flask_script_reads_its_words_and_ends_beside_a_newer_flask(
    words: str, versions: dict[str, str], expected: tuple[Answer, Answer]
) -> None:
    assert answers(launched(f"python manage.py {words}", {"manage.py": SCRIPT}, versions)) == (
        expected
    )


FIRE = "import fire\nfrom app import app\ndef main(debug=False):\n  app.run(debug=debug)\n"
TYPER = (
    "import typer\nfrom app import app\ndef main(debug: bool = False):\n  app.run(debug=debug)\n"
)
DOCOPT = (
    '"""Usage: manage.py [--debug] [<word>]"""\nfrom docopt import docopt\nfrom app import app\n'
)


@pytest.mark.parametrize(
    ("source", "words", "hidden", "expected"),
    [
        (FIRE + "fire.Fire(main)", "--debug", None, YES),
        (FIRE + "fire.Fire(main)", "--nodebug", None, NO),
        (FIRE + "fire.Fire(main)", "--debug=False", None, NO),
        (FIRE + "fire.Fire(main)", "--debug=off", None, YES),
        (FIRE + "fire.Fire(main)", "WORD", 2, UNKNOWN),
        (TYPER + "typer.run(main)", "--debug", None, YES),
        (TYPER + "typer.run(main)", "--no-debug", None, NO),
        (TYPER + "typer.run(main)", "--debug=1", None, NO),
        (TYPER + "typer.run(main)", "WORD", 2, UNKNOWN),
        (DOCOPT + "app.run(debug=docopt(__doc__)['--debug'])", "--debug", None, YES),
        (DOCOPT + "app.run(debug=docopt(__doc__)['--debug'])", "x", None, NO),
        (DOCOPT + "app.run(debug=docopt(__doc__)['--debug'])", "x y", None, NO),
        (DOCOPT + "app.run(debug=docopt(__doc__)['--debug'])", "WORD", 2, UNKNOWN),
    ],
)
def test_other_libraries_make_arguments_of_words_in_their_own_way(
    source: str, words: str, hidden: int | None, expected: Answer
) -> None:
    program = launched(f"python manage.py {words}", {"manage.py": source}, hidden=hidden)
    assert program.facts.debugger.answer is expected


@pytest.mark.parametrize(
    ("command", "werkzeug", "expected"),
    [
        ("python -m werkzeug.serving -d app:app", "1.0.1", (YES, YES)),
        ("python -m werkzeug.serving --deb app:app", "1.0.1", (YES, YES)),
        ("python -m werkzeug.serving --deb app:app", "2.0.3", (NO, NO)),
        ("python -m werkzeug.serving -r app:app", "2.0.3", (YES, NO)),
        ("python -m werkzeug.serving -d app:app", "2.1.0", (NO, NO)),
        ("python -m werkzeug.serving -d", "1.0.1", (NO, NO)),
        ("python -m werkzeug.testapp", "3.1.3", (YES, NO)),
        ("python -m werkzeug.debug", "3.1.3", (NO, NO)),
    ],
)
def test_werkzeug_could_be_run_as_a_module_until_2_1(
    command: str, werkzeug: str, expected: tuple[Answer, Answer]
) -> None:
    assert answers(launched(command, {}, {**FLASK_11, "werkzeug": werkzeug})) == expected


SERVER = "from werkzeug.serving import make_server\nfrom app import app\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("make_server('0.0.0.0', 80, app).serve_forever()", (YES, NO)),
        ("with make_server('0.0.0.0', 80, app) as s:\n  s.serve_forever()", (YES, NO)),
        ("from werkzeug.debug import DebuggedApplication as D\n"
         "make_server('0.0.0.0', 80, D(app)).serve_forever()", (YES, YES)),
        ("make_server('0.0.0.0', 80, app)", (NO, NO)),
        ("from werkzeug.serving import run_simple\nrun_simple('x', '80', app)", (NO, NO)),
    ],
)  # fmt: skip
def test_a_server_of_werkzeug_serves_when_it_is_told_to(
    source: str, expected: tuple[Answer, Answer]
) -> None:
    assert answers(launched("python s.py", {"s.py": SERVER + source})) == expected
