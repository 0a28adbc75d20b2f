"""Random texts of Cross.toml, in all the forms that TOML has for tables of targets."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from imagefab.toml.edit import read_data

TRIPLES = ("a", "b", "t.x")
KEYS = ("image", "image", "x")
HEADERS = ("[target.{}]", "[ target . {} ]", "[target.{}.env]", "[target.{}.env.y]")


def read_or_none(text: str) -> dict[str, Any] | None:
    try:
        return read_data(text)
    except ValueError:
        return None


@st.composite
def cross_tomls(draw: st.DrawFn) -> str:
    """Texts in all the forms that TOML has for tables of targets."""
    count = iter(range(1000))
    value = st.sampled_from(["'v{}'", '"v{}"', '"""\nv{} [x]\n"""', "[ # {}\n 'y', ]", "{}", "{{ z = {} }}"])
    comment = st.sampled_from(["", "", " # c{}", "\t# image = '{}'"])

    def name(triple: str) -> str:
        quoted = [f'"{triple}"', f"'{triple}'"]
        return draw(st.sampled_from(quoted if "." in triple else [triple, *quoted]))

    def pair() -> str:
        key = draw(st.sampled_from(KEYS))
        inside = draw(st.sampled_from(["", "", ".name", " . y"]))
        return f"{key}{inside} = {draw(value).format(next(count))}"

    def inline() -> str:
        return f"{{ {draw(st.sampled_from(KEYS))} = '{next(count)}' }}"

    lines: list[str] = []
    for _ in range(draw(st.integers(0, 10))):
        triple = name(draw(st.sampled_from(TRIPLES)))
        indent = draw(st.sampled_from(["", "", "  ", "\t"]))
        shape = draw(
            st.sampled_from(["header", "header", "pair", "pair", "root", "in target", "inline", "other", "gap"])
        )
        match shape:
            case "header":
                line = draw(st.sampled_from(HEADERS)).format(triple)
            case "pair":
                line = pair()
            case "root":
                line = f"target.{triple}.{pair()}"
            case "in target":
                line = f"[target]\n{triple}.{pair()}"
            case "inline":
                line = draw(
                    st.sampled_from([f"target = {{ {triple} = {inline()} }}", f"[target]\n{triple} = {inline()}"])
                )
            case "other":
                line = draw(st.sampled_from(["[build]", "[[list]]", "[x.y]"]))
            case _:
                line = draw(st.sampled_from(["", "# [target.a]", "# image = 'x'"]))
        line = indent + line + draw(comment).format(next(count))
        if read_or_none("\n".join([*lines, line])) is not None:  # else it says a thing twice
            lines.append(line)
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))
    return draw(st.sampled_from(["", "", "\ufeff"])) + text.replace("\n", end)
