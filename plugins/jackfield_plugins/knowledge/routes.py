"""``/api/collections``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import anyio.to_thread
import fastapi
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import UploadFile

from jackfield import Field, InvalidRequest, Routes
from jackfield_plugins.knowledge.desk import Desk
from jackfield_plugins.knowledge.measuring import parsed

if TYPE_CHECKING:
    from jackfield_plugins.knowledge import Knowledge

ROOT = "/api/collections"
MOST_BYTES = 200_000_000
"""Bytes of one file that is sent."""


class NewCollection(BaseModel):
    """A collection to make."""

    name: str
    model: str = Field("", description="Embedding model; empty: as the options say")
    chunk_tokens: int = Field(0, ge=0, le=4096, description="0: as the options say")
    overlap: int | None = Field(None, ge=0, le=1024, description="None: as the options say")


class Cut(BaseModel):
    """How documents are cut."""

    chunk_tokens: int = Field(ge=32, le=4096)
    overlap: int = Field(ge=0, le=1024)


class Addition(BaseModel):
    """What to add: a path, an address, or a text."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field("", description="A file or folder on the server's machine")
    folder: str = Field("", description="The same as 'path'")
    watch: bool = Field(True, description="Follow the folder's changes")
    url: str = Field("", description="A web page")
    text: str = ""
    title: str = Field("", description="What the text is called")


class SearchFilters(BaseModel):
    """Which documents to search."""

    source: str = Field("", description="A pattern such as *.pdf for path, address or name")
    title: str = Field("", description="A part of the title")
    kind: Literal["", "file", "upload", "page", "text"] = ""


class Search(BaseModel):
    """A question."""

    query: str
    collections: list[str] = Field([], description="Their names; empty: all")
    mode: Literal["fused", "vectors", "bm25"] = "fused"
    k: int = Field(6, ge=1, le=200)
    reranker: str = Field("", description="A reranking model")
    minimum: float = Field(0.0, ge=0, le=1, description="Least cosine")
    filters: SearchFilters = SearchFilters()


class Asked(BaseModel):
    """A question of which the answer's place is known."""

    question: str = Field(min_length=1)
    document: str = ""
    snippet: str = ""


class Making(BaseModel):
    """How questions are to be made."""

    model: str = Field(description="A model that writes")
    count: int = Field(20, ge=1, le=1000)


class Measuring(BaseModel):
    """How to measure."""

    reranker: str = Field("", description="Measure with this reranking model too")


def routes(knowledge: Knowledge) -> Routes:
    """The routes of the plugin."""
    router = fastapi.APIRouter(tags=["Knowledge"])
    desk = Desk(knowledge)
    _add_search(router, desk, knowledge)
    _add_collections(router, desk)
    _add_documents(router, desk)
    _add_measuring(router, desk)
    return Routes(router=router, paths=(ROOT,))


def _add_search(router: fastapi.APIRouter, desk: Desk, knowledge: Knowledge) -> None:
    @router.post(f"{ROOT}/search")
    async def search(sent: Search) -> dict[str, Any]:
        """The best passages, with all their scores."""
        asked = sent.model_dump(exclude={"collections"})
        return await knowledge.in_thread(partial(desk.search, sent.collections, **asked))

    @router.get(f"{ROOT}/jobs")
    def jobs() -> list[dict[str, Any]]:
        """Jobs, the newest first."""
        return [job.described() for job in desk.library.jobs.of()]

    @router.get(f"{ROOT}/jobs/{{job}}")
    def get_job(job: str) -> dict[str, Any]:
        """How far a job is."""
        return desk.job(job)

    @router.delete(f"{ROOT}/jobs/{{job}}")
    def cancel_job(job: str) -> dict[str, Any]:
        """Stop a job; what is finished stays."""
        return desk.cancel(job)


def _add_collections(router: fastapi.APIRouter, desk: Desk) -> None:
    @router.get(ROOT)
    def list_collections() -> list[dict[str, Any]]:
        """All collections."""
        return desk.collections()

    @router.post(ROOT, status_code=201)
    def create(sent: NewCollection) -> dict[str, Any]:
        """Make a collection."""
        return desk.create(**sent.model_dump())

    @router.get(f"{ROOT}/{{name}}")
    def get_collection(name: str) -> dict[str, Any]:
        """One collection."""
        return desk.collection(name)

    @router.patch(f"{ROOT}/{{name}}", status_code=202)
    def change(name: str, sent: Cut) -> dict[str, Any]:
        """Cut all documents in another way; answers with the job."""
        return desk.change(name, sent.chunk_tokens, sent.overlap)

    @router.delete(f"{ROOT}/{{name}}")
    def delete(name: str) -> dict[str, Any]:
        """Remove a collection; files it was made from stay."""
        return desk.delete(name)

    @router.delete(f"{ROOT}/{{name}}/folders")
    def unwatch(name: str, path: str) -> dict[str, Any]:
        """Watch a folder no longer; its documents stay."""
        desk.library.unwatch(name, path)
        return desk.collection(name)


def _add_documents(router: fastapi.APIRouter, desk: Desk) -> None:
    @router.get(f"{ROOT}/{{name}}/documents")
    def documents(name: str) -> list[dict[str, Any]]:
        """Documents of a collection."""
        return desk.documents(name)

    @router.post(
        f"{ROOT}/{{name}}/documents",
        status_code=202,
        openapi_extra=_addition_body(),
    )
    async def add(name: str, request: fastapi.Request) -> dict[str, Any]:
        """Add files (multipart), or a path, a folder, a web page or a text (JSON).

        Answers with the job.
        """
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            files = await _files(request)
            return await anyio.to_thread.run_sync(
                lambda: desk.library.upload(name, files).described()
            )
        try:
            sent = Addition.model_validate_json(await request.body())
        except ValidationError as error:
            wrong = error.errors()[0]
            raise InvalidRequest(
                f"What to add cannot be read: {wrong['msg']} ({'.'.join(map(str, wrong['loc']))}).",
                hint="Send files as multipart/form-data, or JSON with one of path, folder, url, "
                "text.",
            ) from error
        what = sent.model_dump(exclude={"folder"}) | {"path": sent.path or sent.folder}
        return await anyio.to_thread.run_sync(lambda: desk.add(name, **what))

    @router.get(f"{ROOT}/{{name}}/documents/{{document}}")
    def document(name: str, document: int) -> dict[str, Any]:
        """A document with its passages."""
        return desk.document(name, document)

    @router.delete(f"{ROOT}/{{name}}/documents/{{document}}")
    def remove(name: str, document: int) -> dict[str, Any]:
        """Remove a document; a file of the user's stays."""
        return desk.remove(name, document)

    @router.post(f"{ROOT}/{{name}}/documents/{{document}}/index", status_code=202)
    def again(name: str, document: int) -> dict[str, Any]:
        """Read and index a document anew; answers with the job."""
        return desk.library.again(name, document).described()


def _add_measuring(router: fastapi.APIRouter, desk: Desk) -> None:
    @router.get(f"{ROOT}/{{name}}/questions")
    def questions(name: str) -> list[dict[str, str]]:
        """The questions that a collection is measured with."""
        return desk.questions(name)

    @router.put(f"{ROOT}/{{name}}/questions")
    def set_questions(name: str, sent: list[Asked]) -> dict[str, Any]:
        """Put questions in place of those that are there."""
        checked = parsed(f"[{','.join(one.model_dump_json() for one in sent)}]") if sent else []
        return desk.set_questions(
            name,
            [
                {"question": one.question, "document": one.document, "snippet": one.snippet}
                for one in checked
            ],
        )

    @router.post(f"{ROOT}/{{name}}/questions/make", status_code=202)
    def make(name: str, sent: Making) -> dict[str, Any]:
        """Have a model make questions from the documents; answers with the job."""
        return desk.make_questions(name, sent.model, sent.count)

    @router.post(f"{ROOT}/{{name}}/measure", status_code=202)
    def measure(name: str, sent: Measuring) -> dict[str, Any]:
        """Measure each way of searching; answers with the job, whose result has the figures."""
        return desk.measure(name, sent.reranker)


def _addition_body() -> dict[str, Any]:
    """What the documentation says of the two forms of the body."""
    file = {"type": "array", "items": {"type": "string", "format": "binary"}}
    form = {"schema": {"type": "object", "properties": {"file": file}}}
    content = {
        "application/json": {"schema": Addition.model_json_schema()},
        "multipart/form-data": form,
    }
    return {"requestBody": {"required": True, "content": content}}


async def _files(request: fastapi.Request) -> list[tuple[str, bytes]]:
    """Names and contents of the files of a form.

    Raises:
        InvalidRequest: there is none, or one is too large.
    """
    async with request.form() as form:
        sent = [one for one in form.getlist("file") if isinstance(one, UploadFile)]
        for one in sent:
            if one.size is not None and one.size > MOST_BYTES:
                raise InvalidRequest(
                    f"The file {one.filename!r} is larger than {MOST_BYTES // 1_000_000} MB.",
                    param="file",
                )
        files = [((one.filename or "file").rpartition("/")[2], await one.read()) for one in sent]
    if not files:
        raise InvalidRequest("No file was sent.", hint="Name the field 'file'.", param="file")
    return files
