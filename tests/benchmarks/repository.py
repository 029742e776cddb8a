"""A repository of 10,000 files, as one with many services looks: sources, data, projects, manifests."""

from pathlib import Path

FILES = 10_000
_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: web, image: "nginx:1", command: [sleep, "1"]}]}
"""
_COMPOSE = "services: {web: {image: nginx, command: sleep 1}}\n"
# Of each hundredth of the repository: folder, ending, text, and how many there are.
_SHARE = (
    ("src", ".py", "x = 1\n" * 50, 60),
    ("web", ".ts", "export const x = 1\n", 22),
    ("data", ".json", '{"a": [1, 2, 3]}\n' * 100, 8),
    ("config", ".yaml", "a: 1\nb: [1, 2]\n" * 50, 5),
    ("deploy", ".yaml", _DEPLOYMENT, 4),
)


def write(root: Path) -> None:
    """Write the repository."""
    for part in range(FILES // 100):
        for kind, ending, text, count in _SHARE:
            folder = root / kind / f"part{part}"
            folder.mkdir(parents=True)
            for number in range(count):
                name = f"{kind}{part}-{number}"
                (folder / (name + ending)).write_text(text.replace("NAME", name))
        (root / "src" / f"part{part}" / "compose.yaml").write_text(_COMPOSE)
