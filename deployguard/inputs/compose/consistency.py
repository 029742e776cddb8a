"""Services that fit together: what they depend on, and what each says twice.

Follows compose-go loader/validate.go, loader/normalize.go and graph/cycle.go.
"""

from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping

from deployguard.errors import SyntaxInputError
from deployguard.formats.yaml import Mapping, Node, Scalar, Sequence
from deployguard.inputs.compose.trees import is_null, plain, section, string
from deployguard.inputs.compose.values import size
from deployguard.model.evidence import Location

_NAMESPACES = ("network_mode", "ipc", "pid", "uts", "cgroup")
_SHELLS = frozenset({"CMD", "CMD-SHELL", "NONE"})
_LIMITS = {
    "cpus": ("limits", "cpus"),
    "mem_limit": ("limits", "memory"),
    "mem_reservation": ("reservations", "memory"),
    "pids_limit": ("limits", "pids"),
}
_Section = AnyMapping[str, Node]
_WITHOUT_TARGET = frozenset({"rebuild", "restart"})


def check_consistency(whole: Mapping, enabled: AnyMapping[str, Mapping]) -> None:
    """Raise SyntaxInputError where the services that start do not fit together."""
    networks, services = section(whole, "networks"), section(whole, "services")
    models, secrets = section(whole, "models"), section(whole, "secrets")
    for name, service in enabled.items():
        _check_networks(name, service, networks)
        _check_declared(name, service, models, secrets)
        _check_alone(name, service)
        _check_limits(name, service)
        _check_dependencies(name, service, services, enabled)
    _check_cycle({name: dict(_needed(service)) for name, service in enabled.items()})


def replicas(service: Mapping) -> tuple[int, Location]:
    """Return how many containers of a service start, and where that is said."""
    deploy = service.get("deploy")
    for node in (
        service.get("scale"),
        deploy.get("replicas") if isinstance(deploy, Mapping) else None,
    ):
        if isinstance(node, Scalar) and isinstance(node.value, int):
            return node.value, node.location
    return 1, service.location


def _refused(message: str, node: Node, hint: str) -> SyntaxInputError:
    return SyntaxInputError(
        f"{message}: invalid compose project", location=node.location, hint=hint
    )


def _check_networks(name: str, service: Mapping, declared: _Section) -> None:
    mode, asked = service.get("network_mode"), service.get("networks")
    names = [key for key, _ in asked.entries] if isinstance(asked, Mapping) else []
    if mode is not None and string(mode) and names:
        raise _refused(
            f"service {name} declares mutually exclusive network_mode and networks",
            mode,
            "keep one of them",
        )
    for key in names:
        if key.text != "default" and key.text not in declared:
            raise _refused(
                f"service {name} refers to undefined network {key.text}",
                key,
                "declare it under networks:",
            )


def _check_declared(name: str, service: Mapping, models: _Section, known_secrets: _Section) -> None:
    for key in section(service, "models"):
        if key not in models:
            raise _refused(
                f"service {name} refers to undefined model {key}",
                service.get("models") or service,
                "declare it under models:",
            )
    build = service.get("build")
    secrets = build.get("secrets") if isinstance(build, Mapping) else None
    for item in secrets.items if isinstance(secrets, Sequence) else ():
        source = string(item.get("source") if isinstance(item, Mapping) else item)
        if source is not None and source not in known_secrets:
            raise _refused(
                f"service {name} refers to undefined build secret {source}",
                item,
                "declare it under secrets:",
            )


def _check_alone(name: str, service: Mapping) -> None:
    health = service.get("healthcheck")
    test = health.get("test") if isinstance(health, Mapping) else None
    if isinstance(test, Sequence) and test.items and string(test.items[0]) not in _SHELLS:
        raise _refused(
            f"healthcheck.test of {name} must start with CMD, CMD-SHELL or NONE",
            test,
            "put CMD before the words",
        )
    many, place = replicas(service)
    own = service.get("container_name")
    if many > 1 and string(own):
        raise SyntaxInputError(
            f"service {name} has a container_name and {many} containers",
            location=place,
            hint="leave the name to compose, since it must be unique",
        )
    develop = service.get("develop")
    watch = develop.get("watch") if isinstance(develop, Mapping) else None
    for rule in watch.items if isinstance(watch, Sequence) else ():
        action = string(rule.get("action")) if isinstance(rule, Mapping) else None
        aimed = isinstance(rule, Mapping) and string(rule.get("target"))
        if not aimed and action not in _WITHOUT_TARGET:
            raise _refused(
                f"services.{name}.develop.watch: a target is required for this action",
                rule,
                "add target:",
            )


def _check_limits(name: str, service: Mapping) -> None:
    """Refuse a limit that is said twice, and differently."""
    deploy = service.get("deploy")
    if not isinstance(deploy, Mapping):
        return
    scale, many = service.get("scale"), deploy.get("replicas")
    if scale is not None and many is not None and plain(scale) != plain(many):
        raise _distinct(name, "scale", "deploy.replicas", scale)
    resources = deploy.get("resources")
    for own, (part, other) in _LIMITS.items():
        node = service.get(own)
        limits = resources.get(part) if isinstance(resources, Mapping) else None
        if node is None or not isinstance(limits, Mapping):
            continue
        mine = _number(node, own)
        if mine and mine != _number(limits.get(other), other):
            raise _distinct(name, own, f"deploy.resources.{part}.{other}", node)


def _number(node: Node | None, name: str) -> float:
    if name != "cpus":
        return size(node, name)
    try:
        return float(node.text) if isinstance(node, Scalar) else 0
    except ValueError:
        return -1


def _distinct(name: str, one: str, other: str, node: Node) -> SyntaxInputError:
    return _refused(
        f"services.{name}: can't set distinct values on {one} and {other}", node, "keep one of them"
    )


def _check_dependencies(
    name: str, service: Mapping, known: _Section, enabled: AnyMapping[str, Mapping]
) -> None:
    for other, (node, required) in _needed(service):
        if other in enabled or (other in known and not required):
            continue
        hint = "name a service of the project"
        if other in known:
            hint = f"{other} is in a profile that is not asked for: take it in with --profile"
        raise _refused(f"service {name} depends on undefined service {other}", node, hint)


def _needed(service: Mapping) -> Iterator[tuple[str, tuple[Node, bool]]]:
    """Yield the services that one needs, and whether it starts without."""
    for other, node in section(service, "depends_on").items():
        required = node.get("required") if isinstance(node, Mapping) else None
        free = isinstance(required, Scalar) and required.value is False
        yield other, (node, not free)
    links = service.get("links")
    for item in links.items if isinstance(links, Sequence) else ():
        parts = (string(item) or "").split(":")
        yield parts[0] if len(parts) == _LINKED else ":".join(parts), (item, True)
    for namespace in _NAMESPACES:
        shared = service.get(namespace)
        if shared is not None and (string(shared) or "").startswith("service:"):
            yield (string(shared) or "").removeprefix("service:"), (shared, True)
    volumes = service.get("volumes_from")
    for item in volumes.items if isinstance(volumes, Sequence) else ():
        text = string(item) or ""
        if not text.startswith("container:"):
            yield text.split(":")[0], (item, True)


_LINKED = 2


def _check_cycle(needed: AnyMapping[str, AnyMapping[str, tuple[Node, bool]]]) -> None:
    """Refuse services that wait for each other."""
    done: set[str] = set()
    for start in needed:
        trail: dict[str, Iterator[str]] = {}
        pending = [start]
        while pending:
            name = pending[-1]
            if name in done:
                pending.pop()
                continue
            following = trail.setdefault(name, iter(needed.get(name, {})))
            other = next((one for one in following if one not in done), None)
            if other is None:
                done.add(name)
                trail.pop(name, None)
                pending.pop()
            elif other in trail:
                node, _ = needed[name][other]
                raise SyntaxInputError(
                    f"dependency cycle detected: {' -> '.join((*trail, other))}",
                    location=node.location,
                    hint="let one of them start without the other",
                )
            else:
                pending.append(other)


def is_run_elsewhere(service: Mapping) -> bool:
    """Say whether a provider runs a service: compose starts no container for it."""
    return not is_null(service.get("provider"))
