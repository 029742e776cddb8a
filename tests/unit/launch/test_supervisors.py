"""Process managers: what their configuration starts, and under which variables."""

import pytest

from tests.support.launches import launches, programs

SUPERVISORD = "[supervisord]\nnodaemon=true\n"
CIRCUS = "[circus]\nendpoint=ipc:///tmp/e\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[program:web]\ncommand=flask run\n", ["flask run"]),
        ("[program:web]\nCOMMAND : flask run ; the server\n", ["flask run"]),
        ("[program:web]\ncommand=flask run\n  --debug\n", ["flask run --debug"]),
        ("[program:web]\ncommand=flask run\nautostart=no\n", []),
        ("[program:web]\ncommand=flask run\nautostart=TRUE\n", ["flask run"]),
        ("[program:a]\ncommand=flask run\n[program:b]\ncommand=gunicorn app:app\n",
         ["flask run", "gunicorn app:app"]),
        ('[program:web]\ncommand=flask run\nenvironment=FLASK_DEBUG=1,A="x,y"\n',
         ["FLASK_DEBUG=1 flask run"]),
        ("[program:web]\ncommand=flask run --port %(ENV_P)s\n", ["flask run --port 7"]),
        ('[program:web]\ncommand=flask run --port %(ENV_Q)s\nenvironment=Q="8"\n',
         ["flask run --port 8"]),
        ("[program:web]\ncommand=flask run --port %(ENV_NONE)s\n", []),
        ("[program:w]\ncommand=flask run --port 80%(process_num)02d\nnumprocs=2\n"
         "process_name=%(program_name)s%(process_num)d\n",
         ["flask run --port 8000", "flask run --port 8001"]),
        ("[program:web]\ncommand=FLASK_DEBUG=1 flask run\n", []),
        ("[program:web]\ncommand=sh -c 'FLASK_DEBUG=1 flask run'\n", ["FLASK_DEBUG=1 flask run"]),
        ("[fcgi-program:web]\ncommand=flask run\n", ["flask run"]),
        ("[eventlistener:web]\ncommand=flask run\nevents=TICK_5\n", ["flask run"]),
        ("[program:web]\ncommand=flask run\ndirectory=/none\n", []),
        ("[program:web]\nautostart=true\n", []),
        ("[program:web]\ncommand=flask 'run\n", []),
        ("[include]\nfiles=conf.d/*.conf more.ini\n",
         ["flask run --host one", "flask run --port 3"]),
        ("[include]\nfiles=none/*.conf\n[program:web]\ncommand=flask run\n", ["flask run"]),
    ],
)  # fmt: skip
def test_supervisord_starts_what_its_programs_say(text: str, expected: list[str]) -> None:
    files = {
        "sv.conf": SUPERVISORD + text,
        "conf.d/one.conf": "[program:one]\ncommand=flask run --host one\n",
        "more.ini": "[program:more]\ncommand=sh %(here)s/run.sh\n",
        "run.sh": "flask run --port 3\n",
    }
    assert launches("supervisord -c sv.conf", files, P="7") == expected


@pytest.mark.parametrize(
    ("command", "places"),
    [
        ("supervisord -n", ["supervisord.conf"]),
        ("supervisord --nodaemon", ["etc/supervisord.conf"]),
        ("supervisord", ["/etc/supervisord.conf"]),
        ("supervisord", ["/etc/supervisor/supervisord.conf"]),
        ("supervisord", ["/srv/venv/etc/supervisord.conf", "supervisord.conf.bak"]),
        ("python -m supervisor.supervisord --configuration=x.conf", ["x.conf"]),
        ("supervisord -nc x.conf", ["x.conf"]),
    ],
)
def test_supervisord_finds_its_configuration(command: str, places: list[str]) -> None:
    text = SUPERVISORD + "[program:web]\ncommand=flask run\n"
    assert launches(command, dict.fromkeys(places, text)) == ["flask run"]


def test_the_environment_of_supervisord_is_below_that_of_a_program() -> None:
    main = "[supervisord]\nnodaemon=true\nenvironment=FLASK_DEBUG=1,P=9\n"
    own = "[program:web]\ncommand=flask run --port %(ENV_P)s\nenvironment=FLASK_DEBUG=0\n"
    found = launches("supervisord -c sv.conf", {"sv.conf": main + own}, FLASK_DEBUG="2")
    assert found == ["FLASK_DEBUG=0 flask run --port 9"]


def test_the_chain_names_the_line_of_the_program() -> None:
    text = SUPERVISORD + "\n[program:web]\ncommand=flask run\n"
    (program,) = programs("supervisord -c sv.conf", {"sv.conf": text})
    places = [(step.location.file, step.location.line) for step in program.trail]
    assert ("/srv/app/sv.conf", 5) in places


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[watcher:web]\ncmd=flask run\ncopy_env=True\n", ["FLASK_DEBUG=1 flask run"]),
        ("[watcher:web]\ncmd=/srv/venv/bin/flask run\n", ["flask run"]),
        ("[watcher:web]\ncmd=flask run\ncopy_env=True\nautostart=False\n", []),
        ("[watcher:web]\ncmd=flask\nargs=run --port $(circus.env.p)\ncopy_env=True\n",
         ["FLASK_DEBUG=1 flask run --port 7"]),
        ("[watcher:web]\ncmd=flask run\ncopy_env=True\n[env:w*]\nFLASK_DEBUG=0\n",
         ["FLASK_DEBUG=0 flask run"]),
        ("[watcher:web]\ncmd=flask run\ncopy_env=True\n[env:api,x]\nFLASK_DEBUG=0\n",
         ["FLASK_DEBUG=1 flask run"]),
        ("[env]\nFLASK_DEBUG=0\n[watcher:web]\ncmd=flask run\ncopy_env=1\nshell=1\n",
         ["FLASK_DEBUG=0 flask run"]),
        ("[watcher:web]\ncmd=flask run\ncopy_env=1\nvirtualenv=/other\n",
         ["unknown: the virtualenv of the watcher web"]),
    ],
)  # fmt: skip
def test_circus_starts_its_watchers(text: str, expected: list[str]) -> None:
    files = {"circus.ini": CIRCUS + text}
    assert launches("circusd circus.ini", files, FLASK_DEBUG="1", P="7") == expected


RUN = "#!/bin/sh\ncd /srv/app\nexec flask run\n"


@pytest.mark.parametrize(
    ("command", "files", "expected"),
    [
        ("runsvdir -P sv", {"sv/web/run": RUN, "sv/off/run": RUN, "sv/off/down": ""},
         ["FLASK_DEBUG=1 flask run"]),
        ("runsvdir sv", {"sv/.hidden/run": RUN}, []),
        ("s6-svscan sv", {"sv/a/run": RUN, "sv/b/finish": RUN}, ["FLASK_DEBUG=1 flask run"]),
        # s6-overlay: a service sees the container's variables through with-contenv alone.
        ("/init", {"/init": "#!/bin/sh\n", "/etc/services.d/web/run":
                   "#!/usr/bin/with-contenv sh\nexec flask run\n"}, ["FLASK_DEBUG=1 flask run"]),
        ("/init", {"/init": "#!/bin/sh\n", "/etc/services.d/web/run":
                   "#!/bin/sh\nexec /srv/venv/bin/flask run\n"}, ["flask run"]),
        ("/init flask run", {"/init": "#!/bin/sh\n", "/etc/s6-overlay/x": ""},
         ["FLASK_DEBUG=1 flask run"]),
        ("/init", {"/init": "#!/bin/sh\n",
                   "/etc/s6-overlay/s6-rc.d/user/contents.d/web": "",
                   "/etc/s6-overlay/s6-rc.d/web/dependencies.d/first": "",
                   "/etc/s6-overlay/s6-rc.d/first/up": "with-contenv flask db upgrade\n",
                   "/etc/s6-overlay/s6-rc.d/web/run":
                   "#!/command/execlineb -P\nwith-contenv\nexec\nflask run\n"},
         ["FLASK_DEBUG=1 flask run", "FLASK_DEBUG=1 flask db upgrade"]),
        ("/init", {"/init": "#!/bin/sh\n", "/etc/services.d/web/run":
                   "#!/command/execlineb -P\nforeground { echo } flask run\n"},
         ["unknown: what the execline script /etc/services.d/web/run does"]),
        ("/init run", {"/init": "#!/bin/sh\n", "/etc/s6-overlay/x": ""}, []),
        ("/init", {"/init": "#!/bin/sh\n", "/etc/cont-init.d/10": "#!/bin/sh\n"
                   "echo 1 >/run/s6/container_environment/FLASK_DEBUG\n",
                   "/etc/services.d/web/run":
                   "#!/usr/bin/with-contenv sh\nexec /srv/venv/bin/flask run\n"},
         ["FLASK_DEBUG=? flask run"]),
        # /init of another image is a script like any other.
        ("/init run", {"/init": '#!/bin/sh\nexec flask "$@"\n'}, ["FLASK_DEBUG=1 flask run"]),
    ],
)  # fmt: skip
def test_service_directories_are_followed(
    command: str, files: dict[str, str], expected: list[str]
) -> None:
    assert launches(command, files, FLASK_DEBUG="1") == expected


def test_my_init_runs_its_first_scripts_its_services_and_its_words() -> None:
    files = {
        "/sbin/my_init": "#!/usr/bin/python3 -u\n",
        "/etc/my_init.d/10.sh": "#!/bin/sh\nflask db upgrade\n",
        "/etc/service/web/run": "#!/bin/sh\nexec flask run\n",
        "/etc/container_environment/FLASK_DEBUG": "1",
    }
    found = launches("/sbin/my_init --quiet -- flask routes", files)
    assert found == [
        "FLASK_DEBUG=1 flask db upgrade",
        "FLASK_DEBUG=1 flask run",
        "FLASK_DEBUG=1 flask routes",
    ]


@pytest.mark.parametrize(
    ("command", "files", "expected"),
    [
        ("cron -f", {}, []),
        ("cron -f", {"/etc/crontab": "SHELL=/bin/sh\n# m h\n17 * * * * root cd / && run-parts x\n"},
         []),
        ("cron", {"/etc/crontab": "* * * * * www /srv/venv/bin/flask jobs >/dev/null 2>&1\n"},
         ["flask jobs ?"]),
        ("cron", {"/etc/cron.d/web": "FLASK_DEBUG=2\n@reboot root /srv/venv/bin/flask run\n"},
         ["FLASK_DEBUG=2 flask run ?"]),
        ("cron -f", {"/var/spool/cron/crontabs/root": "*/5 1-3 * * 1,2 /srv/venv/bin/flask x\n",
                     "/etc/environment": "FLASK_DEBUG=3\n"}, ["FLASK_DEBUG=3 flask x ?"]),
        ("cron", {"/etc/crontab": "1 1 * * * root run-parts --report /etc/cron.daily\n",
                  "/etc/cron.daily/web": "#!/bin/sh\n/srv/venv/bin/flask y\n"}, ["flask y ?"]),
        # What a package of the distribution owns there is its own affair.
        ("cron", {"/etc/crontab": "1 1 * * * root run-parts --report /etc/cron.daily\n",
                  "/etc/cron.daily/tidy": "#!/bin/sh\n/srv/venv/bin/flask y\n",
                  "/var/lib/dpkg/status": "Package: tidy\nStatus: install ok installed\n"
                  "Version: 1\n\n",
                  "/var/lib/dpkg/info/tidy.list": "/etc/cron.daily/tidy\n"}, []),
        ("crond -f -l 8", {"/etc/crontabs/root": "0 0 * * * flask z\n"},
         ["FLASK_DEBUG=1 flask z ?"]),
        ("supercronic -quiet jobs", {"jobs": "@every_minute flask w%input\n"},
         ["FLASK_DEBUG=1 flask w ?"]),
    ],
)  # fmt: skip
def test_jobs_start_when_their_time_comes(
    command: str, files: dict[str, str], expected: list[str]
) -> None:
    binaries = dict.fromkeys(("/usr/sbin/cron", "/usr/sbin/crond", "/usr/bin/supercronic",
                              "/bin/run-parts"), "\x7fELF")  # fmt: skip
    found = launches(command, files | binaries, FLASK_DEBUG="1")
    assert [one for one in found if "run-parts" not in one] == expected
