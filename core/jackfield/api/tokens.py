"""``/api/tokenize``, ``/api/detokenize``, ``/api/count``, ``/api/render``: what a model reads."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jackfield.api.chat_messages import message_of
from jackfield.api.context import App
from jackfield.api.errors import ErrorResponse
from jackfield.api.requests import ChatMessage

router = APIRouter(
    prefix="/api",
    tags=["tokens"],
    responses={400: {"model": ErrorResponse}, 404: {"model": ErrorResponse}},
)


class TokenizeRequest(BaseModel):
    """A text, and the model whose tokens are wanted."""

    model: str = Field(min_length=1)
    text: str
    special: bool = Field(True, description="Read special tokens such as <|im_end|> as such")


class Tokens(BaseModel):
    """Token ids."""

    tokens: list[int]
    count: int


class DetokenizeRequest(BaseModel):
    """Token ids, and the model that knows them."""

    model: str = Field(min_length=1)
    tokens: list[int]


class Text(BaseModel):
    """A text."""

    text: str


class Count(BaseModel):
    """How many tokens a text is."""

    count: int


class RenderRequest(BaseModel):
    """A conversation, and how to turn it into a prompt."""

    model: str = Field(min_length=1)
    messages: list[ChatMessage] = Field(min_length=1)
    template: str = Field("", description="Chat template; empty: the model's own")
    continue_reply: bool = Field(False, description="Leave the last message open to go on with")


class Rendered(BaseModel):
    """A prompt."""

    prompt: str
    template: str = Field(description="Name of the chat template that was used")
    count: int = Field(description="Its tokens")
    context_length: int = Field(description="Tokens that the model's context holds")


class TemplateDescription(BaseModel):
    """A named chat template."""

    name: str
    title: str
    source: str = Field(description="Jinja")
    stop: list[str] = Field(description="Texts that end a reply in this format")


@router.post("/tokenize")
async def tokenize(sent: TokenizeRequest, app: App) -> Tokens:
    """A text's token ids; loads the model if it is not."""
    async with app.engine.use(sent.model) as resident:
        tokens = await resident.tokenize(sent.text, special=sent.special)
    return Tokens(tokens=tokens, count=len(tokens))


@router.post("/detokenize")
async def detokenize(sent: DetokenizeRequest, app: App) -> Text:
    """The text of token ids; loads the model if it is not."""
    async with app.engine.use(sent.model) as resident:
        return Text(text=await resident.detokenize(sent.tokens))


@router.post("/count")
async def count(sent: TokenizeRequest, app: App) -> Count:
    """How many tokens a text is; loads the model if it is not."""
    async with app.engine.use(sent.model) as resident:
        return Count(count=await resident.count(sent.text))


@router.post("/render")
async def render(sent: RenderRequest, app: App) -> Rendered:
    """The prompt that a conversation becomes, without plugins; loads the model if it is not."""
    messages = [message_of(one, index) for index, one in enumerate(sent.messages)]
    async with app.engine.use(sent.model) as resident:
        info = resident.info
        assert info is not None  # a model in use is loaded
        template = app.templates.choose(info, sent.template)
        prompt = await app.templates.render(
            template, messages, info, continue_reply=sent.continue_reply
        )
        return Rendered(
            prompt=prompt,
            template=template.name,
            count=await resident.count(prompt),
            context_length=info.context_length,
        )


@router.get("/templates")
def templates(app: App) -> list[TemplateDescription]:
    """Named chat templates."""
    return [
        TemplateDescription(name=one.name, title=one.title, source=one.source, stop=list(one.stop))
        for one in app.templates.names()
    ]
