"""manage.py: Django's own server, and runserver_plus with Werkzeug's and its debugger."""

import pytest

from deployguard.model.evidence import Answer
from deployguard.model.facts import ProgramFacts
from tests.support.memory import FLASK_11, FLASK_22
from tests.unit.flask.framework_launches import SITE, addresses, launched, script

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
EVERYWHERE = "0.0.0.0"
INSTALLED = {"django": "5.1", "django_extensions": "4.1"}
MANAGE = (
    "import os, sys\n\n\ndef main():\n"
    "    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
    "    try:\n        from django.core.management import execute_from_command_line\n"
    "    except ImportError as error:\n        raise ImportError('no Django') from error\n"
    "    execute_from_command_line(sys.argv)\n\n\n"
    "if __name__ == '__main__':\n    main()\n"
)
SETTINGS = (
    "import os\nfrom pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent\n"
    "DEBUG = os.environ.get('DEBUG') == '1'\nALLOWED_HOSTS = ['*']\n"
    "INSTALLED_APPS = ['django.contrib.admin', 'django_extensions', 'rest_framework']\n"
)


def ran(
    command: str,
    settings: str = SETTINGS,
    *,
    installed: dict[str, str] | None = None,
    variables: dict[str, str] | None = None,
    files: dict[str, str] | None = None,
) -> ProgramFacts:
    texts = {"manage.py": MANAGE, "shop/__init__.py": "", "shop/settings.py": settings}
    return launched(
        command, {**texts, **(files or {})}, installed=installed or INSTALLED, variables=variables
    )


@pytest.mark.parametrize(
    ("words", "variables", "pin_off"),
    [
        ("", {}, NO),
        ("", {"DEBUG": "1"}, NO),
        ("--nopin", {}, YES),
        ("--nop", {}, YES),
        ("--nopin 0.0.0.0:8000", {}, YES),
        ("--threaded --print-sql --keep-meta-shutdown", {}, NO),
        ("--reloader-type=stat --reloader-interval 2", {}, NO),
        ("", {"WERKZEUG_DEBUG_PIN": "off"}, YES),
        ("-v 2 --settings shop.settings --nostatic", {}, NO),
    ],
)
def test_runserver_plus_brings_the_debugger_whatever_debug_says(
    words: str, variables: dict[str, str], pin_off: Answer
) -> None:
    facts = ran(f"python manage.py runserver_plus {words}", variables=variables).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (YES, YES)
    assert (facts.interactive.answer, facts.pin_off.answer) == (YES, pin_off)


@pytest.mark.parametrize(
    ("versions", "words", "debugger", "pin_off"),
    [
        ({}, "--noreload", NO, NO),
        (FLASK_22, "--noreload", NO, NO),
        (FLASK_22, "", YES, NO),
        (FLASK_11, "--noreload", YES, NO),
        (FLASK_11, "--noreload --nopin", YES, NO),
        (FLASK_11, "--nopin", YES, YES),
    ],
)
def test_without_reloader_werkzeug_2_1_does_not_start_and_older_ones_keep_the_pin(
    versions: dict[str, str], words: str, debugger: Answer, pin_off: Answer
) -> None:
    installed = {**versions, **INSTALLED}
    facts = ran(f"python manage.py runserver_plus {words}", installed=installed).facts
    assert (facts.debugger.answer, facts.pin_off.answer) == (debugger, pin_off)


@pytest.mark.parametrize(
    ("settings", "installed"),
    [
        ("INSTALLED_APPS = ['django.contrib.admin']\n", INSTALLED),
        ("", INSTALLED),
        (SETTINGS, {"django": "5.1"}),
        ("import nothing_of_the_kind\n", INSTALLED),
    ],
)
def test_where_the_command_is_not_known_nothing_starts(
    settings: str, installed: dict[str, str]
) -> None:
    program = ran("python manage.py runserver_plus", settings, installed=installed)
    assert (program.server, program.facts.debugger.answer) == ("none", NO)


@pytest.mark.parametrize(
    "settings",
    [
        "import socket\nINSTALLED_APPS = socket.gethostname().split('-')\n",
        "import random\nINSTALLED_APPS = ['a']\nif random.random() < 0.5:\n"
        "    INSTALLED_APPS = ['django_extensions']\n",
    ],
)
def test_applications_that_cannot_be_told_leave_the_command_open(settings: str) -> None:
    facts = ran("python manage.py runserver_plus", settings).facts
    assert facts.debugger.answer is UNKNOWN
    assert facts.debugger.missing


@pytest.mark.parametrize(
    ("words", "settings", "expected"),
    [
        ("runserver_plus", "", ("127.0.0.1", 8000)),
        ("runserver_plus 8080", "", ("127.0.0.1", 8080)),
        ("runserver_plus 0.0.0.0:80", "", (EVERYWHERE, 80)),
        ("runserver_plus 0:80", "", (EVERYWHERE, 80)),
        ("runserver_plus [::]:80", "", ("::", 80)),
        ("runserver_plus -6 80", "", ("::1", 80)),
        ("runserver_plus", "RUNSERVERPLUS_SERVER_ADDRESS_PORT = '0.0.0.0:81'", (EVERYWHERE, 81)),
        ("runserver", "", ("127.0.0.1", 8000)),
        ("runserver --noreload --insecure 0.0.0.0:80", "", (EVERYWHERE, 80)),
    ],
)
def test_the_address_is_the_first_argument_else_a_setting_else_loopback(
    words: str, settings: str, expected: tuple[str, int]
) -> None:
    assert addresses(ran(f"python manage.py {words}", SETTINGS + settings)) == [expected]


@pytest.mark.parametrize(
    ("command", "server"),
    [
        ("python manage.py runserver 0.0.0.0:8000", "django"),
        ("python manage.py migrate --noinput", "none"),
        ("python manage.py collectstatic --noinput --clear", "none"),
        ("python manage.py", "none"),
        ("python manage.py runserver --settings=shop.absent", "none"),
        ("python manage.py runserver --no-such-option", "none"),
    ],
)
def test_no_other_command_of_django_is_werkzeugs(command: str, server: str) -> None:
    program = ran(command, variables={"FLASK_DEBUG": "1", "DEBUG": "1"})
    assert program.server == server
    assert (program.facts.dev_server.answer, program.facts.debugger.answer) == (NO, NO)


def test_runserver_wants_allowed_hosts_where_debug_is_off() -> None:
    settings = SETTINGS + "ALLOWED_HOSTS = []\n"
    assert ran("python manage.py runserver", settings).server == "none"
    assert ran("python manage.py runserver", settings, variables={"DEBUG": "1"}).server == "django"


@pytest.mark.parametrize(
    ("wrapped", "expected"),
    [
        ("application = get_wsgi_application()\n", NO),
        (
            "from werkzeug.debug import DebuggedApplication\n"
            "application = DebuggedApplication(get_wsgi_application(), evalex=True)\n",
            YES,
        ),
        (
            "from django.conf import settings\napplication = get_wsgi_application()\n"
            "if settings.DEBUG:\n    from werkzeug.debug import DebuggedApplication\n"
            "    application = DebuggedApplication(application, evalex=True)\n",
            NO,
        ),
    ],
)
@pytest.mark.parametrize("command", ["python manage.py runserver", "gunicorn shop.wsgi"])
def test_the_debugger_may_stand_in_the_wsgi_module(
    command: str, wrapped: str, expected: Answer
) -> None:
    source = (
        "import os\nfrom django.core.wsgi import get_wsgi_application\n"
        f"os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n{wrapped}"
    )
    settings = SETTINGS + "WSGI_APPLICATION = 'shop.wsgi.application'\n"
    facts = ran(command, settings, files={"shop/wsgi.py": source}).facts
    assert (facts.dev_server.answer, facts.debugger.answer) == (NO, expected)


@pytest.mark.parametrize(
    "source",
    [
        "from django.core.management import call_command\n"
        "call_command('runserver_plus', '0.0.0.0:8000', nopin=True)\n",
        "from django.core.management import call_command\n"
        "call_command('runserver_plus', '--nopin', addrport='0.0.0.0:8000')\n",
        "from django.core import management\n"
        "management.execute_from_command_line(['x', 'runserver_plus', '--nopin', '0:8000'])\n",
        "from django.core.management import ManagementUtility\n"
        "ManagementUtility(['x', 'runserver_plus', '--nopin', '0.0.0.0:8000']).execute()\n",
    ],
)
def test_a_program_of_its_own_may_call_the_command(source: str) -> None:
    head = "import os\nimport django\nos.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\n"
    program = ran("python serve.py", files={"serve.py": f"{head}django.setup()\n{source}"})
    assert (program.facts.debugger.answer, program.facts.pin_off.answer) == (YES, YES)
    assert addresses(program) == [(EVERYWHERE, 8000)]


@pytest.mark.parametrize(
    ("command", "variables", "expected"),
    [
        ("python -m django runserver_plus", {"DJANGO_SETTINGS_MODULE": "shop.settings"}, YES),
        ("django-admin runserver_plus --pythonpath . --settings shop.settings", {}, YES),
        ("django-admin runserver_plus --pythonpath=. --settings=shop.settings", {}, YES),
        ("django-admin runserver_plus", {}, NO),
        ("python manage.py runserver_plus", {"DJANGO_SETTINGS_MODULE": "shop.other"}, NO),
        ("python manage.py runserver_plus --settings shop.settings", {}, YES),
    ],
)
def test_the_settings_are_those_of_the_option_or_the_variable(
    command: str, variables: dict[str, str], expected: Answer
) -> None:
    files = {
        "shop/other.py": "INSTALLED_APPS = []\n",
        **script("django-admin", "django.core.management:execute_from_command_line"),
    }
    assert ran(command, files=files, variables=variables).facts.debugger.answer is expected


def test_a_project_of_one_file_configures_itself() -> None:
    source = (
        "import sys\nfrom django.conf import settings\n"
        "settings.configure(DEBUG=True, ROOT_URLCONF=__name__, INSTALLED_APPS=['django_extensions'])\n"
        "from django.core.management import execute_from_command_line\n"
        "execute_from_command_line(sys.argv)\n"
    )
    facts = ran("python one.py runserver_plus", files={"one.py": source}).facts
    assert facts.debugger.answer is YES


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("run_simple('0.0.0.0', 8000, get_wsgi_application(), use_debugger=True)", YES),
        ("run_simple('0.0.0.0', 8000, get_wsgi_application())", NO),
        ("self.stdout.write('done')", NO),
    ],
)
def test_a_command_of_the_project_is_followed(body: str, expected: Answer) -> None:
    source = (
        "from django.core.management.base import BaseCommand\n"
        "from django.core.wsgi import get_wsgi_application\n"
        "from werkzeug.serving import run_simple\n\n\nclass Command(BaseCommand):\n"
        f"    def handle(self, *args, **options):\n        {body}\n"
    )
    files = {f"shop/management/{name}__init__.py": "" for name in ("", "commands/")}
    files["shop/management/commands/serve.py"] = source
    settings = SETTINGS + "INSTALLED_APPS += ['shop']\n"
    facts = ran("python manage.py serve", settings, files=files).facts
    assert facts.debugger.answer is expected


@pytest.mark.parametrize(
    ("words", "library"),
    [
        ("--cert-file tls.crt", "OpenSSL"),
        ("--key-file=tls.key", "OpenSSL"),
        ("--pdb", "django_pdb"),
        ("--pm", "django_pdb"),
    ],
)
def test_options_that_want_a_library_do_not_start_without_it(words: str, library: str) -> None:
    command = f"python manage.py runserver_plus {words}"
    assert ran(command).facts.debugger.answer is NO
    assert ran(command, installed={**INSTALLED, library: "1"}).facts.debugger.answer is YES


@pytest.mark.parametrize(
    ("application", "files", "expected"),
    [
        ("werkzeug_debugger_runserver", {}, UNKNOWN),
        ("livereload", {f"{SITE}/livereload/management/commands/runserver.py": ""}, UNKNOWN),
        ("daphne", {f"{SITE}/daphne/management/commands/runserver.py": ""}, NO),
        ("rest_framework", {}, NO),
    ],
)
def test_an_installed_application_may_bring_another_runserver(
    application: str, files: dict[str, str], expected: Answer
) -> None:
    settings = f"{SETTINGS}INSTALLED_APPS = ['{application}', 'django.contrib.admin']\n"
    facts = ran("python manage.py runserver", settings, files=files).facts
    assert facts.debugger.answer is expected


def test_help_is_printed_and_nothing_starts() -> None:
    assert ran("python manage.py runserver_plus --help").facts.debugger.answer is NO


def test_a_command_that_nobody_knows_is_unknown_and_named() -> None:
    facts = ran("python manage.py serve_somehow").facts
    assert facts.debugger.answer is UNKNOWN
    assert any("serve_somehow" in missing.what for missing in facts.debugger.missing)
