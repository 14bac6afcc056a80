"""Each hook of a turn is spoken of in the user's words, in its place."""

from jackfield.dashboard.inspector import STEPS
from jackfield.dashboard.plugins.words import HOOKS, TURN, does, is_ordered
from jackfield.quarantine import TURN_HOOKS


def test_no_hook_of_a_turn_is_without_words() -> None:
    assert tuple(one for one in STEPS if one != "tools") == TURN_HOOKS
    assert TURN == TURN_HOOKS
    assert all(HOOKS[hook] for hook in TURN_HOOKS)


def test_a_plugin_that_changes_scores_says_so_and_has_a_place_in_the_order() -> None:
    hooks = ["jackfield_logits_processors"]
    assert does(hooks) == "Changes which tokens the model chooses"
    assert is_ordered(hooks)
