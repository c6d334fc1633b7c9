"""`$(NAME)` as Kubernetes reads it; the cases of upstream's expansion tests among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.kubelet.expand import expand

VARIABLES = {"VAR_A": "A", "VAR_B": "B", "VAR_C": "C", "VAR_REF": "$(VAR_A)", "VAR_EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(VAR_A)", "A"),
        ("___$(VAR_B)___", "___B___"),
        ("$(VAR_A)$(VAR_B)", "AB"),
        ("$(VAR_REF)", "$(VAR_A)"),  # once only
        ("$(VAR_EMPTY)", ""),
        ("foo-$(VAR_DNE)", "foo-$(VAR_DNE)"),
        ("$$(VAR_A)", "$(VAR_A)"),
        ("$$$(VAR_A)", "$A"),
        ("$$$$(VAR_A)", "$$(VAR_A)"),
        ("$VAR_A", "$VAR_A"),
        ("$(VAR_A", "$(VAR_A"),
        ("$()", "$()"),
        ("$", "$"),
        ("costs $$5", "costs $5"),
        ("$(VAR_A))", "A)"),
        ("\n$(VAR_A)", "\nA"),
    ],
)
def test_references(text: str, expanded: str) -> None:
    assert expand(text, VARIABLES) == expanded


@given(st.text(alphabet=st.characters(exclude_characters="$")))
def test_text_without_a_dollar_stays(text: str) -> None:
    assert expand(text, VARIABLES) == text


@given(st.text())
def test_an_escaped_text_comes_back(text: str) -> None:
    assert expand(text.replace("$", "$$"), VARIABLES) == text
