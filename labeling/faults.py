"""What a request has wrong, in plain sentences: one for each kind of fault that pydantic knows.

tests/labeling/test_faults.py holds that no kind is missing.
"""

import json
import re
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rest_framework.exceptions import ParseError

from labeling.errors import LabelingError

MOST_LINES = 20  # of one answer; a body can be wrong in 100,000 places
_OBJECT = gettext_noop("{field} must be an object")
_LIST = gettext_noop("{field} must be a list")
_TEXT = gettext_noop("{field} must be text")
_WHOLE = gettext_noop("{field} must be a whole number")
_NUMBER = gettext_noop("{field} must be a number")
_MOMENT = gettext_noop("{field} must be a time with its zone (ISO 8601), as 2026-01-31T09:30:00Z")
_DATE = gettext_noop("{field} must be a date, as 2026-01-31")
_TIME = gettext_noop("{field} must be a time of day, as 09:30:00")
_SPAN = gettext_noop("{field} must be a duration (ISO 8601), as PT30S")
_UUID = gettext_noop("{field} must be a UUID")
_ADDRESS = gettext_noop("{field} must be the address of a web page, with http:// or https://")
_DECIMAL = gettext_noop("{field} must be a decimal number")
_ONE_OF = gettext_noop("{field} must be one of {choices}")
_UNKNOWN = gettext_noop("there is no field {field} here")
_MISSING = gettext_noop("{field} is missing")
_NOT_THIS = gettext_noop("{field} is not of the kind that is expected here")

# Kind of fault (pydantic's `type`) -> sentence. `field` is the place, the others come from the fault.
SENTENCES: dict[str, str] = {
    "missing": _MISSING,
    "missing_argument": _MISSING,
    "missing_keyword_only_argument": _MISSING,
    "missing_positional_only_argument": _MISSING,
    "default_factory_not_called": _MISSING,
    "extra_forbidden": _UNKNOWN,
    "unexpected_keyword_argument": _UNKNOWN,
    "unexpected_positional_argument": _UNKNOWN,
    "multiple_argument_values": gettext_noop("{field} is given more than once"),
    "json_invalid": gettext_noop("{field} is not valid JSON ({error})"),
    "json_type": gettext_noop("{field} must be JSON, written as text"),
    "recursion_loop": gettext_noop("{field} is nested too deeply"),
    "recursion_depth_exceeded": gettext_noop("{field} is nested too deeply"),
    "invalid_key": gettext_noop("the names in {field} must be text"),
    "none_required": gettext_noop("{field} must be null"),
    "greater_than": gettext_noop("{field} must be greater than {gt}"),
    "greater_than_equal": gettext_noop("{field} must be at least {ge}"),
    "less_than": gettext_noop("{field} must be less than {lt}"),
    "less_than_equal": gettext_noop("{field} must be at most {le}"),
    "multiple_of": gettext_noop("{field} must be a multiple of {multiple_of}"),
    "finite_number": gettext_noop("{field} must be a finite number"),
    "too_short": gettext_noop("{field} must have at least {min_length} entries, not {actual_length}"),
    "too_long": gettext_noop("{field} must have at most {max_length} entries"),
    "string_too_short": gettext_noop("{field} must have at least {min_length} characters"),
    "string_too_long": gettext_noop("{field} must have at most {max_length} characters"),
    "string_pattern_mismatch": gettext_noop("{field} must match the pattern {pattern}"),
    "string_unicode": gettext_noop("{field} holds characters that are no text"),
    "string_not_ascii": gettext_noop("{field} must have letters and digits of ASCII only"),
    "bytes_too_short": gettext_noop("{field} must have at least {min_length} bytes"),
    "bytes_too_long": gettext_noop("{field} must have at most {max_length} bytes"),
    "bytes_invalid_encoding": gettext_noop("{field} must be bytes in {encoding}"),
    "bool_type": gettext_noop("{field} must be true or false"),
    "bool_parsing": gettext_noop("{field} must be true or false"),
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "int_parsing_size": gettext_noop("{field} has too many digits"),
    "int_type": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "enum": _ONE_OF,
    "literal_error": _ONE_OF,
    "union_tag_invalid": gettext_noop("{field} must say one of {expected_tags} in {discriminator}"),
    "union_tag_not_found": gettext_noop("{field} must say {discriminator}"),
    "date_past": gettext_noop("{field} must be a date in the past"),
    "date_future": gettext_noop("{field} must be a date in the future"),
    "datetime_past": gettext_noop("{field} must be a time in the past"),
    "datetime_future": gettext_noop("{field} must be a time in the future"),
    "timezone_naive": gettext_noop("{field} must be a time without a zone"),
    "timezone_aware": _MOMENT,
    "timezone_offset": gettext_noop("{field} must be a time in another zone"),
    "uuid_version": gettext_noop("{field} must be a UUID of version {expected_version}"),
    "url_too_long": gettext_noop("{field} must have at most {max_length} characters"),
    "url_scheme": gettext_noop("{field} must be an address that begins with {expected_schemes}"),
    "decimal_max_digits": gettext_noop("{field} must have at most {max_digits} digits"),
    "decimal_max_places": gettext_noop("{field} must have at most {decimal_places} digits after the point"),
    "decimal_whole_digits": gettext_noop("{field} must have at most {whole_digits} digits before the point"),
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dataclass_type", "dataclass_exact_type", "dict_type",
         "frozen_dict_type", "ordered_dict_type", "counter_type", "mapping_type", "arguments_type", "named_tuple_type"),
        _OBJECT,
    ),
    **dict.fromkeys(
        ("list_type", "tuple_type", "set_type", "frozen_set_type", "deque_type", "iterable_type", "iteration_error",
         "set_item_not_hashable"),
        _LIST,
    ),
    **dict.fromkeys(("string_type", "bytes_type"), _TEXT),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_object_invalid", "datetime_from_date_parsing"), _MOMENT
    ),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"), _DATE
    ),
    **dict.fromkeys(("time_type", "time_parsing"), _TIME),
    **dict.fromkeys(("time_delta_type", "time_delta_parsing"), _SPAN),
    **dict.fromkeys(("uuid_type", "uuid_parsing"), _UUID),
    **dict.fromkeys(("url_type", "url_parsing", "url_syntax_violation"), _ADDRESS),
    **dict.fromkeys(
        ("decimal_type", "decimal_parsing", "fraction_type", "fraction_parsing", "complex_type", "complex_str_parsing"),
        _DECIMAL,
    ),
    **dict.fromkeys(
        ("is_instance_of", "is_subclass_of", "callable_type", "no_such_attribute", "get_attribute_error",
         "needs_python_object", "frozen_field", "frozen_instance", "missing_sentinel_error", "ellipsis_error"),
        _NOT_THIS,
    ),
}  # fmt: skip
OWN = ("value_error", "assertion_error")  # raised by our validators, with a sentence of their own


class Unreadable(LabelingError):
    """A request that does not keep its contract. `lines` are all faults, where there are several."""

    code = "invalid"
    status = 422

    def __init__(self, sentences: list[str], *, field: str) -> None:
        super().__init__("; ".join(sentences), field=field)
        if len(sentences) > 1:
            self.lines = tuple(sentences)


def unreadable(error: ValidationError) -> Unreadable | ParseError:
    """The fault as it is answered: 400 for what is no JSON at all, otherwise 422 with the field."""
    faults = error.errors(include_url=False)
    if faults[0]["type"] == "json_invalid":
        return ParseError(sentence(faults[0]))
    shown = faults[:MOST_LINES]
    return Unreadable([sentence(fault) for fault in shown], field=place(faults[0]))


def place(fault: ErrorDetails) -> str:
    """Where the fault is, with dots, as "operations.3.effects.0.box"; empty for the whole body."""
    return ".".join(str(part)[:60] for part in fault["loc"] if not _is_of_pydantic(part))


def sentence(fault: ErrorDetails, whole: str = "") -> str:
    """The fault in the reader's language. whole: what is called wrong where the fault is in no field; else the body."""
    field = place(fault) or whole or _("the body")
    context = fault.get("ctx", {})
    if fault["type"] in OWN:
        return str(context.get("error", fault["msg"])).replace("{field}", field)
    words = {name: _plain(value) for name, value in context.items()}
    words["choices"] = words.get("expected", "")
    return _(SENTENCES[fault["type"]]).format(field=field, **words)


def _is_of_pydantic(part: object) -> bool:
    """Whether a part of a place names a validator and no field."""
    return isinstance(part, str) and re.fullmatch(r"[\w-]+\[.*\]", part) is not None


def _plain(value: Any) -> str:
    """A value of pydantic's for people: without Python's quotes, and a whole number without ".0"."""
    if isinstance(value, str):
        quoted = re.findall(r"'([^']*)'", value)
        return ", ".join(quoted) if quoted else value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, default=str, ensure_ascii=False)
