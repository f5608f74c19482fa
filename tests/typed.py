"""The type checker of the test run: beartype, for which an int is a float, as in PEP 484."""

from collections.abc import Callable
from typing import Any, Self

from beartype import BeartypeConf, beartype

_strict = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with its signature checked at each call.

    beartype knows `Self` only where it decorates the class; such a method is left as it is.
    """
    return function if Self in function.__annotations__.values() else _strict(function)
