"""The headers of the image's libclang (stddef.h, intrinsics), which bindgen must be told of for some targets.

Debian's libclang finds them by itself for Linux. For other systems it looks beside its caller, which is no compiler.
"""

from __future__ import annotations

import re

from imagefab.recipe.model import Recipe

_PATH = re.compile(r"/usr/lib/llvm-(\d+)/lib")


def find_resources(recipe: Recipe) -> tuple[str, ...]:
    """The option for clang, for the libclang that the bases name; nothing where it is none of Debian's."""
    env = {name: value for base in recipe.bases for name, value in base.additions.env}
    found = _PATH.fullmatch(env.get("LIBCLANG_PATH", ""))
    return (f"-resource-dir=/usr/lib/clang/{found[1]}",) if found else ()
