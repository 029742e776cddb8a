"""uWSGI: the options of its words, variables and files, and the applications they name."""

import pytest

from deployguard.model.evidence import Answer
from tests.unit.flask.server_launches import (
    APP,
    FACTORY,
    MOUNTED,
    NO,
    ON_DEBUG,
    UNKNOWN,
    WRAPPED,
    YES,
    debugger,
    launched,
    places,
)

HTTP = "http-socket = :8000\nmodule = app:app\n"
INI = "[uwsgi]\n" + HTTP


@pytest.mark.parametrize(
    ("command", "files", "expected"),
    [
        ("uwsgi --ini u.ini", {"u.ini": INI + "env = FLASK_DEBUG=1"}, YES),
        ("uwsgi u.ini", {"u.ini": INI + "env=FLASK_DEBUG=1\n"}, YES),
        ("uwsgi --ini u.ini", {"u.ini": INI + ";env = FLASK_DEBUG=1\n# env = FLASK_DEBUG=1"}, NO),
        ("uwsgi --ini u.ini", {"u.ini": INI + "[other]\nenv = FLASK_DEBUG=1"}, NO),
        ("uwsgi --ini u.ini:other", {"u.ini": INI + "[other]\nini = :uwsgi\nenv = FLASK_DEBUG=1"},
         YES),
        ("uwsgi --ini u.ini", {"u.ini": INI + "include = b.ini",
                               "b.ini": "[uwsgi]\nenv = FLASK_DEBUG=1"}, YES),
        ("uwsgi --yaml u.yml", {"u.yml": "uwsgi:\n  http-socket: :80\n  module: app:app\n"
                                "  env: A=1\n  env: FLASK_DEBUG=1  # on\n"}, YES),
        ("uwsgi u.yaml", {"u.yaml": "uwsgi:\n  http: ':80'\n  module: app:app\n  env:\n"
                          "    - A=1\n    - FLASK_DEBUG=1\n"}, YES),
        ("uwsgi --xml u.xml", {"u.xml": "<uwsgi><http>:80</http><module>app:app</module>"
                               "<!-- <env>FLASK_DEBUG=0</env> --><env>FLASK_DEBUG=1</env></uwsgi>"},
         YES),
        # Whether it reads JSON depends on how it was built.
        ("uwsgi u.json", {"u.json": '{"uwsgi": {"http": ":80", "module": "app:app",'
                          ' "env": ["FLASK_DEBUG=1"]}}'}, UNKNOWN),
        ("uwsgi u.json", {"u.json": '{"uwsgi": {"http": ":80", "module": "app:app"}}'}, NO),
        ("uwsgi --ini u.ini", {}, NO),
        ("uwsgi u.txt", {"u.txt": INI}, NO),
    ],
)  # fmt: skip
def test_options_come_from_files_of_several_forms(
    command: str, files: dict[str, str], expected: Answer
) -> None:
    assert debugger(command, {"app.py": ON_DEBUG, **files}) is expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--http-socket :80 --module app:app --env FLASK_DEBUG=1", YES),
        ("--http-socket=:80 --module=app:app --env=FLASK_DEBUG=1", YES),
        ("-s :80 --protocol http -w app:app --env FLASK_DEBUG=1 -M -p 4 -T", YES),
        ("--http-socket :80 -w app:app -p4 --unenv FLASK_DEBUG", NO),
        ("--http-socket :80 -w app:app --env FLASK_DEBUG=1 --env FLASK_DEBUG=0", NO),
        # One beginning may stand for several options.
        ("--http-sock :80 -w app:app --env FLASK_DEBUG=1", NO),
        ("--http-socket :80 --modul app:app --en FLASK_DEBUG=1", NO),
        ("--nonsense 1 --http-socket :80 -w app:app --env FLASK_DEBUG=1", NO),
        ("-w app:app --env FLASK_DEBUG=1", NO),
        ("--http-socket :80 -w app:app --env FLASK_DEBUG=1 --version", NO),
        ("--http-socket :80 -w app:app --eval 'x = 1'", UNKNOWN),
        ("--http-socket :80 -w app:app --for 1", UNKNOWN),
    ],
)
def test_words_are_read_as_getopt_reads_them(words: str, expected: Answer) -> None:
    assert debugger(f"uwsgi {words}", {"app.py": ON_DEBUG}) is expected


@pytest.mark.parametrize(
    ("lines", "variables", "expected"),
    [
        ("env = FLASK_DEBUG=$(LEVEL)", {"LEVEL": "1"}, YES),
        ("env = FLASK_DEBUG=$(LEVEL)", {"LEVEL": "0"}, NO),
        # A variable that is not set is left as it stands, which is a true text.
        ("env = FLASK_DEBUG=$(LEVEL)", {}, YES),
        ("level = 1\nenv = FLASK_DEBUG=%(level)", {}, YES),
        ("set-placeholder = level=0\nenv = FLASK_DEBUG=%(level)", {}, NO),
        ("env = FLASK_DEBUG=@(flag)", {}, YES),
        ("env = FLASK_DEBUG=%(level + 1)", {}, UNKNOWN),
        ("if-env = STAGE\nenv = FLASK_DEBUG=1\nendif =", {"STAGE": "x"}, YES),
        ("if-env = STAGE\nenv = FLASK_DEBUG=1\nendif =", {}, NO),
        ("if-env = STAGE=dev\nenv = FLASK_DEBUG=1\nend-if =", {"STAGE": "prod"}, NO),
        ("if-not-env = STAGE\nenv = FLASK_DEBUG=1\nendif =", {}, YES),
        ("if-exists = flag\nenv = FLASK_DEBUG=1\nendif =", {}, YES),
        ("if-file = nothing\nenv = FLASK_DEBUG=1\nendif =", {}, NO),
        ("if-env = LEVEL\nenv = FLASK_DEBUG=%(_)\nendif =", {"LEVEL": "1"}, YES),
        ("env = FLASK_DEBUG=%n", {}, YES),
        ("env = FLASK_DEBUG=%h", {}, UNKNOWN),
        ("strict = true\nnonsense = 1\nenv = FLASK_DEBUG=1", {}, NO),
        ("nonsense = 1\nenv = FLASK_DEBUG=1", {}, YES),
    ],
)
def test_placeholders_and_conditions_of_a_file(
    lines: str, variables: dict[str, str], expected: Answer
) -> None:
    files = {"app.py": ON_DEBUG, "u.ini": INI + lines + "\n", "flag": "1\n"}
    assert debugger("uwsgi --ini u.ini", files, variables) is expected


def test_variables_are_options_and_what_is_hidden_stays_open() -> None:
    options = {"UWSGI_HTTP_SOCKET": ":80", "UWSGI_MODULE": "app:app"}
    files = {"app.py": ON_DEBUG}
    assert debugger("uwsgi", files, {**options, "UWSGI_ENV": "FLASK_DEBUG=1"}) is YES
    assert debugger("uwsgi", files, {**options, "UWSGI_RELOADS": "1"}) is NO
    assert debugger("uwsgi --ini u.ini", files, unread={"u.ini": MOUNTED}) is UNKNOWN


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--module app:app", YES),
        ("--module app --callable app", YES),
        ("--module app", NO),
        ("--module app --need-app", NO),
        ("--module plain --callable nothing", NO),
        ("--module 'web:create_app()'", NO),
        ("--module web:dev()", YES),
        ("--module web --callable dev()", YES),
        ("--wsgi-file app.py --callable app", YES),
        ("--file src/site.py", YES),
        ("--chdir src --wsgi-file site.py", YES),
        ("--wsgi-file nothing.py", NO),
        ("--mount /=app.py --callable app", YES),
        ("--mount /shop=plain:app --mount /admin=app:app --manage-script-name", YES),
        ("--mount /shop=plain:app", NO),
        ("--pythonpath src --module site2:app", YES),
        ("--chdir nowhere --module app:app", NO),
        # The first kind of application takes the root.
        ("--module plain:app --wsgi-file app.py --callable app", NO),
        ("--import setting --module on_debug:app", YES),
        ("--paste config:site.ini", YES),
        ("--module inside:app", YES),
    ],
)
def test_the_applications_that_uwsgi_loads(words: str, expected: Answer) -> None:
    files = {
        "app.py": WRAPPED,
        "plain.py": APP,
        "on_debug.py": ON_DEBUG,
        "web.py": FACTORY + "def dev():\n    return create_app('dev')\n",
        "src/site.py": WRAPPED + "application = app\n",
        "src/site2.py": WRAPPED,
        "inside.py": "import uwsgi\nfrom uwsgidecorators import timer\n"
        "@timer(60)\ndef tick(number): uwsgi.log('x')\nfrom app import app\n",
        "setting.py": "import os\nos.environ['FLASK_DEBUG'] = '1'\n",
        "site.ini": "[app:main]\nuse = call:made:factory\n",
        "made.py": "from app import app\ndef factory(global_conf, **settings):\n    return app\n",
    }
    assert debugger(f"uwsgi --http-socket :80 {words}", files) is expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--http :80", ["0.0.0.0:80"]),
        ("--http-socket 127.0.0.1:80", ["127.0.0.1:80"]),
        ("--http-socket /run/u.sock", ["unix:/run/u.sock"]),
        ("--https :443,cert.pem,key.pem", ["0.0.0.0:443"]),
        ("--https2 addr=:443,cert=c.pem,key=k.pem", ["0.0.0.0:443"]),
        ("--socket [::]:3031", [":::3031"]),
        ("--socket :1 --http 127.0.0.1:2", ["0.0.0.0:1", "127.0.0.1:2"]),
        ("--shared-socket :80 --http =0", ["0.0.0.0:80", "?"]),
    ],
)
def test_where_uwsgi_listens(words: str, expected: list[str]) -> None:
    assert places(f"uwsgi {words} -w app:app", {"app.py": APP}) == expected


def test_an_emperor_and_commands_beside_it_are_judged_by_themselves() -> None:
    vassal = INI + "chdir = /srv/app\nenv = FLASK_DEBUG=1\n"
    files = {"app.py": ON_DEBUG, "vassals/shop.ini": vassal, "vassals/notes.txt": "x"}
    for emperor in ("vassals", "/srv/app/vassals/*.ini"):
        found = launched(f"uwsgi --emperor {emperor}", files)
        assert [one.facts.debugger.answer for one in found] == [NO, YES]
    command = "uwsgi --http :80 -w app:app --attach-daemon 'flask run --debug'"
    served, beside = launched(command, {"app.py": APP})
    assert served.facts.debugger.answer is NO
    assert beside.facts.dev_server.answer is YES


@pytest.mark.parametrize(
    ("run", "dev_server", "debugger_expected"),
    [
        ("app.run()", YES, NO),
        ("app.run(debug=True, use_reloader=False)", YES, YES),
        # The reloader starts the bare program once more, and both end.
        ("app.run(debug=True)", NO, NO),
    ],
)
def test_an_application_that_serves_while_it_is_loaded(
    run: str, dev_server: Answer, debugger_expected: Answer
) -> None:
    files = {"app.py": APP + run + "\n"}
    (program,) = launched("uwsgi --http :80 -w app:app", files)
    assert program.facts.dev_server.answer is dev_server
    assert program.facts.debugger.answer is debugger_expected
