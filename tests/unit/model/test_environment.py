from hypothesis import given
from hypothesis import strategies as st

from deployguard.model.environment import Environment, overlay
from deployguard.model.evidence import Location, Missing, Reason, Traced

NAMES = st.sampled_from(["A", "B", "C", "D"])
SECRET = Missing(Reason.SECRET, "the Secret shop")


def place(number: int) -> Location:
    return Location("layer", line=number)


VALUES = st.builds(
    Traced[str | None],
    st.none() | st.sampled_from(["", "0", "1"]),
    st.builds(place, st.integers(1, 9)),
)


@st.composite
def layers(draw: st.DrawFn) -> Environment:
    entries = draw(st.dictionaries(NAMES, VALUES, max_size=3))
    removed = draw(
        st.dictionaries(NAMES.filter(lambda name: name not in entries), st.just(place(1)))
    )
    unseen = draw(st.sampled_from([(), (SECRET,)]))
    return Environment(entries, removed, unseen, place(draw(st.integers(1, 9))))


def visible(environment: Environment) -> dict[str, tuple[bool, str | None]]:
    """Return of each name whether it may be set, and the value that can be seen."""
    found = {name: environment.get(name) for name in "ABCD"}
    return {
        name: (entry is not None, entry.value if entry else None) for name, entry in found.items()
    }


@given(layers())
def test_a_layer_alone_is_what_it_is(layer: Environment) -> None:
    assert visible(overlay([layer])) == visible(layer)


@given(layers(), layers(), layers())
def test_layers_may_be_joined_in_any_grouping(
    a: Environment, b: Environment, c: Environment
) -> None:
    joined = visible(overlay([a, b, c]))
    assert joined == visible(overlay([overlay([a, b]), c]))
    assert joined == visible(overlay([a, overlay([b, c])]))


@given(st.lists(layers(), max_size=4), NAMES, VALUES)
def test_the_strongest_layer_wins_and_keeps_what_it_replaced(
    below: list[Environment], name: str, entry: Traced[str | None]
) -> None:
    base = overlay(below)
    found = overlay([*below, Environment({name: entry})]).get(name)
    assert found is not None
    assert (found.value, found.location) == (entry.value, entry.location)
    assert found.replaced == base.entries.get(name)


@given(st.lists(layers(), max_size=4), NAMES)
def test_what_is_taken_out_is_not_set_whatever_was_unseen(
    below: list[Environment], name: str
) -> None:
    assert overlay(below).without(name, place(1)).get(name) is None


@given(st.lists(layers(), max_size=3), layers(), NAMES)
def test_over_a_source_that_was_not_read_nothing_below_is_certain(
    below: list[Environment], layer: Environment, name: str
) -> None:
    unread = Environment(layer.entries, layer.removed, (SECRET,), layer.location)
    found = overlay([*below, unread]).get(name)
    if name in layer.removed:
        assert found is None
    elif name in layer.entries:
        assert found is not None
        assert found.value == layer.entries[name].value
    else:
        assert found is not None
        assert found.value is None
        assert SECRET in found.missing


@given(st.lists(layers(), max_size=4))
def test_only_what_some_layer_sets_or_hides_may_be_set(below: list[Environment]) -> None:
    joined = overlay(below)
    if not any(layer.unseen for layer in below):
        assert {name for name in "ABCD" if joined.get(name)} <= {
            name for layer in below for name in layer.entries
        }


def test_a_variable_set_again_after_its_removal_has_replaced_nothing() -> None:
    first, second = Traced("1", place(1)), Traced("0", place(2))
    joined = Environment({"A": first}).without("A", place(3)).with_entry("A", second)
    assert joined.get("A") == second
