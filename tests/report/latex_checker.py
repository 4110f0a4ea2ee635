"""A strict reading of the LaTeX that we write, where there is no TeX: balance, rows, and no stray markup."""

from __future__ import annotations

import re

COMMANDS = {
    *("begin", "end", "centering", "caption", "label", "toprule", "midrule", "bottomrule", "textbf", "emph"),
    *("multicolumn", "quad", "par", "footnotesize", "textsuperscript", "textbackslash", "textasciicircum"),
    *("textasciitilde", "textless", "textgreater", "textbar", "symbol", "textendash", "textemdash", "ldots"),
    *("pm", "times", "cdot", "mu", "leq", "geq", "neq", "approx", "uparrow", "downarrow", "rightarrow"),
    *("leftarrow", "textdegree", "\\", "{", "}", "$", "&", "#", "%", "_"),
}
_TOKEN = re.compile(r"\\([A-Za-z]+|.)|(.)", re.DOTALL)


def check_latex(text: str) -> list[list[str]]:
    """The cells of each row of the body; an AssertionError for what TeX would not take, or would act on."""
    assert all(character.isprintable() or character == "\n" for character in text)
    depth, in_math, environments = 0, False, []
    for found in _TOKEN.finditer(text):
        command, character = found.groups()
        if command is not None:
            assert command in COMMANDS, f"unknown command \\{command}"
            continue
        assert character.isascii() or "À" <= character <= "ž", f"no glyph for {character!r}"
        assert character not in '#%_^<>|"`', f"{character!r} is not escaped"
        depth += {"{": 1, "}": -1}.get(character, 0)
        assert depth >= 0, "a brace closes nothing"
        in_math ^= character == "$"
    assert depth == 0
    assert not in_math
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            environments.append(name)
        else:
            assert environments.pop() == name
    assert environments == []
    layout = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)
    assert layout
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip()
    rows = []
    for line in map(str.strip, body.splitlines()):
        assert line.endswith(r" \\"), line
        assert not line.startswith(("[", "*")), "it would be an option of the line break before it"
        cells = re.split(r"(?<!\\)&", line.removesuffix(r"\\"))
        spanned = re.search(r"\\multicolumn\{(\d+)\}", line)
        width = len(cells) - 1 + int(spanned[1]) if spanned else len(cells)
        assert width == len(layout[1]), line
        rows.append([cell.strip() for cell in cells])
    return rows
