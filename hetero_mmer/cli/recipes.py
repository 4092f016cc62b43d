from __future__ import annotations

from hetero_mmer.cli.console import say
from hetero_mmer.cli.parser import Parser


def recipes(words: list[str]) -> int:
    """Lists the recipes of `train --recipe`, or prints one to copy and edit."""
    parser = Parser(recipes)
    parser.positional('name', 'Which to print.', '?')
    args = parser.parse(words)

    from hetero_mmer.run.recipe import recipe_lines, recipe_text

    if 'name' in args:
        print(recipe_text(args['name']), end='')
        return 0
    lines = recipe_lines()
    width = max(map(len, lines))
    for name, line in lines.items():
        say(f'{name:{width}}  {line}')
    return 0
