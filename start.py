#!/usr/bin/env python3
"""Set Jackfield up in this folder and run it; needs nothing but Python.

python3 start.py              make .venv, install, fetch a small model, serve, open the browser
python3 start.py test         install what the tests need and run them all
python3 start.py lint         linters, types, import contracts, generated docs
python3 start.py check        lint, then test: what CI does
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
OLDEST = (3, 11)
# What the tests use of the system: a browser, a voice, what fetches more voices, a translator.
PROGRAMS = (
    ("chromium", "chromium"),
    ("espeak-ng", "espeak-ng"),
    ("npm", "npm"),
    ("apertium", "apertium apertium-eng-spa apertium-fr-es"),
)
MOST_AT_ONCE = 4  # processes that test; each may have a model in memory
STARTER = "smollm2"
EXTRAS = {"serve": "gguf,tools", "test": "test"}
NEEDED_GB = {"serve": 1.5, "test": 16.0}
# GPTQModel is built with the torch that is there, so it comes after everything else. 7.6 and later
# want a newer torch than the one that the tests are pinned to.
LATER = {"test": ["--no-build-isolation", "gptqmodel==7.5.0", "optimum>=2", "requests>=2.32"]}
# A processor's newest instructions, chosen by the compiler, can crash under virtualization.
BUILD = {"CMAKE_ARGS": "-DGGML_NATIVE=OFF"}
ADVICE = (
    ("no space left", "The disk is full: free some space and start again."),
    ("name resolution", "There is no network, or a proxy is in the way (set HTTPS_PROXY)."),
    ("failed to establish", "There is no network, or a proxy is in the way (set HTTPS_PROXY)."),
    ("connection", "The network broke off: start again, what has arrived is kept."),
    ("no matching distribution", "A package could not be found: check the network and the proxy."),
    ("cmake", "A compiler is missing: install a C++ compiler, then start again."),
    ("permission denied", "This folder cannot be written: move Jackfield to one of your own."),
)


class SetupError(Exception):
    """Setting up failed; the message says what to do."""


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def main() -> int:
    """Run the command given on the command line; return an exit status."""
    arguments = parse()
    try:
        if sys.version_info < OLDEST:
            raise SetupError(
                "Jackfield needs Python {}.{} or newer; this is {}.{}.\nInstall a newer one from "
                "python.org or your system, and run this file with it.".format(
                    *OLDEST, *sys.version_info[:2]
                )
            )
        return int(arguments.action(arguments))
    except SetupError as error:
        print("\n" + str(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Set Jackfield up in this folder and run it.")
    parser.set_defaults(action=serve)
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (7860)")
    parser.add_argument("--home", help="data folder (models, chats, settings)")
    parser.add_argument("--no-starter", action="store_true", help="do not fetch a small model")
    commands = parser.add_subparsers(metavar="{test,lint,check}")
    for name, action, help_ in (
        ("test", test, "install what the tests need and run them all"),
        ("lint", lint, "linters, types, import contracts, generated docs"),
        ("check", check, "lint, then test: what CI does"),
    ):
        command = commands.add_parser(name, help=help_)
        command.set_defaults(action=action, rest=[])
        if action is test:
            command.add_argument("rest", nargs=argparse.REMAINDER, help="arguments for pytest")
    return parser.parse_args()


def serve(arguments: argparse.Namespace) -> int:
    """Install what running needs, fetch the starter, and become the server."""
    install("serve")
    environment = dict(os.environ)
    if arguments.home:
        environment["JACKFIELD_HOME"] = str(Path(arguments.home).expanduser().resolve())
    jackfield = [str(PYTHON), "-m", "jackfield"]
    if not arguments.no_starter:
        fetch_starter(jackfield, environment)
    command = [*jackfield, "serve"]
    for name in ("host", "port"):
        if getattr(arguments, name) is not None:
            command += ["--" + name, str(getattr(arguments, name))]
    if arguments.no_browser:
        command.append("--no-browser")
    if os.name == "nt":
        return subprocess.call(command, env=environment)
    os.execve(command[0], command, environment)
    return None


def fetch_starter(jackfield: list[str], environment: dict[str, str]) -> None:
    """Fetch the small model if no model is there; going without one is not an error."""
    listed = subprocess.run(
        [*jackfield, "models", "list", "--json"], env=environment, stdout=subprocess.PIPE
    )
    if listed.returncode:
        raise SetupError("Jackfield could not list its models: what is above says why.")
    if json.loads(listed.stdout):
        return
    say(f"No model is here yet: fetching a small one, {STARTER}.")
    if subprocess.call([*jackfield, "models", "pull", STARTER], env=environment):
        say("Going on without a model; the Models page fetches one when you are ready.")


def test(arguments: argparse.Namespace) -> int:
    """Install what the tests need and run them."""
    install("test")
    for program, packages in PROGRAMS:
        need_program(program, packages)
    # All tests run side by side, a file by one process: most of their time is waiting.
    side_by_side = ["-n", str(min(os.cpu_count() or 1, MOST_AT_ONCE)), "--dist", "loadfile"]
    chosen = arguments.rest or side_by_side
    return subprocess.call([str(PYTHON), "-m", "pytest", *chosen], cwd=str(ROOT))


def lint(arguments: argparse.Namespace) -> int:
    """Run the linters, the type checker, the import contracts and the check of generated docs."""
    install("test")
    failed = []
    for command in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports"],
        ["cog", "--check", "-I", "docs", "docs/reference/*.md"],
    ):
        say("$ " + " ".join(command))
        words = [str(path) for word in command for path in expand(word)]
        if subprocess.call([str(BIN / words[0]), *words[1:]], cwd=str(ROOT)):
            failed.append(" ".join(command))
    if failed:
        say("Failed: " + "; ".join(failed))
    return 1 if failed else 0


def expand(word: str) -> list[Path | str]:
    """The files a pattern names, or the word itself."""
    return [*sorted(ROOT.glob(word))] if "*" in word else [word]


def check(arguments: argparse.Namespace) -> int:
    """Do what CI does."""
    return lint(arguments) or test(arguments)


def install(purpose: str) -> None:
    """Make .venv and install Jackfield in it for a purpose, unless that is done already."""
    wanted = stamp()
    done = VENV / f"jackfield-{purpose}.stamp"
    if done.is_file() and done.read_text() == wanted and PYTHON.exists():
        return
    make_venv(purpose)
    if purpose == "test":
        need_program("c++", "g++")
    say("Installing Jackfield and what it needs; the first time takes some minutes.")
    pip("install", "--upgrade", "pip>=25.1")
    pip("install", "--editable", f".[{EXTRAS[purpose]}]")
    if purpose in LATER:
        pip("install", *LATER[purpose])
    done.write_text(wanted)


def stamp() -> str:
    """What an installation was made from: pyproject.toml, this Python and this place."""
    facts = repr((sys.version, ROOT, EXTRAS, LATER))
    made_from = (ROOT / "pyproject.toml").read_bytes() + facts.encode()
    return hashlib.sha256(made_from).hexdigest()


def make_venv(purpose: str) -> None:
    """Make the virtual environment; an unusable one is made anew."""
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    if free < NEEDED_GB[purpose]:
        raise SetupError(
            f"Only {free:.1f} GB are free on the disk of this folder; {NEEDED_GB[purpose]} GB are "
            "needed.\nFree some space, or move Jackfield to another disk."
        )
    usable = PYTHON.exists() and not subprocess.call(
        [str(PYTHON), "-c", f"import sys, pip; sys.exit(sys.version_info < {OLDEST})"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if usable:
        return
    say("Making a virtual environment in .venv.")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if made.returncode:
        raise SetupError(
            made.stdout + "\nThe virtual environment could not be made. On Debian and Ubuntu: "
            "apt install python3-venv"
        )


def pip(*arguments: str) -> None:
    """Run pip with one line of progress; its whole output is kept in .venv/install.log."""
    command = [str(PYTHON), "-m", "pip", *arguments, "--disable-pip-version-check"]
    log = VENV / "install.log"
    environment = dict(BUILD, **os.environ)
    width = shutil.get_terminal_size().columns - 1
    with log.open("w", encoding="utf-8") as kept, subprocess.Popen(
        command,
        cwd=str(ROOT),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
    ) as process:
        for line in process.stdout or ():
            kept.write(line)
            kept.flush()
            if sys.stdout.isatty():
                print("\r" + line.strip()[:width].ljust(width), end="", flush=True)
    if sys.stdout.isatty():
        print("\r" + " " * width + "\r", end="", flush=True)
    if process.returncode:
        raise SetupError(explain(log.read_text(encoding="utf-8")) + "\nThe whole log: " + str(log))


def explain(output: str) -> str:
    """The last lines of a failed installation, and what to do about it."""
    lines = [line for line in output.splitlines() if line.strip()]
    advice = [words for sign, words in ADVICE if sign in output.lower()]
    last = "\n".join("  " + line for line in lines[-6:])
    return "The installation failed:\n{}\n{}".format(last, advice[0] if advice else "")


def need_program(program: str, packages: str) -> None:
    """Make sure that a program of the system is there; install it where that is possible."""
    if shutil.which(program):
        return
    apt = shutil.which("apt-get")
    if apt and hasattr(os, "geteuid") and os.geteuid() == 0:
        say(f"Installing {packages}.")
        subprocess.call([apt, "update", "-qq"])
        command = [apt, "install", "-y", "-qq", *packages.split()]
        if not subprocess.call(command, stdout=subprocess.DEVNULL):
            return
    raise SetupError(
        f"The tests need {program}. Install it (on Debian and Ubuntu: apt install {packages}) and "
        "start again."
    )


if __name__ == "__main__":
    sys.exit(main())
