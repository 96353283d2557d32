"""Whatever it is given, the linter answers with findings or with one clear error that has a line."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devicemodels import DEVICES
from devicemodels.lint import ParseError, lint

MODEL = DEVICES["vteam"].veriloga
PIECES = re.findall(r"\w+|[^\w\s]|\s+", MODEL)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def answers(text: str) -> None:
    try:
        found = lint(text, "some.va")
    except ParseError as error:
        lines = text.count("\n") + 1
        assert 1 <= error.line <= lines and str(error).startswith(f"some.va:{error.line}: ") and error.message
    else:
        assert all(f.line >= 1 for f in found)


@QUICK
@given(st.text())
def test_any_text_has_an_answer(text: str) -> None:
    answers(text)


@QUICK
@given(
    st.lists(st.sampled_from([*sorted(set(PIECES)), "`define A `A\n", "`A", "(", "begin", "@(", "\\\n"]), max_size=60)
)
def test_any_mixture_of_its_words_has_an_answer(pieces: list[str]) -> None:
    answers(" ".join(pieces))


@QUICK
@given(st.data())
def test_any_damage_to_a_model_has_an_answer(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(PIECES) - 1))
    stop = data.draw(st.integers(start, min(start + 5, len(PIECES))))
    other = data.draw(st.lists(st.sampled_from(PIECES), max_size=3))
    answers("".join(PIECES[:start] + other + PIECES[stop:]))


@pytest.mark.parametrize(
    "text",
    [
        "module m; analog x = " + "(" * 5000,
        "module m; analog x = " + "-" * 5000 + "1;",
        "module m; analog x = " + "1+" * 5000 + "1; endmodule",
        "module m; analog x = " + "1?1:" * 5000 + "1; endmodule",
        "module m; analog " + "if (1) " * 5000 + ";endmodule",
        "module m; analog " + "begin " * 5000,
        "`define A `B `B\n`define B `A `A\n`A",
        "`define F(x) `F(x x)\n`F(1)",
        "/* never closed",
        '"never closed',
        "`ifdef A\n",
        "`include",
        "`define",
        "`undef",
        "module",
        "module m(p); inout p; electrical p; analog begin I(p) <+",
    ],
)
def test_the_worst_texts_have_a_clear_error(text: str) -> None:
    with pytest.raises(ParseError) as error:
        lint(text)
    assert error.value.line >= 1 and len(error.value.message) > 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "module m(p);\ninout p;\nreal edge;\nendmodule",
            "model.va:3: expected the name of a variable, and 'edge' is a reserved",
        ),
        ("module m(p);\nelectric [0:1] p;\nendmodule", "model.va:2: expected a declaration .* no discipline"),
        (
            "module m(p);\nanalog begin\n x = 1\nend\nendmodule",
            "model.va:4: expected ';' after the statement, found 'end'",
        ),
        ("module m(p);\nanalog begin\n x = 1;\nendmodule", "model.va:4: expected a statement, found 'endmodule'"),
        ("", "model.va:1: the file holds no module"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ParseError, match=message):
        lint(text)
