"""Files that arrive from servers that misbehave: dropped, wrong, busy, refused, redirected."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hub_downloads import QUICK
from hub_server import HubServer, Misbehaviour, Repository, sha256
from jackfield import RemoteFile
from jackfield.catalog.transfer import Stopped, Transfer
from jackfield.errors import CorruptDownload, DownloadError

SIZE = 1_000_000


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content.gguf"
    path.write_bytes(bytes(number * number % 251 for number in range(SIZE)))
    return path


@pytest.fixture
def hub(content: Path) -> Iterator[HubServer]:
    with HubServer() as hub:
        hub.repositories["owner/name"] = Repository({"content.gguf": content})
        yield hub


class Arrival:
    """Fetches the file again and again, and keeps what is said."""

    def __init__(self, hub: HubServer, target: Path, **known: object) -> None:
        self.hub, self.target = hub, target
        self.url = f"{hub.url}/owner/name/resolve/main/content.gguf"
        self.known = {"size": SIZE, **known}
        self.said: list[tuple[int, int, str]] = []
        self.stop_at = SIZE + 1
        self.headers: dict[str, str] = {}

    def fetch(self) -> str:
        file = RemoteFile(path="content.gguf", url=self.url, **self.known)  # type: ignore[arg-type]
        one = Transfer(
            file,
            self.target,
            headers=lambda url: self.headers,
            refusal=lambda status: DownloadError(f"refused with {status}"),
            retries=QUICK,
            progress=lambda *told: self.said.append(told),
            cancelled=lambda: bool(self.said) and self.said[-1][0] >= self.stop_at,
        )
        with httpx.Client(trust_env=False, timeout=5) as client:
            return one.run(client)

    def stop(self, after: int) -> None:
        self.stop_at = after
        with pytest.raises(Stopped):
            self.fetch()
        self.stop_at, self.said = SIZE + 1, []


@pytest.fixture
def arrival(hub: HubServer, content: Path, tmp_path: Path) -> Arrival:
    return Arrival(hub, tmp_path / "got" / "content.gguf", sha256=sha256(content))


def whole(arrival: Arrival, content: Path) -> bool:
    """The file is there, right, and alone."""
    folder = arrival.target.parent
    return arrival.target.read_bytes() == content.read_bytes() and [
        one.name for one in folder.iterdir()
    ] == ["content.gguf"]


def test_a_file_arrives_whole_with_its_hash_and_its_progress(arrival: Arrival, content: Path):
    assert arrival.fetch() == sha256(content)
    assert whole(arrival, content)
    assert arrival.said[-1] == (SIZE, SIZE, "downloading")
    done = [told[0] for told in arrival.said]
    assert done == sorted(done) and len(set(done)) > 3


def test_a_connection_that_drops_is_taken_up_where_it_ended(
    arrival: Arrival, hub: HubServer, content: Path
):
    hub.wrong = Misbehaviour(drop_after=150_000)
    arrival.fetch()
    assert whole(arrival, content)
    assert hub.served == SIZE, "no byte was sent twice"
    assert hub.bytes_asked()[:3] == ["", "bytes=150000-", "bytes=300000-"]


def test_a_stopped_file_goes_on_later_and_what_is_there_is_hashed_first(
    arrival: Arrival, hub: HubServer, content: Path
):
    arrival.stop(after=400_000)
    kept = arrival.target.with_name("content.gguf.part").stat().st_size
    assert 400_000 <= kept < SIZE
    assert arrival.fetch() == sha256(content)
    assert whole(arrival, content)
    assert hub.bytes_asked()[-1] == f"bytes={kept}-"
    assert arrival.said[0] == (0, SIZE, "checking what is there")


def test_a_file_that_changed_at_its_server_is_fetched_anew(
    arrival: Arrival, hub: HubServer, content: Path
):
    arrival.stop(after=400_000)
    hub.wrong = Misbehaviour(changing_etag=True)
    arrival.fetch()
    assert whole(arrival, content)


def test_a_server_that_ignores_ranges_is_asked_from_the_beginning(
    arrival: Arrival, hub: HubServer, content: Path
):
    arrival.stop(after=400_000)
    hub.wrong = Misbehaviour(ignore_range=True)
    arrival.fetch()
    assert whole(arrival, content)


def test_without_tag_and_hash_a_part_is_not_trusted(hub: HubServer, content: Path, tmp_path: Path):
    arrival = Arrival(hub, tmp_path / "got" / "content.gguf")
    hub.wrong = Misbehaviour(no_validator=True)
    arrival.stop(after=400_000)
    arrival.fetch()
    assert whole(arrival, content)
    assert hub.bytes_asked() == ["", ""]


def test_a_part_that_is_damaged_on_disk_is_found_out_and_fetched_anew(
    arrival: Arrival, hub: HubServer, content: Path
):
    arrival.stop(after=400_000)
    with arrival.target.with_name("content.gguf.part").open("rb+") as file:
        file.write(b"damaged")
    arrival.fetch()
    assert whole(arrival, content)


def test_a_finished_file_is_checked_and_not_fetched_again(
    arrival: Arrival, hub: HubServer, content: Path
):
    arrival.fetch()
    served = hub.served
    assert arrival.fetch() == sha256(content)
    assert whole(arrival, content)
    assert hub.served == served


def test_a_wrong_byte_is_refused_with_both_hashes_and_nothing_is_left(
    arrival: Arrival, hub: HubServer, content: Path
):
    hub.wrong = Misbehaviour(flip_at=600_000)
    with pytest.raises(CorruptDownload, match="thrown away") as caught:
        arrival.fetch()
    assert sha256(content) in caught.value.message
    assert caught.value.details["arrived"] in caught.value.message
    assert caught.value.details["arrived"] != sha256(content)
    assert not arrival.target.exists()
    assert all(one.stat().st_size == 0 for one in arrival.target.parent.iterdir())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Misbehaviour(longer=10), "has 1,000,010 bytes at its server and should have 1,000,000"),
        (Misbehaviour(says=500_000), "has 500,000 bytes at its server"),
    ],
)
def test_a_wrong_length_is_refused(
    arrival: Arrival, hub: HubServer, wrong: Misbehaviour, words: str
):
    hub.wrong = wrong
    with pytest.raises(CorruptDownload, match=words):
        arrival.fetch()
    assert not arrival.target.exists()


def test_a_server_that_claims_more_than_it_sends_is_given_up_in_the_end(
    hub: HubServer, tmp_path: Path
):
    arrival = Arrival(hub, tmp_path / "got" / "content.gguf", size=0)
    hub.wrong = Misbehaviour(says=SIZE + 5)
    with pytest.raises(DownloadError, match="stopped after") as caught:
        arrival.fetch()
    assert "What has arrived is kept" in caught.value.hint
    assert not arrival.target.exists()


def test_a_busy_server_is_asked_again_when_it_says_so(
    arrival: Arrival, hub: HubServer, content: Path
):
    hub.wrong = Misbehaviour(busy=[(503, ""), (429, "1"), (500, "")])
    arrival.fetch()
    assert whole(arrival, content)
    assert [told[2] for told in arrival.said if told[2] != "downloading"] != []
    waits = [told for told in arrival.said if told[2] == "waiting to try again"]
    assert len(waits) >= 9, "a second was waited, looked up ten times"


def test_a_server_that_stays_busy_is_given_up_and_says_what_it_answered(
    arrival: Arrival, hub: HubServer
):
    hub.wrong = Misbehaviour(busy=[(503, "")] * 20)
    with pytest.raises(DownloadError, match="the server answered 503"):
        arrival.fetch()
    assert len(hub.asked) == QUICK.attempts


def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for(arrival: Arrival, hub: HubServer):
    hub.wrong = Misbehaviour(busy=[(429, "86400")])
    with pytest.raises(DownloadError, match="asks to wait 86400 seconds"):
        arrival.fetch()
    assert len(hub.asked) == 1


def test_a_waiting_file_stops_at_once_when_told(arrival: Arrival, hub: HubServer):
    hub.wrong = Misbehaviour(busy=[(503, "4")] * 3)
    arrival.stop(after=0)
    assert len(hub.asked) == 1


def test_a_server_that_hangs_up_is_tried_a_few_times(arrival: Arrival, hub: HubServer):
    hub.wrong = Misbehaviour(cut_off=True)
    with pytest.raises(DownloadError, match="RemoteProtocolError"):
        arrival.fetch()
    assert len(hub.asked) == QUICK.attempts


def test_a_refusal_is_not_repeated(arrival: Arrival, hub: HubServer):
    hub.wrong = Misbehaviour(busy=[(403, "")])
    with pytest.raises(DownloadError, match="refused with 403"):
        arrival.fetch()
    assert len(hub.asked) == 1


def test_redirects_in_a_circle_end(arrival: Arrival, hub: HubServer):
    hub.wrong = Misbehaviour(loop=True)
    with pytest.raises(DownloadError, match="redirects in a circle"):
        arrival.fetch()
    assert len(hub.asked) == 10


def test_secret_headers_go_to_the_files_own_host_alone(
    arrival: Arrival, hub: HubServer, content: Path
):
    arrival.headers = {"Authorization": "Bearer hf_right", "X-Key": "secret"}
    arrival.fetch()
    assert whole(arrival, content)
    first, second = hub.asked
    assert (first.server, first.headers["authorization"]) == ("hub", "Bearer hf_right")
    assert second.server == "storage"
    assert not {"authorization", "x-key", "cookie"} & second.headers.keys()


def test_small_files_are_checked_by_what_git_calls_them(hub: HubServer, tmp_path: Path):
    note = tmp_path / "note.json"
    note.write_text('{"a": 1}\n')
    hub.repositories["owner/name"].files["note.json"] = note
    known = {"size": note.stat().st_size, "git_sha1": "0" * 40}
    arrival = Arrival(hub, tmp_path / "got" / "note.json", **known)
    arrival.url = arrival.url.replace("content.gguf", "note.json")
    with pytest.raises(CorruptDownload, match="git hash"):
        arrival.fetch()
    arrival.known["git_sha1"] = _git_hash(note)
    assert arrival.fetch() == sha256(note)


def _git_hash(path: Path) -> str:
    command = ["git", "hash-object", "--no-filters", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
