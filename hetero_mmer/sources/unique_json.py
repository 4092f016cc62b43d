"""JSON whose keys are unique: of two equal ones, the first would vanish silently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hetero_mmer.sources.text_file import read_text
from hetero_mmer.typing import InputError


def read_json(path: Path, what: str) -> Any:
    """What a JSON file holds.

    Args:
        path: The file.
        what: What the file is, for the message.

    Raises:
        InputError: If it cannot be read, is no JSON, or has a key twice in one place.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise InputError(
                    f"the key '{key}' is given twice in one place of '{path}', so one "
                    f'of its values would be lost'
                )
            found[key] = value
        return found

    text = read_text(path, what)
    try:
        return json.loads(text, object_pairs_hook=unique)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is no JSON ({error})") from error
