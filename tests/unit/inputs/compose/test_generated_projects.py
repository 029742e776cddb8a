"""Projects that hypothesis writes come out as the real Docker Compose v2 resolves them."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings

from deployguard.errors import InputError, LimitError, UnsupportedError
from tests.support.compose_projects import ComposeProject
from tests.support.compose_strategy import projects
from tests.support.effort import examples


@settings(
    max_examples=examples(60, 300), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(projects())
def test_a_generated_project_is_resolved_as_compose_resolves_it(case: ComposeProject) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name) / "shop"
        folder.mkdir()
        case.write(folder)
        theirs, ours = case.theirs(folder), case.ours(folder)
    if isinstance(theirs, str):
        assert isinstance(ours, InputError), theirs
        assert not isinstance(ours, LimitError | UnsupportedError)
    else:
        assert ours == theirs
