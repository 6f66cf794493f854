"""Attribution of time on records made by hand, and the invariants that hold for any record."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.studies.analysis.attribution import OTHER, PHASES, Rules, attribute, check, totals
from labeling.studies.analysis.specifications import STARTS, Clock

RULES = Rules(idle_after_s=30)


def events(*rows, session="s"):
    """(t in s, kind, data?), numbered from 0."""
    data = [(session, n, 1000.0 * r[0], r[1], r[2] if len(r) > 2 else None) for n, r in enumerate(rows)]
    return pd.DataFrame(data, columns=["session", "n", "t_ms", "kind", "data"])


def operations(*rows, session="s"):
    """(action, cell, begun in s, committed in s, first, last, proposal?)"""
    data = [
        (session, r[0], r[1], r[6] if len(r) > 6 else "", 1000.0 * r[2], 1000.0 * r[3], float(r[4]), float(r[5]))
        for r in rows
    ]
    names = ["session", "action", "cell", "proposal", "begun_ms", "committed_ms", "activity_first", "activity_last"]
    table = pd.DataFrame(data, columns=names)
    return table.astype(dict.fromkeys(names[4:], float))


def under_cut_offs(record):
    """Active and idle seconds under every cut-off that a report shows."""
    rows = {}
    for cut_off in (10, 30, 60, 100, 300):
        found = totals(attribute(record, operations(), Rules(cut_off))).sum()
        rows[cut_off] = {"active_s": found["active_s"], "idle_s": found["idle"]}
    return pd.DataFrame.from_dict(rows, orient="index")


def seconds(found):
    return {key: ms / 1000 for key, ms in found.groupby(["phase", "cell"])["ms"].sum().items()}


def test_a_box_is_searched_and_drawn_and_its_proposal_verified_and_refined():
    record = events(
        (0, "wait_begin", "open"),
        (2, "wait_end"),
        (5, "pointer_down"),
        (6, "pointer_up"),
        (6, "target_committed", "c"),
        (6, "target_opened", "c"),
        (8, "key", "review.next"),
        (8, "target_opened", "P"),
        (11, "key", "cell.edit"),
        (11, "tool", "brush"),
        (14, "key", "edit.commit"),
        (14, "decision", "edit"),
        (14.1, "target_committed", "c"),
        (15, "pointer_move"),
    )
    log = operations(("draw", "c", 5.01, 6, 3, 4), ("edit", "c", 8, 14.1, 7, 12, "P"))
    assert seconds(attribute(record, log, RULES)) == pytest.approx(
        {
            ("wait", ""): 2,
            ("search", "c"): 3 + 2,
            ("draw", "c"): 1,
            ("verify", "c"): 3,
            ("refine", "c"): 3,
            ("search", ""): 1,
        }
    )


def test_the_next_proposal_opens_at_the_moment_of_the_verdict_and_its_time_is_its_own():
    record = events(
        (0, "key", "review.next"),
        (0, "target_opened", "P"),
        (3, "key", "review.accept"),
        (3, "target_committed", "c"),
        (3, "target_opened", "Q"),
        (7, "key", "review.reject"),
        (7, "target_committed", "d"),
    )
    log = operations(("accept", "c", 0, 3, 2, 3, "P"), ("reject", "d", 3, 7, 5, 6, "Q"))
    assert seconds(attribute(record, log, RULES)) == pytest.approx({("verify", "c"): 3, ("verify", "d"): 4})


def test_classifying_counts_from_the_look_at_the_cell():
    record = events(
        (0, "pointer_move"),
        (2, "pointer_down"),
        (2.15, "target_opened", "c"),  # a busy machine hears of it late, and so begins the act late
        (5, "key", "class"),
        (5, "target_committed", "c"),
    )
    found = seconds(attribute(record, operations(("classify", "c", 2.15, 5, 3, 4)), RULES))
    assert found == pytest.approx({("search", "c"): 2, ("classify", "c"): 3})


def test_a_pause_is_idle_as_a_whole_and_only_over_the_cut_off():
    record = events((0, "pointer_move"), (29, "pointer_move"), (60, "pointer_move"), (61, "pointer_move"))
    assert seconds(attribute(record, operations(), RULES)) == {("search", ""): 30.0, ("idle", ""): 31.0}
    table = under_cut_offs(record)
    assert table.loc[[10, 30, 60], "active_s"].tolist() == [1, 30, 61]
    assert (table["active_s"] + table["idle_s"] == 61).all()


def test_the_machine_s_time_inside_a_gap_does_not_make_it_a_pause():
    record = events((0, "key", "other"), (10, "wait_begin"), (45, "wait_end"), (55, "key", "other"))
    assert seconds(attribute(record, operations(), RULES)) == {("search", ""): 20.0, ("wait", ""): 35.0}
    asleep = events((0, "key", "other"), (40, "wait_end", {"since": 5000}), (50, "key", "other"))
    assert seconds(attribute(asleep, operations(), RULES)) == {("search", ""): 15.0, ("wait", ""): 35.0}


def test_hidden_and_blurred_pages_are_not_worked_at():
    record = events(
        (0, "visible"), (5, "hidden"), (9, "visible"), (12, "blur"), (15, "pointer_move"), (16, "pointer_move")
    )
    assert seconds(attribute(record, operations(), RULES)) == {("search", ""): 9.0, ("away", ""): 7.0}
    assert seconds(attribute(record, operations(), Rules(30, blur_is_away=False)))["away", ""] == 4.0


def test_what_is_lost_is_missing_and_reported():
    record = events(*((t, "pointer_move") for t in range(10))).drop(index=[4, 5])
    twice = pd.concat([record, record.iloc[:2]])
    log = operations(("draw", "c", 8, 12, 10, 14))
    found = seconds(attribute(twice, log, RULES))
    assert found["missing", ""] == 3 + 3  # between 3 and 6, and from the last event to the operation that outlived it
    batches = pd.DataFrame(
        {"session": ["s", "s"], "first": [0, 6], "wall_ms": [1e12, 1e12 + 4000], "mono_ms": [1000.0, 2000.0]}
    )
    (report,) = check(twice, log, batches)
    assert (report.duplicates, report.gaps, report.missing_events, report.gap_ms) == (2, 1, 2, 3000)
    assert (report.lost_tail, report.no_farewell, report.clock_jumps) == (5, True, 1)


def test_batches_that_came_again_are_counted_and_cost_no_time():
    record = events(
        (0, "key", "other"),
        (1, "stall_begin"),
        (4, "stall_end", {"again": 2}),
        (5, "key", {"again": None}),
        (6, "stall_end", {"again": "x"}),
    )
    batches = pd.DataFrame({"session": ["s"], "first": [0], "wall_ms": [1e12], "mono_ms": [1000.0]})
    (report,) = check(record, operations(), batches)
    assert (report.resent, report.stalls, report.duplicates) == (2, 1, 0)
    assert seconds(attribute(record, operations(), RULES)) == {("search", ""): 6.0}


def test_active_time_under_every_declared_cut_off():
    """Pauses of 5, 20, 45, 80, 200 and 400 s, one second of work between them."""
    t, rows = 0.0, [(0.0, "key", "other")]
    for pause in (5, 20, 45, 80, 200, 400):
        t += pause
        rows += [(t, "key", "other"), (t + 1, "key", "other")]
        t += 1
    table = under_cut_offs(events(*rows))
    assert table["active_s"].to_dict() == {10: 11.0, 30: 31.0, 60: 76.0, 100: 156.0, 300: 356.0}
    assert (table["active_s"] + table["idle_s"] == 756.0).all()


def test_two_events_with_one_number_are_an_error():
    with pytest.raises(ValueError, match="two different events"):
        attribute(pd.concat([events((0, "focus")), events((1, "blur"))]), operations(), RULES)


KINDS = ["pointer_down", "pointer_up", "key", "tool", "target_opened", "wait_begin", "wait_end", "hidden", "visible", "blur", "focus"]  # fmt: skip  # noqa: E501


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.sampled_from(KINDS), st.sampled_from(["a", "b", "brush", None])),
        min_size=2,
        max_size=25,
    ),
    st.lists(
        st.tuples(
            st.sampled_from(["draw", "accept", "edit", "classify", "undo", "delete"]), st.sampled_from(["a", "c"])
        ),
        max_size=5,
    ),
    st.sets(st.integers(1, 20), max_size=4),
    st.data(),
)
def test_phases_and_the_rest_add_up_to_the_session(steps, acts, lost, data):
    t, rows = 0.0, []
    for step, kind, what in steps:
        t += step
        rows.append((t, kind, what))
    record = events(*rows)
    ends = sorted(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=len(acts), max_size=len(acts))))
    log = operations(*((a, c, rows[e][0], rows[e][0], max(0, e - 1), e) for (a, c), e in zip(acts, ends, strict=True)))
    record = record[~record["n"].isin(lost) | (record["n"] == record["n"].max())]
    found = attribute(record, log, RULES)
    assert (found["ms"] > 0).all() and set(found["phase"]) <= {*PHASES, *OTHER}
    assert found["begin_ms"].iloc[1:].tolist() == found["end_ms"].iloc[:-1].tolist() if len(found) else True
    if len(found):
        sums = totals(found).iloc[0]
        length = found["end_ms"].iloc[-1] - found["begin_ms"].iloc[0]
        assert sums["session_s"] == pytest.approx(length / 1000)


def test_a_clock_may_start_at_the_picture_at_the_first_act_or_at_the_first_cell():
    """2 s of loading, 1 s until the pointer moves, 2 s of search, a box of 1 s, 2 s more."""
    record = events(
        (0, "wait_begin", "open"),
        (2, "wait_end"),
        (3, "pointer_move"),
        (5, "pointer_down"),
        (6, "pointer_up"),
        (6, "target_committed", "c"),
        (8, "hidden"),
    )
    tables = {
        "events": record,
        "operations": operations(("draw", "c", 5, 6, 3, 4)).assign(item="i"),
        "batches": pd.DataFrame({"session": ["s"], "item": ["i"]}),
    }
    clock = Clock(tables, pd.Series(["i"]), blur_is_away=True)
    active = {start: clock.times(30, start)["active_s"]["i"] for start in STARTS}
    assert active == pytest.approx({"picture": 6, "act": 5, "cell": 3})
    assert clock.times(30, "act")["draw"]["i"] == pytest.approx(1)
    nobody = Clock(tables | {"events": record.iloc[:2], "operations": operations().assign(item="i")}, pd.Series(["i"]),
                   blur_is_away=True)  # fmt: skip
    assert nobody.times(30, "cell")["active_s"].sum() == 0  # the clock never starts
