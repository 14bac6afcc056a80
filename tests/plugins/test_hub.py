"""Models from a server that speaks the Hub's protocol: found, chosen, fetched, refused."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from hub_downloads import (
    FILE,
    HERE,
    NAME,
    SIZE,
    downloads,
    hub_source,
    link_source,
    partial_files,
)
from hub_server import HubServer, Misbehaviour, Repository, sha256
from jackfield.errors import (
    CorruptDownload,
    DiskFull,
    DownloadError,
    InvalidRequest,
    NotFound,
    NotPermitted,
)
from jackfield.paths import Paths
from jackfield_plugins.hub.reference import Reference, read
from model_shelf import left, nothing_left


@pytest.fixture
def hub(smollm2: Path, tmp_path: Path) -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.repositories[NAME] = Repository({FILE: smollm2, "README.md": _text(tmp_path)})
        yield hub


def _text(folder: Path) -> Path:
    path = folder / "README.md"
    path.write_text("---\nlicense: apache-2.0\n---\nA model.\n")
    return path


def several(hub: HubServer, smollm2: Path) -> None:
    kinds = ("Q2_K", "Q4_K_M", "Q8_0")
    files = {f"Many-7B.{kind}.gguf": smollm2 for kind in kinds}
    files |= {f"BF16/Many-7B-BF16-0000{part}-of-00002.gguf": smollm2 for part in (1, 2)}
    files |= {"mmproj-Many-F16.gguf": smollm2, "Many.imatrix.gguf": smollm2}
    hub.repositories["owner/Many-7B-GGUF"] = Repository(files, downloads=500)


def test_a_model_is_found_fetched_and_known_to_the_catalog(
    paths: Paths, hub: HubServer, smollm2: Path
):
    fetching = downloads(paths, hub_source(hub))
    (found,) = fetching.search("smollm2")
    assert (found.source, found.error) == ("hub", "")
    assert [offer.title for offer in found.offers] == [NAME]
    source, offer = fetching.resolve(found.offers[0].reference)
    assert (offer.name, offer.size, offer.quantization) == (HERE, SIZE, "Q4_1")
    model = fetching.run(source, offer)
    assert (model.name, model.architecture, model.license) == (HERE, "llama", "apache-2.0")
    assert model.context_length > 0 and model.chat_template
    assert sha256(model.path) == sha256(smollm2)
    note = json.loads((model.path.parent / "jackfield.json").read_text())
    assert (note["repository"], note["revision"]) == (NAME, hub.repositories[NAME].commit)
    assert note["files"] == {FILE: sha256(smollm2)}
    assert hub.served == SIZE
    assert partial_files(paths) == []


def test_a_safetensors_folder_is_fetched_whole_without_what_is_not_needed(
    paths: Paths, hub: HubServer, smollm2_folder: Path
):
    files = {one.name: one for one in smollm2_folder.iterdir() if one.is_file()}
    some = files["config.json"]
    unneeded = ("pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", ".gitattributes", "a.pt")
    hub.repositories["owner/SmolLM2"] = Repository(files | dict.fromkeys(unneeded, some))
    fetching = downloads(paths, hub_source(hub))
    model = fetching.run(*fetching.resolve("owner/SmolLM2"))
    assert (model.name, model.format, model.error) == ("smollm2", "safetensors", "")
    assert {one.name: sha256(one) for one in model.path.iterdir()} == {
        name: sha256(path) for name, path in files.items()
    }
    note = json.loads((model.path.parent / "jackfield.json").read_text())
    assert note["files"] == {name: sha256(path) for name, path in files.items()}


def test_of_several_quantizations_a_good_one_is_chosen_and_it_is_said(
    paths: Paths, hub: HubServer, smollm2: Path
):
    several(hub, smollm2)
    fetching = downloads(paths, hub_source(hub))
    _, offer = fetching.resolve("hf.co/owner/Many-7B-GGUF")
    assert (offer.name, offer.reference) == ("many-7b-q4_k_m", "owner/Many-7B-GGUF:Q4_K_M")
    assert offer.notice.startswith("Q4_K_M was chosen. There is: Q2_K (98 MB), Q4_K_M")
    found = [one for _, one in fetching.variants("owner/Many-7B-GGUF")]
    assert [one.quantization for one in found] == ["Q2_K", "Q4_K_M", "Q8_0", "BF16"]
    assert [len(one.files) for one in found] == [1, 1, 1, 2]
    assert found[-1].size == 2 * SIZE
    assert found[-1].files[1].path == "Many-7B-BF16-00002-of-00002.gguf"


def test_a_quantization_can_be_asked_for(paths: Paths, hub: HubServer, smollm2: Path):
    several(hub, smollm2)
    fetching = downloads(paths, hub_source(hub))
    for asked in ("owner/Many-7B-GGUF:q8_0", "owner/Many-7B-GGUF@main:Many-7B.Q8_0.gguf"):
        assert fetching.resolve(asked)[1].name == "many-7b-q8_0"
    with pytest.raises(NotFound, match="has no 'Q3_K'") as caught:
        fetching.resolve("owner/Many-7B-GGUF:Q3_K")
    assert "Q2_K (98 MB)" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("owner/name", Reference(repository="owner/name")),
        ("owner/name:Q4_0", Reference(repository="owner/name", choice="Q4_0")),
        ("owner/name@v1", Reference(repository="owner/name", revision="v1")),
        ("o/n@v1:Q4_0", Reference(repository="o/n", revision="v1", choice="Q4_0")),
        ("o/n:Q4_0@v1", Reference(repository="o/n", revision="v1", choice="Q4_0")),
        ("hf.co/owner/name:Q4_0", Reference(repository="owner/name", choice="Q4_0")),
        ("https://huggingface.co/owner/name", Reference(repository="owner/name")),
        (
            "https://huggingface.co/o/n/blob/main/sub/a.gguf?download=true",
            Reference(repository="o/n", revision="main", choice="sub/a.gguf"),
        ),
        ("http://hub.example/o/n/tree/v2", Reference(repository="o/n", revision="v2")),
        ("smollm2", None),
        ("../etc/passwd", None),
        ("owner/..", None),
        ("datasets/name", None),
        ("https://elsewhere.example/model.gguf", None),
    ],
)
def test_many_ways_of_asking_are_read(text: str, expected: Reference | None):
    assert read(text, "http://hub.example") == expected


def test_what_is_no_model_on_the_hub_is_refused():
    with pytest.raises(InvalidRequest, match="no model on the Hub"):
        read("https://huggingface.co/datasets/owner/name", "https://huggingface.co")


def test_a_name_that_is_not_there_suggests_the_nearest(paths: Paths, hub: HubServer):
    fetching = downloads(paths, hub_source(hub))
    with pytest.raises(NotFound, match=r"no model 'owner/SmolLM2-135M-Instruct'") as caught:
        fetching.resolve("owner/SmolLM2-135M-Instruct")
    assert f"Did you mean {NAME!r}?" in caught.value.hint
    with pytest.raises(NotFound, match="no revision 'v9'"):
        fetching.resolve(f"{NAME}@v9")


def test_pickle_weights_alone_are_refused_unless_allowed(
    paths: Paths, hub: HubServer, tmp_path: Path
):
    files = {}
    for name in ("config.json", "pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        files[name] = tmp_path / name
        files[name].write_text("{}")
    hub.repositories["owner/old"] = Repository(files)
    with pytest.raises(InvalidRequest, match="only as pickle files") as caught:
        downloads(paths, hub_source(hub)).resolve("owner/old")
    assert "plugins configure hub allow_pickle=true" in caught.value.hint
    _, offer = downloads(paths, hub_source(hub, allow_pickle=True)).resolve("owner/old")
    assert [file.path for file in offer.files] == ["config.json", "pytorch_model.bin"]


def test_a_repository_without_weights_says_so(paths: Paths, hub: HubServer, tmp_path: Path):
    hub.repositories["owner/empty"] = Repository({"README.md": _text(tmp_path)})
    with pytest.raises(NotFound, match="no weights that Jackfield knows"):
        downloads(paths, hub_source(hub)).resolve("owner/empty")


@pytest.mark.parametrize("token", ["", "hf_wrong"])
def test_a_gated_model_says_where_to_accept_and_how_to_set_a_token(
    paths: Paths, hub: HubServer, token: str
):
    hub.repositories[NAME].gated = "manual"
    fetching = downloads(paths, hub_source(hub, token))
    _, offer = fetching.resolve(NAME)
    assert offer.gated
    with pytest.raises(NotPermitted) as caught:
        fetching.run("hub", offer)
    assert f"{hub.url}/{NAME}" in caught.value.hint
    assert "jackfield plugins configure hub token=" in caught.value.hint
    assert nothing_left(paths)


def test_the_token_opens_a_gated_model_and_is_neither_kept_nor_sent_elsewhere(
    paths: Paths, hub: HubServer, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    hub.repositories[NAME].gated = "manual"
    fetching = downloads(paths, hub_source(hub, "hf_right"))
    assert fetching.run(*fetching.resolve(NAME)).name == HERE
    by_server = {"hub": set(), "storage": set()}
    for asked in hub.asked:
        by_server[asked.server].add(asked.headers.get("authorization", ""))
    assert by_server == {"hub": {"Bearer hf_right"}, "storage": {""}}
    kept = [one for one in paths.home.rglob("*") if one.is_file() and one.suffix != ".gguf"]
    assert not [one for one in kept if b"hf_right" in one.read_bytes()]
    assert "hf_right" not in caplog.text
    assert "hf_right" not in repr(fetching.list())


def test_a_private_model_needs_the_token(paths: Paths, hub: HubServer):
    hub.repositories[NAME].private = True
    with pytest.raises(NotFound, match="or it is private"):
        downloads(paths, hub_source(hub)).resolve(NAME)
    _, offer = downloads(paths, hub_source(hub, "hf_right")).resolve(NAME)
    assert offer.name == HERE


def test_a_token_that_lies_on_this_computer_is_not_used_unasked(
    paths: Paths, hub: HubServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_of_another_program")
    downloads(paths, hub_source(hub)).resolve(NAME)
    assert not any("authorization" in asked.headers for asked in hub.asked)


def test_a_corrupted_model_is_refused_with_both_hashes_and_leaves_nothing(
    paths: Paths, hub: HubServer, smollm2: Path
):
    hub.wrong = Misbehaviour(flip_at=50_000_000)
    fetching = downloads(paths, hub_source(hub))
    with pytest.raises(CorruptDownload) as caught:
        fetching.run(*fetching.resolve(NAME))
    assert sha256(smollm2) in str(caught.value)
    assert nothing_left(paths)
    assert fetching.list() == []


def test_a_folder_with_one_wrong_file_leaves_nothing(
    paths: Paths, hub: HubServer, smollm2_folder: Path
):
    files = {one.name: one for one in smollm2_folder.iterdir() if one.is_file()}
    hub.repositories["owner/SmolLM2"] = Repository(files)
    hub.wrong = Misbehaviour(flip_at=1_000_000)
    fetching = downloads(paths, hub_source(hub))
    with pytest.raises(CorruptDownload, match=r"model.safetensors"):
        fetching.run(*fetching.resolve("owner/SmolLM2"))
    assert nothing_left(paths)


def test_a_busy_hub_is_asked_again(paths: Paths, hub: HubServer):
    hub.wrong = Misbehaviour(busy=[(503, ""), (429, "1")])
    assert downloads(paths, hub_source(hub)).resolve(NAME)[1].name == HERE
    hub.wrong = Misbehaviour(busy=[(500, "")] * 9)
    with pytest.raises(DownloadError, match="answered 500"):
        downloads(paths, hub_source(hub)).resolve(NAME)


def test_a_hub_that_cannot_be_reached_hides_no_other_source(paths: Paths):
    fetching = downloads(paths, hub_source("http://127.0.0.1:9"), link_source())
    hub, links = fetching.search("anything")
    assert "cannot be asked" in hub.error and "network" in hub.hint
    assert (links.offers, links.error) == ([], "")


def test_offline_mode_refuses_to_look_and_to_fetch(paths: Paths, hub: HubServer):
    offline = False
    source = hub_source(hub, offline=lambda: offline)
    fetching = downloads(paths, source)
    _, offer = fetching.resolve(NAME)
    offline = True
    asked = len(hub.asked)
    for refused in (lambda: fetching.resolve(NAME), lambda: fetching.run("hub", offer)):
        with pytest.raises(NotPermitted, match="offline mode is on"):
            refused()
    assert "offline mode is on" in fetching.search("x")[0].error
    assert len(hub.asked) == asked


def test_too_little_disk_is_said_before_anything_is_asked_of_the_storage(
    paths: Paths, hub: HubServer, smollm2: Path
):
    fetching = downloads(paths, hub_source(hub))
    _, offer = fetching.resolve(NAME)
    with pytest.raises(DiskFull, match="MB are free"):
        fetching.run("hub", msgspec.structs.replace(offer, size=1 << 60))
    assert hub.bytes_asked() == []
    assert nothing_left(paths)


@pytest.mark.parametrize(
    "path", ["../evil.json", "/etc/evil.json", "a/../../evil.json", "c:evil.json", "a\\b.json"]
)
def test_a_repository_cannot_write_outside_its_folder(paths: Paths, hub: HubServer, path: str):
    fetching = downloads(paths, hub_source(hub))
    _, offer = fetching.resolve(NAME)
    evil = msgspec.structs.replace(offer.files[0], path=path)
    with pytest.raises(DownloadError, match="is not safe"):
        fetching.run("hub", msgspec.structs.replace(offer, files=(*offer.files, evil)))
    assert nothing_left(paths)
    assert hub.bytes_asked() == []


def test_a_model_can_be_given_another_name(paths: Paths, hub: HubServer):
    fetching = downloads(paths, hub_source(hub))
    source, offer = fetching.resolve(NAME)
    assert fetching.run(source, offer, name="mine").name == "mine"
    with pytest.raises(InvalidRequest, match=r"cannot be called '\.\./mine'"):
        fetching.run(source, offer, name="../mine")


def test_a_file_behind_an_address_is_fetched_and_its_hash_can_be_asked_for(
    paths: Paths, hub: HubServer, smollm2: Path
):
    url = f"{hub.url}/{NAME}/resolve/main/{FILE}"
    fetching = downloads(paths, link_source())
    with pytest.raises(CorruptDownload, match="0000"):
        fetching.run(*fetching.resolve(f"{url}#sha256={'0' * 64}"))
    assert nothing_left(paths)
    model = fetching.run(*fetching.resolve(f"{url}#sha256={sha256(smollm2).upper()}"))
    assert (model.name, model.source) == ("smollm2-135m-instruct.q4_1", "links")
    assert left(paths)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("/page.html", "not the address of a .gguf file"),
        ("/a.gguf#sha256=abc", "not of the form sha256="),
    ],
)
def test_an_address_of_something_else_is_refused(
    paths: Paths, hub: HubServer, end: str, words: str
):
    with pytest.raises(InvalidRequest, match=words):
        downloads(paths, link_source()).resolve(hub.url + end)
    with pytest.raises(InvalidRequest, match="password"):
        downloads(paths, link_source()).resolve("http://me:word@127.0.0.1/a.gguf")


def test_a_page_instead_of_a_model_is_refused(paths: Paths, hub: HubServer, tmp_path: Path):
    page = tmp_path / "login.gguf"
    page.write_text("<html>Please log in</html>")
    hub.repositories["owner/page"] = Repository({"login.gguf": page})
    fetching = downloads(paths, link_source())
    with pytest.raises(CorruptDownload, match="is not a GGUF file"):
        fetching.run(*fetching.resolve(f"{hub.url}/owner/page/resolve/main/login.gguf"))
    assert nothing_left(paths)
