"""A build context with Flask and gunicorn in it, for judging what a compose file starts there."""

from pathlib import Path

from tests.support import builds, memory

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


def write_context(root: Path) -> None:
    """Write a Dockerfile, and the files of its image below `files`."""
    files = memory.venv(**memory.FLASK_3, gunicorn="23.0.0", debugpy="1.8.0")
    files |= {f"/srv/app/{name}": text for name, text in SOURCES.items()}
    files |= dict.fromkeys(("/usr/bin/python3", "/usr/local/bin/acme-start"), memory.ELF)
    laid = {f"files{path}": text for path, text in files.items()}
    builds.write(root, {"Dockerfile": DOCKERFILE, **laid})
    for name in laid:
        (root / name).chmod(0o755)
