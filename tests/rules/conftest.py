"""The build context that the rules' examples share: a small image with Flask and gunicorn."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deployguard.model.report import Report
from deployguard.pipeline import ScanOptions, scan
from deployguard.policy import loads
from deployguard.rules import IDS
from tests.support import memory
from tests.support.reports import TODAY

EVERYTHING = b"""\
apiVersion: deployguard/v1
kind: Policy
metadata: {name: everything}
spec: {}
"""
DOCKERFILE = """\
FROM scratch
COPY files /
ENV PATH=/srv/venv/bin:/usr/bin FLASK_APP=hello
WORKDIR /srv/app
CMD ["gunicorn", "hello:app"]
"""
HELLO = "from flask import Flask\n\napp = Flask(__name__)\n"
SOURCES = {
    "hello.py": HELLO,
    "plain.py": f"{HELLO}\nif __name__ == '__main__':\n    app.run()\n",
    "debug.py": f"{HELLO}\nif __name__ == '__main__':\n    app.run(debug=True)\n",
    "wrapped.py": (
        f"{HELLO}\nfrom werkzeug.debug import DebuggedApplication\n\n"
        "app = DebuggedApplication(app, evalex=True)\n"
    ),
    "attached.py": (
        "import debugpy\n\ndebugpy.listen(('0.0.0.0', 5678))\n"
        f"{HELLO}\nif __name__ == '__main__':\n    app.run()\n"
    ),
    "passthrough.py": f"{HELLO}\napp.run(use_debugger=False, passthrough_errors=True)\n",
}


@pytest.fixture
def scanned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Report]:
    """Scan a compose file beside the build context."""
    files = memory.venv(**memory.FLASK_3, gunicorn="23.0.0", debugpy="1.8.0")
    files |= {f"/srv/app/{name}": text for name, text in SOURCES.items()}
    files |= dict.fromkeys(("/usr/bin/python3", "/usr/local/bin/acme-start"), memory.ELF)
    for path, text in files.items():
        place = tmp_path / "files" / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    monkeypatch.chdir(tmp_path)

    def scanned(compose: str) -> Report:
        (tmp_path / "compose.yaml").write_text(compose)
        policies = [loads(EVERYTHING, "everything.yaml", IDS)]
        return scan(["compose.yaml"], policies, ScanOptions(today=TODAY, images="never"))

    return scanned
