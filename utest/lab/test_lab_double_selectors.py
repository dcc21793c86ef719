"""The double's label selectors against Kubernetes' rules (protocol §8.2)."""

import pytest
from helpers.lab.label_selectors import SelectorError, parse, parse_for_lease


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("b=2,a=1", "a=1,b=2"),
        ("a==1", "a=1"),
        (" a = 1 , b ", "a=1,b"),
        ("a!=1", "a notin (1)"),
        ("a!=2,a!=1", "a notin (1,2)"),
        ("a in (y, x)", "a in (x,y)"),
        ("a notin (y,x),!c", "a notin (x,y),!c"),
        ("example.com/board=rpi-4", "example.com/board=rpi-4"),
        ("a=", "a="),
        ("a=1,a=1", "a=1"),
        ("", "<none>"),
    ],
)
def test_a_selector_is_stored_normalised(given: str, stored: str) -> None:
    assert str(parse_for_lease(given)) == stored


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("a=1,a=2", "cannot have multiple equality requirements with different values (1 and 2)"),
        ("a>1", "unsupported label selector operator: gt"),
        ("a<1", "unsupported label selector operator: lt"),
        ("a b", "unable to parse requirement"),
        ("a in ()x", "unable to parse requirement"),
        ("=1", "unable to parse requirement"),
        ("a=1,", "unable to parse requirement"),
        ("a=with space", "unable to parse requirement"),
        ("a in (b c)", "unable to parse requirement"),
    ],
)
def test_a_bad_selector_is_refused(given: str, text: str) -> None:
    with pytest.raises(SelectorError) as raised:
        parse_for_lease(given)
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("board=rpi", True),
        ("board=rpi,zone=west", False),
        ("board in (rpi,beagle)", True),
        ("board notin (rpi)", False),
        ("board!=beagle", True),
        ("zone!=west", True),
        ("zone notin (west)", True),
        ("board", True),
        ("!board", False),
        ("!zone", True),
        ("ram>3", True),
        ("ram<4", False),
        ("board>3", False),
        ("zone<3", False),
        ("", True),
    ],
)
def test_labels_match_as_in_kubernetes(selector: str, matches: bool) -> None:
    labels = {"board": "rpi", "ram": "4"}
    assert all(each.matches(labels) for each in parse(selector)) is matches
    if "<" not in selector and ">" not in selector:
        assert parse_for_lease(selector).matches(labels) is matches
