"""Runners: the environment that they choose, the variables that they set, and what they start."""

import pytest

from tests.support.launches import launches, programs

PROJECT = '[project]\nname = "shop"\nversion = "1"\n'
ACTIVE = "/srv/venv"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("uv run flask run", ["flask run"]),
        ("uv run -- flask run", ["flask run"]),
        ("uv run app.py a", ["/srv/app/app.py a"]),
        ("uv run -m flask run", ["-m flask run"]),
        ("uv run --no-sync --frozen -q python -m flask run", ["-m flask run"]),
        ("uv run --env-file a.env flask run", ["FLASK_DEBUG=a flask run"]),
        ("uv run --env-file a.env --env-file b.env flask run", ["FLASK_DEBUG=b flask run"]),
        ("uv run --env-file none.env flask run", []),
        ("uv run --with rich flask run", ["flask run"]),
        ("uv --directory sub run python main.py", ["/srv/app/sub/main.py"]),
        ("uv run --script tool", ["/srv/app/tool"]),
        ("uv run none.py", []),
        ("uv sync", []),
        ("uv run --with flask==1 flask run",
         ["unknown: the packages that uv installs when it starts"]),
        ("uv run --isolated flask run", ["unknown: the packages that uv installs when it starts"]),
        ("uv run inline.py",
         ["unknown: the packages that the script names, which uv installs when it starts"]),
        ("uv tool run flask", ["unknown: the packages that uv installs when it starts"]),
        ("uv serve", ["unknown: what uv serve starts"]),
        ("uvx flask run", ["unknown: the packages that uvx installs when it starts"]),
        ("uv run --zap flask run", ["unknown: what the option --zap of uv does"]),
    ],
)  # fmt: skip
def test_uv_runs_a_command_in_its_environment(command: str, expected: list[str]) -> None:
    files = {
        "a.env": "FLASK_DEBUG=a\n",
        "b.env": "FLASK_DEBUG=b\n",
        "sub/main.py": "",
        "tool": "",
        "inline.py": "# /// script\n# dependencies = []\n# ///\n",
    }
    assert launches(command, files, VIRTUAL_ENV=ACTIVE) == expected


@pytest.mark.parametrize(
    ("variables", "debug"),
    [
        ({"UV_ENV_FILE": "a.env"}, "a"),
        ({"UV_ENV_FILE": "b.env a.env"}, "a"),
        ({"UV_ENV_FILE": "a.env", "UV_NO_ENV_FILE": "1"}, None),
        ({"UV_ENV_FILE": "a.env", "FLASK_DEBUG": "0"}, "0"),
    ],
)
def test_variables_name_the_env_files_of_uv(variables: dict[str, str], debug: str | None) -> None:
    files = {"a.env": "FLASK_DEBUG=a\n", "b.env": "FLASK_DEBUG=b\n"}
    expected = "flask run" if debug is None else f"FLASK_DEBUG={debug} flask run"
    assert launches("uv run --no-project flask run", files, **variables) == [expected]


VENV = {".venv/pyvenv.cfg": "", ".venv/bin/python": "\x7fELF"}


@pytest.mark.parametrize(
    ("command", "files", "variables", "expected"),
    [
        ("uv run python app.py", {"pyproject.toml": PROJECT} | VENV, {}, "/srv/app/.venv"),
        ("uv run python app.py", {"pyproject.toml": PROJECT} | VENV, {"VIRTUAL_ENV": ACTIVE},
         "/srv/app/.venv"),
        ("uv run --active python app.py", {"pyproject.toml": PROJECT} | VENV,
         {"VIRTUAL_ENV": ACTIVE}, ACTIVE),
        ("uv run --no-project python app.py", {"pyproject.toml": PROJECT} | VENV,
         {"VIRTUAL_ENV": ACTIVE}, ACTIVE),
        ("uv run python app.py", VENV, {}, "/srv/app/.venv"),
        ("uv run python app.py", {"pyproject.toml": PROJECT}, {}, None),
        ("poetry run python app.py", {"pyproject.toml": PROJECT} | VENV, {}, "/srv/app/.venv"),
        ("poetry run python app.py", {"pyproject.toml": PROJECT} | VENV, {"VIRTUAL_ENV": ACTIVE},
         ACTIVE),
        ("poetry run python app.py", {"pyproject.toml": PROJECT} | VENV,
         {"POETRY_VIRTUALENVS_IN_PROJECT": "false"}, None),
        ("poetry run python app.py", {"pyproject.toml": PROJECT}, {}, None),
        ("poetry run python app.py", {"pyproject.toml": PROJECT,
         "/root/.cache/pypoetry/virtualenvs/shop-Ab1_-xYz-py3.11/bin/python": "\x7fELF"}, {},
         "/root/.cache/pypoetry/virtualenvs/shop-Ab1_-xYz-py3.11"),
        ("pipenv run python app.py", {"Pipfile": ""} | VENV, {}, "/srv/app/.venv"),
        ("pipenv run python app.py", {"Pipfile": ""}, {}, None),
        ("pipenv run python app.py", {"Pipfile": "",
         "/root/.local/share/virtualenvs/app-Ab1_-xYz/bin/python": "\x7fELF"}, {},
         "/root/.local/share/virtualenvs/app-Ab1_-xYz"),
        ("pdm run python app.py", {"pyproject.toml": PROJECT} | VENV, {}, "/srv/app/.venv"),
        ("pdm run python app.py", {"pyproject.toml": PROJECT}, {}, None),
        ("rye run python app.py", {"pyproject.toml": PROJECT} | VENV, {}, "/srv/app/.venv"),
        ("rye run python app.py", {"pyproject.toml": PROJECT}, {}, None),
    ],
)  # fmt: skip
def test_the_environment_is_the_one_that_the_runner_takes(
    command: str, files: dict[str, str], variables: dict[str, str], expected: str | None
) -> None:
    (program,) = programs(command, files, **variables)
    if expected is None:
        assert program.missing
        return
    interpreter = program.interpreter
    assert interpreter is not None
    assert interpreter.path == f"{expected}/bin/python"


@pytest.mark.parametrize(
    ("command", "files", "expected"),
    [
        ("dotenv run flask run", {".env": "FLASK_DEBUG=1\n"}, ["FLASK_DEBUG=1 flask run"]),
        ("dotenv -f x run -- flask run", {"x": "FLASK_DEBUG=1\n"}, ["FLASK_DEBUG=1 flask run"]),
        ("dotenv --file=x run --no-override flask run", {"x": "FLASK_DEBUG=1\n"},
         ["FLASK_DEBUG=0 flask run"]),
        ("dotenv run flask run", {}, []),
        ("dotenv list", {".env": ""}, []),
        ("python -m dotenv run flask run", {".env": "FLASK_DEBUG=${A:-2}\n"},
         ["FLASK_DEBUG=2 flask run"]),
        ("pipenv run flask run", {"Pipfile": "", ".env": "FLASK_DEBUG=1\n"},
         ["FLASK_DEBUG=1 flask run"]),
        ("pipenv run web --port 1", {"Pipfile": "[scripts]\nweb = 'flask run'\n"},
         ["FLASK_DEBUG=0 flask run --port 1"]),
        ("pipenv run web", {"Pipfile": "[scripts]\nweb = 'FLASK_DEBUG=1 flask run $HOME'\n"},
         ["FLASK_DEBUG=1 flask run /root"]),
        ("pipenv run web", {"Pipfile": "[scripts]\nweb = ['flask routes', 'flask run']\n"},
         ["FLASK_DEBUG=0 flask routes", "FLASK_DEBUG=0 flask run"]),
        ("pipenv run web", {"Pipfile": "[scripts]\nweb = {call = 'shop:main'}\n"},
         ["FLASK_DEBUG=0 -c import shop as _m; _m.main()"]),
        ("pipenv install", {"Pipfile": ""}, []),
        ("poetry run web a", {"pyproject.toml": PROJECT
         + "[tool.poetry.scripts]\nweb = 'shop.main:run'\n"},
         ["FLASK_DEBUG=0 -c from shop.main import run; run() a"]),
        ("poetry run flask run", {}, []),
        ("poetry install", {"pyproject.toml": PROJECT}, []),
        ("poetry poe serve", {"pyproject.toml": PROJECT}, ["unknown: what poetry poe starts"]),
        ("hatch env run flask run", {"pyproject.toml": PROJECT},
         ["unknown: what hatch env starts"]),
        ("pdm run web a", {"pyproject.toml": PROJECT + "[tool.pdm.scripts]\nweb = 'flask run'\n"},
         ["FLASK_DEBUG=0 flask run a"]),
        ("pdm run web a", {"pyproject.toml": PROJECT
         + "[tool.pdm.scripts]\nweb = 'flask {args:run} x'\n"}, ["FLASK_DEBUG=0 flask a x"]),
        ("pdm run web", {"pyproject.toml": PROJECT
         + "[tool.pdm.scripts]\nweb = {shell = 'FLASK_DEBUG=1 flask run'}\n"},
         ["FLASK_DEBUG=1 flask run"]),
        ("pdm run web", {"pyproject.toml": PROJECT
         + "[tool.pdm.scripts]\nweb = {cmd = ['flask', 'run'], env = {FLASK_DEBUG = 1}}\n"},
         ["FLASK_DEBUG=1 flask run"]),
        ("pdm run web", {"x.env": "FLASK_DEBUG=1\nB=1\n", "pyproject.toml": PROJECT
         + "[tool.pdm.scripts]\nweb = {cmd = 'flask run', env_file = 'x.env'}\n"},
         ["FLASK_DEBUG=0 flask run"]),
        ("pdm run web", {"x.env": "FLASK_DEBUG=1\n", "pyproject.toml": PROJECT
         + "[tool.pdm.scripts]\nweb = {cmd = 'flask run', env_file.override = 'x.env'}\n"},
         ["FLASK_DEBUG=1 flask run"]),
        ("pdm run all", {"pyproject.toml": PROJECT
         + "[tool.pdm.scripts]\nall = {composite = ['web --x', 'flask routes']}\n"
         "web = 'flask run'\npre_all = 'flask db upgrade'\n"},
         ["FLASK_DEBUG=0 flask db upgrade", "FLASK_DEBUG=0 flask run --x",
          "FLASK_DEBUG=0 flask routes"]),
        ("hatch run web", {"pyproject.toml": PROJECT + "[tool.hatch.envs.default]\n"
         "type = 'system'\nenv-vars = {FLASK_DEBUG = '1'}\n"
         "scripts.web = ['echo x', 'flask run {args:--reload}']\n"},
         ["FLASK_DEBUG=1 flask run --reload"]),
        ("hatch run dev:flask run", {"pyproject.toml": PROJECT
         + "[tool.hatch.envs.dev]\ntype = 'system'\n"}, ["FLASK_DEBUG=0 flask run"]),
        ("hatch run flask run", {"pyproject.toml": PROJECT},
         ["unknown: the environment that hatch makes when it starts"]),
        ("conda run -n web flask run", {"/usr/envs/web/bin/x": "",
         "/usr/bin/conda": "#!/opt/conda/bin/python\n"}, ["FLASK_DEBUG=0 flask run"]),
        ("micromamba run -p /opt/env flask run", {"/opt/env/bin/x": ""},
         ["FLASK_DEBUG=0 flask run"]),
        ("micromamba run -n none flask run", {},
         ["unknown: where the environment none of conda lies"]),
        ("pixi run web", {"pixi.toml": "[tasks]\nweb = {cmd='flask run', env={FLASK_DEBUG='1'}}\n",
         ".pixi/envs/default/bin/x": ""}, ["FLASK_DEBUG=1 flask run"]),
    ],
)  # fmt: skip
def test_variables_and_scripts_of_runners(
    command: str, files: dict[str, str], expected: list[str]
) -> None:
    assert launches(command, files, VIRTUAL_ENV=ACTIVE, FLASK_DEBUG="0") == expected


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("npm start", ["FLASK_DEBUG=1 flask run"]),
        ("npm run -s dev", ["flask run"]),
        ("npm run dev -- --debug", ["flask run --debug"]),
        ("npm run dev --debug", ["unknown: what the option --debug of npm does"]),
        ("npm run none", []),
        ("npm ci", []),
        ("npm exec flask run", ["unknown: what npm exec starts"]),
        ("yarn dev --debug", ["flask run --debug"]),
        ("yarn run dev --debug", ["flask run --debug"]),
        ("pnpm start", ["FLASK_DEBUG=1 flask run"]),
        ("npm run both", ["FLASK_DEBUG=1 flask run", "flask run"]),
        ("npm run fails", []),
        ("cross-env FLASK_DEBUG=1 flask run", ["FLASK_DEBUG=1 flask run"]),
        ("dotenv-cli -e x.env -- flask run", ["FLASK_DEBUG=x flask run"]),
        ("env-cmd -f x.env flask run", ["FLASK_DEBUG=x flask run"]),
    ],
)
def test_scripts_of_a_package(command: str, expected: list[str]) -> None:
    package = """{"scripts": {
      "prestart": "export FLASK_DEBUG=2", "start": "FLASK_DEBUG=1 flask run", "dev": "flask run",
      "both": "concurrently -k 'npm:start' 'npm run dev'", "prefails": "false",
      "fails": "flask run"}}"""
    files = {"package.json": package, "x.env": "FLASK_DEBUG=x\n"}
    assert launches(command, files) == expected


TASKS = '''from invoke import task

PORT = 5


@task
def build(c):
    """Build."""
    print("built")


@task(pre=[build], aliases=["web"], help={"debug": "on"})
def serve(c, host="0.0.0.0", debug=False, port=PORT):
    flags = " --debug" if debug else ""
    with c.cd("/srv"), c.prefix("true"):
        pass
    c.run(f"flask run -h {host}{flags}", pty=True, env={"FLASK_DEBUG": "t"})


@task
def moved(c):
    with c.cd("sub"):
        c.run("python main.py")


@task
def unsure(c):
    c.run("flask run " + open("x").read())


@task
def both_ways(c, safe=True):
    if safe:
        c.run("gunicorn app:app")
    else:
        serve(c, debug=True)
'''


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("inv moved", ["/srv/app/sub/main.py"]),
        ("inv both-ways", ["gunicorn app:app"]),
        ("inv build", []),
        ("inv --list", []),
        ("inv unsure", ["unknown: what a task does (/srv/app/tasks.py:28)"]),
        ("python -m invoke moved", ["/srv/app/sub/main.py"]),
    ],
)
def test_tasks_are_read_where_they_say_plainly_what_they_run(
    command: str, expected: list[str]
) -> None:
    files = {"tasks.py": TASKS, "sub/main.py": "", "/bin/bash": "\x7fELF"}
    assert launches(command, files) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", "FLASK_DEBUG=t flask run -h 0.0.0.0"),
        ("--debug", "FLASK_DEBUG=t flask run -h 0.0.0.0 --debug"),
        ("-d", "FLASK_DEBUG=t flask run -h 0.0.0.0 --debug"),
        ("--host=::1", "FLASK_DEBUG=t flask run -h ::1"),
        ("-h ::1 -d", "FLASK_DEBUG=t flask run -h ::1 --debug"),
    ],
)
def test_words_fill_what_a_task_takes(words: str, expected: str) -> None:
    text = TASKS.replace('    with c.cd("/srv"), c.prefix("true"):\n        pass\n', "")
    files = {"tasks.py": text, "/bin/bash": "\x7fELF"}
    assert launches(f"inv serve {words}", files) == [expected]


MANY = 70_000


@pytest.mark.parametrize(
    ("command", "name", "text"),
    [
        ("make run", "Makefile", "run:\n\t" + "$(" * MANY),
        ("make run", "Makefile", "X = " + "\\" * MANY + "\nrun: ; $(X)\n"),
        ("make run", "Makefile", "A=" * MANY),
        ("make run", "Makefile", "(" * MANY + "run:\n\tflask run\n"),
        ("make run", "Makefile", "include Makefile\nrun:\n\tflask run\n"),
        ("make run", "Makefile", "define X\n$(X)$(X)\nendef\nrun: ; $(X)\n"),
        ("make run", "Makefile", "run:\n\t$(MAKE) run\n"),
        ("supervisord -n", "supervisord.conf", "[supervisord]\na" + " " * MANY + "b"),
        ("circusd c.ini", "c.ini", "[watcher:a]\ncmd=" + "$(" * MANY),
        ("honcho start", "Procfile", "web:" + " " * MANY + "\n"),
        ("cron", "/etc/crontab", "A=" + " " * MANY + "b\n" + "*" * MANY),
        ("inv serve", "tasks.py", "from invoke import task\n@task\ndef serve(c):\n    c.run("
         + "+".join(["'a'"] * 3_000) + ")\n"),
        ("inv serve", "tasks.py", "x = " + "(" * MANY),
        ("npm start", "package.json", "[" * MANY),
        ("poetry run flask run", "pyproject.toml", "a = " + "[" * MANY),
        ("pdm run a", "pyproject.toml", "[project]\nname='x'\n[tool.pdm.scripts]\n"
         "a={composite=['b','b']}\nb={composite=['a','a']}\n"),
        ("npm start", "package.json", '{"scripts": {"start": "npm start"}}'),
    ],
    ids=lambda text: text[:30],
)  # fmt: skip
def test_hostile_files_end_without_an_error(command: str, name: str, text: str) -> None:
    found = launches(command, {name: text, "/usr/sbin/cron": "\x7fELF"}, VIRTUAL_ENV=ACTIVE)
    assert not any("flask" in one and not one.startswith("unknown") for one in found)
