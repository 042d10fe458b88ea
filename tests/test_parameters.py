"""Parameters: what is accepted, what is refused, and that the refusal says what would be right."""

import re
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from workbench.errors import ParameterError
from workbench.parameters import (
    MATCHERS,
    ClusterParameters,
    EmbedParameters,
    FeatureParameters,
    MatchParameters,
    OrderParameters,
    VideoParameters,
    effective,
)
from workbench.run.stages import ONLY_WITH, STAGES, defaults, stage_parameters

FIELDS = [(stage.name, item) for stage in STAGES.values() for item in fields(stage.parameters)]


def test_defaults_are_valid_and_complete():
    assert {stage: type(made) for stage, made in stage_parameters(defaults()).items()} == {
        name: stage.parameters for name, stage in STAGES.items()
    }
    assert stage_parameters(defaults()) == stage_parameters({})


def test_short_names_are_unique_over_all_stages():
    names = [item.name for _, item in FIELDS]
    assert len(names) == len(set(names)) and not set(names) & set(STAGES)


@pytest.mark.parametrize(("stage", "item"), FIELDS, ids=[item.name for _, item in FIELDS])
def test_every_field_says_its_range(stage, item):
    """The comment names every choice, or both limits of the range (and the default lies within); texts say what they are."""
    about, low, high, choices = (item.metadata[key] for key in ("about", "low", "high", "choices"))
    assert item.type in (int, float, bool, str) and type(item.default) is item.type and len(about) > 15
    if choices:
        assert item.default in choices and all(choice in about for choice in choices)
    elif item.type not in (str, bool):
        numbers = [float(number) for number in re.findall(r"(?<!\w)-?\d+(?:\.\d+)?", about)]
        assert low in numbers and high in numbers and low <= item.default <= high


@pytest.mark.parametrize(("stage", "item"), [pair for pair in FIELDS if pair[1].metadata["low"] is not None])
def test_limits_are_allowed_and_nothing_beyond_them(stage, item):
    low, high = item.type(item.metadata["low"]), item.type(item.metadata["high"])
    for value in (low, high):
        assert getattr(STAGES[stage].parameters(**{item.name: value}), item.name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ParameterError, match=f"{item.name}=.* is out of range: {re.escape(item.metadata['about'])}"):
            STAGES[stage].parameters(**{item.name: value})


def test_only_what_the_default_does_not_use_is_left_out_of_the_cells():
    """A parameter without a line in a parameters cell changes nothing as long as the line of its chooser has the default."""
    for stage, item in FIELDS:
        if not item.metadata["in_cell"]:
            chooser, *choices = item.metadata["only_with"]
            assert STAGES[stage].parameters.__dataclass_fields__[chooser].default not in choices


def test_choices_are_listed():
    with pytest.raises(ParameterError, match=f"matcher='by hand' is not one of {', '.join(MATCHERS)}"):
        MatchParameters(matcher="by hand")
    with pytest.raises(ParameterError, match="method='best' is not one of path, greedy"):
        OrderParameters(method="best")


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (VideoParameters, {"proxy_size": "400"}, "proxy_size='400' must be of type int"),
        (VideoParameters, {"proxy_size": 400.0}, "proxy_size=400.0 must be of type int"),
        (EmbedParameters, {"batch_size": True}, "batch_size=True must be of type int"),
        (EmbedParameters, {"backbone": 18}, "backbone=18 must be of type str"),
        (ClusterParameters, {"eps": "auto"}, "eps='auto' must be of type float"),
        (ClusterParameters, {"eps": True}, "eps=True must be of type float"),
        (ClusterParameters, {"eps": None}, "eps=None must be of type float"),
        (ClusterParameters, {"eps": float("nan")}, "eps is not a number"),
        (ClusterParameters, {"eps": float("inf")}, "eps=inf is out of range: .*0 to 2"),
        (FeatureParameters, {"keypoints": ["sift"]}, "keypoints=.* must be of type str"),
    ],
)
def test_types(kind, values, message):
    with pytest.raises(ParameterError, match=message):
        kind(**values)


def test_whole_numbers_are_floats_too():
    made = ClusterParameters(eps=1)
    assert made.eps == 1.0 and type(made.eps) is float
    assert made == ClusterParameters(eps=np.float64(1))


def test_one_pair_per_frame_is_too_few():
    """The range has a hole: 0 stands for all pairs, and inside a scene a frame has two neighbours."""
    assert MatchParameters(pairs_per_frame=0).pairs_per_frame == 0
    assert MatchParameters(pairs_per_frame=2).pairs_per_frame == 2
    with pytest.raises(ParameterError, match=r"pairs_per_frame=1 is out of range: .*2 to 1000"):
        MatchParameters(pairs_per_frame=1)


def test_lightglue_needs_weights_of_its_own():
    assert MatchParameters(matcher="lightglue", model="a/folder").model == "a/folder"
    with pytest.raises(ParameterError, match=r"no LightGlue is bundled .* give --match\.model aliked-lightglue"):
        MatchParameters(matcher="lightglue")


def test_parameters_do_not_change():
    with pytest.raises(FrozenInstanceError):
        ClusterParameters().eps = 0.5


def test_dotted_and_short_keys():
    dotted = stage_parameters({"cluster.eps": 0.2, "match.ratio": 0.7})
    assert dotted == stage_parameters({"eps": 0.2, "ratio": 0.7})
    assert dotted["cluster"] == ClusterParameters(eps=0.2) and dotted["match"] == MatchParameters(ratio=0.7)
    assert dotted["order"] == OrderParameters()
    others = {
        "clusterer": "dbscan",
        "min_samples": 3,
        "min_cluster_size": 10,
        "xi": 0.7,
        "same_place": "split",
        "min_scene_frames": 6,
    }
    assert dotted["cluster"].as_dict() == others | {"eps": 0.2}


def test_one_parameter_under_both_names_is_refused():
    with pytest.raises(ParameterError, match=r"eps is given twice, as cluster\.eps too: give one"):
        stage_parameters({"cluster.eps": 0.2, "eps": 0.3})


@pytest.mark.parametrize("key", ["epsilon", "cluster.epsilon", "order.eps", "clusters.eps", "cluster", ""])
def test_unknown_keys_list_the_known_ones(key):
    with pytest.raises(ParameterError) as error:
        stage_parameters({key: 0.2, "match.ratio": 0.7})
    message = str(error.value)
    assert message.startswith(f"unknown parameter {key}; known: ") and "\n" not in message
    assert message.split("known: ")[1].split(", ") == list(defaults())
    assert error.value.exit_status == 2


@pytest.mark.parametrize("name", ONLY_WITH)
def test_what_works_only_with_some_choices_of_another(name):
    """The other parameter exists; some of its choices, but not all, are named; and the comment names one of them."""
    metadata = {f"{stage}.{item.name}": item.metadata for stage, item in FIELDS}
    chooser, choices = ONLY_WITH[name]
    assert set(choices) < set(metadata[chooser]["choices"])
    assert any(choice in metadata[name]["about"].lower() for choice in choices)


def test_what_affects_a_result():
    """A parameter that counts only with some values of another one is effective with these and with no other."""
    for stage in STAGES.values():
        for item in fields(stage.parameters):
            selector, *values = item.metadata["only_with"] or ("",)
            if not selector:
                assert item.name in effective(stage.parameters())
                continue
            choices = stage.parameters.__dataclass_fields__[selector].metadata["choices"]
            assert set(values) <= set(choices), item.name
            for choice in choices:
                more = {"model": "some/lightglue"} if choice == "lightglue" else {}
                assert (item.name in effective(stage.parameters(**{selector: choice}, **more))) == (choice in values)


def test_parameters_out_of_a_namespace():
    """Own names are taken, others are left alone, what is missing has its default."""
    made = MatchParameters.from_names({"ratio": 0.7, "matcher": "sift-flann", "eps": 0.1, "np": np})
    assert made == MatchParameters(ratio=0.7, matcher="sift-flann")
    with pytest.raises(ParameterError, match="ratio=7"):
        MatchParameters.from_names({"ratio": 7.0})
