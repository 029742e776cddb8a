"""Users and their homes, as /etc/passwd says (passwd(5))."""

from deployguard.model.evidence import Traced
from deployguard.model.filesystem import Content, Filesystem, Unread

_ROOT = "0"
_NAME, _NUMBER, _HOME, _FIELDS = 0, 2, 5, 7


def _accounts(files: Filesystem) -> list[list[str]] | Unread:
    found = files.read("/etc/passwd")
    if isinstance(found, Unread):
        return found
    if not isinstance(found, Content):
        return []
    lines = found.data.decode("utf-8", "replace").splitlines()
    return [fields for line in lines if len(fields := line.split(":")) == _FIELDS]


def user_number(user: Traced[str | None] | None, files: Filesystem) -> str | None:
    """Return the number of a process's user, None where it cannot be told.

    Source: runc libcontainer/user GetExecUser: a name is looked up in /etc/passwd.
    """
    if user is not None and user.value is None:
        return None
    name = (user.value if user is not None and user.value else _ROOT).partition(":")[0]
    if name.isdigit():
        return name
    accounts = _accounts(files)
    for fields in () if isinstance(accounts, Unread) else accounts:
        if fields[_NAME] == name:
            return fields[_NUMBER]
    return _ROOT if name == "root" else None


def user_name(user: Traced[str | None] | None, files: Filesystem) -> str | None:
    """Return the name of a process's user, None where it cannot be told."""
    number = user_number(user, files)
    accounts = _accounts(files)
    if number is None or isinstance(accounts, Unread):
        return None
    names = [fields[_NAME] for fields in accounts if fields[_NUMBER] == number]
    return names[0] if names else ("root" if number == _ROOT else None)


def home(name: str, files: Filesystem) -> str | None:
    """Return the home of a user by name, None where it cannot be told."""
    accounts = _accounts(files)
    for fields in () if isinstance(accounts, Unread) else accounts:
        if fields[_NAME] == name:
            return fields[_HOME]
    return "/root" if name == "root" and not isinstance(accounts, Unread) else None
