"""Guidelines as HTML: CommonMark without raw HTML, pictures only of the project itself."""

from collections.abc import MutableMapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from labeling.guidelines.models import Guideline
from labeling.guidelines.services import NAME

Environment = MutableMapping[str, Any]  # untyped: as in markdown-it


class Renderer(RendererHTML):
    """As the library's, but pictures are those of the project, and links open beside the work."""

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Environment) -> str:
        token = tokens[idx]
        name = str(token.attrs.get("src", ""))
        if not NAME.fullmatch(name):  # another server would learn who reads this, and the browser would not load it
            token.attrs["src"] = ""
        else:
            token.attrs["src"] = reverse("guideline-picture", args=[env["project"], name])
        token.attrs["loading"] = "lazy"
        return super().image(tokens, idx, options, env)

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: Environment) -> str:
        tokens[idx].attrs |= {"target": "_blank", "rel": "noopener noreferrer"}
        return self.renderToken(tokens, idx, options, env)


MARKDOWN = MarkdownIt("commonmark", {"html": False}, renderer_cls=Renderer).enable("table")


def as_html(guideline: Guideline) -> SafeString:
    """The text of a version. Raw HTML in it is shown as text; the library declines addresses that run a script."""
    return mark_safe(MARKDOWN.render(guideline.text, {"project": guideline.project_id}))  # noqa: S308 (no raw HTML)
