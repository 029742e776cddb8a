"""Dockerfiles of the kinds that public Flask repositories have, each with its context.

`{python}` stands for the base. `opaque` says that a RUN is not plain, so that answers may be open.
"""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field

_APP = "from flask import Flask\napp = Flask(__name__)\n\n\n@app.route('/')\ndef index():\n    return 'hello'\n"
_MAIN = "\n\nif __name__ == '__main__':\n    app.run({})\n"
DEBUG = _APP + _MAIN.format("host='0.0.0.0', debug=True")
PLAIN = _APP + _MAIN.format("host='0.0.0.0'")
BY_ENV = "import os\n" + _APP + _MAIN.format("host='0.0.0.0', debug=os.environ.get('DEBUG') == '1'")
BY_SETTING = "import config\n" + _APP + _MAIN.format("host='0.0.0.0', debug=config.DEBUG")
FACTORY = "from flask import Flask\n\n\ndef create_app():\n    return Flask(__name__)\n"
REQS = "flask==3.0.3\nWerkzeug==3.0.4\n"
REQS_PROD = f"{REQS}gunicorn==23.0.0\n"
REQS_DOTENV = f"{REQS}python-dotenv==1.0.1\n"
ENTRY = '#!/bin/sh\nset -e\nif [ "$1" = "dev" ]; then\n    exec flask run --debug --host=0.0.0.0\nfi\nexec "$@"\n'
START = "#!/bin/bash\nexec gunicorn --bind 0.0.0.0:8000 app:app\n"
_GUNICORN = 'CMD ["gunicorn", "-b", "0.0.0.0:5000", "app:app"]\n'
_HEAD = "FROM {python}\nWORKDIR /app\n"
_INSTALL = "COPY requirements.txt .\nRUN pip install --no-cache-dir -r requirements.txt\n"
_COPY = f"{_HEAD}{_INSTALL}COPY . .\n"
_RUN = 'CMD ["flask", "run", "--host=0.0.0.0"]\n'


def packed(files: Mapping[str, str], mode: str = "gz") -> bytes:
    """Return a tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(buffer.getvalue(), mtime=0) if mode == "gz" else buffer.getvalue()


@dataclass(frozen=True)
class Case:
    """A Dockerfile, the files beside it, and the arguments of its build."""

    name: str
    dockerfile: str
    app: str = PLAIN
    requirements: str = REQS
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    opaque: bool = False

    @property
    def context(self) -> dict[str, str | bytes]:
        """Return all files of the context."""
        return {"app.py": self.app, "requirements.txt": self.requirements, **self.files}


CASES = (
    Case("python-app", f'{_COPY}EXPOSE 5000\nCMD ["python", "app.py"]\n', DEBUG),
    Case("python-app-plain", f'{_COPY}CMD ["python", "app.py"]\n'),
    Case("shell-form", f"{_COPY}CMD python app.py\n", DEBUG),
    Case("entrypoint-python", f'{_COPY}ENTRYPOINT ["python"]\nCMD ["app.py"]\n', DEBUG),
    Case("flask-run", f"{_COPY}ENV FLASK_APP=app.py\n{_RUN}"),
    Case("flask-run-debug-env", f"{_COPY}ENV FLASK_APP=app.py FLASK_DEBUG=1\n{_RUN}"),
    Case("flask-run-env-old-form", f"{_COPY}ENV FLASK_APP app.py\nENV FLASK_DEBUG true\nCMD flask run -h 0.0.0.0 -p 80\n"),
    Case("flask-env-22", f"{_COPY}ENV FLASK_ENV=development\n{_RUN}", requirements="Flask==2.2.5\nWerkzeug==2.2.3\n"),
    Case("flask-env-30", f"{_COPY}ENV FLASK_ENV=development\n{_RUN}"),
    Case("run-debug-option", f'{_COPY}CMD ["flask", "--app", "app", "run", "--debug", "--host", "0.0.0.0"]\n'),
    Case("module", f'{_COPY}CMD ["python3", "-m", "flask", "run", "--host=0.0.0.0"]\n'),
    Case("gunicorn", f"{_COPY}{_GUNICORN}", DEBUG, REQS_PROD),
    Case("gunicorn-shell", f"{_COPY}CMD gunicorn --bind 0.0.0.0:${{PORT:-8000}} app:app\n", requirements=REQS_PROD),
    Case("gunicorn-env", f"{_COPY}ENV FLASK_DEBUG=1\n{_GUNICORN}", requirements=REQS_PROD),
    Case("waitress", f'{_COPY}RUN pip install waitress==3.0.2\nCMD ["waitress-serve", "--port=5000", "app:app"]\n'),
    Case("pip-args", f"{_HEAD}RUN pip install --upgrade pip && pip install flask==3.0.3 Werkzeug==3.0.4 gunicorn==23.0.0\nCOPY app.py .\n{_GUNICORN}"),
    Case("pip-module", f'{_HEAD}COPY . /app\nRUN python -m pip install --no-cache-dir -r requirements.txt\nCMD ["python", "app.py"]\n', DEBUG),
    Case("nested-requirements", f"{_HEAD}COPY requirements/ requirements/\nRUN pip install -r requirements/prod.txt\nCOPY . .\n{_GUNICORN}",
         files={"requirements/base.txt": REQS, "requirements/prod.txt": "-r base.txt\ngunicorn==23.0.0\n"}),
    Case("constraints", f"{_HEAD}COPY . .\nRUN pip install flask gunicorn -c constraints.txt\n{_GUNICORN}",
         files={"constraints.txt": REQS_PROD}),
    Case("multistage-user", f"FROM {{python}} AS builder\nWORKDIR /build\n{_INSTALL.replace('install', 'install --user', 1)}"
         f"FROM {{python}}\nWORKDIR /app\nCOPY --from=builder /root/.local /root/.local\nENV PATH=/root/.local/bin:$PATH\nCOPY . .\n{_RUN}"),
    Case("multistage-venv", "FROM {python} AS build\nRUN python -m venv /opt/venv\nENV PATH=/opt/venv/bin:$PATH\n"
         f'{_INSTALL}FROM {{python}} AS runtime\nCOPY --from=build /opt/venv /opt/venv\nENV PATH="/opt/venv/bin:$PATH" FLASK_DEBUG=1\n'
         f"WORKDIR /app\nCOPY app.py .\n{_RUN}"),
    Case("multistage-wheels", "FROM {python} as builder\nWORKDIR /usr/src/app\nENV PYTHONDONTWRITEBYTECODE 1\nENV PYTHONUNBUFFERED 1\n"
         "RUN apt-get update && apt-get install -y --no-install-recommends gcc\nCOPY ./requirements.txt .\n"
         "RUN pip wheel --no-cache-dir --no-deps --wheel-dir /usr/src/app/wheels -r requirements.txt\n"
         "FROM {python}\nRUN mkdir -p /home/app && groupadd -r app && useradd -r -g app -d /home/app app\nENV HOME=/home/app APP_HOME=/home/app/web\n"
         "RUN mkdir $APP_HOME\nWORKDIR $APP_HOME\nCOPY --from=builder /usr/src/app/wheels /wheels\n"
         "COPY --from=builder /usr/src/app/requirements.txt .\nRUN pip install --no-cache /wheels/*\nCOPY . $APP_HOME\n"
         f"RUN chown -R app:app $APP_HOME\nUSER app\n{_GUNICORN}", requirements=REQS_PROD),
    Case("target-dev", f"FROM {{python}} AS base\nWORKDIR /app\n{_INSTALL}COPY . .\nFROM base AS dev\nENV FLASK_DEBUG=1\n{_RUN}"
         f"FROM base AS prod\nRUN pip install gunicorn==23.0.0\n{_GUNICORN}", target="dev"),
    Case("target-prod", f"FROM {{python}} AS base\nWORKDIR /app\n{_INSTALL}COPY . .\nFROM base AS dev\nENV FLASK_DEBUG=1\n{_RUN}"
         f"FROM base AS prod\nRUN pip install gunicorn==23.0.0\n{_GUNICORN}"),
    Case("debugpy-stage", f"FROM {{python}} AS base\nWORKDIR /app\n{_INSTALL}COPY . .\nFROM base AS debugger\nRUN pip install debugpy==1.8.5\n"
         'ENTRYPOINT ["python", "-m", "debugpy", "--listen", "0.0.0.0:5678", "-m", "flask", "run", "-h", "0.0.0.0"]\n'
         f"FROM base AS primary\n{_RUN}", target="debugger"),
    Case("entry-script", f"{_COPY}COPY entry.sh /usr/local/bin/\nRUN chmod +x /usr/local/bin/entry.sh\n"
         f'ENTRYPOINT ["entry.sh"]\nCMD ["dev"]\n', files={"entry.sh": ENTRY}),
    Case("entry-script-prod", f'{_COPY}COPY --chmod=755 entry.sh /entry.sh\nENTRYPOINT ["/entry.sh"]\n{_GUNICORN}', requirements=REQS_PROD,
         files={"entry.sh": ENTRY}),
    Case("entry-windows-lines", f"{_COPY}RUN sed -i 's/\\r$//' entry.sh && chmod +x entry.sh\n"
         'ENTRYPOINT ["./entry.sh", "dev"]\n', files={"entry.sh": ENTRY.replace("\n", "\r\n")}),
    Case("start-script", f'{_COPY}CMD ["sh", "start.sh"]\n', requirements=REQS_PROD, files={"start.sh": START}),
    Case("start-script-shell", f"{_COPY}RUN chmod u+x ./start.sh\nENTRYPOINT ./start.sh\n", DEBUG, REQS_PROD, {"start.sh": START}),
    Case("arg-mode", f"ARG MODE=development\n{_COPY}ARG MODE\nENV APP_MODE=$MODE FLASK_DEBUG=${{MODE:+1}}\n{_RUN}"),
    Case("arg-given", f"{_COPY}ARG DEBUG=0\nENV FLASK_DEBUG=$DEBUG\n{_RUN}", arguments={"DEBUG": "1"}),
    Case("arg-base", f"ARG BASE={{python}}\nFROM ${{BASE}}\nARG APP_DIR=/srv/app\nWORKDIR $APP_DIR\n{_INSTALL}COPY . $APP_DIR\nCMD python app.py\n", DEBUG),
    Case("arg-condition-on", f"{_COPY}ARG ENVIRONMENT=dev\nRUN if [ \"$ENVIRONMENT\" = \"dev\" ]; then echo 'DEBUG = True' > config.py; else echo 'DEBUG = False' > config.py; fi\n"
         'CMD ["python", "app.py"]\n', BY_SETTING),
    Case("arg-condition-off", f"{_COPY}ARG ENVIRONMENT=dev\nRUN if [ \"$ENVIRONMENT\" = \"dev\" ]; then echo 'DEBUG = True' > config.py; else echo 'DEBUG = False' > config.py; fi\n"
         'CMD ["python", "app.py"]\n', BY_SETTING, arguments={"ENVIRONMENT": "prod"}),
    Case("case-condition", f'{_COPY}ARG STAGE=local\nRUN case "$STAGE" in local|dev*) rm config.py && cp config_dev.py config.py ;; *) true ;; esac\nCMD python app.py\n',
         BY_SETTING, files={"config.py": "DEBUG = False\n", "config_dev.py": "DEBUG = True\n"}),
    Case("loop", f"{_COPY}RUN for f in one two; do mkdir -p /data/$f && touch /data/$f/x; done\nCMD python app.py\n", DEBUG),
    Case("user", f"{_COPY}RUN groupadd -r web && useradd -r -g web web && chown -R web:web /app\nUSER web\n{_GUNICORN}", requirements=REQS_PROD),
    Case("user-installs", f'FROM {{python}}\nRUN groupadd app && useradd --create-home -g app app\nUSER app\nWORKDIR /home/app\nENV PATH="/home/app/.local/bin:${{PATH}}"\n'
         f"COPY --chown=app:app requirements.txt .\nRUN pip install --user -r requirements.txt\nCOPY --chown=app:app . .\n{_RUN}"),
    Case("dotenv-copied", f"{_COPY}{_RUN}", requirements=REQS_DOTENV, files={".env": "FLASK_DEBUG=1\n"}),
    Case("dotenv-without-library", f"{_COPY}{_RUN}", requirements=REQS + "gunicorn==23.0.0\n", files={".env": "FLASK_DEBUG=1\n"}),
    Case("dotenv-ignored", f"{_COPY}{_RUN}", requirements=REQS_DOTENV, files={".flaskenv": "FLASK_DEBUG=1\n", ".dockerignore": "**/.flaskenv\n.git\n"}),
    Case("dotenv-taken-back", f"{_COPY}{_RUN}", requirements=REQS_DOTENV, files={".flaskenv": "FLASK_DEBUG=1\n", ".dockerignore": ".*\n!.flaskenv\n"}),
    Case("dotenv-removed", f"{_COPY}RUN rm -rf .env .flaskenv tests\n{_RUN}", requirements=REQS_DOTENV, files={".flaskenv": "FLASK_DEBUG=1\n"}),
    Case("dotenv-written", f'{_COPY}RUN echo "FLASK_APP=app" > .env && echo FLASK_DEBUG=1 >> .env\n{_RUN}', requirements=REQS_DOTENV),
    Case("dotenv-printed", f"{_COPY}ARG ON=1\nRUN printf 'FLASK_APP=app\\nFLASK_DEBUG=%s\\n' \"$ON\" > .flaskenv\n{_RUN}", requirements=REQS_DOTENV),
    Case("dotenv-grouped", f"{_COPY}RUN {{ echo FLASK_APP=app; echo FLASK_DEBUG=true; }} > .flaskenv\n{_RUN}", requirements=REQS_DOTENV),
    Case("dotenv-example", f"{_COPY}RUN [ -f .env ] || cp .env.example .env\n{_RUN}", requirements=REQS_DOTENV, files={".env.example": "FLASK_DEBUG=1\n"}),
    Case("sed-off", f"{_COPY}RUN sed -i 's/debug=True/debug=False/g' app.py\nCMD python app.py\n", DEBUG),
    Case("sed-on", f"{_COPY}RUN sed -i -e 's/^DEBUG = .*/DEBUG = True/' config.py\nCMD python app.py\n", BY_SETTING, files={"config.py": "A = 1\nDEBUG = False\n"}),
    Case("factory", f'{_COPY}CMD ["flask", "--app", "shop:create_app", "run", "--debug", "-h", "0.0.0.0"]\n', files={"shop/__init__.py": FACTORY}),
    Case("gunicorn-factory", f"{_COPY}CMD gunicorn -b 0.0.0.0 'shop:create_app()'\n", requirements=REQS_PROD, files={"shop/__init__.py": FACTORY}),
    Case("gunicorn-config", f'{_COPY}CMD ["gunicorn", "-c", "gunicorn.conf.py", "app:app"]\n', requirements=REQS_PROD,
         files={"gunicorn.conf.py": "bind = '0.0.0.0:5000'\nraw_env = ['FLASK_DEBUG=1']\n"}),
    Case("add-archive", f"{_HEAD}{_INSTALL}ADD source.tar.gz /app/\nCMD python app.py\n", files={"source.tar.gz": packed({"app.py": DEBUG, "pkg/__init__.py": ""})}),
    Case("add-plain-tar", f"{_HEAD}{_INSTALL}ADD source.tar .\nENV FLASK_APP=web\n{_RUN}", files={"source.tar": packed({"web.py": PLAIN}, "plain")}),
    Case("copy-archive", f"{_HEAD}{_INSTALL}COPY source.tar app.py ./\nCMD python app.py\n", DEBUG, files={"source.tar": packed({"app.py": PLAIN}, "plain")}),
    Case("add-folder", 'FROM {python}\nADD . /code\nWORKDIR /code\nRUN pip install -r requirements.txt\nCMD ["python", "app.py"]\n', DEBUG),
    Case("copy-json", f'{_HEAD}COPY ["requirements.txt", "./"]\nRUN ["pip", "install", "-r", "requirements.txt"]\nCOPY ["app.py", "/app/"]\nCMD ["python", "-u", "app.py"]\n', DEBUG),
    Case("copy-source-folder", f'{_HEAD}{_INSTALL}COPY src/ .\nCMD ["python", "main.py"]\n', files={"src/main.py": DEBUG}),
    Case("copy-globs", f"{_HEAD}COPY *.txt ./\nRUN pip install -r requirements.txt\nCOPY *.py config* /app/\nCMD python app.py\n", BY_SETTING, files={"config.py": "DEBUG = True\n"}),
    Case("workdir-relative", f"FROM {{python}}\nWORKDIR /srv\nWORKDIR web/app\n{_INSTALL}COPY . .\nCMD python app.py\n", DEBUG),
    Case("link", f"FROM {{python}}\nCOPY . /srv/releases/1\nRUN ln -s /srv/releases/1 /srv/current && pip install -r /srv/current/requirements.txt\nWORKDIR /srv/current\n{_RUN}",
         requirements=REQS_DOTENV, files={".flaskenv": "FLASK_DEBUG=1\n"}),
    Case("moved", f"{_COPY}RUN mv app.py main.py && mkdir -p /app/instance && rm -f *.md\nCMD python main.py\n", DEBUG),
    Case("metadata", f'{_COPY}LABEL maintainer="a@example.org"\nMAINTAINER me\nHEALTHCHECK CMD python -c "import urllib" || exit 1\nSTOPSIGNAL SIGINT\n'
         f'VOLUME ["/app/uploads"]\nSHELL ["/bin/bash", "-o", "pipefail", "-c"]\nRUN mkdir -p uploads\nCMD flask run --host 0.0.0.0\n'),
    Case("not-json", f"{_COPY}CMD ['python', 'app.py']\n", DEBUG),
    Case("command-dropped", f'FROM {{python}} AS base\nWORKDIR /app\n{_INSTALL}COPY . .\nCMD ["--debug"]\nFROM base\nENTRYPOINT ["flask", "run", "--host=0.0.0.0"]\n'),
    Case("command-kept", f'{_COPY}CMD ["--debug", "--host=0.0.0.0"]\nENTRYPOINT ["flask", "run"]\n'),
    Case("two-commands", f'{_COPY}CMD ["python", "app.py"]\n{_GUNICORN}', DEBUG, REQS_PROD),
    Case("migrate-then-run", f'{_COPY}CMD ["sh", "-c", "echo migrating && FLASK_DEBUG=1 exec flask run --host=0.0.0.0"]\n'),
    Case("onbuild", f"FROM {{python}} AS base\nONBUILD WORKDIR /app\nONBUILD COPY . .\nONBUILD RUN pip install -r requirements.txt\nFROM base\nENV FLASK_DEBUG=1\n{_RUN}"),
    Case("venv-activated", f"{_HEAD}COPY . .\nRUN python -m venv venv && . venv/bin/activate && pip install -r requirements.txt\n"
         'CMD ["venv/bin/python", "app.py"]\n', DEBUG),
    Case("mount-cache", f"{_HEAD}RUN --mount=type=cache,target=/root/.cache/pip --mount=type=bind,source=requirements.txt,target=requirements.txt pip install -r requirements.txt\n"
         f"COPY app.py .\nENV FLASK_DEBUG=1\n{_RUN}"),
    Case("apt-and-clean", f"{_HEAD}RUN set -ex; apt-get update; apt-get install -y --no-install-recommends build-essential libpq-dev; rm -rf /var/lib/apt/lists/*\n{_INSTALL}COPY . .\nCMD python app.py\n", DEBUG, opaque=True),
    Case("apk-virtual", f"{_HEAD}COPY . .\nRUN apk add --no-cache --virtual .deps gcc musl-dev && pip install -r requirements.txt && apk del .deps\n{_GUNICORN}", requirements=REQS_PROD, opaque=True),
    Case("compiled", f"{_COPY}RUN python -m compileall -q /app\nENV PYTHONDONTWRITEBYTECODE=1\nCMD python app.py\n", DEBUG),
    Case("escape", "# escape=`\nFROM {python}\nWORKDIR /app\nCOPY requirements.txt `\n     ./\nRUN pip install `\n  -r requirements.txt\nCOPY . .\nCMD python app.py\n", DEBUG),
    Case("syntax-directive", f"# syntax-less comment\n{_COPY}ENV DEBUG=${{UNSET:-1}}\nCMD python app.py\n", BY_ENV),
    Case("empty-value", f"{_COPY}ENV DEBUG=1\nENV DEBUG=\nCMD python app.py\n", BY_ENV),
    Case("install-with-plugin", f"{_HEAD}COPY . .\nRUN pip install flask==3.0.3 Werkzeug==3.0.4 Flask-Cors==4.0.1\nENV FLASK_DEBUG=1\n{_RUN}"),
    Case("script-of-its-own", f"{_COPY}RUN python setup_env.py\n{_RUN}", requirements=REQS_DOTENV, opaque=True,
         files={"setup_env.py": "open('.flaskenv', 'w').write('FLASK_DEBUG=1\\n')\n"}),
    Case("substitution", f'{_COPY}RUN echo "BUILT=$(date)" > .env\n{_RUN}', requirements=REQS_DOTENV, opaque=True),
)  # fmt: skip
