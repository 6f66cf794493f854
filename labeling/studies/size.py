"""The size of a study that is still a draft: simulated by its planned analysis, and written into its protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.errors import Invalid
from labeling.studies import limits
from labeling.studies.analysis.power import Components, Gate, Power, justification, power
from labeling.studies.analysis.results import NotEstimated
from labeling.studies.drafts import locked_draft
from labeling.studies.models import Study
from labeling.studies.protocol import design

STUDIES = 500
MOST_SIZES = 16  # combinations
MOST_FIELDS = 16_000  # of all readers, the sizes together: eight million simulated readings, up to ten seconds
READERS = limits.Number(gettext_noop("Readers"), 2, 60, whole=True)
FIELDS = limits.Number(gettext_noop("Fields of a reader and arm"), 1, 200, whole=True)
RULES = {
    "reduction": limits.Number(gettext_noop("Reduction to be found, %"), 1, 99),
    "reader": limits.Number(gettext_noop("SD between readers"), 0.001, 5),
    "slope": limits.Number(gettext_noop("SD of the readers\u2019 arm effects"), 0, 5),
    "field": limits.Number(gettext_noop("SD between fields"), 0, 5),
    "field_slope": limits.Number(gettext_noop("SD of the fields\u2019 arm effects"), 0, 5),
    "residual": limits.Number(gettext_noop("SD that is left"), 0.001, 5),
    "dropout": limits.Number(gettext_noop("Readers who drop out, %"), 0, 90),
    "quality_loss": limits.Number(gettext_noop("True loss of Dice"), 0, 0.999),
    "quality_sd": limits.Number(gettext_noop("SD of readers in the loss of Dice"), 0.0001, 1),
}
SPREADS = {  # components of RULES, as the justification names them
    "reader": "readers",
    "slope": "the readers\u2019 arm effects",
    "field": "fields",
    "field_slope": "the fields\u2019 arm effects",
    "residual": "residual",
}


@dataclass(frozen=True)
class Question:
    """What is asked of the planned analysis.

    reduction  in per cent
    dropout    a share, 0 to 1
    source     where the components are from, for the protocol
    """

    reduction: float
    components: Components
    readers: tuple[int, ...]
    fields: tuple[int, ...]
    dropout: float
    gate: Gate
    source: str = "stated components"


def question(
    study: Study, given: Mapping[str, float], *, readers: tuple[int, ...], fields: tuple[int, ...], source: str
) -> Question:
    """given: one number for each of RULES. Raises Invalid where the numbers do not go together."""
    if len(readers) * len(fields) > MOST_SIZES:
        raise Invalid(
            _("{n} sizes at once are too many; {most} is the most. Take some numbers out.").format(
                n=len(readers) * len(fields), most=MOST_SIZES
            ),
            field="readers",
        )
    arms = study.arms.count()
    if study.design == Study.Design.CROSSOVER and arms != 2:
        raise Invalid(_("an AB/BA crossover has two arms; for more take the Williams square"))
    periods = len(design.sequences(study.design, arms)[0])
    if (n := sum(readers) * sum(fields) * periods) > MOST_FIELDS:
        raise Invalid(
            _("these sizes have {n} fields of readers together; {most} is the most. Take some numbers out.").format(
                n=n, most=MOST_FIELDS
            ),
            field="readers",
        )
    spreads = {name: given[name] for name in SPREADS}
    gate = Gate(margin=study.quality_margin, loss=given["quality_loss"], sd=given["quality_sd"])
    return Question(given["reduction"], Components(**spreads), readers, fields, given["dropout"] / 100, gate, source)


def answer(study: Study, asked: Question) -> list[Power | NotEstimated]:
    """The share of simulated studies that find the reduction, for each size, or why there is no test."""
    return power(
        reduction=asked.reduction,
        readers=asked.readers,
        fields=asked.fields,
        components=asked.components,
        kind=study.design,
        arms=study.arms.count(),
        studies=STUDIES,
        dropout=asked.dropout,
        gate=asked.gate,
        seed=study.seed,
    )


@transaction.atomic
def justify(*, study: Study, asked: Question, readers: int, fields: int) -> str:
    """Write the sentences for one size into the draft's protocol, in place of what stands there. -> the sentences.

    Raises WrongState when the study is no draft, Invalid for a size that has no test.
    """
    study = locked_draft(study)
    (found,) = answer(study, replace(asked, readers=(readers,), fields=(fields,)))
    if isinstance(found, NotEstimated):
        raise Invalid(_("this size has no test, so it cannot be justified"), field="readers")
    text = justification(
        found,
        reduction=asked.reduction,
        components=asked.components,
        kind=study.design,
        dropout=asked.dropout,
        gate=asked.gate,
        source=asked.source,
    )
    study.size_justification = str(limits.PROTOCOL["size_justification"].parse(text, "size_justification"))
    study.save(update_fields=["size_justification"])
    return study.size_justification
