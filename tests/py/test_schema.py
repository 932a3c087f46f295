"""proto/job.schema.json is what editors check jobs with: it must accept what the parser accepts, and refuse what
the parser refuses wherever a schema can see it. The parser's own refusals are in tests/unit/common/bad_jobs.json."""
import json
import pathlib

import pytest

jsonschema = pytest.importorskip("jsonschema")

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "proto" / "job.schema.json"
EXAMPLES = sorted((ROOT / "examples").glob("*.json"))
BAD_JOBS = ROOT / "tests" / "unit" / "common" / "bad_jobs.json"


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def bad_jobs():
    return json.loads(BAD_JOBS.read_text()) if BAD_JOBS.exists() else []


def test_there_are_bad_jobs_and_examples():
    assert len(bad_jobs()) >= 80
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_is_valid(validator, path):
    errors = [f"/{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in
              validator.iter_errors(json.loads(path.read_text()))]
    assert not errors, "\n".join(errors)


@pytest.mark.parametrize("number", range(len(bad_jobs())))
def test_bad_job_is_refused(validator, number):
    """But for the cases marked as beyond a schema: an order, a sum, what a preset sets."""
    case = bad_jobs()[number]
    beyond = case.get("schema") == "passes"
    assert validator.is_valid(case["job"]) == beyond, f"{case['pointer']}: the parser says '{case['says']}'"


def test_lpt_jobs_are_valid(validator):
    """Good jobs of the simulator lpt, by its own word and by presets, and the same less what makes them good."""
    bare = {"simulator": "lpt", "field": {"size_deg": 5, "npix": 60}, "sigma_e": 0.3,
            "sources": {"gaussian": [{"z": 1, "sd": 0.1, "n_per_arcmin2": 7}]},
            "lpt": {"mesh": [64, 81, 4096], "box_mpch": [1000, 1000.5, 4500]}}
    tables = {"tables": [{"nz": "@n.h5", "n_per_arcmin2": 1.476}]}
    models = [bare, {"preset": "porqueres23"}, {"preset": "lsst-y10-lpt", "l_max": None, "power": "linear"},
              {"preset": "des-y3-lpt", "sources": tables, "lognormal": {}},
              {"preset": "porqueres23", "lpt": {"order": 2, "offset": 0, "gradient": "spectral", "paint": "tsc"}},
              {"preset": "lsst-y10", "simulator": "lpt", "lpt": bare["lpt"]}]
    for model in models:
        job = {"kind": "simulate", "model": model, "outputs": ["density"], "resources": {"ranks": 8}}
        assert validator.is_valid(job), model
        assert validator.is_valid({"kind": "posterior", "model": model, "data": {"mock": {}}, "outputs": ["density"]})
        assert not validator.is_valid({**job, "model": {**model, "power": "halofit"}}), model
        assert not validator.is_valid({**job, "model": {**model, "simulator": "gaussian", "lpt": {}}}), model
    assert validator.is_valid({"kind": "draws", "model": {"preset": "lsst-y10-lpt", "simulator": "lognormal"}})


def test_jobs_for_a_server_are_valid(validator):
    """The schema is for both: ids of datasets, and what only a server makes use of."""
    job = {"kind": "posterior", "model": {"preset": "cosmos"}, "data": {"dataset": "ds_0123456789abcdefghijklmnop"}}
    for walltime in ("90s", "10m", "1h", "2d", 3600, 0.5, 0):
        resources = {"pool": "big.2", "priority": -100, "walltime": walltime}
        assert validator.is_valid({**job, "resources": resources}), walltime
    assert not validator.is_valid({**job, "data": {"dataset": "ds_0123456789abcdefghijklmno"}})
