"""What every protocol declares of the analysis, beside what a study chooses. Imports no statistics.

definition     which definition of the comparison is computed (docs/time_study.md, *Analysing*)
empty_fields   a finished field without any mask has Dice 0
missing_data   readers are analysed who have a counted field in every arm; nothing is imputed
multiplicity   how a family of comparisons is adjusted
"""

from labeling.studies.protocol.documents import DeclaredRules

DEFINITION = 2
HOLM, IN_ORDER = "holm", "in order"
EMPTY_FIELDS, MISSING_DATA = "dice 0", "complete readers"
DECLARED: DeclaredRules = {
    "definition": DEFINITION,
    "empty_fields": EMPTY_FIELDS,
    "missing_data": MISSING_DATA,
    "multiplicity": HOLM,
}
