"""The forms of a study. What a field may hold stands in labeling/studies/limits.py, once, and nowhere here."""

from typing import Any, cast

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from labeling.errors import Invalid, sentence
from labeling.studies import limits, services
from labeling.studies.models import Arm, Study
from labeling.studies.protocol.documents import ArmDocument
from labeling.studies.templates import DEFAULT, TEMPLATES, WORDS, Template


class LimitedField(forms.Field):
    """A form field that asks its rule: the same bounds and the same sentence as everywhere else."""

    def __init__(self, rule: limits.Rule, **given: Any) -> None:
        self.rule = rule
        given.setdefault("label", rule.label)
        given.setdefault("widget", widget_of(rule))
        super().__init__(required=not getattr(rule, "optional", False), **given)

    def clean(self, value: Any) -> Any:
        try:
            return self.rule.parse(value)
        except Invalid as error:
            raise forms.ValidationError(sentence(error)) from None


def widget_of(rule: limits.Rule) -> forms.Widget:
    if isinstance(rule, limits.Number):
        step = "1" if rule.whole else "any"
        return forms.NumberInput(attrs={"min": f"{rule.least:g}", "max": f"{rule.most:.15g}", "step": step})
    if isinstance(rule, limits.Day):
        return forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    if isinstance(rule, limits.Choice):
        return forms.Select(choices=rule.values)
    if rule.lines:
        return forms.Textarea(attrs={"rows": 3, "maxlength": rule.longest})
    return forms.TextInput(attrs={"maxlength": rule.longest})


def of(name: str, **given: Any) -> LimitedField:
    return LimitedField(limits.PROTOCOL[name], **given)


NEEDED = _("needed before freezing")


class StudyForm(forms.Form):
    """The protocol; the arms and the fields beside it."""

    name = of("name", help_text=_("for who coordinates the study; readers do not see it"))
    public_title = of(
        "public_title",
        initial=_("Annotation study"),
        help_text=_("readers are blinded to the arms, so the title names none of them"),
    )
    hypothesis = of("hypothesis")
    design = of("design")
    seed = of("seed", help_text=_("of every draw of the allocation"))
    idle_after_s = of("idle_after_s", initial=30, help_text=_("a longer gap is not work"))
    washout_days = of("washout_days", initial=28)
    training_per_arm = of("training_per_arm", initial=1)
    repeats = of("repeats", initial=0)
    outlier_iqr = of(
        "outlier_iqr",
        help_text=_("fields whose log time per cell lies further outside the quartiles; empty: none"),
    )
    quality_margin = of(
        "quality_margin", initial=0.05, help_text=_("time is tested only where quality is not worse by more")
    )
    exclusion_rules = of("exclusion_rules")
    unit = of(
        "unit",
        initial="fields",
        help_text=_("what one item presents; times of cells and times of fields are never put together"),
    )
    time_box_minutes = of(
        "time_box_minutes", help_text=_("of time boxes: after so many minutes the clock ends a field; else empty")
    )
    gap_days = of("gap_days", initial=0, help_text=_("in an arm of two sittings: from the own boxes to their masks"))
    sitting_minutes = of("sitting_minutes", help_text=_("of work at a stretch, then a break; empty: no rule"))
    break_minutes = of("break_minutes", initial=10)
    practice_quality = of(
        "practice_quality",
        help_text=_("further practice of an arm is left out once a field reaches it; empty: all practice is read"),
    )
    size_justification = of(
        "size_justification", help_text=_("why so many readers and fields; a simulation can write it")
    )
    controller = of(
        "controller", help_text=_("needed before freezing: the institution or person that readers are told")
    )
    contact = of("contact", help_text=_("needed before freezing: where readers can ask, a name with mail or telephone"))
    consent_text = of("consent_text", help_text=NEEDED)
    ethics_reference = of("ethics_reference", help_text=NEEDED)
    retention_until = of(
        "retention_until", help_text=_("needed before freezing; the raw data are deleted on the day after")
    )
    withdrawal_after_lock = of("withdrawal_after_lock", initial="remove")

    WORDS = ("name", "public_title", "hypothesis", "design", "unit")
    # The numbers of a protocol stand beside each other.
    NUMBERS = (
        "seed",
        "idle_after_s",
        "washout_days",
        "training_per_arm",
        "repeats",
        "outlier_iqr",
        "quality_margin",
        "time_box_minutes",
        "gap_days",
        "sitting_minutes",
        "break_minutes",
        "practice_quality",
    )

    def words_before(self) -> list[forms.BoundField]:
        return [self[name] for name in self.WORDS]

    def numbers(self) -> list[forms.BoundField]:
        return [self[name] for name in self.NUMBERS]

    def words_after(self) -> list[forms.BoundField]:
        shown = {*self.WORDS, *self.NUMBERS}
        return [field for field in self if field.name not in shown]


class ArmForm(forms.Form):
    name = LimitedField(limits.ARM_NAME, label=_("Name"))
    tools = forms.MultipleChoiceField(
        choices=[(t, t) for t in Arm.TOOLS if t in services.TOOLS_OF_THE_APP],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label=_("Tools"),
    )
    assistance = forms.ChoiceField(choices=Arm.Assistance.choices, label=_("Assistance"))
    second_tools = forms.MultipleChoiceField(
        choices=[(t, t) for t in Arm.TOOLS if t in services.TOOLS_OF_THE_APP],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label=_("Tools of the second sitting"),
        help_text=_("of an arm of two sittings only"),
    )
    accepts_many = forms.BooleanField(
        required=False,
        label=_("Accept many proposals at once"),
        help_text=_("one key accepts all proposals in view; otherwise each proposal is decided on its own"),
    )
    instructions = LimitedField(
        limits.INSTRUCTIONS,
        help_text=_("what readers do in this arm, shown with pictures of its tools; empty: a text of its kind"),
    )


class FurtherArmForm(ArmForm):
    """An arm that is only there when somebody begins to fill it."""

    def has_changed(self) -> bool:
        return bool(self["name"].data or self["tools"].data)


class FieldsForm(forms.Form):
    """Which images are drawn."""

    strata = forms.ChoiceField(
        label=_("Alike sets by"),
        choices=services.Strata.choices,
        initial=services.Strata.DENSITY,
        help_text=_("half of the fields lie above the median, half below, and every arm gets equally many of both"),
    )
    measured = LimitedField(
        limits.MEASURED,
        help_text=_(
            "fields or cells of all arms together; empty: as many as have a reference and can be shared equally"
        ),
    )


def template_of(request: HttpRequest) -> Template:
    """The template that the address names; the usual one where it names none that there is."""
    return TEMPLATES.get(request.GET.get("template", DEFAULT), TEMPLATES[DEFAULT])


def arms_of_template(template: Template) -> tuple[ArmDocument, ...]:
    """Its arms, named in the language of who asks."""
    return tuple(cast(ArmDocument, {**arm, "name": gettext(arm["name"])}) for arm in template.arms)


def given_by(template: Template) -> dict[str, object]:
    """The form's initial values; words in the language of who asks."""
    found = dict(template.filled)
    for name in WORDS:
        if name in found:
            found[name] = gettext(str(found[name]))
    return found


def arm_forms(request: HttpRequest, arms: tuple[ArmDocument, ...]) -> list[ArmForm]:
    """Four arms; the first two are always there, the others stay empty unless somebody fills them."""
    initial: list[dict[str, object]] = [dict(arm) for arm in arms]
    initial += [{"assistance": "none"} for _ in range(4 - len(arms))]
    first = [ArmForm(request.POST or None, prefix=f"arm{k}", initial=initial[k]) for k in (0, 1)]
    return first + [
        FurtherArmForm(
            request.POST or None,
            prefix=f"arm{k}",
            initial=initial[k],
            empty_permitted=True,
            use_required_attribute=False,
        )
        for k in (2, 3)
    ]


def declared(study: Study) -> dict[str, object]:
    """What a draft declares, as the form's initial values."""
    return {name: getattr(study, name) for name in limits.PROTOCOL}


def arms_of(study: Study) -> tuple[ArmDocument, ...]:
    return tuple(arm.as_document() for arm in study.arms.all())
