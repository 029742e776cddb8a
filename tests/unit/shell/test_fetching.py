"""Files that a script brings from elsewhere hold anything; files that nothing touches stay known."""

import pytest

from deployguard import flask
from deployguard.model.evidence import Answer
from tests.support.memory import FLASK_3, MemoryFiles, process, venv

APP = {"/srv/app/app.py": "from flask import Flask\napp = Flask(__name__)\n"}
NO, UNKNOWN = Answer.NO, Answer.UNKNOWN


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ("curl -o .env http://shop/env", UNKNOWN),
        ("curl -sSLo .env http://shop/env", UNKNOWN),
        ("curl --output=.env http://shop/env", UNKNOWN),
        ("curl -fsSLO http://shop/.env", UNKNOWN),
        ("curl --remote-name http://shop/.env?version=2", UNKNOWN),
        ("curl -o /srv/.env http://shop/env", UNKNOWN),
        ("curl -o elsewhere.txt http://shop/env", NO),
        ("curl -o /dev/null http://shop/env", NO),
        ("curl -sf http://shop/.env", NO),
        ("curl -d o -H x:o http://shop", NO),
        ("wget -O .env http://shop/env", UNKNOWN),
        ("wget -q http://shop/.env", UNKNOWN),
        ("wget -P /srv http://shop/.env", UNKNOWN),
        ("wget -r http://shop", UNKNOWN),
        ("wget -qO- http://shop/.env", NO),
        ("wget --spider http://shop/.env", NO),
        ("openssl enc -d -in sealed -out .env", UNKNOWN),
        ("openssl rand -hex 16", NO),
        ("git clone http://shop .", UNKNOWN),
        ("git pull", UNKNOWN),
        ("git rev-parse HEAD", NO),
        ("dpkg -i shop.deb", UNKNOWN),
        ("dpkg -l", NO),
        ("apk add --no-cache curl", UNKNOWN),
        ("apk info", NO),
        ("find . -name '.env*' -exec sed -i s/0/1/ {} +", UNKNOWN),
        ("find . -name '.env*' -delete", UNKNOWN),
        ("find . ! -user shop -exec chown shop {} +", NO),
        ("find . -type f -exec grep -l debug {} +", NO),
    ],
)
def test_what_is_brought_opens_the_debugger_of_what_starts_then(
    before: str, expected: Answer
) -> None:
    command = ["sh", "-c", f"{before}; flask run"]
    started = process(command)
    (program,) = flask.judge(started, MemoryFiles({**venv(**FLASK_3), **APP}))
    assert (program.facts.dev_server.answer, program.facts.debugger.answer) == (
        Answer.YES,
        expected,
    )
