"""waitress, uvicorn, hypercorn, daphne, granian, cheroot, mod_wsgi-express and pserve as commands."""

import pytest

from deployguard.flask.servers.words import Takes, read, syntax
from deployguard.model.evidence import Answer, Location, Traced
from tests.unit.flask.server_launches import (
    APP,
    DEBUG,
    FACTORY,
    NO,
    ON_DEBUG,
    SITE,
    UNKNOWN,
    WRAPPED,
    YES,
    debugger,
    launched,
    places,
)

FILES = {
    "app.py": WRAPPED + "application = app\n",
    "plain.py": APP,
    "on_debug.py": ON_DEBUG,
    "web.py": FACTORY + "def dev():\n    return create_app('dev')\n",
    "src/shop.py": WRAPPED + "application = app\n",
    "asgi.py": "from asgiref.wsgi import WsgiToAsgi\nfrom app import app as inner\n"
    "app = WsgiToAsgi(inner)\n",
    "dev.env": "FLASK_DEBUG=1\n",
    "env.sh": "# variables\nA=b\nexport FLASK_DEBUG='1'\n",
    "script.sh": ". /etc/other\nexport FLASK_DEBUG=1\n",
    "h.toml": 'bind = ["0.0.0.0:81"]\n',
    "h.py": "import os\nbind = '0.0.0.0:82'\nos.environ['FLASK_DEBUG'] = '1'\n",
    "site.ini": "[app:main]\npaste.app_factory = made:factory\n[server:main]\n"
    "use = egg:waitress#main\nlisten = 0.0.0.0:83\n",
    "made.py": "from app import app\ndef factory(global_conf, **settings):\n    return app\n",
}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("waitress-serve app:app", YES),
        ("waitress-serve --port=80 app.app", YES),
        ("waitress-serve --call web:dev", YES),
        ("waitress-serve --call web:create_app", NO),
        ("waitress-serve web:create_app", NO),
        ("waitress-serve --por=80 app:app", YES),
        ("waitress-serve app:app --port=80", NO),
        ("waitress-serve --nonsense app:app", NO),
        ("waitress-serve --help app:app", NO),
        ("waitress-serve app:nothing", NO),
        ("waitress-serve", NO),
        ("python -m waitress app:app", YES),
        ("uvicorn --interface wsgi app:app", YES),
        ("uvicorn --interface=wsgi --reload app:app", YES),
        # A WSGI application cannot answer what ASGI hands over.
        ("uvicorn app:app", NO),
        ("uvicorn --interface asgi3 app:app", NO),
        ("uvicorn asgi:app", YES),
        ("uvicorn --interface wsgi web:dev", YES),
        ("uvicorn --interface wsgi --factory web:dev", YES),
        ("uvicorn --interface wsgi --factory web:create_app", NO),
        ("uvicorn --interface wsgi --factory app:app", NO),
        ("uvicorn --interface wsgi --app-dir src shop:app", YES),
        ("uvicorn --interface wsgi --env-file dev.env on_debug:app", YES),
        ("uvicorn --interface wsgi on_debug:app", NO),
        ("uvicorn --interf wsgi app:app", NO),
        ("uvicorn --interface wsgi app", NO),
        ("python -m uvicorn --interface wsgi app:app", YES),
        ("hypercorn app:app", YES),
        ("hypercorn wsgi:app:app", YES),
        ("hypercorn asgi:app:app", NO),
        ("hypercorn asgi:app", YES),
        ("hypercorn app", YES),
        ("hypercorn src/shop:app", YES),
        ("hypercorn 'web:dev()'", YES),
        ("hypercorn -c file:h.py on_debug:app", YES),
        ("hypercorn -c h.toml on_debug:app", NO),
        ("hypercorn -c nothing.toml app:app", NO),
        ("hypercorn mystery:app:app", NO),
        ("daphne asgi:app", YES),
        ("daphne app:app", NO),
        ("daphne -b 0.0.0.0 -p 80 asgi:app", YES),
        ("granian --interface wsgi app:app", YES),
        ("granian --interface wsgi src/shop.py", YES),
        ("granian --interface wsgi --factory web:dev", YES),
        ("granian app:app", NO),
        ("granian --interface asgi asgi:app", YES),
        # Its console script imports the application before the folder is on sys.path.
        ("cheroot app:app", NO),
        ("python -m cheroot app:app", YES),
        ("python -m cheroot app", YES),
        ("python -m cheroot --bind 0.0.0.0 app:app", NO),
        ("mod_wsgi-express start-server app.py --user www --callable-object app", YES),
        ("mod_wsgi-express start-server app.py --user=www --log-to-terminal", YES),
        ("mod_wsgi-express start-server app.py", NO),
        ("mod_wsgi-express start-server app.py --user root", NO),
        ("mod_wsgi-express start-server nothing.py --user www", NO),
        ("mod_wsgi-express start-server --application-type module app --user www", YES),
        # What it sets belongs to requests, not to the process.
        (
            "mod_wsgi-express start-server on_debug.py --callable-object app --user www"
            " --setenv FLASK_DEBUG 1",
            NO,
        ),
        (
            "mod_wsgi-express start-server on_debug.py --user www --callable-object app"
            " --envvars-script env.sh",
            YES,
        ),
        (
            "mod_wsgi-express start-server plain.py --user www --callable-object app"
            " --envvars-script script.sh",
            UNKNOWN,
        ),
        ("mod_wsgi-express module-config", NO),
        ("pserve nothing.ini", NO),
        ("aiohttp-wsgi-serve app:app", YES),
        ("aiohttp-wsgi-serve app", YES),
        ("aiohttp-wsgi-serve --nonsense app:app", NO),
    ],
)
def test_the_application_is_what_the_server_would_load(command: str, expected: Answer) -> None:
    assert debugger(command, FILES) is expected


@pytest.mark.parametrize(
    ("version", "expected"), [("0.18.3", UNKNOWN), ("0.19.0", NO), ("0.54.0", NO), (None, UNKNOWN)]
)
def test_an_option_that_later_releases_lack(version: str | None, expected: Answer) -> None:
    installed = {} if version is None else {f"{SITE}/uvicorn-{version}.dist-info/METADATA": ""}
    command = "uvicorn --debug --interface wsgi app:app"
    (program,) = launched(command, FILES, beside=installed)
    assert program.facts.debugger.answer is expected


def test_pserve_imports_only_what_is_on_the_path() -> None:
    assert debugger("pserve site.ini", FILES) is NO
    assert debugger("pserve site.ini", FILES, {"PYTHONPATH": "."}) is YES


@pytest.mark.parametrize(
    ("command", "variables", "expected"),
    [
        ("waitress-serve plain:app", {}, ["0.0.0.0:8080"]),
        ("waitress-serve --host 127.0.0.1 plain:app", {}, ["127.0.0.1:8080"]),
        ("waitress-serve --listen=127.0.0.1:1 --listen=*:2 plain:app", {},
         ["127.0.0.1:1", "0.0.0.0:2"]),
        ("waitress-serve --unix-socket=/run/w.sock plain:app", {}, ["unix:/run/w.sock"]),
        ("uvicorn --interface wsgi plain:app", {}, ["127.0.0.1:8000"]),
        ("uvicorn --interface wsgi --host :: --port 80 plain:app", {}, [":::80"]),
        ("uvicorn --interface wsgi plain:app", {"UVICORN_HOST": "0.0.0.0", "UVICORN_PORT": "1"},
         ["0.0.0.0:1"]),
        ("uvicorn --interface wsgi --port 2 plain:app", {"UVICORN_PORT": "1"}, ["127.0.0.1:2"]),
        ("uvicorn --interface wsgi --uds /run/u.sock plain:app", {}, ["unix:/run/u.sock"]),
        ("uvicorn --interface wsgi --fd 3 plain:app", {}, ["?"]),
        ("hypercorn plain:app", {}, ["127.0.0.1:8000"]),
        ("hypercorn -b 0.0.0.0:1 -b unix:/run/h.sock plain:app", {},
         ["0.0.0.0:1", "unix:/run/h.sock"]),
        ("hypercorn -c h.toml plain:app", {}, ["0.0.0.0:81"]),
        ("hypercorn -c h.toml -b :1 plain:app", {}, ["0.0.0.0:1"]),
        ("daphne asgi:app", {}, ["127.0.0.1:8000"]),
        ("daphne -e tcp:port=80:interface=0.0.0.0 asgi:app", {}, ["0.0.0.0:80"]),
        ("daphne -e tcp:80 -u /run/d.sock asgi:app", {}, ["0.0.0.0:80", "unix:/run/d.sock"]),
        ("daphne -e systemd:domain=INET:index=0 asgi:app", {}, ["?"]),
        ("granian --interface wsgi plain:app", {"GRANIAN_HOST": "0.0.0.0"}, ["0.0.0.0:8000"]),
        ("python -m cheroot plain:app", {}, ["::1:8000"]),
        ("python -m cheroot --bind 0.0.0.0:80 plain:app", {}, ["0.0.0.0:80"]),
        ("python -m cheroot --bind /run/c.sock plain:app", {}, ["unix:/run/c.sock"]),
        ("mod_wsgi-express start-server app.py --user www --port 80", {}, ["0.0.0.0:80"]),
        ("mod_wsgi-express start-server app.py --user www --host 127.0.0.1", {},
         ["127.0.0.1:8000"]),
        ("pserve site.ini", {"PYTHONPATH": "."}, ["0.0.0.0:83"]),
    ],
)  # fmt: skip
def test_where_servers_listen(command: str, variables: dict[str, str], expected: list[str]) -> None:
    assert places(command, {**FILES, "plain.py": APP + "application = app\n"}, **variables) == (
        expected
    )


@pytest.mark.parametrize(
    ("command", "with_reloader"),
    [
        ("waitress-serve app:app", YES),
        ("uvicorn --interface wsgi app:app", YES),
        ("uvicorn --interface wsgi --workers 2 app:app", NO),
        ("uvicorn --interface wsgi --reload app:app", NO),
        ("hypercorn app:app", NO),
        ("hypercorn --workers 0 app:app", YES),
        ("granian --interface wsgi app:app", YES),
        ("daphne app:app", YES),
        ("python -m cheroot app:app", YES),
    ],
)
def test_an_application_that_serves_while_it_is_loaded(command: str, with_reloader: Answer) -> None:
    once = {"app.py": APP + "app.run(debug=True, use_reloader=False)\n"}
    assert debugger(command, once) is YES
    assert places(command, once)[0] == "127.0.0.1:5000"
    again = {"app.py": APP + "app.run(debug=True)\n"}
    assert debugger(command, again) is with_reloader


def test_a_variable_of_the_server_that_cannot_be_seen_leaves_it_open() -> None:
    (program,) = launched("uvicorn --interface wsgi app:app", FILES, DEBUG)
    assert program.server == "uvicorn"
    assert program.facts.dev_server.answer is NO


PLACE = Location("image config")
SYNTAX = syntax(values="-b|--bind --bin-path", flags="-v|--verbose", maybe="--log", pairs="--set")


@pytest.mark.parametrize(
    ("words", "given", "arguments"),
    [
        ("--bind :80 app", [("bind", ":80")], ["app"]),
        ("app --bind=:80", [("bind", ":80")], ["app"]),
        ("-vb:80 app", [("verbose", "-vb:80"), ("bind", ":80")], ["app"]),
        ("-b :80 -- -v", [("bind", ":80")], ["-v"]),
        ("--verb app", [("verbose", "--verb")], ["app"]),
        ("--log app", [("log", "app")], []),
        ("--log -v", [("log", "--log"), ("verbose", "-v")], []),
        ("--set A 1 app", [("set", "A"), ("set", "1")], ["app"]),
    ],
)
def test_words_are_options_and_arguments(
    words: str, given: list[tuple[str, str]], arguments: list[str]
) -> None:
    found = read([Traced(word, PLACE) for word in words.split()], SYNTAX)
    assert found.refused is None
    assert [(key, word.value) for key, word in found.order] == given
    assert [word.value for word in found.arguments] == arguments


@pytest.mark.parametrize(
    "words", ["--nothing", "--bi :80", "--verbose=1", "--bind", "-x", "--set A"]
)
def test_words_that_the_parser_refuses(words: str) -> None:
    found = read([Traced(word, PLACE) for word in words.split()], SYNTAX)
    assert found.refused is not None
    assert found.refused.location == PLACE


def test_a_word_that_is_not_known_stops_the_reading() -> None:
    assert read([Traced(None, PLACE)], SYNTAX).unseen
    assert SYNTAX.find("--bind") == ("bind", Takes.VALUE)
