"""The form of a power analysis. What a field may hold stands in labeling/studies/size.py."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from labeling.errors import Invalid, sentence
from labeling.site.forms.studies import LimitedField
from labeling.studies import limits, size


class SizesField(forms.CharField):
    """Several whole numbers with spaces or commas between them -> a tuple, each once, in order."""

    def __init__(self, rule: limits.Number, **given: Any) -> None:
        self.rule = rule
        super().__init__(label=_(rule.label), max_length=200, **given)

    def clean(self, value: Any) -> tuple[int, ...]:
        text = super().clean(value)
        found: set[int] = set()
        for word in re.split(r"[\s,;]+", text.strip()):
            found.add(self._number(word))
        return tuple(sorted(found))

    def _number(self, word: str) -> int:
        try:
            number = self.rule.parse(word)
        except Invalid as error:
            raise forms.ValidationError(sentence(error)) from None
        assert number is not None  # the rule is not optional
        return int(number)


def of(name: str, **given: Any) -> LimitedField:
    rule = size.RULES[name]
    return LimitedField(rule, label=_(rule.label), **given)


class SizeForm(forms.Form):
    """Standard deviations are of log seconds per cell: 0.2 is about 20 %."""

    reduction = of("reduction", initial=30, help_text=_("of active seconds per reference cell"))
    readers = SizesField(size.READERS, initial="4 6 8 10", help_text=_("several numbers, with spaces between them"))
    fields_each = SizesField(size.FIELDS, initial="4 8 16", help_text=_("several numbers, with spaces between them"))
    reader = of("reader", help_text=_("how fast somebody is; 0.2 is about 20 %"))
    slope = of("slope", help_text=_("how much the effect of the arm differs between readers"))
    field = of("field", help_text=_("how hard a field is"))
    field_slope = of("field_slope", initial=0, help_text=_("how much the effect of the arm differs between fields"))
    residual = of("residual", help_text=_("one field of one reader"))
    dropout = of("dropout", initial=0)
    quality_loss = of("quality_loss", initial=0, help_text=_("that the arm is worse by in truth"))
    quality_sd = of("quality_sd", initial=0.02)
