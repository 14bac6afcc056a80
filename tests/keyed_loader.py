"""A second loader for fake models, with options of its own, and a chat template."""

from collections.abc import Sequence

from pydantic import SecretStr

from jackfield.loader import Loader, LoadOptions, Match, ModelFiles
from jackfield.plugin import Plugin, hookimpl
from jackfield.templates.template import ChatTemplate
from jackfield.testing.fake import FakeLoader, FakeModel, FakeOptions


class KeyedOptions(LoadOptions):
    """Options with a secret and one of the fake loader's."""

    key: SecretStr = SecretStr("")
    n_ctx: int = 0


class KeyedLoader(FakeLoader):
    """Opens fake models too, but not as gladly."""

    name = "keyed"
    Options = KeyedOptions

    def probe(self, files: ModelFiles) -> Match | None:
        return Match(50, "a fake model, with a key") if files.format == "fake" else None

    def estimate(self, files, options):
        return super().estimate(files, FakeOptions(n_ctx=options.n_ctx))

    def load(self, files, options) -> FakeModel:
        return super().load(files, FakeOptions(n_ctx=options.n_ctx))


class Keyed(Plugin):
    """Brings the loader and a template."""

    @hookimpl
    def jackfield_loaders(self) -> Sequence[type[Loader]]:
        return [KeyedLoader]

    @hookimpl
    def jackfield_chat_templates(self) -> Sequence[ChatTemplate]:
        source = "{% for m in messages %}{{ m.role }}> {{ m.content }}\n{% endfor %}"
        return [ChatTemplate(name="arrows", title="Arrows", source=source)]
