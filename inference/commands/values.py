"""NAME=VALUE of a command line, with the value as the number or the truth that it is written as."""

import argparse

Value = str | int | float | bool


def pair(text: str) -> tuple[str, Value]:
    """Raises ArgumentTypeError where there is no name or no equals sign."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value_of(value)


def value_of(text: str) -> Value:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
