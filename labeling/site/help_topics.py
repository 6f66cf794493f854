"""What the help says: topics in the order in which they are read. Sentences only; pages and keys have their own."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Topic:
    """`slug`: its anchor on the page of help. `sentences`: one paragraph each."""

    slug: str
    title: Promise
    sentences: tuple[Promise, ...]

    def has(self, words: list[str]) -> bool:
        """Whether every word stands somewhere in it, in the language of this request."""
        text = " ".join(map(str, (self.title, *self.sentences))).casefold()
        return all(word in text for word in words)


TOPICS = (
    Topic(
        "annotator",
        _("As an annotator"),
        (
            _("Open an image from My work, or take the next one of the queue. Every change is saved at once."),
            _("Draw a box around each cell with R and a drag. A digit gives the cell that class."),
            _(
                "Tab selects the next proposal. A accepts it, X rejects it, E edits its mask, K says that you "
                "cannot tell."
            ),
            _("Hold H to see the tissue without outlines. Ctrl+Z undoes your last act, also after a reload."),
            _(
                "When every cell of a part is annotated, draw a region around it with G: only there is the "
                "rest background."
            ),
        ),
    ),
    Topic(
        "reviewer",
        _("As a reviewer"),
        (
            _("Images that wait for a review stand in My work. You see the cells with their author, date and history."),
            _(
                "A, X and K give your opinion of a cell that is decided. An opinion changes nothing until it "
                "is settled."
            ),
            _("Accept the image, or send it back with a comment. C pins a comment to a cell or a place."),
            _("Where two blind readings differ, the page of the adjudication shows both and takes your decision."),
        ),
    ),
    Topic(
        "manager",
        _("As a manager"),
        (
            _("Team says who reads which image, how many readings an image needs and whether they are blind."),
            _("Rounds starts a round and shows how good its proposals are. Start one when some regions are complete."),
            _("Export writes cells and masks in the formats of other tools, and reads theirs."),
            _("Settings has the classes, the scale of each image in µm per pixel, and the split of each patient."),
        ),
    ),
    Topic(
        "owner",
        _("As an owner"),
        (
            _("An owner can do all that a manager can, invites other owners, and archives or restores the project."),
            _(
                "A study compares ways to annotate by the time that they take; its protocol is fixed before "
                "the first reading."
            ),
            _("Boxwise supports annotation and research. It is not for diagnosis."),
        ),
    ),
    Topic(
        "viewer",
        _("As a viewer"),
        (_("You can look at every image and its cells, measure, and write comments. You change no cell."),),
    ),
    Topic(
        "round",
        _("What a round does with a picture"),
        (
            _("1. It keeps a copy of what is annotated now, the snapshot. Later changes count for the next round."),
            _("2. A prompter turns each box into a mask: the pixels of that cell."),
            _(
                "3. A detector learns to find cells, and a segmenter learns which pixels are cell at all. Both "
                "learn from images for training only; images for test are never learned from."
            ),
            _(
                "4. Both models look at every image. The fusion reconciles them: each pixel becomes cell or "
                "background at the least cost, and a proof that there is no better answer is stored with it."
            ),
            _(
                "5. What is found becomes proposals: dashed outlines with a doubt between 0 and 1. A proposal "
                "becomes a cell only when somebody accepts it."
            ),
            _(
                "6. Images for validation say how good the round is. The page of the round shows the figures "
                "with their units and how they were measured."
            ),
        ),
    ),
    Topic(
        "outlines",
        _("What the outlines mean"),
        (
            _(
                "The colour is the class. Shift+C shows the person, the state, the doubt or the round instead, "
                "with a legend."
            ),
            _(
                "A solid line is a cell, a dashed one a proposal, a dotted one a cell that is disputed or that "
                "nobody can tell."
            ),
            _("A selected cell has a thicker outline and is never filled, so that its border can be judged."),
        ),
    ),
    Topic(
        "saving",
        _("Saving, and working without a network"),
        (
            _(
                "The top of the workspace says whether all is saved. Without a network changes are kept on "
                "this computer and sent when the network is back."
            ),
            _("When somebody else changed the same cell meanwhile, you are shown both versions and choose one."),
        ),
    ),
)


def found_topics(text: str) -> list[Topic]:
    """Topics that have every word; all of them for no word."""
    words = text.casefold().split()
    return [topic for topic in TOPICS if topic.has(words)]
