"""The shipped networks and their cards are what today's code makes."""

import json

import pytest

from xrlab.networks.backend import load_model
from xrlab.networks.cnn import ARCHITECTURES
from xrlab.networks.corrected_delta_pdf import projection_net
from xrlab.networks.measured_cnn import measured_cnn
from xrlab.networks.shipped import WEIGHTS, model_card, shipped_models
from xrlab.training import train_clean, train_corrected

CARDS = sorted(path.stem for path in WEIGHTS.glob("*.json"))
# The network that read the grain is kept as it was, for comparison; no builder makes it any more.
BUILT = [name for name in shipped_models() if name != "measured-grain"]
COMMANDS = {"train_clean": train_clean, "train_corrected": train_corrected}


def described(model):
    """List the operations of a network in order: type, settings, shapes of outputs and weights."""
    operations = []
    for operation in model.operations:
        if hasattr(operation, "operations"):  # a network as a layer
            operations += described(operation)
            continue
        settings = without_names(operation.get_config())
        weights = [weight.shape for weight in getattr(operation, "weights", ())]
        operations.append((type(operation).__name__, settings, operation.output.shape, weights))
    return operations


def without_names(settings):
    """Leave out the names that Keras counts up."""
    if isinstance(settings, dict):
        return {key: without_names(value) for key, value in settings.items() if key != "name"}
    return [*map(without_names, settings)] if isinstance(settings, list | tuple) else settings


def built(name):
    """Build the network of a card, untrained, with the parameters on the card's command."""
    card = model_card(name)
    n_values = len(card["components"])
    if card["architecture"] == "measured_cnn":
        return measured_cnn()
    if card["architecture"] == "projection_net":
        words = card["command"].split()
        width = int(words[words.index("--width") + 1])
        return projection_net(int(name[3]), card["setting"]["lot_size"], width=width)
    return ARCHITECTURES[card["architecture"].removesuffix("_cnn")](n_values)


@pytest.mark.parametrize("name", BUILT)
def test_layers_are_those_of_the_builder(name):
    """Types, order, settings and shapes; the card counts the same parameters."""
    shipped, made = load_model(name), built(name)
    assert described(shipped) == described(made)
    assert made.count_params() == model_card(name)["parameters"]


def test_another_network_is_noticed():
    """A wider layer, one more layer, another rate; fixed weights do not matter."""
    shape, made = (64, 64), described(projection_net(2, width=8))
    assert made == described(projection_net(2, 48, width=8))
    for changed in ({"width": 9}, {"depth": 1}, {"dropout": 0.2}, {"reach": 11}):
        assert made != described(projection_net(2, **{"width": 8, **changed}))
    small = ARCHITECTURES["small"]
    assert described(small(3, shape)) == described(small(3)) != described(small(3, (64, 60)))


@pytest.mark.parametrize("name", [name for name in CARDS if not name.startswith("measured")])
def test_the_command_of_a_card_asks_for_what_the_card_says(name, monkeypatch, tmp_path, capsys):
    """Its module takes these arguments; seed, sizes, epochs and name are those of the card."""
    card = json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8"))
    start, module, arguments = card["command"].partition(" -m xrlab.training.")
    module, _, arguments = arguments.partition(" ")
    assert start == "python"
    asked = {}

    def training(span, out, **chosen):
        asked.update(chosen, span=span)
        return card

    monkeypatch.setattr(COMMANDS[module], "train_and_save", training)
    COMMANDS[module].main([*arguments.split(), "--out", str(tmp_path)])
    capsys.readouterr()
    assert len(card["components"]) == asked["span"] ** 2 - 1
    assert (asked["epochs"], asked["seed"]) == (card["epochs"], card["seed"])
    sizes = list(card["samples"].values())
    if module == "train_clean":
        assert list(asked["sizes"]) == sizes
        assert f"{asked['architecture']}_cnn" == card["architecture"]
        assert list(asked["incremental"]) == card.get("incremental", [])
        assert (
            name == f"cfs{asked['span']}" or asked["architecture"] in name or asked["incremental"]
        )
    else:
        assert list(asked["samples"]) == [*sizes[0], *sizes[1:]]
        assert asked["draws"] == card["draws"]
