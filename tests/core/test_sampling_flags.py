"""Flags of ``jackfield run``, made from the sampling parameters."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from jackfield.cli.sampling_flags import with_sampling
from jackfield.errors import InvalidRequest
from jackfield.sampling import SamplingParams


def parsed(*words: str) -> SamplingParams:
    """What a command is given for these words."""
    got: list[SamplingParams] = []
    cli = typer.Typer(rich_markup_mode=None)

    @cli.command()
    @with_sampling
    def command(name: Annotated[str, typer.Argument()], sampling: SamplingParams) -> None:
        got.append(sampling)

    result = CliRunner().invoke(cli, ["x", *words])
    if isinstance(result.exception, InvalidRequest):
        raise result.exception
    assert result.exit_code == 0, result.output
    return got[0]


def test_every_parameter_has_a_flag():
    def command(sampling: SamplingParams) -> None: ...

    flags = set(inspect.signature(with_sampling(command)).parameters)
    assert flags == set(SamplingParams.model_fields)


def test_only_flags_that_were_given_are_set():
    assert parsed().model_fields_set == set()
    assert parsed("--temperature", "0").model_fields_set == {"temperature"}


VALUES: list[tuple[list[str], str, Any]] = [
    (["--temperature", "0.5"], "temperature", 0.5),
    (["--max-tokens", "7"], "max_tokens", 7),
    (["--stop", "a", "--stop", "b\n"], "stop", ["a", "b\n"]),
    (["--seed", "0"], "seed", 0),
    (["--mirostat", "2"], "mirostat", 2),
    (["--ignore-eos"], "ignore_eos", True),
    (["--samplers", "top_k", "--samplers", "temperature"], "samplers", ["top_k", "temperature"]),
    (["--logit-bias", "5=-100", "--logit-bias", "7=1.5"], "logit_bias", {5: -100.0, 7: 1.5}),
    (["--grammar", 'root ::= "yes"'], "grammar", 'root ::= "yes"'),
    (["--json-schema", '{"type": "object"}'], "json_schema", {"type": "object"}),
]


@pytest.mark.parametrize(("words", "field", "value"), VALUES, ids=[one for _, one, _ in VALUES])
def test_a_flag_sets_its_parameter(words: list[str], field: str, value: object):
    assert getattr(parsed(*words), field) == value


def test_a_grammar_and_a_schema_may_stand_in_files(tmp_path: Path):
    (tmp_path / "yes.gbnf").write_text('root ::= "yes"')
    (tmp_path / "any.json").write_text('{"type": "array"}')
    files = ["--grammar", str(tmp_path / "yes.gbnf"), "--json-schema", str(tmp_path / "any.json")]
    got = parsed(*files)
    assert (got.grammar, got.json_schema) == ('root ::= "yes"', {"type": "array"})


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--temperature", "9"], "--temperature: Input should be less than or equal to 5"),
        (["--mirostat", "3"], "--mirostat: Input should be 0, 1 or 2"),
        (["--samplers", "magic"], "unknown sampler 'magic'"),
        (["--logit-bias", "word=1"], "--logit-bias takes TOKEN=BIAS"),
        (["--logit-bias", "5"], "--logit-bias takes TOKEN=BIAS"),
        (["--grammar", "missing.gbnf"], "--grammar takes a GBNF grammar or a file"),
        (["--json-schema", "{"], "--json-schema takes a JSON schema or a file"),
    ],
)
def test_a_wrong_value_names_its_flag(words: list[str], error: str):
    with pytest.raises(InvalidRequest) as caught:
        parsed(*words)
    assert error in caught.value.message
