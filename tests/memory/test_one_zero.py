"""The language 1*0, beside Python's regular expressions."""

import re

import numpy as np

from asr.memory import acceptor, one_zero


def test_memberships_are_those_of_the_regular_expression():
    symbols = one_zero.all_strings(6)
    assert len({tuple(string) for string in symbols}) == 64
    for string, members in zip(symbols, one_zero.memberships(symbols), strict=True):
        prefixes = ["".join(map(str, string[: n + 1])) for n in range(6)]
        assert [bool(re.fullmatch("1*0", prefix)) for prefix in prefixes] == members.tolist()


def test_weights_set_by_hand_recognize_it():
    net = acceptor.by_hand()
    assert acceptor.wrong(net, one_zero.all_strings(10)).tolist() == [0]
    assert acceptor.wrong(net, one_zero.long_strings()).tolist() == [0]
    net.output.bias.data.fill_(1.0)
    assert acceptor.wrong(net, one_zero.all_strings(10)).tolist() == [1024], "the test cannot fail"


def test_networks_side_by_side_stay_apart():
    net = acceptor.Acceptors(3, 4, 1)
    before = net.state_dict()["units.weight_hh_l0"].clone()
    acceptor.train(net, 3, 1, 5)
    weights = net.state_dict()
    blocks = np.kron(np.eye(4), np.ones((3, 3))).astype(bool)
    assert (weights["units.weight_hh_l0"].numpy()[~blocks] == 0).all()
    assert (weights["output.weight"].numpy()[~np.kron(np.eye(4), np.ones((1, 3))).astype(bool)] == 0).all()
    assert (weights["units.weight_hh_l0"] != before).numpy()[blocks].all()
    assert before.abs().max() > 12**-0.5, "initial weights are those of a network of 3 units, not of 12"


def test_a_network_learns_it():
    net = acceptor.Acceptors(4, 4, 1)
    untrained = acceptor.wrong(net, one_zero.all_strings(5)).min()
    acceptor.train(net, 150, 1, 5)
    assert acceptor.wrong(net, one_zero.all_strings(5)).min() < 3 < untrained
